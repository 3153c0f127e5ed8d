//! Passwords: what one may be, how it is kept, and how one is compared with what is kept.
//!
//! 1. A [`Password`] is what somebody typed, code point for code point: nothing is normalised, trimmed or cut off.
//! 2. A new one has to pass the [`PasswordPolicy`] before it is hashed.
//! 3. The [`Hasher`] makes a [`PasswordHash`] of it: argon2id with 19 MiB, two passes and one lane (the OWASP Password
//!    Storage Cheat Sheet's first choice), as a PHC string. Only so many hashes are computed at once, and only so many
//!    wait for their turn; whoever comes then is told [`Unhashed::Busy`].
//! 4. A hash that was made elsewhere (Django's forms, bcrypt, other argon2 parameters) is read as it is and verified. Its
//!    [`Verdict`] says that a new one should be kept in its place. One whose cost could hang the gateway is refused when
//!    it is read: [`UnacceptableHash::TooCostly`].
//! 5. Where there is no user, or the user has no password, the same argon2id hash is computed for nothing, so that time
//!    does not tell which addresses are known. Until its user's next login, an imported hash takes the time of its own
//!    algorithm.
//!
//! ```
//! # use bearergate::accounts::password::{Hasher, HasherLimits, Password, PasswordPolicy, Verdict};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hasher = Hasher::new(HasherLimits::default(), aws_lc_rs::rand::SystemRandom::new())?;
//! let password = Password::from("correct horse battery".to_owned());
//!
//! let hash = hasher.hash_new(&password, PasswordPolicy::default(), &["ada@example.com"]).await?;
//! assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
//!
//! let imported = "pbkdf2_sha256$1000$sea$1E0x21pFSX8OvuJ6ScrN6Dee5TCqw9q5T5FVrI0g3ro=".parse()?;
//! assert_eq!(hasher.verify(&password, Some(&imported)).await?, Verdict::Correct { rehash: true });
//! assert_eq!(hasher.verify(&password, None).await?, Verdict::Wrong);
//! # Ok(())
//! # }
//! ```

mod common;
mod hash;
mod hasher;
mod policy;
mod scheme;

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

pub use hash::{PasswordHash, UnacceptableHash, Verdict};
pub use hasher::{Hasher, HasherLimits, NewPasswordError, Unhashed};
pub use policy::{PasswordPolicy, PolicyMistake, UnacceptablePassword};

/// A password as it was typed. `Debug` shows `[redacted]`, there is no comparison, clones share one piece of memory, and
/// dropping the last one overwrites it.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<String>>);

impl Password {
    /// The text itself: for hashing, for the policy, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}
