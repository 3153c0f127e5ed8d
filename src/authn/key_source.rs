//! Where an issuer's keys are: a set that can be replaced while requests run, and its generation.
//!
//! A cached token carries the generation of the set that it was verified with. Replacing the set makes every one of
//! them unacceptable at once, so that the tokens of a removed key die with it. Keys that are renewed are good for a
//! while only: past that they are as good as unknown, for cached tokens too, until they are fetched again.
//!
//! An issuer that is [asked about each token](super::introspection) has no keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;

use super::{
    introspection::{IntrospectionStatus, Introspections, Introspector},
    renewal::{KeyStatus, Renewal, RenewalSettings, Renewer, Shared},
};
use crate::{clock::Timestamp, jwt::KeySet};

/// When to ask again while keys are not known of which nobody says when they come.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The keys of one issuer, as they are now.
#[derive(Debug)]
pub struct KeySource {
    keys: ArcSwapOption<KeySet>,
    generation: AtomicU64,
    /// In milliseconds since the epoch.
    usable_until: AtomicU64,
    origin: Origin,
}

/// Who brings keys, or does without.
#[derive(Debug)]
enum Origin {
    Given,
    Renewed(Arc<Shared>),
    Introspected(Arc<Introspections>),
}

impl KeySource {
    /// Keys that are known from the start.
    #[must_use]
    pub fn known(keys: KeySet) -> Self {
        Self::new(Some(keys), Origin::Given)
    }

    /// Keys that are still to come: until [`replace`](Self::replace), the issuer's tokens are answered with
    /// `keys_unavailable`, never let through and never called invalid.
    #[must_use]
    pub fn pending() -> Self {
        Self::new(None, Origin::Given)
    }

    /// Keys that somebody else fetches, again and again: the source for an issuer, and the other end for whoever
    /// fetches. Until the first set has come they are [pending](Self::pending).
    #[must_use]
    pub fn renewed(settings: RenewalSettings) -> (Arc<Self>, Renewer) {
        let shared = Arc::new(Shared::new(settings));
        let source = Arc::new(Self::new(None, Origin::Renewed(Arc::clone(&shared))));
        let renewer = Renewer::new(Arc::downgrade(&source), shared);
        (source, renewer)
    }

    /// No keys: the issuer is asked about each token that is not known (RFC 7662). The source for an issuer, and the
    /// other end for whoever asks.
    #[must_use]
    pub fn introspected() -> (Arc<Self>, Introspector) {
        let (shared, introspector) = Introspections::new();
        (Arc::new(Self::new(None, Origin::Introspected(shared))), introspector)
    }

    fn new(keys: Option<KeySet>, origin: Origin) -> Self {
        Self {
            keys: ArcSwapOption::from_pointee(keys),
            generation: AtomicU64::new(0),
            usable_until: AtomicU64::new(u64::MAX),
            origin,
        }
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

    /// The keys that tokens are verified with at `now`; `None` while they are not known, or too old.
    #[must_use]
    pub fn keys(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.load(now).map(|(keys, _)| keys)
    }

    /// How renewing them goes; `None` for keys that are not [renewed](Self::renewed).
    #[must_use]
    pub fn status(&self) -> Option<KeyStatus> {
        self.renewal().map(|renewal| renewal.status())
    }

    /// How asking about tokens goes; `None` where keys tell.
    #[must_use]
    pub fn introspection_status(&self) -> Option<IntrospectionStatus> {
        self.introspections().map(|asked| asked.status())
    }

    /// Whether tokens can be judged at `now`, as far as is known: the keys are there, or the issuer did not fail to
    /// answer the last time that it was asked.
    #[must_use]
    pub fn is_available(&self, now: Timestamp) -> bool {
        match self.introspection_status() {
            Some(status) => status.last_error.is_none(),
            None => self.keys(now).is_some(),
        }
    }

    pub(super) const fn introspections(&self) -> Option<&Arc<Introspections>> {
        match &self.origin {
            Origin::Introspected(shared) => Some(shared),
            Origin::Given | Origin::Renewed(_) => None,
        }
    }

    const fn renewal(&self) -> Option<&Arc<Shared>> {
        match &self.origin {
            Origin::Renewed(shared) => Some(shared),
            Origin::Given | Origin::Introspected(_) => None,
        }
    }

    /// The keys at `now`, and the generation to remember beside what they verify.
    pub(super) fn load(&self, now: Timestamp) -> Option<(Arc<KeySet>, u64)> {
        if !self.is_usable(now) {
            return None;
        }
        // Generation first: if the set is replaced in between, the result is new keys under an old generation, which
        // costs one verification more. The other order would keep the old keys' tokens alive.
        let generation = self.generation();
        self.keys.load_full().map(|keys| (keys, generation))
    }

    /// Whether what was verified with this generation may still be believed.
    pub(super) fn is_current(&self, generation: u64, now: Timestamp) -> bool {
        generation == self.generation() && self.is_usable(now)
    }

    /// A renewal to wait for when a token names a key that is not known; `None` if there is none, or not again so soon.
    pub(super) fn ask(&self, now: Timestamp) -> Option<Renewal> {
        Shared::ask(self.renewal()?, now)
    }

    /// How long to wait for keys that are not known.
    pub(super) fn retry_after(&self, now: Timestamp) -> Duration {
        let next = self.status().and_then(|status| status.next);
        next.map_or(RETRY_AFTER, |next| next.since(now).clamp(Duration::from_secs(1), Duration::from_secs(60)))
    }

    pub(super) fn keep_until(&self, time: Timestamp) {
        self.usable_until.store(time.as_millis(), Ordering::Release);
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        now.as_millis() < self.usable_until.load(Ordering::Acquire)
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        match &self.origin {
            Origin::Given => {}
            Origin::Renewed(shared) => shared.abandon(),
            Origin::Introspected(shared) => shared.abandon(),
        }
    }
}
