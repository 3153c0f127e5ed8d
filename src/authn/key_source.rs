//! Where an issuer's keys are: a set that can be replaced while requests run, and its generation.
//!
//! A cached token carries the generation of the set that it was verified with. Replacing the set makes every one of
//! them unacceptable at once, so that the tokens of a removed key die with it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;

use crate::jwt::KeySet;

/// The keys of one issuer, as they are now.
#[derive(Debug)]
pub struct KeySource {
    keys: ArcSwapOption<KeySet>,
    generation: AtomicU64,
}

impl KeySource {
    /// Keys that are known from the start.
    #[must_use]
    pub fn known(keys: KeySet) -> Self {
        Self { keys: ArcSwapOption::from_pointee(keys), generation: AtomicU64::new(0) }
    }

    /// Keys that are still to come: until [`replace`](Self::replace), the issuer's tokens are answered with
    /// `keys_unavailable`, never let through and never called invalid.
    #[must_use]
    pub fn pending() -> Self {
        Self { keys: ArcSwapOption::empty(), generation: AtomicU64::new(0) }
    }

    /// Replaces the whole set. What was verified with the old one is verified again.
    pub fn replace(&self, keys: KeySet) {
        // Keys first: a reader that sees the new generation must not find the old keys.
        self.keys.store(Some(Arc::new(keys)));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// How often the set was replaced.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The keys now, and the generation to remember beside what they verify; `None` while they are not known.
    pub(super) fn load(&self) -> Option<(Arc<KeySet>, u64)> {
        // Generation first: if the set is replaced in between, the result is new keys under an old generation, which
        // costs one verification more. The other order would keep the old keys' tokens alive.
        let generation = self.generation();
        self.keys.load_full().map(|keys| (keys, generation))
    }
}
