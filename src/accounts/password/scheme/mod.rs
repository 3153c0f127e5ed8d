//! The algorithms: each reads its own form, bounds its cost, and compares in constant time.

mod argon2;
mod bcrypt;
mod pbkdf2;
mod scrypt;

pub(super) use argon2::Argon2;
pub(super) use bcrypt::Bcrypt;
pub(super) use pbkdf2::Pbkdf2;
pub(super) use scrypt::Scrypt;

use super::UnacceptableHash;

/// The most memory that one hash may take: as much as thirteen new ones.
const MOST_MEMORY_KIB: u64 = 256 * 1024;

/// A number as these forms write it: decimal digits alone.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `found`, unless it is more than `most`.
fn bounded(scheme: &'static str, cost: &'static str, found: u64, most: u64) -> Result<(), UnacceptableHash> {
    if found > most { Err(UnacceptableHash::TooCostly { scheme, cost, found, most }) } else { Ok(()) }
}

/// An error about a hash of `scheme`.
fn malformed(scheme: &'static str, mistake: &'static str) -> UnacceptableHash {
    UnacceptableHash::Malformed { scheme, mistake }
}
