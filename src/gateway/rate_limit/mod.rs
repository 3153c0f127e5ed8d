//! How often somebody may come.
//!
//! 1. A limit by address or by a header counts every request that its routes cover, before a token is looked at: whoever
//!    guesses tokens is counted like anybody else.
//! 2. A limit by principal counts once the token is known to be good, and before permissions and ownership are asked
//!    about. A request without a token, on a route that lets it in, counts by its address.
//! 3. A request counts once for each limit, however often it is decided. One that a limit refuses uses nothing up of it.
//! 4. The arithmetic is the generic cell rate algorithm (ITU-T I.371): `burst` at once, and then one for each
//!    `period / requests`.
//! 5. Each limit remembers a bounded number of keys (100,000), over all workers. When there are more, those that come
//!    often stay: the ones that there is a limit for. Nothing of a header or a token is kept, only a hash.
//! 6. Every answer of a limited route tells how the client stands (draft-ietf-httpapi-ratelimit-headers).
//!
//! The time is tokio's, which never goes back: a wall clock that is set anew locks nobody out.

mod fields;
mod key;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};
use http::HeaderMap;
use moka::sync::Cache;
use tokio::time::Instant;

use self::key::Key;
pub(super) use self::key::network;
use crate::{
    authn::Principal,
    authz::Match,
    config::{self, LimitedBy},
    rejection::Rejection,
};

/// How many clients a limit knows apart. One takes some 150 bytes.
const MOST_KEYS: u64 = 100_000;

/// All limits of a configuration, shared by all workers.
#[derive(Debug, Default)]
pub struct RateLimits {
    limits: Box<[Arc<RateLimit>]>,
    /// Those that count where there is no route.
    defaults: Box<[usize]>,
}

impl RateLimits {
    /// The limits, in the order by which routes name them. One that was in `before` with the same settings goes on where it
    /// stood: a configuration that is loaded anew forgives nobody.
    #[must_use]
    pub fn new(settings: &[config::RateLimit], before: Option<&Self>) -> Self {
        let limit = |settings: &config::RateLimit| {
            let before = before.and_then(|before| before.limits.iter().find(|limit| limit.settings == *settings));
            before.cloned().unwrap_or_else(|| Arc::new(RateLimit::new(settings, Uptime(Instant::now()))))
        };
        let defaults = (0..settings.len()).filter(|at| settings.get(*at).is_some_and(|limit| limit.is_default));
        Self { limits: settings.iter().map(limit).collect(), defaults: defaults.collect() }
    }

    /// The limits of a request by its rule.
    pub(super) fn of<'a>(&'a self, found: Option<&'a Match<'a>>) -> &'a [usize] {
        found.map_or(&self.defaults, |found| found.rule().limits())
    }

    /// The limits of these indices, for people: `login: 10 in 1 min, by address`.
    pub(crate) fn described(&self, indices: &[usize]) -> Vec<String> {
        indices.iter().filter_map(|at| self.limits.get(*at)).map(|limit| limit.settings.to_string()).collect()
    }

    /// Each limit, for people, by its index.
    pub(crate) fn all(&self) -> Vec<String> {
        self.limits.iter().map(|limit| limit.settings.to_string()).collect()
    }

    /// How often each limit has refused, by its name.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&str, u64)> {
        self.limits.iter().map(|limit| (limit.settings.name.as_str(), limit.refused.load(Ordering::Relaxed)))
    }
}

/// One limit.
#[derive(Debug)]
struct RateLimit<C: Clock = Uptime> {
    settings: config::RateLimit,
    limiter: RateLimiter<Key, Cells, C, StateInformationMiddleware>,
    refused: AtomicU64,
}

/// How a client stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    remaining: u32,
    /// Until all of it is there again; where nothing remains, until the next request is let through.
    reset: Duration,
}

impl<C: Clock> RateLimit<C> {
    fn new(settings: &config::RateLimit, clock: C) -> Self {
        let each = settings.period / settings.requests.get();
        // The configuration has no period under a second and at most a million requests in it: it is never zero.
        let quota = Quota::with_period(each).unwrap_or(Quota::per_hour(NonZeroU32::MIN)).allow_burst(settings.burst);
        let cells = Cells::new(quota.burst_size_replenished_in());
        let limiter = RateLimiter::new(quota, cells, clock);
        Self { settings: settings.clone(), limiter, refused: AtomicU64::new(0) }
    }

    /// Counts a request: whether it may pass, and how its client stands then.
    fn count(&self, key: Key) -> (bool, Standing) {
        match self.limiter.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let quota = state.quota();
                let missing = if remaining == 0 { 1 } else { quota.burst_size().get().saturating_sub(remaining) };
                (true, Standing { remaining, reset: quota.replenish_interval().saturating_mul(missing) })
            }
            Err(refused) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let reset = refused.wait_time_from(self.limiter.clock().now());
                (false, Standing { remaining: 0, reset: reset.max(Duration::from_nanos(1)) })
            }
        }
    }
}

/// What is known of each key, as long as it differs from what is known of a new one.
#[derive(Debug)]
struct Cells(Cache<Key, Arc<InMemoryState>>);

impl Cells {
    /// After `refilled` without a request nothing is left to remember.
    fn new(refilled: Duration) -> Self {
        Self(Cache::builder().max_capacity(MOST_KEYS).time_to_idle(refilled + Duration::from_secs(1)).build())
    }
}

impl StateStore for Cells {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.get_with(*key, Arc::default).measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

/// The time since the limit was made.
#[derive(Clone, Copy, Debug)]
struct Uptime(Instant);

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What a request has counted for.
#[derive(Debug, Default)]
pub(super) struct Counted {
    standings: Vec<(Arc<RateLimit>, Standing)>,
    arrived: bool,
    known: bool,
}

impl Counted {
    /// Counts a request for the limits among `indices` that ask nothing of its token, once.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] of the first limit that is reached.
    pub(super) fn arrived(
        &mut self,
        limits: &RateLimits,
        indices: &[usize],
        headers: &HeaderMap,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<(), Rejection> {
        if indices.is_empty() || std::mem::replace(&mut self.arrived, true) {
            return Ok(());
        }
        let address = Key::of_address(client());
        for limit in indices.iter().filter_map(|at| limits.limits.get(*at)) {
            match &limit.settings.by {
                LimitedBy::Address => self.count(limit, address)?,
                LimitedBy::Header(name) => self.count(limit, Key::of_header(headers, name).unwrap_or(address))?,
                LimitedBy::Principal => {}
            }
        }
        Ok(())
    }

    /// Counts a request for the limits among `indices` that ask whose it is, once.
    ///
    /// # Errors
    /// As [`arrived`](Self::arrived).
    pub(super) fn known(
        &mut self,
        limits: &RateLimits,
        indices: &[usize],
        principal: Option<&Principal>,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<(), Rejection> {
        if indices.is_empty() || std::mem::replace(&mut self.known, true) {
            return Ok(());
        }
        let key = principal.map_or_else(|| Key::of_address(client()), Key::of_principal);
        let limits = indices.iter().filter_map(|at| limits.limits.get(*at));
        limits.filter(|limit| limit.settings.by == LimitedBy::Principal).try_for_each(|limit| self.count(limit, key))
    }

    fn count(&mut self, limit: &Arc<RateLimit>, key: Key) -> Result<(), Rejection> {
        let (passes, standing) = limit.count(key);
        self.standings.push((Arc::clone(limit), standing));
        if passes {
            return Ok(());
        }
        Err(Rejection::RateLimited { limit: Some(limit.settings.name.as_str().into()), retry_after: standing.reset })
    }

    /// Tells the client how it stands, if there is a limit.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if !self.standings.is_empty() {
            fields::write(&self.standings, headers);
        }
    }
}

#[cfg(test)]
mod tests;
