//! bcrypt as crypt(3) writes it: `2b$12$` with 22 characters of salt and 31 of output in bcrypt's own base64.
//!
//! Of a longer password only the first 72 bytes count, as with whoever made the hash. Django's `bcrypt_sha256` hashes the
//! hexadecimal SHA-256 of the password, so that does not concern it.
//!
//! `2a`, `2b` and `2y` are the same for what fits; `2x` marks hashes of a faulty implementation and is refused.

use ::bcrypt::BASE_64;
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::Engine;
use zeroize::Zeroizing;

use super::{UnacceptableHash, bounded, malformed, number};

/// How many bytes of a password bcrypt reads.
const READ: usize = 72;

/// Binary logarithm of the rounds: some four seconds of a core.
const HIGHEST_COST: u32 = 16;

const NAME: &str = "bcrypt";

#[derive(Clone)]
pub(in super::super) struct Bcrypt {
    of_sha256: bool,
    cost: u32,
    salt: [u8; 16],
    output: [u8; 23],
}

impl Bcrypt {
    /// Reads what stands behind the first `$`.
    pub(in super::super) fn parse(text: &str) -> Result<Self, UnacceptableHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let ["2a" | "2b" | "2y", cost, rest] = fields[..] else {
            return Err(malformed(NAME, "it has not the fields 2a, 2b or 2y, cost, and salt with output"));
        };
        let cost = Some(cost).filter(|cost| cost.len() == 2).and_then(number);
        let cost = cost.filter(|cost| *cost >= 4).ok_or(malformed(NAME, "the cost is not two digits, 04 at least"))?;
        bounded(NAME, "cost", cost.into(), HIGHEST_COST.into())?;
        let (salt, output) = rest.split_at_checked(22).ok_or(malformed(NAME, "it is too short"))?;
        Ok(Self {
            of_sha256: false,
            cost,
            salt: decode(salt).ok_or(malformed(NAME, "the salt is not 22 characters of its base64"))?,
            output: decode(output).ok_or(malformed(NAME, "the output is not 31 characters of its base64"))?,
        })
    }

    /// The same, of the password's hexadecimal SHA-256.
    pub(in super::super) fn of_sha256(self) -> Self {
        Self { of_sha256: true, ..self }
    }

    pub(in super::super) fn name(&self) -> &'static str {
        if self.of_sha256 { "bcrypt_sha256" } else { NAME }
    }

    pub(in super::super) fn is_of_sha256(&self) -> bool {
        self.of_sha256
    }

    /// Whether a part of `password` does not count.
    pub(in super::super) fn truncates(&self, password: &[u8]) -> bool {
        !self.of_sha256 && password.len() > READ
    }

    pub(in super::super) fn matches(&self, password: &[u8]) -> bool {
        let key = Zeroizing::new(if self.of_sha256 { hexadecimal_sha256(password) } else { password.to_vec() });
        let read = &key[..key.len().min(READ)];
        let mut terminated = Zeroizing::new(read.to_vec());
        if read.len() < READ {
            terminated.push(0);
        }
        let computed = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, &terminated));
        verify_slices_are_equal(&computed[..self.output.len()], &self.output).is_ok()
    }
}

fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    BASE_64.decode(text).ok()?.try_into().ok()
}

fn hexadecimal_sha256(password: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = digest(&SHA256, password);
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    digest.as_ref().iter().flat_map(digits).collect()
}
