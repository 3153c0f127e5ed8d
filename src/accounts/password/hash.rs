//! What is kept of a password.
//!
//! How a text is read, in this order:
//!
//! 1. More than 512 bytes: refused.
//! 2. `!…`: no password is accepted (Django's unusable password).
//! 3. `$argon2id$…`, `$argon2i$…`, `$argon2d$…`: a PHC string. `$2a$…`, `$2b$…`, `$2y$…`: bcrypt.
//! 4. `argon2$…`, `bcrypt$…`, `bcrypt_sha256$…`, `pbkdf2_sha256$…`, `pbkdf2_sha1$…`, `scrypt$…`: Django's forms of these
//!    (`django.contrib.auth.hashers`).
//! 5. Anything else is refused, and so is a hash whose cost is above what [`UnacceptableHash::TooCostly`] names.
//!
//! A password with a NUL in it is wrong for bcrypt, PBKDF2 and scrypt: bcrypt repeats its key with a NUL between, so that it
//! takes `a\0a` for `a`, and HMAC fills its key up with NULs, so that it takes `a\0` for `a` (RFC 2104 §2). Django's forms
//! let nobody have such a password.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand::SecureRandom;

use super::{
    Password, Unhashed,
    scheme::{Argon2, Bcrypt, Pbkdf2, Scrypt},
};

/// No hash of a known form is longer. Django's column has 128 characters.
const LONGEST: usize = 512;

/// What is kept of a password: a PHC string, or the form in which it was imported. `Debug` shows the scheme alone, and two
/// hashes cannot be compared.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Argon2(Argon2),
    Bcrypt(Bcrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
    Unusable,
}

/// Whether a password is the one that was hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is.
    Correct {
        /// A new hash of this password should be kept instead of the one it was compared with.
        rehash: bool,
    },
    /// It is not, or there is none.
    Wrong,
}

/// Why a text is not taken as a password hash. None of these repeats any of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnacceptableHash {
    /// It begins like no form that is known.
    #[error("not a password hash of a known form")]
    UnknownForm,
    /// It begins like a known form and does not go on like it.
    #[error("a broken {scheme} hash: {mistake}")]
    Malformed {
        /// The form that it begins like.
        scheme: &'static str,
        /// What is wrong.
        mistake: &'static str,
    },
    /// Computing it would take too much time or memory for a login: more than about five seconds, or 256 MiB.
    #[error("a {scheme} hash with {cost} {found}; the most is {most}")]
    TooCostly {
        /// The form.
        scheme: &'static str,
        /// What is too much.
        cost: &'static str,
        /// How much it is.
        found: u64,
        /// How much it may be.
        most: u64,
    },
}

impl PasswordHash {
    /// The text to keep. Reading it gives the same hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The algorithm's name, for summaries: `argon2id`, `bcrypt`, `bcrypt_sha256`, `pbkdf2_sha256`, `unusable` …
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match &self.form {
            Form::Argon2(argon2) => argon2.name(),
            Form::Bcrypt(bcrypt) => bcrypt.name(),
            Form::Pbkdf2(pbkdf2) => pbkdf2.name(),
            Form::Scrypt(_) => Scrypt::NAME,
            Form::Unusable => "unusable",
        }
    }

    /// Whether no password is accepted.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        matches!(self.form, Form::Unusable)
    }

    /// Whether this is anything but a PHC string of argon2id with the parameters of new hashes.
    #[must_use]
    pub fn needs_rehash(&self) -> bool {
        match &self.form {
            Form::Argon2(argon2) => !(self.text.starts_with('$') && argon2.is_current()),
            Form::Bcrypt(_) | Form::Pbkdf2(_) | Form::Scrypt(_) | Form::Unusable => true,
        }
    }

    /// A new hash, with 16 bytes of salt from `random`. It takes 19 MiB and some 20 ms of a core.
    pub(super) fn new(password: &Password, random: &dyn SecureRandom) -> Result<Self, Unhashed> {
        let argon2 = Argon2::new(password.expose().as_bytes(), random)?;
        Ok(Self { text: argon2.to_phc(), form: Form::Argon2(argon2) })
    }

    /// A hash that costs what a new one costs and that no known password has: salt and output are both random.
    pub(super) fn of_nobody(random: &dyn SecureRandom) -> Result<Self, Unhashed> {
        let argon2 = Argon2::random(random)?;
        Ok(Self { text: argon2.to_phc(), form: Form::Argon2(argon2) })
    }

    /// Computes the hash of `password` and compares.
    pub(super) fn verify(&self, password: &Password) -> Result<Verdict, Unhashed> {
        let bytes = password.expose().as_bytes();
        let correct = match &self.form {
            Form::Argon2(argon2) => argon2.matches(bytes)?,
            Form::Bcrypt(bcrypt) => bcrypt.matches(bytes),
            Form::Pbkdf2(pbkdf2) => pbkdf2.matches(bytes),
            Form::Scrypt(scrypt) => scrypt.matches(bytes),
            Form::Unusable => false,
        };
        if !correct || (!self.tells_nul() && bytes.contains(&0)) {
            return Ok(Verdict::Wrong);
        }
        // Behind what bcrypt reads anything may have been typed by mistake: a new hash would make the mistake the password.
        let read_whole = !matches!(&self.form, Form::Bcrypt(bcrypt) if bcrypt.truncates(bytes));
        Ok(Verdict::Correct { rehash: self.needs_rehash() && read_whole })
    }

    /// Whether a NUL is a character like any other.
    fn tells_nul(&self) -> bool {
        match &self.form {
            Form::Argon2(_) => true,
            Form::Bcrypt(bcrypt) => bcrypt.is_of_sha256(),
            Form::Pbkdf2(_) | Form::Scrypt(_) | Form::Unusable => false,
        }
    }
}

impl FromStr for PasswordHash {
    type Err = UnacceptableHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST {
            return Err(UnacceptableHash::UnknownForm);
        }
        let form = match text.split_once('$') {
            _ if text.starts_with('!') => Form::Unusable,
            Some(("", phc)) if phc.starts_with("argon2") => Form::Argon2(Argon2::parse(phc)?),
            Some(("", crypt)) if crypt.starts_with('2') => Form::Bcrypt(Bcrypt::parse(crypt)?),
            Some(("argon2", phc)) => Form::Argon2(Argon2::parse(phc)?),
            Some(("bcrypt", crypt)) => Form::Bcrypt(Bcrypt::parse(crypt.strip_prefix('$').unwrap_or(crypt))?),
            Some(("bcrypt_sha256", crypt)) => {
                Form::Bcrypt(Bcrypt::parse(crypt.strip_prefix('$').unwrap_or(crypt))?.of_sha256())
            }
            Some(("pbkdf2_sha256", rest)) => Form::Pbkdf2(Pbkdf2::sha256(rest)?),
            Some(("pbkdf2_sha1", rest)) => Form::Pbkdf2(Pbkdf2::sha1(rest)?),
            Some(("scrypt", rest)) => Form::Scrypt(Scrypt::parse(rest)?),
            _ => return Err(UnacceptableHash::UnknownForm),
        };
        Ok(Self { text: text.to_owned(), form })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PasswordHash({}, [redacted])", self.scheme())
    }
}

#[cfg(test)]
mod tests;
