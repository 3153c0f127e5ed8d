//! What all workers know of an upstream together.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{Counter, Endpoint, Server, UpstreamSettings, server::Target};

pub(super) type Endpoints = Arc<[Arc<Endpoint>]>;

/// What the workers know together: where the servers are, and how many requests they have.
#[derive(Debug, Default)]
pub struct Shared {
    /// Made when somebody first asks.
    endpoints: Mutex<Option<Endpoints>>,
    /// Another one with each change of the endpoints.
    pub(super) generation: AtomicUsize,
    has_several: AtomicBool,
    /// Requests under way; only where there is a ceiling for them.
    pub(super) in_flight: Arc<AtomicUsize>,
    /// Requests that were above it.
    pub(super) refused: AtomicU64,
    /// Whether somebody watches.
    pub(super) is_watched: AtomicBool,
    /// Whether another configuration counts. Whoever watches sees by it that there is nothing to be watched any more.
    pub(super) retired: watch::Sender<bool>,
}

impl Shared {
    /// For settings that replace `previous`: what is under way by the old ones counts towards the ceiling of the new ones.
    #[must_use]
    pub fn after(previous: &UpstreamSettings) -> Self {
        Self { in_flight: Arc::clone(&previous.shared.in_flight), ..Self::default() }
    }

    pub(super) fn has_several(&self) -> bool {
        self.has_several.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Endpoints>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, known: &mut Option<Endpoints>, endpoints: Vec<Arc<Endpoint>>) {
        self.has_several.store(endpoints.len() > 1, Ordering::Relaxed);
        *known = Some(endpoints.into());
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl UpstreamSettings {
    /// The places where its servers can be reached, as far as that is known.
    #[must_use]
    pub fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        self.endpoints_now().1
    }

    /// Whether there is a server that takes requests.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.endpoints().iter().any(|endpoint| endpoint.is_up())
    }

    /// How many requests were refused because the upstream had as many as it may.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Goes on with what was known of the servers that `previous` has too, when a new configuration takes its place. To be
    /// called before the first request.
    pub fn take_over(&self, previous: &Self) {
        self.shared.refused.fetch_add(previous.refused(), Ordering::Relaxed);
        let theirs = previous.endpoints();
        for server in &self.servers {
            let known: Vec<_> = theirs.iter().filter(|endpoint| endpoint.server == *server).map(Arc::clone).collect();
            if !known.is_empty() {
                self.put(server, |_| known);
            }
        }
    }

    /// From now on these settings count. Servers are not held back by what is not looked at any more.
    pub fn begin(&self) {
        for endpoint in self.endpoints().iter() {
            if self.health_check.is_none() {
                endpoint.health.forget_checks();
            }
            if self.ejection.is_none() {
                endpoint.health.forget_ejection();
            }
        }
    }

    /// Other settings count. Requests that have begun may go on with these for long, but nobody looks after the servers by
    /// them: the new ones know better how that is done.
    pub fn retire(&self) {
        self.shared.retired.send_replace(true);
    }

    pub(super) fn endpoints_now(&self) -> (usize, Endpoints) {
        let mut known = self.shared.lock();
        let endpoints = Arc::clone(self.ensure(&mut known));
        (self.shared.generation.load(Ordering::Acquire), endpoints)
    }

    fn ensure<'a>(&self, known: &'a mut Option<Endpoints>) -> &'a Endpoints {
        if known.is_none() {
            let endpoints = distinct(self.servers.iter().map(|server| Endpoint::new(server, None)));
            self.shared.set(known, endpoints);
        }
        known.get_or_insert_default()
    }

    /// The name of `server` means these addresses now. Whether that is news.
    pub(super) fn resolved(&self, server: &Server, addresses: &[SocketAddr]) -> bool {
        self.put(server, |known| {
            let place = |address: &SocketAddr| {
                let target = Target::Address(*address);
                let known = known.iter().find(|endpoint| endpoint.target == target);
                known.map_or_else(|| Endpoint::new(server, Some(*address)), Arc::clone)
            };
            addresses.iter().map(place).collect()
        })
    }

    /// Puts others in the place of the endpoints of `server`.
    fn put(&self, server: &Server, others: impl FnOnce(&[Arc<Endpoint>]) -> Vec<Arc<Endpoint>>) -> bool {
        let mut known = self.shared.lock();
        let before = Arc::clone(self.ensure(&mut known));
        let of = |server: &Server| -> Vec<_> {
            before.iter().filter(|endpoint| endpoint.server == *server).map(Arc::clone).collect()
        };
        let mut others = Some(others(&of(server)));
        let all =
            self.servers.iter().flat_map(|one| if one == server { others.take().unwrap_or_default() } else { of(one) });
        let after = distinct(all);
        let is_same =
            before.len() == after.len() && before.iter().zip(&after).all(|(one, other)| Arc::ptr_eq(one, other));
        if !is_same {
            self.shared.set(&mut known, after);
        }
        !is_same
    }

    pub(super) fn count(&self, endpoint: &Endpoint, counter: Counter) {
        self.counters.count(counter);
        endpoint.count(counter);
    }

    /// A request has failed, and that is the server's fault.
    pub(in crate::proxy) fn failed(&self, endpoint: &Endpoint, counter: Counter) {
        self.count(endpoint, counter);
        let Some(ejection) = &self.ejection else { return endpoint.health.forget_ejection() };
        if !endpoint.health.failed(ejection) {
            return;
        }
        let mut known = self.shared.lock();
        let endpoints = self.ensure(&mut known);
        let is_another = |other: &&Arc<Endpoint>| !std::ptr::eq(Arc::as_ptr(other), endpoint);
        let ejected = endpoints.iter().filter(is_another).filter(|other| other.is_ejected()).count();
        let was_ejected = endpoint.is_ejected();
        // One that is ejected and fails again stays so, even if fewer may be by now: it is not one more.
        if !was_ejected && ejected >= ejection.allowed(endpoints.len()) {
            return;
        }
        let seconds = endpoint.health.eject(endpoint.health.now(), ejection).as_secs_f64();
        drop(known);
        let (upstream, server, cause) = (&self.name, endpoint.shown(), counter.as_str());
        if was_ejected {
            // Again and again, for as long as it is away.
            tracing::debug!(upstream, server, cause, seconds, "a server stays ejected");
        } else {
            tracing::warn!(upstream, server, cause, seconds, "a server is ejected");
        }
    }

    /// A request has got a valid answer.
    pub(super) fn succeeded(&self, endpoint: &Endpoint) {
        if endpoint.health.is_suspected() && endpoint.health.succeeded(endpoint.health.now(), self.slow_start) {
            tracing::info!(upstream = self.name, server = endpoint.shown(), "a server is back");
        }
    }

    /// What came of a health check.
    pub(super) fn checked(&self, endpoint: &Endpoint, outcome: Result<(), String>, thresholds: (u32, u32)) {
        if *self.shared.retired.borrow() {
            return;
        }
        if outcome.is_err() {
            self.count(endpoint, Counter::HealthCheck);
        }
        let (health, slow_start): (_, Duration) = (&endpoint.health, self.slow_start);
        let (upstream, server) = (&self.name, endpoint.shown());
        match (health.checked(outcome.is_ok(), thresholds, health.now(), slow_start), outcome) {
            (Some(_), Ok(())) => tracing::info!(upstream, server, "a server is well again"),
            (Some(_), Err(cause)) => {
                tracing::warn!(upstream, server, cause, "a server is down: its health checks fail")
            }
            (None, Err(cause)) => tracing::debug!(upstream, server, cause, "a health check failed"),
            (None, Ok(())) => {}
        }
    }
}

/// Each place once, whatever it is called.
fn distinct(endpoints: impl Iterator<Item = Arc<Endpoint>>) -> Vec<Arc<Endpoint>> {
    let mut distinct: Vec<Arc<Endpoint>> = Vec::new();
    for endpoint in endpoints {
        let speaks = |one: &Endpoint| (one.server.protocol, one.server.secure);
        let is_same = |known: &Arc<Endpoint>| known.target == endpoint.target && speaks(known) == speaks(&endpoint);
        if !distinct.iter().any(is_same) {
            distinct.push(endpoint);
        }
    }
    distinct
}
