//! Verified tokens, by the whole token.
//!
//! 1. Only correctly signed tokens come in, and those that their issuer, being asked, called active. If failures did, a
//!    flood of bad tokens would push out the good ones.
//! 2. A token is found by a hash of its last bytes (its signature: the part that differs most; all of an opaque one) with
//!    a seed of this process, and then compared in full.
//! 3. A hit is worth nothing by itself: the expiry is compared again, the generation of the issuer's keys, and until when
//!    an issuer's word is good.
//! 4. A signed token that has expired stays until it is pushed out or [`max_ttl`](CacheSettings::max_ttl) is over, so
//!    that a client that keeps sending it does not cost a signature check each time.

use std::{
    hash::{Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use equivalent::Equivalent;
use foldhash::fast::RandomState;

use super::Principal;
use crate::clock::Timestamp;

/// How much is remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Tokens at most. Default 50,000.
    pub entries: u64,
    /// The longest time that a token is not verified again. Default 10 minutes.
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
    /// Tokens held now.
    pub entries: u64,
}

/// What is known of a correctly signed token.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// `None` if the token had expired when it was verified: then nothing else of it was looked at.
    pub(super) principal: Option<Principal>,
    /// From this time on the token has expired: its `exp` and the leeway.
    pub(super) expires: Timestamp,
    /// Before this time it is not valid yet: its `nbf` less the leeway.
    pub(super) not_before: Timestamp,
    /// Which issuer's key it was verified with, and the generation of the set.
    pub(super) issuer: usize,
    pub(super) generation: u64,
    /// From this time on the issuer is asked again. What its key has signed needs no asking.
    pub(super) fresh_until: Timestamp,
}

/// The cache: moka (W-TinyLFU, concurrent), keyed by the token itself.
pub(super) struct Cache {
    tokens: moka::sync::Cache<Token, Entry, RandomState>,
    max_ttl: Duration,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    pub(super) fn new(settings: CacheSettings) -> Self {
        let tokens = moka::sync::Cache::builder()
            .max_capacity(settings.entries)
            .time_to_live(settings.max_ttl)
            // Seeded at random, so that nobody outside can aim at a bucket.
            .build_with_hasher(RandomState::default());
        Self { tokens, max_ttl: settings.max_ttl, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// What is known of `token`, counted by [`hit`](Self::hit) or [`miss`](Self::miss) once it is clear which it was.
    pub(super) fn get(&self, token: &[u8]) -> Option<Entry> {
        self.tokens.get(&Lookup(token))
    }

    pub(super) fn insert(&self, token: &str, entry: Entry) {
        self.tokens.insert(Token(token.into()), entry);
    }

    /// The longest time that a token is not verified again.
    pub(super) const fn max_ttl(&self) -> Duration {
        self.max_ttl
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        // moka counts what is written late, in batches: whoever asks wants to know what is there now.
        self.tokens.run_pending_tasks();
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.tokens.entry_count(),
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Cache").field(&self.stats()).finish()
    }
}

#[derive(PartialEq, Eq)]
struct Token(Box<str>);

struct Lookup<'t>(&'t [u8]);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Lookup(self.0.as_bytes()).hash(state);
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

impl Equivalent<Token> for Lookup<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        self.0 == token.0.as_bytes()
    }
}
