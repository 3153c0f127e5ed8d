//! scrypt (RFC 7914) as Django writes it: `N$salt$r$p$output`. The salt counts as it stands, in UTF-8; the output is base64
//! of 64 bytes.
//!
//! Refused: more than 256 MiB; more than 1 GiB filled in all lanes together.

use ::scrypt::Params;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64_simd::STANDARD;
use zeroize::Zeroizing;

use super::{MOST_MEMORY_KIB, UnacceptableHash, bounded, malformed, number};

const OUTPUT_LENGTH: usize = 64;

/// Some four seconds of a core.
const MOST_WORK_KIB: u64 = 1024 * 1024;

#[derive(Clone)]
pub(in super::super) struct Scrypt {
    costs: Params,
    salt: String,
    output: Vec<u8>,
}

impl Scrypt {
    pub(in super::super) const NAME: &str = "scrypt";

    /// Reads what stands behind `scrypt$`.
    pub(in super::super) fn parse(text: &str) -> Result<Self, UnacceptableHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let [n, salt, r, p, output] = fields[..] else {
            return Err(malformed(Self::NAME, "it has not the fields N, salt, r, p and output"));
        };
        let costs = read_costs(n, r, p)?;
        let output = STANDARD.decode_to_vec(output).map_err(|_| malformed(Self::NAME, "the output is not base64"))?;
        if salt.is_empty() {
            return Err(malformed(Self::NAME, "there is no salt"));
        }
        if output.len() != OUTPUT_LENGTH {
            return Err(malformed(Self::NAME, "the output is not 64 bytes long"));
        }
        Ok(Self { costs, salt: salt.to_owned(), output })
    }

    pub(in super::super) fn matches(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new([0; OUTPUT_LENGTH]);
        ::scrypt::scrypt(password, self.salt.as_bytes(), &self.costs, &mut *computed).is_ok()
            && verify_slices_are_equal(&*computed, &self.output).is_ok()
    }
}

fn read_costs(n: &str, r: &str, p: &str) -> Result<Params, UnacceptableHash> {
    let (Some(n), Some(r), Some(p)) = (number(n), number(r), number(p)) else {
        return Err(malformed(Scrypt::NAME, "N, r and p are not numbers"));
    };
    if !n.is_power_of_two() {
        return Err(malformed(Scrypt::NAME, "N is not a power of two"));
    }
    // A block is 128 r bytes; there are N of them, and p more.
    let kib = |blocks: u64| (u64::from(r) * 128).saturating_mul(blocks) / 1024;
    bounded(Scrypt::NAME, "KiB of memory:", kib(u64::from(n) + u64::from(p)), MOST_MEMORY_KIB)?;
    bounded(Scrypt::NAME, "KiB in all lanes:", kib(u64::from(n) * u64::from(p)), MOST_WORK_KIB)?;
    let log_n = u8::try_from(n.ilog2()).map_err(|_| malformed(Scrypt::NAME, "N is too large"))?;
    Params::new(log_n, r, p).map_err(|_| malformed(Scrypt::NAME, "N, r and p do not go together"))
}
