//! What a new password has to be. Checked in this order, all before hashing:
//!
//! 1. At most `max` bytes.
//! 2. At least `min` characters: Unicode code points, as NIST SP 800-63B-4 §3.1.1.2 counts them.
//! 3. Not one of the ten thousand most common ones.
//! 4. At least `score` by zxcvbn, which knows dictionaries, keyboards and dates, and is told who the user is. Its time grows
//!    with the square of the length, and with the ways to read `4@({[<`: of 100 characters it can take a second. So it
//!    is asked about the first 32, which bear the highest score if they are good ones, and within the hasher's bounds.
//!
//! No kinds of characters are asked for (ibid.), and none are forbidden.

use super::{Password, common::is_common};

/// How many characters are scored.
const SCORED: usize = 32;

/// How many words about the user are looked for in the password.
const KNOWN_WORDS: usize = 32;

/// What a new password has to be. The default: 8 characters, 1 KiB, not a common one, any score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordPolicy {
    min: usize,
    max: usize,
    common: bool,
    score: u8,
}

/// What is wrong with a new password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnacceptablePassword {
    /// It has fewer characters than it must.
    #[error("the password has fewer than {min} characters")]
    TooShort {
        /// How many Unicode code points it must have.
        min: usize,
    },
    /// It is longer than it may be.
    #[error("the password is longer than {max} bytes")]
    TooLong {
        /// How many bytes of UTF-8 it may have.
        max: usize,
    },
    /// It is one of the most common passwords.
    #[error("the password is one of the most common ones")]
    Common,
    /// It is too easy to guess.
    #[error("the password is too easy to guess: {score} of 4")]
    TooWeak {
        /// Its score, from 0 to 3.
        score: u8,
    },
}

/// Why no password policy can be made of these values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyMistake {
    /// The empty password would be accepted.
    #[error("a password has at least one character")]
    Empty,
    /// No password would be accepted.
    #[error("a password of {min} characters does not fit into {max} bytes")]
    Impossible {
        /// The least number of characters.
        min: usize,
        /// The largest number of bytes.
        max: usize,
    },
    /// There is no such score.
    #[error("a score is from 0 to 4, not {score}")]
    NoSuchScore {
        /// What was given.
        score: u8,
    },
}

impl PasswordPolicy {
    /// At least `min` characters (1 or more), at most `max` bytes, no common password if `common` refuses them, and a zxcvbn
    /// `score` from 0 (any) to 4 (more than 10¹⁰ guesses).
    ///
    /// # Errors
    /// A [`PolicyMistake`].
    pub fn new(min: usize, max: usize, common: bool, score: u8) -> Result<Self, PolicyMistake> {
        if min == 0 {
            return Err(PolicyMistake::Empty);
        }
        if min > max {
            return Err(PolicyMistake::Impossible { min, max });
        }
        if score > 4 {
            return Err(PolicyMistake::NoSuchScore { score });
        }
        Ok(Self { min, max, common, score })
    }

    /// The least number of characters.
    #[must_use]
    pub const fn min(&self) -> usize {
        self.min
    }

    /// Whether `password` has the length of a new one and is not a common one. The score is
    /// [`Hasher::hash_new`](super::Hasher::hash_new)'s to check.
    ///
    /// # Errors
    /// The first thing that is wrong, an [`UnacceptablePassword`].
    pub fn check(&self, password: &Password) -> Result<(), UnacceptablePassword> {
        self.check_max(password)?;
        let text = password.expose();
        if text.chars().count() < self.min {
            return Err(UnacceptablePassword::TooShort { min: self.min });
        }
        if self.common && is_common(text) {
            return Err(UnacceptablePassword::Common);
        }
        Ok(())
    }

    /// Whether `password` is short enough to be hashed at all: what a login checks.
    ///
    /// # Errors
    /// [`UnacceptablePassword::TooLong`].
    pub fn check_max(&self, password: &Password) -> Result<(), UnacceptablePassword> {
        if password.expose().len() > self.max {
            return Err(UnacceptablePassword::TooLong { max: self.max });
        }
        Ok(())
    }

    /// Whether `password` is hard enough to guess for whoever knows `known`. It takes milliseconds, up to a hundred.
    pub(super) fn check_score(&self, password: &Password, known: &[String]) -> Result<(), UnacceptablePassword> {
        if self.score == 0 {
            return Ok(());
        }
        let score = score(password.expose(), known);
        if score < self.score { Err(UnacceptablePassword::TooWeak { score }) } else { Ok(()) }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min: 8, max: 1024, common: true, score: 0 }
    }
}

/// zxcvbn's score. It compares with what is known word by word, so an address is given whole and in its words.
fn score(password: &str, known: &[String]) -> u8 {
    let beginning = password.char_indices().nth(SCORED).map_or(password, |(end, _)| &password[..end]);
    let words = known.iter().flat_map(|known| known.split(|letter: char| !letter.is_alphanumeric()));
    let words = words.filter(|word| word.chars().count() > 2);
    let known: Vec<&str> = known.iter().map(String::as_str).chain(words).take(KNOWN_WORDS).collect();
    zxcvbn::zxcvbn(beginning, &known).score().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(policy: PasswordPolicy, password: &str) -> Result<(), UnacceptablePassword> {
        let password = Password::from(password.to_owned());
        policy.check(&password)?;
        policy.check_score(&password, &["ada.lovelace@example.com".to_owned()])
    }

    #[test]
    fn characters_are_code_points_and_the_most_is_bytes() {
        let policy = PasswordPolicy::new(8, 16, false, 0).unwrap();
        assert_eq!(check(policy, "ééééééé"), Err(UnacceptablePassword::TooShort { min: 8 }));
        assert_eq!(check(policy, "éééééééé"), Ok(()));
        assert_eq!(check(policy, "ééééééééé"), Err(UnacceptablePassword::TooLong { max: 16 }));
        // The accent as a code point of its own: nothing is normalised.
        assert_eq!(check(policy, "e\u{301}e\u{301}e\u{301}e\u{301}"), Ok(()));
        assert_eq!(check(policy, ""), Err(UnacceptablePassword::TooShort { min: 8 }));
    }

    #[test]
    fn long_passwords_are_accepted_up_to_the_last_byte() {
        let policy = PasswordPolicy::default();
        for length in [64, 72, 73, 1024] {
            assert_eq!(check(policy, &"x7".repeat(length / 2 + 1)[..length]), Ok(()), "{length}");
        }
        assert_eq!(check(policy, &"x".repeat(1025)), Err(UnacceptablePassword::TooLong { max: 1024 }));
    }

    #[test]
    fn any_character_counts_spaces_and_nul_too() {
        for odd in ["        ", "a\0b\0c\0d\0", "🦀🦀🦀🦀🦀🦀🦀🦀", "\u{202e}abcdefg"] {
            assert_eq!(check(PasswordPolicy::default(), odd), Ok(()), "{odd:?}");
        }
    }

    #[test]
    fn a_common_password_is_refused_where_that_is_asked_for() {
        assert_eq!(check(PasswordPolicy::default(), "Password1"), Err(UnacceptablePassword::Common));
        assert_eq!(check(PasswordPolicy::new(8, 64, false, 0).unwrap(), "Password1"), Ok(()));
    }

    #[test]
    fn a_score_refuses_what_can_be_guessed_the_users_own_address_above_all() {
        let policy = PasswordPolicy::new(8, 1024, false, 3).unwrap();
        assert!(matches!(check(policy, "qwertyuiop"), Err(UnacceptablePassword::TooWeak { score: 0..3 })));
        for own in ["adalovelace", "lovelace12", "ada.lovelace@example.com"] {
            assert!(matches!(check(policy, own), Err(UnacceptablePassword::TooWeak { .. })), "{own}");
        }
        let score_beside = |known: &str| score("krzyszkowiak9", &[known.to_owned()]);
        assert!(score_beside("z.krzyszkowiak@example.com") < score_beside("bob@example.com"));
    }

    #[test]
    fn what_stands_behind_the_scored_characters_neither_helps_nor_costs() {
        let policy = PasswordPolicy::new(8, 4096, false, 3).unwrap();
        let dull = "a".repeat(SCORED);
        assert!(matches!(
            check(policy, &format!("{dull}marmot-tangent-9-viola")),
            Err(UnacceptablePassword::TooWeak { .. })
        ));
        assert_eq!(check(policy, &format!("marmot-tangent-9-viola{}", "4@8({[<369&#!1/|0$5+7%2".repeat(100))), Ok(()));
        assert_eq!(check(policy, &format!("zwölf☃boxkämpfer🦀jagen{}", "é".repeat(100))), Ok(()));
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        assert_eq!(PasswordPolicy::new(0, 10, true, 0), Err(PolicyMistake::Empty));
        assert_eq!(PasswordPolicy::new(11, 10, true, 0), Err(PolicyMistake::Impossible { min: 11, max: 10 }));
        assert_eq!(PasswordPolicy::new(8, 64, true, 5), Err(PolicyMistake::NoSuchScore { score: 5 }));
    }

    proptest! {
        #[test]
        fn no_password_makes_checking_panic(text in any::<String>(), known in any::<String>()) {
            let policy = PasswordPolicy::new(1, 4096, true, 4).unwrap();
            let password = Password::from(text);
            let _ = policy.check(&password);
            let _ = policy.check_score(&password, &[known]);
        }
    }
}
