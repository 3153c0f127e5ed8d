//! Verified tokens, by the whole token.
//!
//! 1. Only correctly signed tokens come in, and those that their issuer, being asked, called active. If failures did, a
//!    flood of bad tokens would push out the good ones.
//! 2. A token is found by a hash of its last bytes (its signature: the part that differs most; all of an opaque one) with
//!    a seed of this cache, and then compared in full. Of two tokens with the same hash, which nobody can look for
//!    without the seed and which is not to be expected among millions, the later one is kept.
//! 3. A hit is worth nothing by itself: the expiry is compared again, the generation of the issuer's keys, and when the
//!    token was verified: at most [`max_ttl`](CacheSettings::max_ttl) ago, and not in the future, where a clock that was
//!    set back would put it.
//! 4. A signed token that has expired stays until it is pushed out or `max_ttl` is over, so that a client that keeps
//!    sending it does not cost a signature check each time.
//! 5. What is past `max_ttl` is thrown out by moka, by its own clock and a few hundred at a time, with the requests that
//!    come then. Whether a token may be believed does not depend on that.

use std::{
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;

use super::{Principal, tally::Tally};
use crate::clock::Timestamp;

/// How much is remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Tokens at most. Default 50,000.
    pub entries: u64,
    /// The longest time that a token is not verified again, by the authenticator's clock. Default 10 minutes.
    pub max_ttl: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { entries: 50_000, max_ttl: Duration::from_secs(600) }
    }
}

/// A year. moka takes no time of more than a thousand.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Tokens that were found, and were still good or still expired.
    pub hits: u64,
    /// Tokens that had to be verified.
    pub misses: u64,
    /// Tokens held now, with those that are past `max_ttl` and not thrown out yet.
    pub entries: u64,
}

/// What is looked at on each hit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// From this time on the token has expired: its `exp` and the leeway.
    pub(super) expires: Timestamp,
    /// When it was verified, or its issuer said that it is good.
    pub(super) verified: Timestamp,
    /// Which issuer's key it was verified with, and the generation of the set.
    pub(super) issuer: usize,
    pub(super) generation: u64,
}

/// What is known of a correctly signed token.
#[derive(Clone)]
pub(super) enum Known {
    Good(Principal),
    /// It had expired when it was verified: then nothing else of it was looked at.
    Expired(Arc<Expired>),
}

pub(super) struct Expired {
    token: Box<str>,
    standing: Standing,
}

impl Known {
    pub(super) fn expired(token: &str, standing: Standing) -> Self {
        Self::Expired(Arc::new(Expired { token: token.into(), standing }))
    }

    pub(super) fn standing(&self) -> &Standing {
        match self {
            Self::Good(principal) => principal.standing(),
            Self::Expired(expired) => &expired.standing,
        }
    }

    fn token(&self) -> &[u8] {
        match self {
            Self::Good(principal) => principal.token().as_bytes(),
            Self::Expired(expired) => expired.token.as_bytes(),
        }
    }
}

/// The cache: moka (W-TinyLFU, so that a flood of tokens that are used once pushes out no other). The key is a hash alone
/// because moka keeps keys longer than values: of what was thrown out until its table grows or is tidied up, and the
/// first one when a value is replaced. With the token in it its text would stay as long.
pub(super) struct Cache {
    tokens: moka::sync::Cache<u64, Known, RandomState>,
    /// Seeded at random, so that nobody outside can aim at a place.
    hasher: RandomState,
    /// In milliseconds, as are all times here.
    max_ttl: u64,
    tally: Tally,
}

impl Cache {
    pub(super) fn new(settings: CacheSettings) -> Self {
        let hasher = RandomState::default();
        // Going through all of them ourselves would hold up one request for a tenth of a second and more.
        let tokens = moka::sync::Cache::builder()
            .max_capacity(settings.entries)
            .time_to_live(settings.max_ttl.min(LONGEST_LIFE))
            .build_with_hasher(hasher.clone());
        let max_ttl = Timestamp::default().saturating_add(settings.max_ttl).as_millis();
        Self { tokens, hasher, max_ttl, tally: Tally::default() }
    }

    /// What is known of `token`, counted by [`hit`](Self::hit) or [`miss`](Self::miss) once it is clear which it was.
    pub(super) fn get(&self, token: &[u8]) -> Option<Known> {
        self.tokens.get(&self.key(token)).filter(|known| known.token() == token)
    }

    pub(super) fn insert(&self, known: Known) {
        self.tokens.insert(self.key(known.token()), known);
    }

    /// The last 32 bytes hold 24 bytes of the signature: an attacker who could choose them could also sign. The length
    /// is hashed with them. Nobody knows where opaque tokens differ.
    fn key(&self, token: &[u8]) -> u64 {
        let hashed = if token.starts_with(b"eyJ") { token.len().saturating_sub(32) } else { 0 };
        let mut state = self.hasher.build_hasher();
        state.write(token.get(hashed..).unwrap_or(token));
        state.write_usize(token.len());
        state.finish()
    }

    /// Whether what was verified then may still be believed: less than `max_ttl` later, and not before it.
    pub(super) const fn is_fresh(&self, verified: Timestamp, now: Timestamp) -> bool {
        now.as_millis().wrapping_sub(verified.as_millis()) < self.max_ttl
    }

    pub(super) fn hit(&self) {
        self.tally.hit();
    }

    pub(super) fn miss(&self) {
        self.tally.miss();
    }

    pub(super) fn stats(&self) -> CacheStats {
        let (hits, misses) = self.tally.sums();
        // moka counts what is written late, in batches: whoever asks wants to know what is there now.
        self.tokens.run_pending_tasks();
        CacheStats { hits, misses, entries: self.tokens.entry_count() }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Cache").field(&self.stats()).finish()
    }
}
