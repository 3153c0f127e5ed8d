//! The upstreams: what the configuration says of each, and one worker's view of it (pools, whose turn it is).

use std::{
    cell::Cell,
    fmt,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;

use super::{pool::Pool, stream::Connections};

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request after the other on a connection.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113 §3.3), in clear text: requests side by side.
    Http2,
}

/// A server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens, `host:port`; port 80 if none is given.
    pub authority: Authority,
    /// What it speaks.
    pub protocol: Protocol,
}

impl Server {
    /// One that speaks HTTP/1.1.
    #[must_use]
    pub const fn http1(authority: Authority) -> Self {
        Self { authority, protocol: Protocol::Http1 }
    }

    /// One that speaks HTTP/2 with prior knowledge.
    #[must_use]
    pub const fn http2(authority: Authority) -> Self {
        Self { authority, protocol: Protocol::Http2 }
    }
}

/// As it stands in the configuration: `http://host:port` or `h2c://host:port`.
impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http1 => "http",
            Protocol::Http2 => "h2c",
        };
        write!(formatter, "{scheme}://{}", self.authority)
    }
}

/// What the configuration says of one upstream, shared by all workers.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Its servers. At least one.
    pub servers: Vec<Server>,
    /// The time to make a connection. Default 1 s.
    pub connect_timeout: Duration,
    /// The time from the last byte of a request to the head of its answer. Default 30 s.
    pub response_timeout: Duration,
    /// How often a request that could not be sent is tried again, on the next server. Default 1.
    pub retries: u32,
    /// What went wrong, counted over all workers.
    pub counters: Arc<UpstreamCounters>,
}

impl UpstreamSettings {
    /// An upstream with the defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, servers: Vec<Server>) -> Self {
        Self {
            name: name.into(),
            servers,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(30),
            retries: 1,
            counters: Arc::default(),
        }
    }

    pub(super) fn count(&self, counter: Counter) {
        self.counters.cell(counter).fetch_add(1, Ordering::Relaxed);
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

/// The connections of one worker to one server.
#[derive(Debug)]
pub(super) enum Way {
    Http1(Rc<Pool>),
    Http2(Rc<Connections>),
}

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Upstream {
    settings: Arc<UpstreamSettings>,
    ways: Vec<Way>,
    turn: Cell<usize>,
}

impl Upstream {
    fn new(settings: Arc<UpstreamSettings>) -> Self {
        let way = |Server { authority, protocol }: &Server| match protocol {
            Protocol::Http1 => Way::Http1(Rc::new(Pool::new(authority.clone()))),
            Protocol::Http2 => Way::Http2(Connections::new(authority.clone(), Arc::clone(&settings))),
        };
        let ways = settings.servers.iter().map(way).collect();
        Self { settings, ways, turn: Cell::new(0) }
    }

    pub(super) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    pub(super) fn count(&self, counter: Counter) {
        self.settings.count(counter);
    }

    /// The turn of a request: whose it is, and those of the servers behind that one.
    pub(super) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// The way to the server whose turn it is. `None` only for an upstream without servers.
    pub(super) fn way(&self, turn: usize) -> Option<&Way> {
        turn.checked_rem(self.ways.len()).and_then(|index| self.ways.get(index))
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

    /// After `before`, whose connections are kept where the settings are the very same.
    #[must_use]
    pub fn after(before: &Self, settings: &[Arc<UpstreamSettings>]) -> Self {
        let kept = |settings: &Arc<UpstreamSettings>| {
            let known = before.0.iter().find(|known| Arc::ptr_eq(&known.settings, settings));
            known.map_or_else(|| Rc::new(Upstream::new(Arc::clone(settings))), Rc::clone)
        };
        Self(settings.iter().map(kept).collect())
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
        let [a, b, c] = ["a:1", "b:2", "c:3"].map(Authority::from_static);
        let servers = vec![Server::http1(a), Server::http2(b), Server::http1(c)];
        let upstream = Upstream::new(Arc::new(UpstreamSettings::new("default", servers)));
        let next = || match upstream.way(upstream.turn()).unwrap() {
            Way::Http1(pool) => format!("http://{}", pool.server()),
            Way::Http2(connections) => format!("h2c://{}", connections.server()),
        };
        assert_eq!([next(), next(), next(), next()], ["http://a:1", "h2c://b:2", "http://c:3", "http://a:1"]);
        let shown: Vec<_> = upstream.settings().servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["http://a:1", "h2c://b:2", "http://c:3"]);
    }

    #[test]
    fn connections_are_kept_where_nothing_has_changed() {
        let settings = |name: &str| Arc::new(UpstreamSettings::new(name, Vec::new()));
        let (one, other) = (settings("one"), settings("other"));
        let before = Upstreams::new(&[Arc::clone(&one), other]);
        let after = Upstreams::after(&before, &[settings("other"), one]);
        assert!(Rc::ptr_eq(after.get(1).unwrap(), before.get(0).unwrap()));
        assert!(!Rc::ptr_eq(after.get(0).unwrap(), before.get(1).unwrap()));
    }

    #[test]
    fn an_upstream_without_servers_has_no_next_one() {
        let upstream = Upstream::new(Arc::new(UpstreamSettings::new("none", Vec::new())));
        assert!(upstream.way(upstream.turn()).is_none());
    }
}
