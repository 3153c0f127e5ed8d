//! One worker's view of a server: its connections there, and what its requests have to do with it.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use super::{Balance, Counter, Endpoint, Protocol, UpstreamSettings, health::Admission, server::Tally};
use crate::{
    proxy::{pool::Pool, stream::Connections},
    rejection::Rejection,
};

/// When a client that found the upstream too busy should come again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// So much of what was known of a server's latency gives way to each new measurement.
const NEWEST: f32 = 0.25;
/// What is left of it each time that another server was preferred: an old measurement says less and less.
const REMEMBERED: f32 = 63.0 / 64.0;

/// The connections of one worker to one server.
#[derive(Debug)]
pub(in crate::proxy) enum Way {
    Http1(Rc<Pool>),
    Http2(Rc<Connections>),
}

/// One worker's view of a server.
#[derive(Debug)]
pub(in crate::proxy) struct Backend {
    pub(in crate::proxy) endpoint: Arc<Endpoint>,
    pub(in crate::proxy) way: Way,
    settings: Arc<UpstreamSettings>,
    tally: Arc<Tally>,
    /// How long answers took lately, in seconds; 0 while nobody knows.
    latency: Cell<f32>,
}

/// A request that a server has to do with, from its start to its answer's end.
#[derive(Debug)]
pub(in crate::proxy) struct Busy {
    backend: Rc<Backend>,
    /// Whether it is the one that tells if the server is back.
    probes: Cell<bool>,
}

impl Backend {
    pub(super) fn new(endpoint: Arc<Endpoint>, settings: &Arc<UpstreamSettings>) -> Rc<Self> {
        let way = match endpoint.server.protocol {
            Protocol::Http1 => Way::Http1(Rc::new(Pool::new(Arc::clone(&endpoint), Arc::clone(settings)))),
            Protocol::Http2 => Way::Http2(Connections::new(Arc::clone(&endpoint), Arc::clone(settings))),
        };
        let tally = endpoint.enter();
        Rc::new(Self { endpoint, way, settings: Arc::clone(settings), tally, latency: Cell::new(0.0) })
    }

    pub(super) fn admission(&self) -> Admission {
        let health = &self.endpoint.health;
        if health.is_perfect() {
            return Admission::Open;
        }
        health.admission(health.now(), self.settings.slow_start)
    }

    fn in_flight(&self) -> u32 {
        self.tally.in_flight.load(Ordering::Relaxed)
    }

    /// Whether a request is likely to be answered sooner here than by `other`. The one that lost is remembered as a little
    /// faster: if it was slow once, somebody has to find out when it is so no more.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        let (mine, others) = (self.latency.get(), other.latency.get());
        let (mine, others) = if mine > 0.0 && others > 0.0 { (mine, others) } else { (1.0, 1.0) };
        #[expect(clippy::cast_precision_loss, reason = "nobody has so many requests that it matters")]
        let load = |backend: &Self, latency: f32| (backend.in_flight() as f32 + 1.0) * latency;
        let is_better = load(self, mine) <= load(other, others);
        let loser = if is_better { other } else { self };
        loser.latency.set(loser.latency.get() * REMEMBERED);
        is_better
    }

    pub(super) fn took(&self, elapsed: Duration) {
        let (before, now) = (self.latency.get(), elapsed.as_secs_f32().max(f32::MIN_POSITIVE));
        self.latency.set(if before > 0.0 { before + (now - before) * NEWEST } else { now });
    }

    /// Begins a request, which probes the server if that `is_due`.
    ///
    /// # Errors
    /// `UpstreamOverloaded` if the upstream has as many as it may.
    pub(super) fn begin(self: &Rc<Self>, is_due: bool) -> Result<Busy, Rejection> {
        let (shared, most) = (&self.settings.shared, self.settings.max_requests);
        if most.is_some_and(|most| shared.in_flight.fetch_add(1, Ordering::Relaxed) >= most) {
            shared.in_flight.fetch_sub(1, Ordering::Relaxed);
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Rejection::UpstreamOverloaded {
                upstream: self.settings.name.as_str().into(),
                retry_after: TRY_AGAIN,
            });
        }
        let Tally { requests, in_flight } = &*self.tally;
        // One writer: a plain addition is enough.
        requests.store(requests.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        in_flight.store(in_flight.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Ok(Busy { backend: Rc::clone(self), probes: Cell::new(is_due && self.endpoint.health.probe()) })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.endpoint.leave(&self.tally);
    }
}

impl Busy {
    /// Where the server is.
    pub(in crate::proxy) fn place(&self) -> &str {
        self.backend.endpoint.place()
    }

    /// It went wrong, and that is the server's fault.
    pub(in crate::proxy) fn failed(&self, counter: Counter) {
        self.probes.set(false);
        self.backend.settings.failed(&self.backend.endpoint, counter);
    }

    /// What had gone well went wrong: that is counted, and changes nothing.
    pub(in crate::proxy) fn count(&self, counter: Counter) {
        self.backend.settings.count(&self.backend.endpoint, counter);
    }

    /// The head of a valid answer has come. `measured` is when the request began, if it was sent at once.
    pub(in crate::proxy) fn answered(&self, status: StatusCode, measured: Option<Instant>) {
        let Backend { endpoint, settings, .. } = &*self.backend;
        let is_failure =
            status.is_server_error() && settings.ejection.as_ref().is_some_and(|ejection| ejection.server_errors);
        if is_failure {
            self.failed(Counter::ServerError);
        } else {
            self.probes.set(false);
            settings.succeeded(endpoint);
        }
        if settings.shared.has_several() && settings.balance == Balance::P2c {
            measured.into_iter().for_each(|began| self.backend.took(began.elapsed()));
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Backend { endpoint, settings, tally, .. } = &*self.backend;
        let in_flight = &tally.in_flight;
        in_flight.store(in_flight.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        if settings.max_requests.is_some() {
            settings.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        if self.probes.get() {
            endpoint.health.abandon_probe();
        }
    }
}
