//! Finds the bearer token of a request (RFC 6750 §2.1, RFC 9110 §11.4).
//!
//! 1. No `Authorization`: not authenticated.
//! 2. More than one `Authorization`: invalid. Two parties could read two different ones.
//! 3. Another scheme than `Bearer`, or `Bearer` with nothing behind it: not authenticated. The scheme is compared
//!    without case (RFC 9110 §11.1), or exactly where an API's contract says so.
//! 4. Longer than the limit: invalid, before anything is split.
//! 5. Behind the scheme there is at least one space, and then only `b64token` characters: anything else (a tab, a
//!    control character, a comma list, quotes, a second token) is invalid. The characters are looked at by
//!    [`Presented::text`], which a token that is known already has no need of.
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

/// What stands where a token should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented<'h>(&'h [u8]);

impl<'h> Presented<'h> {
    /// The bytes, whatever they are.
    #[must_use]
    pub const fn as_bytes(self) -> &'h [u8] {
        self.0
    }

    /// The token, if every character is one that a token can have.
    ///
    /// # Errors
    /// [`InvalidToken::NotAToken`].
    pub fn text(self) -> Result<&'h str, InvalidToken> {
        let text =
            if self.0.iter().all(|byte| is_token_character(*byte)) { std::str::from_utf8(self.0).ok() } else { None };
        text.ok_or(InvalidToken::NotAToken)
    }
}

impl<'t> From<&'t str> for Presented<'t> {
    fn from(token: &'t str) -> Self {
        Self(token.as_bytes())
    }
}

/// The token of a request, at most `max_bytes` long.
///
/// # Errors
/// [`AuthnError::NotAuthenticated`] when there is none, [`AuthnError::InvalidToken`] when what is there cannot be one.
pub fn token(headers: &HeaderMap, scheme: SchemeMatch, max_bytes: usize) -> Result<Presented<'_>, AuthnError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Err(AuthnError::NotAuthenticated) };
    if all.next().is_some() {
        return Err(InvalidToken::SeveralCredentials.into());
    }
    credentials(first, scheme, max_bytes)
}

fn credentials(value: &HeaderValue, scheme: SchemeMatch, max_bytes: usize) -> Result<Presented<'_>, AuthnError> {
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
    let token = without_leading_spaces(rest);
    if token.is_empty() {
        return Err(AuthnError::NotAuthenticated);
    }
    if token.len() > max_bytes {
        return Err(InvalidToken::TooLong { limit: max_bytes }.into());
    }
    if token.len() == rest.len() {
        return Err(InvalidToken::NotAToken.into());
    }
    Ok(Presented(token))
}

/// Only SP separates scheme and token (RFC 6750 §2.1: `1*SP`), so a tab is left to be refused.
fn without_leading_spaces(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != b' ').unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
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
        Ok(token(&headers, scheme, 64)?.text()?.to_owned())
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
                let presented = token(&headers, SchemeMatch::CaseInsensitive, 100);
                if let Ok(token) = presented.and_then(|presented| Ok(presented.text()?)) {
                    prop_assert!(!token.is_empty() && token.len() <= 100);
                    prop_assert!(bytes.ends_with(token.as_bytes()));
                    prop_assert!(!token.contains([' ', ',', '\t']));
                }
            }
        }
    }
}
