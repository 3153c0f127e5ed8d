//! PBKDF2 (RFC 8018 §5.2) as Django writes it: `rounds$salt$output`. The salt counts as it stands, in UTF-8; the output is
//! base64 and as long as the digest.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};
use base64_simd::STANDARD;

use super::{UnacceptableHash, bounded, malformed, number};

/// Some five seconds of a core. Django 5.2 uses a million.
const MOST_ROUNDS: u64 = 10_000_000;

#[derive(Clone)]
pub(in super::super) struct Pbkdf2 {
    name: &'static str,
    algorithm: Algorithm,
    rounds: NonZeroU32,
    salt: String,
    output: Vec<u8>,
}

impl Pbkdf2 {
    /// Reads what stands behind `pbkdf2_sha256$`.
    pub(in super::super) fn sha256(text: &str) -> Result<Self, UnacceptableHash> {
        Self::parse("pbkdf2_sha256", PBKDF2_HMAC_SHA256, 32, text)
    }

    /// Reads what stands behind `pbkdf2_sha1$`.
    pub(in super::super) fn sha1(text: &str) -> Result<Self, UnacceptableHash> {
        Self::parse("pbkdf2_sha1", PBKDF2_HMAC_SHA1, 20, text)
    }

    fn parse(
        name: &'static str,
        algorithm: Algorithm,
        output_length: usize,
        text: &str,
    ) -> Result<Self, UnacceptableHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let [rounds, salt, output] = fields[..] else {
            return Err(malformed(name, "it has not the fields rounds, salt and output"));
        };
        let rounds = number(rounds).and_then(NonZeroU32::new).ok_or(malformed(name, "the rounds are not a number"))?;
        bounded(name, "rounds:", rounds.get().into(), MOST_ROUNDS)?;
        if salt.is_empty() {
            return Err(malformed(name, "there is no salt"));
        }
        let output = STANDARD.decode_to_vec(output).map_err(|_| malformed(name, "the output is not base64"))?;
        if output.len() != output_length {
            return Err(malformed(name, "the output is not as long as the digest"));
        }
        Ok(Self { name, algorithm, rounds, salt: salt.to_owned(), output })
    }

    pub(in super::super) fn name(&self) -> &'static str {
        self.name
    }

    pub(in super::super) fn matches(&self, password: &[u8]) -> bool {
        pbkdf2::verify(self.algorithm, self.rounds, self.salt.as_bytes(), password, &self.output).is_ok()
    }
}
