//! Verified tokens, by the whole token.
//!
//! 1. Only correctly signed tokens come in, and those that their issuer, being asked, called active. If failures did, a
//!    flood of bad tokens would push out the good ones.
//! 2. A token is found by a hash of its last bytes (its signature: the part that differs most; all of an opaque one) with
//!    a seed of this process, and then compared in full. Its text is kept once: what is known of it is also the key.
//! 3. A hit is worth nothing by itself: the expiry is compared again, the generation of the issuer's keys, and when the
//!    token was verified: at most [`max_ttl`](CacheSettings::max_ttl) ago, and not in the future, where a clock that was
//!    set back would put it.
//! 4. A signed token that has expired stays until it is pushed out or `max_ttl` is over, so that a client that keeps
//!    sending it does not cost a signature check each time.
//! 5. What is past `max_ttl` is thrown out when a new token comes in, at most once in that time.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use equivalent::Equivalent;
use foldhash::fast::RandomState;
use quick_cache::{UnitWeighter, sync::DefaultLifecycle};

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

type Tokens = quick_cache::sync::Cache<Known, Known, UnitWeighter, RandomState>;

/// The cache: quick_cache (a kind of CLOCK-Pro, so that a flood of tokens that are used once pushes out no other),
/// keyed by the token itself.
pub(super) struct Cache {
    tokens: Tokens,
    /// In milliseconds, as are all times here.
    max_ttl: u64,
    swept: AtomicU64,
    tally: Tally,
}

impl Cache {
    pub(super) fn new(settings: CacheSettings) -> Self {
        let entries = usize::try_from(settings.entries).unwrap_or(usize::MAX);
        // Seeded at random, so that nobody outside can aim at a place.
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        let tokens = Tokens::with(entries, settings.entries, UnitWeighter, hasher, lifecycle);
        let max_ttl = Timestamp::default().saturating_add(settings.max_ttl).as_millis();
        Self { tokens, max_ttl, swept: AtomicU64::new(0), tally: Tally::default() }
    }

    /// What is known of `token`, counted by [`hit`](Self::hit) or [`miss`](Self::miss) once it is clear which it was.
    pub(super) fn get(&self, token: &[u8]) -> Option<Known> {
        self.tokens.get(&Lookup(token))
    }

    pub(super) fn insert(&self, known: Known, now: Timestamp) {
        self.sweep(now);
        self.tokens.insert(known.clone(), known);
    }

    /// Whether what was verified then may still be believed.
    pub(super) const fn is_fresh(&self, verified: Timestamp, now: Timestamp) -> bool {
        within(self.max_ttl, verified.as_millis(), now)
    }

    /// Throws out what is past its time, if that was not done for as long.
    fn sweep(&self, now: Timestamp) {
        let last = self.swept.load(Ordering::Relaxed);
        if within(self.max_ttl, last, now) {
            return;
        }
        // Whoever is first does it.
        if self.swept.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.tokens.retain(|_, known| self.is_fresh(known.standing().verified, now));
        }
    }

    pub(super) fn hit(&self) {
        self.tally.hit();
    }

    pub(super) fn miss(&self) {
        self.tally.miss();
    }

    pub(super) fn stats(&self) -> CacheStats {
        let (hits, misses) = self.tally.sums();
        let entries = u64::try_from(self.tokens.len()).unwrap_or(u64::MAX);
        CacheStats { hits, misses, entries }
    }
}

/// Whether `now` is less than `span` after `start`, and not before it.
const fn within(span: u64, start: u64, now: Timestamp) -> bool {
    now.as_millis().wrapping_sub(start) < span
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Cache").field(&self.stats()).finish()
    }
}

impl PartialEq for Known {
    /// Of the same token.
    fn eq(&self, other: &Self) -> bool {
        self.token() == other.token()
    }
}

impl Eq for Known {}

struct Lookup<'t>(&'t [u8]);

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Lookup(self.token()).hash(state);
    }
}

impl Hash for Lookup<'_> {
    /// The last 32 bytes hold 24 bytes of the signature: an attacker who could choose them could also sign. The length
    /// is hashed with them. Nobody knows where opaque tokens differ.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0;
        let hashed = if bytes.starts_with(b"eyJ") { bytes.len().saturating_sub(32) } else { 0 };
        state.write(bytes.get(hashed..).unwrap_or(bytes));
        state.write_usize(bytes.len());
    }
}

impl Equivalent<Known> for Lookup<'_> {
    fn equivalent(&self, known: &Known) -> bool {
        self.0 == known.token()
    }
}
