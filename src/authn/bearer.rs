//! Finds the bearer token of a request (RFC 6750 §2.1, RFC 9110 §11.4).
//!
//! 1. No `Authorization`: not authenticated.
//! 2. More than one `Authorization`: invalid. Two parties could read two different ones.
//! 3. Another scheme than `Bearer`, or `Bearer` with nothing behind it: not authenticated. The scheme is compared
//!    without case (RFC 9110 §11.1), or exactly where an API's contract says so.
//! 4. Longer than the limit: invalid, before anything is split.
//! 5. Behind the scheme at least one space and then only `b64token` characters: anything else (a tab, a control
//!    character, a comma list, quotes, a second token) is invalid.
//!
//! A token in the query or in a form (RFC 6750 §2.2, §2.3) is no token.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::AuthnError;
use crate::jwt::InvalidToken;

/// How the scheme `Bearer` is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SchemeMatch {
    /// `bearer` is `Bearer` (RFC 9110 §11.1).
    #[default]
    CaseInsensitive,
    /// Only `Bearer` is; another spelling is another scheme.
    Exact,
}

const SCHEME: &[u8] = b"Bearer";

/// The token of a request, at most `max_bytes` long.
///
/// # Errors
/// [`AuthnError::NotAuthenticated`] when there is none, [`AuthnError::InvalidToken`] when what is there cannot be one.
pub fn token(headers: &HeaderMap, scheme: SchemeMatch, max_bytes: usize) -> Result<&str, AuthnError> {
    let Some(first) = headers.get(AUTHORIZATION) else { return Err(AuthnError::NotAuthenticated) };
    let mut all = headers.get_all(AUTHORIZATION).iter();
    if all.nth(1).is_some() {
        return Err(InvalidToken::SeveralCredentials.into());
    }
    credentials(first, scheme, max_bytes)
}

fn credentials(value: &HeaderValue, scheme: SchemeMatch, max_bytes: usize) -> Result<&str, AuthnError> {
    let bytes = value.as_bytes();
    let Some((presented, rest)) = bytes.split_at_checked(SCHEME.len()) else {
        return Err(AuthnError::NotAuthenticated);
    };
    let same = match scheme {
        SchemeMatch::CaseInsensitive => presented.eq_ignore_ascii_case(SCHEME),
        SchemeMatch::Exact => presented == SCHEME,
    };
    // `Bearerer`, `Bearer=`: the name goes on, so it is another scheme's.
    if !same || rest.first().is_some_and(|byte| is_scheme_character(*byte)) {
        return Err(AuthnError::NotAuthenticated);
    }
    let token = rest.trim_ascii_start_spaces();
    if token.is_empty() {
        return Err(AuthnError::NotAuthenticated);
    }
    if token.len() > max_bytes {
        return Err(InvalidToken::TooLong { limit: max_bytes }.into());
    }
    if token.len() == rest.len() || !token.iter().all(|byte| is_token_character(*byte)) {
        return Err(InvalidToken::NotAToken.into());
    }
    std::str::from_utf8(token).map_err(|_| InvalidToken::NotAToken.into())
}

trait TrimSpaces {
    fn trim_ascii_start_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    /// Only SP separates scheme and token (RFC 6750 §2.1: `1*SP`), so a tab is left to be refused.
    fn trim_ascii_start_spaces(&self) -> &Self {
        let start = self.iter().position(|byte| *byte != b' ').unwrap_or(self.len());
        self.get(start..).unwrap_or_default()
    }
}

/// `tchar` of RFC 9110 §5.6.2: what a scheme's name is made of.
const fn is_scheme_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// `b64token` of RFC 6750 §2.1.
const fn is_token_character(byte: u8) -> bool {
    TOKEN_CHARACTERS[byte as usize]
}

const TOKEN_CHARACTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "byte is below 256")]
        let character = byte as u8;
        table[byte] =
            character.is_ascii_alphanumeric() || matches!(character, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&[u8]], scheme: SchemeMatch) -> Result<String, AuthnError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers, scheme, 64).map(str::to_owned)
    }

    #[test]
    fn the_token_behind_the_scheme_is_found() {
        for value in ["Bearer abc.def-_~+/=", "bearer abc.def-_~+/=", "BEARER   abc.def-_~+/="] {
            assert_eq!(read(&[value.as_bytes()], SchemeMatch::CaseInsensitive).unwrap(), "abc.def-_~+/=", "{value}");
        }
    }

    #[test]
    fn no_token_is_not_the_same_as_a_bad_one() {
        assert_eq!(read(&[], SchemeMatch::CaseInsensitive), Err(AuthnError::NotAuthenticated));
        for value in
            ["", "Basic dXNlcjpw", "Bearer", "Bearer ", "Bearer     ", "Bearerabc", "Bearer-x abc", "Bear", "DPoP a"]
        {
            let outcome = read(&[value.as_bytes()], SchemeMatch::CaseInsensitive);
            assert_eq!(outcome, Err(AuthnError::NotAuthenticated), "{value:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_invalid() {
        let values: [&[u8]; 11] = [
            b"Bearer\tabc",
            b"Bearer \tabc",
            b"Bearer abc\t",
            b"Bearer abc def",
            b"Bearer abc, Bearer def",
            b"Bearer \"abc\"",
            b"Bearer abc ",
            b"Bearer a\xffbc",
            b"Bearer,abc",
            b"Bearer=abc",
            b"Bearer\xc3\xa9",
        ];
        for value in values {
            let outcome = read(&[value], SchemeMatch::CaseInsensitive);
            assert_eq!(outcome, Err(InvalidToken::NotAToken.into()), "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn two_headers_are_refused_even_when_they_are_equal() {
        let outcome = read(&[b"Bearer abc", b"Bearer abc"], SchemeMatch::CaseInsensitive);
        assert_eq!(outcome, Err(InvalidToken::SeveralCredentials.into()));
        let outcome = read(&[b"Basic abc", b"Bearer abc"], SchemeMatch::CaseInsensitive);
        assert_eq!(outcome, Err(InvalidToken::SeveralCredentials.into()));
    }

    #[test]
    fn where_the_scheme_is_exact_another_spelling_counts_as_not_provided() {
        assert_eq!(read(&[b"bearer abc"], SchemeMatch::Exact), Err(AuthnError::NotAuthenticated));
        assert_eq!(read(&[b"Bearer abc"], SchemeMatch::Exact).unwrap(), "abc");
    }

    #[test]
    fn a_token_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
        let at = format!("Bearer {}", "a".repeat(64));
        assert_eq!(read(&[at.as_bytes()], SchemeMatch::Exact).unwrap().len(), 64);
        let over = format!("Bearer {}", "a".repeat(65));
        assert_eq!(read(&[over.as_bytes()], SchemeMatch::Exact), Err(InvalidToken::TooLong { limit: 64 }.into()));
    }

    proptest! {
        #[test]
        fn any_header_value_has_a_defined_outcome(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, value);
                if let Ok(token) = token(&headers, SchemeMatch::CaseInsensitive, 100) {
                    prop_assert!(!token.is_empty() && token.len() <= 100);
                    prop_assert!(bytes.ends_with(token.as_bytes()));
                    prop_assert!(!token.contains([' ', ',', '\t']));
                }
            }
        }
    }
}
