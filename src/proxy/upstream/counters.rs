//! What can go wrong with an upstream, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What can go wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// No connection: refused, no route, not within the time. Each try counts.
    Connect,
    /// A connection, but no valid answer on it.
    Reset,
    /// No head of an answer within the time.
    Timeout,
    /// An answer whose body broke off.
    Truncated,
    /// An answer with 5xx, where the configuration says that this is a failure.
    ServerError,
    /// A health check that failed.
    HealthCheck,
}

impl Counter {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Reset, Self::Timeout, Self::Truncated, Self::ServerError, Self::HealthCheck];

    /// Its name in the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::ServerError => "server_error",
            Self::HealthCheck => "health_check",
        }
    }
}

/// The errors of one upstream, or of one of its servers.
#[derive(Debug, Default)]
pub struct UpstreamCounters([AtomicU64; Counter::ALL.len()]);

impl UpstreamCounters {
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        let [connect, reset, timeout, truncated, server_error, health_check] = &self.0;
        match counter {
            Counter::Connect => connect,
            Counter::Reset => reset,
            Counter::Timeout => timeout,
            Counter::Truncated => truncated,
            Counter::ServerError => server_error,
            Counter::HealthCheck => health_check,
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, counter: Counter) {
        self.cell(counter).fetch_add(1, Ordering::Relaxed);
    }
}
