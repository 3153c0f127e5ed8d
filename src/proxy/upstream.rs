//! The upstreams: what the configuration says of each, and one worker's view of it (pools, whose turn it is).

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;

use super::pool::Pool;

/// What the configuration says of one upstream, shared by all workers.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Where its servers listen, `host:port`; port 80 if none is given. At least one.
    pub servers: Vec<Authority>,
    /// The time to make a connection. Default 1 s.
    pub connect_timeout: Duration,
    /// The time from the last byte of a request to the head of its answer. Default 30 s.
    pub response_timeout: Duration,
    /// How often a request that could not be sent is tried again, on the next server. Default 1.
    pub retries: u32,
    /// What went wrong, counted over all workers.
    pub counters: UpstreamCounters,
}

impl UpstreamSettings {
    /// An upstream with the defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, servers: Vec<Authority>) -> Self {
        Self {
            name: name.into(),
            servers,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(30),
            retries: 1,
            counters: UpstreamCounters::default(),
        }
    }
}

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
}

impl Counter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Reset, Self::Timeout, Self::Truncated];

    /// Its name in the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
        }
    }
}

/// The errors of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamCounters([AtomicU64; Counter::ALL.len()]);

impl UpstreamCounters {
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        let [connect, reset, timeout, truncated] = &self.0;
        match counter {
            Counter::Connect => connect,
            Counter::Reset => reset,
            Counter::Timeout => timeout,
            Counter::Truncated => truncated,
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Ordering::Relaxed)
    }
}

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Upstream {
    settings: Arc<UpstreamSettings>,
    pools: Vec<Rc<Pool>>,
    turn: Cell<usize>,
}

impl Upstream {
    fn new(settings: Arc<UpstreamSettings>) -> Self {
        let pools = settings.servers.iter().map(|server| Rc::new(Pool::new(server.clone()))).collect();
        Self { settings, pools, turn: Cell::new(0) }
    }

    pub(super) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    pub(super) fn count(&self, counter: Counter) {
        self.settings.counters.cell(counter).fetch_add(1, Ordering::Relaxed);
    }

    /// The server whose turn it is. `None` only for an upstream without servers.
    pub(super) fn next_pool(&self) -> Option<&Rc<Pool>> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn.checked_rem(self.pools.len()).and_then(|index| self.pools.get(index))
    }
}

/// One worker's view of all upstreams, by the index that a rule gives.
#[derive(Debug)]
pub struct Upstreams(Vec<Rc<Upstream>>);

impl Upstreams {
    /// No connection is made yet.
    #[must_use]
    pub fn new(settings: &[Arc<UpstreamSettings>]) -> Self {
        Self(settings.iter().map(|settings| Rc::new(Upstream::new(Arc::clone(settings)))).collect())
    }

    pub(super) fn get(&self, index: usize) -> Option<&Rc<Upstream>> {
        self.0.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_take_turns() {
        let servers = ["a:1", "b:2", "c:3"].map(Authority::from_static).to_vec();
        let upstream = Upstream::new(Arc::new(UpstreamSettings::new("default", servers)));
        let order: Vec<_> = (0..4).map(|_| upstream.next_pool().unwrap().server().to_string()).collect();
        assert_eq!(order, ["a:1", "b:2", "c:3", "a:1"]);
    }

    #[test]
    fn an_upstream_without_servers_has_no_next_one() {
        let upstream = Upstream::new(Arc::new(UpstreamSettings::new("none", Vec::new())));
        assert!(upstream.next_pool().is_none());
    }
}
