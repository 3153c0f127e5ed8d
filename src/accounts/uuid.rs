//! Random names for users and sessions (RFC 9562 §5.4).
//!
//! Written in lower case, read in either; braces, `urn:uuid:` and digits without hyphens are refused, so that one user
//! has one spelling but for its case.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand::SecureRandom;

use super::NoRandomness;

/// Where hyphens stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const LENGTH: usize = 36;

/// A UUID. Those that are made here are of version 4; others, from an import, are taken as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

/// A text is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a UUID (`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`)")]
pub struct NoUuid;

impl Uuid {
    /// A new one, of 122 random bits.
    ///
    /// # Errors
    /// When `random` has none.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes).map_err(|_| NoRandomness)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Self(bytes))
    }
}

impl FromStr for Uuid {
    type Err = NoUuid;

    fn from_str(text: &str) -> Result<Self, NoUuid> {
        if text.len() != LENGTH {
            return Err(NoUuid);
        }
        let (mut bytes, mut digits) = ([0_u8; 16], 0);
        for (at, character) in text.bytes().enumerate() {
            if HYPHENS.contains(&at) {
                if character != b'-' {
                    return Err(NoUuid);
                }
                continue;
            }
            let digit = char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(NoUuid)?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_one_is_of_version_4_and_not_one_that_was_there() {
        let [one, other] = [(); 2].map(|()| Uuid::random(&SystemRandom::new()).unwrap());
        assert_ne!(one, other);
        let text = one.to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        assert!("89ab".contains(&text[19..20]), "{text}");
    }

    #[test]
    fn only_the_one_form_is_read() {
        let text = "6F9619FF-8b86-d011-b42d-00c04fc964ff";
        assert_eq!(text.parse::<Uuid>().unwrap().to_string(), text.to_lowercase());
        for other in [
            "",
            "6f9619ff8b86d011b42d00c04fc964ff",
            "{6f9619ff-8b86-d011-b42d-00c04fc964f}",
            "6f9619ff-8b86-d011-b42d-00c04fc964f",
            "6f9619ff-8b86-d011-b42d-00c04fc964fff",
            "6f9619ff-8b86-d011-b42d-00c04fc964fg",
            "6f9619ff-8b86-d011-b42d000c04fc964ff",
            "6f9619ff-8b86-d011-b42d-00c04fc964é",
        ] {
            assert_eq!(other.parse::<Uuid>(), Err(NoUuid), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes: [u8; 16]) {
            prop_assert_eq!(Uuid(bytes).to_string().parse(), Ok(Uuid(bytes)));
        }

        #[test]
        fn no_text_is_a_panic(text in ".{0,40}") {
            let _ = text.parse::<Uuid>();
        }
    }
}
