//! What is counted, and how it is shown to Prometheus (text format 0.0.4).
//!
//! Each worker counts for itself, so that counting needs neither a lock nor a lookup; the numbers are added up when
//! they are asked for. No label takes a value from a request.

mod scrape;
mod upstreams;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(super) use self::scrape::Scrape;
pub use super::tls::handshake::Handshakes;
use super::{addresses::Addresses, reload::Reloads, report::Report};
use crate::{
    jwt::InvalidToken,
    rejection::{Reason, Rejection},
};

/// The upper ends of the histogram's buckets, in microseconds.
const BUCKETS: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

/// What one worker counts. Only that worker writes.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    forwarded: AtomicU64,
    answered: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    /// One for each bucket, and one for what is slower.
    durations: [AtomicU64; BUCKETS.len() + 1],
    duration_micros: AtomicU64,
    panics: AtomicU64,
    /// By [`InvalidToken::code`], a closed set. Only a refusal takes this lock, and only a scrape contends for it.
    invalid_tokens: Mutex<Vec<(&'static str, u64)>>,
    /// Preflights of origins that are allowed, and of others.
    preflights: [AtomicU64; 2],
    /// What report mode has let through.
    pub(super) report: Report,
}

/// What all workers share: the ceilings are for them together.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open connections.
    pub connections: AtomicUsize,
    /// Requests whose answer has not been sent to its end.
    pub in_flight: AtomicUsize,
    /// Connections that were closed at once because there were too many.
    pub connections_refused: AtomicU64,
    /// Connections that have become WebSockets, and still are.
    pub upgrades_active: AtomicUsize,
    /// All that ever did.
    pub upgrades: AtomicU64,
    /// Answers and WebSockets that ended with their token.
    pub ended_with_token: AtomicU64,
    /// WebSockets that ended because nothing came for too long.
    pub upgrades_idle: AtomicU64,
    /// Connections that were closed because they did not begin with a header of the PROXY protocol.
    pub proxy_protocol_refused: AtomicU64,
    /// Handshakes of TLS.
    pub handshakes: Handshakes,
    /// The same, because there were too many from one address.
    pub connections_refused_by_address: AtomicU64,
    /// Open connections by address, where there is a ceiling for it.
    pub(super) addresses: Addresses,
    /// Connections of HTTP/2 that were ended because of their frames.
    pub http2_floods: AtomicU64,
    /// Requests that have no line in the access log although there is one.
    pub access_log_dropped: AtomicU64,
    /// What came of reloads.
    pub reloads: Reloads,
}

/// One writer: a plain addition is enough, and cheaper than an atomic one.
fn add(cell: &AtomicU64, amount: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl WorkerMetrics {
    /// A request was forwarded, and the head of its answer came after `elapsed`.
    pub(super) fn forwarded(&self, elapsed: Duration) {
        add(&self.forwarded, 1);
        self.took(elapsed);
    }

    /// A request was answered by the gateway itself after `elapsed`.
    pub(super) fn answered(&self, elapsed: Duration) {
        add(&self.answered, 1);
        self.took(elapsed);
    }

    /// A request was refused after `elapsed`.
    pub(super) fn refused(&self, rejection: &Rejection, elapsed: Duration) {
        let reason = rejection.reason();
        if let Some((_, cell)) = Reason::ALL.iter().zip(&self.refused).find(|(known, _)| **known == reason) {
            add(cell, 1);
        }
        if let Rejection::InvalidToken(cause) = rejection {
            self.invalid_token(cause);
        }
        self.took(elapsed);
    }

    /// A preflight was answered.
    pub(super) fn preflight(&self, allowed: bool) {
        let [yes, no] = &self.preflights;
        add(if allowed { yes } else { no }, 1);
    }

    /// A request ended in a panic.
    pub(super) fn panicked(&self) {
        add(&self.panics, 1);
    }

    fn invalid_token(&self, cause: &InvalidToken) {
        let code = cause.code();
        let mut causes = self.invalid_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match causes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => causes.push((code, 1)),
        }
    }

    fn took(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|end| *end < micros);
        if let Some(cell) = self.durations.get(bucket) {
            add(cell, 1);
        }
        add(&self.duration_micros, micros);
    }
}
