//! An e-mail address: as it is shown, and as it is compared.
//!
//! 1. At most 254 bytes (RFC 5321 §4.5.3.1.3 and its erratum 1690), in either form; one `@`.
//! 2. Before it a dot-atom of at most 64 bytes (RFC 5322 §3.2.3), or any letters beyond ASCII (RFC 6531 §3.3): no quoted
//!    string, no comment, no space, no control, and nothing that cannot be seen.
//! 3. Behind it a name of at least two labels, the last of which is no number: no address literal. Names beyond ASCII
//!    are those of UTS 46; `münchen.example` and `xn--mnchen-3ya.example` are one.
//! 4. Shown as it was given, but composed (NFC). Mail goes to this form, never to what somebody typed later.
//! 5. Compared by its canonical caseless form (Unicode §3.13, D145), composed; the domain by its ASCII form. So two
//!    addresses that many a mail server delivers to one person are one user's, and `ı` is still not `i`.
//!
//! Whether somebody reads what is sent there is not asked here.

use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

/// The longest address, in bytes.
const LONGEST: usize = 254;
/// The longest part before the `@`, in bytes.
const LONGEST_LOCAL: usize = 64;

/// Behind a user's name: there is no address.
const UNKNOWN: &str = "@profile.invalid";

/// An address that mail can be sent to, as far as its form tells. Its `Debug` form does not show it.
#[derive(Clone)]
pub struct Email {
    shown: String,
    compared: String,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailError {
    /// It has more than 254 bytes, or more than 64 before the `@`.
    #[error("is too long")]
    TooLong,
    /// There is none, or more than one.
    #[error("must have one `@`")]
    At,
    /// What is before it.
    #[error("has something before the `@` that cannot stand there")]
    Local,
    /// What is behind it.
    #[error("has no domain behind the `@`")]
    Domain,
}

impl Email {
    /// Reads `text`. Space around it is not taken away.
    ///
    /// # Errors
    /// See [`EmailError`].
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        // First, so that nothing long is worked on.
        if text.len() > LONGEST {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError::At)?;
        if domain.contains('@') {
            return Err(EmailError::At);
        }
        let compose = ComposingNormalizer::new_nfc();
        let shown = compose.normalize(text).into_owned();
        let local = compose.normalize(local).into_owned();
        if local.len() > LONGEST_LOCAL {
            return Err(EmailError::TooLong);
        }
        if !is_dot_atom(&local) {
            return Err(EmailError::Local);
        }
        let compared = format!("{}@{}", caseless(&local), domain_to_ascii(domain)?);
        if shown.len().max(compared.len()) > LONGEST {
            return Err(EmailError::TooLong);
        }
        Ok(Self { shown, compared })
    }

    /// One for whom has none that is known here: no two have the same, and no mail arrives (RFC 6761 §6.4).
    ///
    /// # Errors
    /// None of a [`Uuid`](super::Uuid).
    pub fn unknown(id: super::Uuid) -> Result<Self, EmailError> {
        Self::parse(&format!("{id}{UNKNOWN}"))
    }

    /// Whether it is one that stands for none.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.compared.ends_with(UNKNOWN)
    }

    /// As it is shown, and where mail goes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// As it is compared: of two users never the same.
    #[must_use]
    pub fn compared(&self) -> &str {
        &self.compared
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.compared == other.compared
    }
}

impl Eq for Email {}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email([redacted])")
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3, RFC 6532 §3.2; without what is beyond ASCII and cannot be seen.
fn is_atext(character: char) -> bool {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        _ if character.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(character),
        _ => !character.is_control() && !character.is_whitespace() && !is_invisible(character),
    }
}

/// Formats, fillers, private use and what is no character: two addresses would look the same.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

fn caseless(text: &str) -> String {
    let decomposed = DecomposingNormalizer::new_nfd().normalize(text);
    let folded = CaseMapper::new().fold_string(&decomposed);
    ComposingNormalizer::new_nfc().normalize(&folded).into_owned()
}

/// In lower case.
fn domain_to_ascii(domain: &str) -> Result<String, EmailError> {
    // What is not ASCII may stand for a dot or a letter; what is ASCII has to be one.
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError::Domain)?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    let good =
        labels.len() > 1 && labels.iter().all(|label| !label.is_empty()) && !labels.last().is_some_and(is_number);
    if good { Ok(ascii) } else { Err(EmailError::Domain) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_that_people_have_are_read_and_shown_as_they_are() {
        for text in [
            "a@b.co",
            "Alice.O'Neil+plants@Example.COM",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "jürgen@münchen.example",
            "用户@例子.广告",
            "1@2.museum",
            "a@xn--mnchen-3ya.example",
        ] {
            assert_eq!(Email::parse(text).map(|email| email.as_str().to_owned()), Ok(text.to_owned()), "{text}");
        }
        let longest = format!("{}@{}.{}.{}.com", "a".repeat(64), "b".repeat(63), "c".repeat(63), "d".repeat(57));
        assert_eq!(longest.len(), 254);
        assert!(Email::parse(&longest).is_ok());
    }

    #[test]
    fn what_stands_for_none_is_told_from_any_other() {
        let unknown = |id: &str| Email::unknown(id.parse().unwrap()).unwrap();
        let one = unknown("550e8400-e29b-41d4-a716-446655440000");
        assert!(one.is_unknown() && one != unknown("6f9619ff-8b86-4011-b42d-00c04fc964ff"));
        for text in ["a@example.com", "a@profile.invalid.example", "profile.invalid@example.com"] {
            assert!(!Email::parse(text).unwrap().is_unknown(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_part_that_is_wrong() {
        use EmailError::{At, Domain, Local, TooLong};
        for (text, error) in [
            ("", At),
            ("alice", At),
            ("a@b@example.com", At),
            ("\"a@b\"@example.com", At),
            ("@example.com", Local),
            (".a@example.com", Local),
            ("a.@example.com", Local),
            ("a..b@example.com", Local),
            ("a b@example.com", Local),
            (" a@example.com", Local),
            ("\"a\"@example.com", Local),
            ("a(b)@example.com", Local),
            ("a\0@example.com", Local),
            ("a\r\nBcc:b@example.com", Local),
            ("a\u{a0}b@example.com", Local),
            ("a\u{85}b@example.com", Local),
            ("a\u{200b}b@example.com", Local),
            ("a\u{202e}b@example.com", Local),
            ("a,b@example.com", Local),
            ("<a@example.com", Local),
            ("a@", Domain),
            ("a@example", Domain),
            ("a@example.com.", Domain),
            ("a@.example.com", Domain),
            ("a@example..com", Domain),
            ("a@-example.com", Domain),
            ("a@exa_mple.com", Domain),
            ("a@example.com ", Domain),
            ("a@exam ple.com", Domain),
            ("a@example.com\r\nBcc: b", Domain),
            ("a@127.0.0.1", Domain),
            ("a@[127.0.0.1]", Domain),
            ("a@example.com:25", Domain),
            ("a@xn--a.example", Domain),
            ("a@xn--.example", Domain),
        ] {
            assert_eq!(Email::parse(text).map(drop), Err(error), "{text:?}");
        }
        let long = [
            format!("{}@example.com", "a".repeat(65)),
            format!("a@{}.com", "b".repeat(300)),
            format!("{}@{}com", "a".repeat(40), "é.".repeat(28)),
        ];
        for text in long {
            assert_eq!(Email::parse(&text).map(drop), Err(TooLong), "{text}");
        }
    }

    #[test]
    fn what_one_person_types_in_several_ways_is_one_address() {
        let same = |one: &str, other: &str| Email::parse(one).unwrap() == Email::parse(other).unwrap();
        for (one, other) in [
            ("Alice@Example.com", "alice@eXAMPLE.COM"),
            ("ren\u{e9}@example.com", "REN\u{45}\u{301}@example.com"),
            ("straße@example.com", "STRASSE@example.com"),
            ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
            ("\u{1f80}@example.com", "\u{1f88}@example.com"),
            ("a@MÜNCHEN.example", "a@xn--mnchen-3ya.example"),
            ("a@例子。广告", "a@例子.广告"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("mike@example.org", "mıke@example.org"),
            ("a.b@example.com", "ab@example.com"),
            ("a+b@example.com", "a@example.com"),
            ("é@example.com", "e@example.com"),
            ("а@example.com", "a@example.com"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
        let email = Email::parse("RENE\u{301}@example.com").unwrap();
        assert_eq!((email.as_str(), email.compared()), ("REN\u{c9}@example.com", "ren\u{e9}@example.com"));
        assert_eq!(format!("{email:?}"), "Email([redacted])");
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic_and_what_is_read_is_one_line_with_one_at(text in ".{0,300}") {
            if let Ok(email) = Email::parse(&text) {
                for form in [email.as_str(), email.compared()] {
                    prop_assert!(form.len() <= LONGEST && form.matches('@').count() == 1);
                    prop_assert!(!form.contains(|one: char| one.is_control() || one.is_whitespace()));
                }
            }
        }

        #[test]
        fn both_forms_are_addresses_that_are_equal_to_the_first(
            local in "[\\w.+]{1,12}",
            domain in "[a-zA-Zäöéßω]{1,8}\\.[a-z]{2,4}",
        ) {
            if let Ok(email) = Email::parse(&format!("{local}@{domain}")) {
                let shown = Email::parse(email.as_str());
                prop_assert_eq!(shown.as_ref(), Ok(&email));
                prop_assert_eq!(shown.as_ref().map(Email::as_str), Ok(email.as_str()));
                let compared = Email::parse(email.compared());
                prop_assert_eq!(compared.as_ref().map(Email::compared), Ok(email.compared()));
            }
        }

        #[test]
        fn case_makes_no_difference(local in "[a-zà-öø-ÿα-ρ.+]{1,12}") {
            let text = format!("{local}@example.com");
            let upper = text.to_uppercase();
            let read = Email::parse(&text).map(|email| email.compared().to_owned());
            prop_assert_eq!(read, Email::parse(&upper).map(|email| email.compared().to_owned()));
        }
    }
}
