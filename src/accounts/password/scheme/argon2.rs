//! Argon2 (RFC 9106) in the PHC string format: `argon2id$v=19$m=19456,t=2,p=1$salt$output`, base64 without padding.
//!
//! Refused: a `keyid` or `data`; an output under 16 bytes, which too many passwords would match, or above 64; more than
//! 256 MiB; more than 4 GiB written in all passes together. Without `v=`, it is version 16, as it was before there were
//! others.

use std::cell::RefCell;

use ::argon2::{Algorithm, Block, Params, Version};
use aws_lc_rs::{constant_time::verify_slices_are_equal, rand::SecureRandom};
use base64_simd::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{super::Unhashed, MOST_MEMORY_KIB, UnacceptableHash, bounded, malformed, number};

/// Of new hashes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// Of imported ones: a few seconds of one core.
const MOST_WORK_KIB: u64 = 4 * 1024 * 1024;

/// How much of its memory a thread keeps: what a new hash takes, in KiB.
const KEPT_BLOCKS: usize = 19 * 1024;

const NAME: &str = "argon2";

thread_local! {
    /// What hashes are computed in. It stays with the thread: allocators that get pieces of this size back from several
    /// threads keep many times of it.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone)]
pub(in super::super) struct Argon2 {
    algorithm: Algorithm,
    version: Version,
    costs: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Argon2 {
    /// The hash of `password` with the parameters of new hashes.
    pub(in super::super) fn new(password: &[u8], random: &dyn SecureRandom) -> Result<Self, Unhashed> {
        // What is drawn as the output gives it its length.
        let mut new = Self::random(random)?;
        new.output = new.compute(password)?.to_vec();
        Ok(new)
    }

    /// A hash that nobody knows a password for.
    pub(in super::super) fn random(random: &dyn SecureRandom) -> Result<Self, Unhashed> {
        let mut salt = vec![0; SALT_LENGTH];
        let mut output = vec![0; OUTPUT_LENGTH];
        random.fill(&mut salt).and_then(|()| random.fill(&mut output)).map_err(|_| Unhashed::NoRandomness)?;
        let costs = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| Unhashed::Interrupted)?;
        Ok(Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, costs, salt, output })
    }

    /// Reads what stands behind the first `$`.
    pub(in super::super) fn parse(text: &str) -> Result<Self, UnacceptableHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let (variety, version, costs, salt, output) = match fields[..] {
            [variety, version, costs, salt, output] => (variety, version, costs, salt, output),
            [variety, costs, salt, output] => (variety, "v=16", costs, salt, output),
            _ => return Err(malformed(NAME, "it has not the fields variety, v, costs, salt and output")),
        };
        let algorithm = match variety {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(malformed(NAME, "the variety is none of argon2id, argon2i and argon2d")),
        };
        let version = match version {
            "v=19" => Version::V0x13,
            "v=16" => Version::V0x10,
            _ => return Err(malformed(NAME, "the version is neither 19 nor 16")),
        };
        let costs = read_costs(costs)?;
        let salt = STANDARD_NO_PAD.decode_to_vec(salt).map_err(|_| malformed(NAME, "the salt is not base64"))?;
        let output = STANDARD_NO_PAD.decode_to_vec(output).map_err(|_| malformed(NAME, "the output is not base64"))?;
        if salt.len() < ::argon2::MIN_SALT_LEN {
            return Err(malformed(NAME, "the salt is shorter than 8 bytes"));
        }
        if !(16..=64).contains(&output.len()) {
            return Err(malformed(NAME, "the output is not 16 to 64 bytes long"));
        }
        Ok(Self { algorithm, version, costs, salt, output })
    }

    pub(in super::super) fn to_phc(&self) -> String {
        let (variety, version) = (self.name(), u32::from(self.version));
        let (memory, passes, lanes) = (self.costs.m_cost(), self.costs.t_cost(), self.costs.p_cost());
        let salt = STANDARD_NO_PAD.encode_to_string(&self.salt);
        let output = STANDARD_NO_PAD.encode_to_string(&self.output);
        format!("${variety}$v={version}$m={memory},t={passes},p={lanes}${salt}${output}")
    }

    pub(in super::super) fn name(&self) -> &'static str {
        self.algorithm.as_str()
    }

    pub(in super::super) fn is_current(&self) -> bool {
        let costs = (self.costs.m_cost(), self.costs.t_cost(), self.costs.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && costs == (MEMORY_KIB, PASSES, LANES)
            && self.salt.len() >= SALT_LENGTH
            && self.output.len() == OUTPUT_LENGTH
    }

    pub(in super::super) fn matches(&self, password: &[u8]) -> Result<bool, Unhashed> {
        Ok(verify_slices_are_equal(&self.compute(password)?, &self.output).is_ok())
    }

    fn compute(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unhashed> {
        MEMORY.with_borrow_mut(|memory| {
            let blocks = self.costs.block_count();
            memory.try_reserve_exact(blocks.saturating_sub(memory.len())).map_err(|_| Unhashed::NoMemory)?;
            memory.resize(blocks.max(memory.len()), Block::new());
            let mut output = Zeroizing::new(vec![0; self.output.len()]);
            let computed = ::argon2::Argon2::new(self.algorithm, self.version, self.costs.clone())
                .hash_password_into_with_memory(password, &self.salt, &mut output, memory.as_mut_slice());
            // With few passes some of it is no slower to guess from than a plain digest of the password.
            memory[..blocks].fill(Block::new());
            memory.truncate(KEPT_BLOCKS);
            memory.shrink_to(KEPT_BLOCKS);
            // All lengths have been checked, when the hash was read.
            computed.map(|()| output).map_err(|_| Unhashed::Interrupted)
        })
    }
}

/// Reads `m=…,t=…,p=…`.
fn read_costs(text: &str) -> Result<Params, UnacceptableHash> {
    let mut fields = text.split(',');
    // A number has one form (PHC string format): no zero stands before it, and none is 0.
    let mut read = |name: &str| number(fields.next()?.strip_prefix(name).filter(|text| !text.starts_with('0'))?);
    let (Some(memory), Some(passes), Some(lanes), None) = (read("m="), read("t="), read("p="), fields.next()) else {
        return Err(malformed(NAME, "the costs are not m, t and p"));
    };
    bounded(NAME, "KiB of memory:", memory.into(), MOST_MEMORY_KIB)?;
    bounded(NAME, "KiB in all passes:", u64::from(memory) * u64::from(passes), MOST_WORK_KIB)?;
    Params::new(memory, passes, lanes, None).map_err(|_| malformed(NAME, "m, t and p do not go together"))
}
