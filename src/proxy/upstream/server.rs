//! A server of an upstream, and the places where it can be reached.

use std::{
    borrow::Cow,
    fmt,
    hash::BuildHasher,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use http::uri::{Authority, Scheme};

use super::{Counter, UpstreamCounters, health::Health};

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request after the other on a connection.
    Http1,
    /// HTTP/2: requests side by side. In clear text that is known beforehand (RFC 9113 §3.3), with TLS it is agreed upon.
    Http2,
}

/// A server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens, `host:port`; port 80 if none is given, with TLS 443. A name may stand for several addresses. Of a server behind a
    /// Unix socket, what it is called where a request must name a host.
    pub authority: Authority,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether that is done over TLS: with [`UpstreamSettings::tls`](super::UpstreamSettings::tls), never without.
    pub secure: bool,
    /// Its Unix socket, if it listens on one.
    pub socket: Option<PathBuf>,
}

impl Server {
    /// One that speaks HTTP/1.1.
    #[must_use]
    pub const fn http1(authority: Authority) -> Self {
        Self { authority, protocol: Protocol::Http1, secure: false, socket: None }
    }

    /// One that speaks HTTP/2 with prior knowledge.
    #[must_use]
    pub const fn http2(authority: Authority) -> Self {
        Self { authority, protocol: Protocol::Http2, secure: false, socket: None }
    }

    /// One that speaks HTTP/1.1 on a Unix socket. As a host it is called `localhost`.
    #[must_use]
    pub fn unix(socket: impl Into<PathBuf>) -> Self {
        Self { socket: Some(socket.into()), ..Self::http1(Authority::from_static("localhost")) }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self) -> Self {
        Self { secure: true, ..self }
    }

    /// Its address as it was written, without what it speaks: `host:port` or `unix:/path`.
    #[must_use]
    pub fn place(&self) -> Cow<'_, str> {
        match &self.socket {
            Some(path) => Cow::Owned(format!("unix:{}", path.display())),
            None => Cow::Borrowed(self.authority.as_str()),
        }
    }

    /// Its host without the brackets of an IPv6 address, and its port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        (host, self.authority.port_u16().unwrap_or(if self.secure { 443 } else { 80 }))
    }

    /// Whether somebody has to be asked for its addresses.
    pub(super) fn is_named(&self) -> bool {
        self.socket.is_none() && self.host_and_port().0.parse::<IpAddr>().is_err()
    }

    /// The scheme that requests to it name.
    pub(in crate::proxy) fn uri_scheme(&self) -> Scheme {
        if self.secure { Scheme::HTTPS } else { Scheme::HTTP }
    }

    const fn scheme(&self) -> &'static str {
        match (self.protocol, self.secure) {
            (Protocol::Http1, false) => "http",
            (Protocol::Http1, true) => "https",
            (Protocol::Http2, false) => "h2c",
            (Protocol::Http2, true) => "h2",
        }
    }
}

/// As it stands in the configuration: `http://host:port`, `https://`, `h2c://`, `h2://` or `unix:/path`.
impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(formatter, "unix:{}", path.display()),
            None => write!(formatter, "{}://{}", self.scheme(), self.authority),
        }
    }
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Target {
    Address(SocketAddr),
    /// Its addresses are not known yet: they are asked for with each connection.
    Name {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// One place where a server can be reached, and how it does: shared by all workers.
#[derive(Debug)]
pub struct Endpoint {
    pub(in crate::proxy) server: Server,
    pub(in crate::proxy) target: Target,
    place: String,
    shown: String,
    /// The same on every gateway that names this server.
    pub(super) hash: u64,
    pub(super) health: Health,
    counters: UpstreamCounters,
    tallies: Mutex<Vec<Arc<Tally>>>,
    /// Requests that workers have counted which do so no more.
    past_requests: AtomicU64,
}

/// What one worker counts of an endpoint. Only that worker writes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    pub(super) in_flight: AtomicU32,
}

impl Endpoint {
    /// The place of `server`: at `address`, if its name means that.
    pub(in crate::proxy) fn new(server: &Server, address: Option<SocketAddr>) -> Arc<Self> {
        let (host, port) = server.host_and_port();
        let literal = || host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, port));
        let target = match (&server.socket, address.or_else(literal)) {
            (Some(path), _) => Target::Unix(path.clone()),
            (None, Some(address)) => Target::Address(address),
            (None, None) => Target::Name { host: host.to_owned(), port },
        };
        let place = address.map_or_else(|| server.place().into_owned(), |address| address.to_string());
        let shown = if server.socket.is_some() { place.clone() } else { format!("{}://{place}", server.scheme()) };
        Arc::new(Self {
            server: server.clone(),
            target,
            hash: foldhash::quality::FixedState::default().hash_one(place.as_bytes()),
            place,
            shown,
            health: Health::default(),
            counters: UpstreamCounters::default(),
            tallies: Mutex::default(),
            past_requests: AtomicU64::new(0),
        })
    }

    /// Where it is, without what it speaks: `10.0.0.7:8000`, or as it was written while its addresses are not known.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The same with the scheme: its name in logs and metrics.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it is given requests: it is not ejected, and has not failed its health checks.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health.is_up()
    }

    /// Whether it is left alone for a time because requests to it have failed.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.health.is_ejected()
    }

    /// How often something went wrong with it.
    #[must_use]
    pub fn failures(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// How many requests it was given.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let now: u64 = self.tallies().iter().map(|tally| tally.requests.load(Ordering::Relaxed)).sum();
        self.past_requests.load(Ordering::Relaxed) + now
    }

    /// How many of them are not answered to their end.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.tallies().iter().map(|tally| u64::from(tally.in_flight.load(Ordering::Relaxed))).sum()
    }

    pub(super) fn count(&self, counter: Counter) {
        self.counters.count(counter);
    }

    /// A tally for one more worker.
    pub(super) fn enter(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies().push(Arc::clone(&tally));
        tally
    }

    /// A worker has done with it.
    pub(super) fn leave(&self, tally: &Arc<Tally>) {
        let mut tallies = self.tallies();
        tallies.retain(|known| !Arc::ptr_eq(known, tally));
        self.past_requests.fetch_add(tally.requests.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn tallies(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
