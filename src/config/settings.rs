//! What belongs to the process and to every request alike: `[listen]`, `[limits]`, `[admin]`, `[cache]`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::{
    diagnostics::Diagnostic,
    node::Node,
    reader::{At, Reader},
    tls::Tls,
    values::{Mistake, boolean, duration, integer, shown, size, text},
};
use crate::authn::CacheSettings;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[listen]`: where requests come in.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; port 0 lets the system choose one. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// Whose `X-Forwarded-*` count. Default: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// How many worker threads, 0 to 1024; 0, the default, is one a core.
    pub workers: usize,
    /// TLS with clients; `None`: they come in clear text.
    pub tls: Option<Tls>,
    /// Whose connections begin with a header of the PROXY protocol, and are refused without one. Default: nobody's.
    pub proxy_protocol: Vec<IpNet>,
    /// How long the gateway serves on after it has said that it is not ready any more, up to a day. Default none.
    pub drain_delay: Duration,
    /// How long requests that are under way then may take to finish, up to a day. Default 60 s.
    pub drain_deadline: Duration,
}

impl Listen {
    pub(super) fn read(reader: Option<Reader<'_>>) -> Self {
        let mut listen = Self {
            address: ([127, 0, 0, 1], 8080).into(),
            trusted_proxies: Vec::new(),
            workers: 0,
            tls: None,
            proxy_protocol: Vec::new(),
            drain_delay: Duration::ZERO,
            drain_deadline: Duration::from_secs(60),
        };
        let Some(mut reader) = reader else { return listen };
        listen.address = reader.read_or("address", listen.address, address);
        listen.trusted_proxies = networks(&mut reader, "trusted_proxies");
        listen.proxy_protocol = networks(&mut reader, "proxy_protocol");
        listen.workers = reader.read_or("workers", listen.workers, |node| count(node, 0, 1024));
        listen.tls = reader.table("tls").and_then(Tls::read);
        let up_to_a_day = |node: &Node| duration(node, Duration::ZERO..=DAY);
        listen.drain_delay = reader.read_or("drain_delay", listen.drain_delay, up_to_a_day);
        listen.drain_deadline = reader.read_or("drain_deadline", listen.drain_deadline, up_to_a_day);
        reader.finish();
        listen
    }
}

/// `[limits]`: how much of anything is borne, by all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections, 1 to 10,000,000. Default 20,000; fewer where the system gives too few file descriptors.
    pub connections: usize,
    /// Open connections from one address, of IPv6 from its first 64 bits, up to 10,000,000; 0, the default: as many as
    /// there may be in all. Of a trusted proxy there may be as many in any case.
    pub connections_per_address: usize,
    /// Requests in flight, 1 to 10,000,000. Default 4096.
    pub requests: usize,
    /// Header fields of a request, 1 to 10,000. Default 100.
    pub headers: usize,
    /// Bytes of a request's head, 1 KiB to 1 MiB. Default 32 KiB.
    pub header_bytes: usize,
    /// Bytes of a token, 128 to 1 MiB. Default 8 KiB.
    pub token_bytes: usize,
    /// Bytes of a request's body, up to 1 TiB. Default 64 MiB.
    pub body_bytes: u64,
    /// How long a request's head may take, up to a day. Default 10 s.
    pub header_timeout: Duration,
    /// How long a body may pause, up to a day: a request's that does not come on, and an answer's that the client does not
    /// take. Default 60 s.
    pub body_timeout: Duration,
    /// How long a connection may stay without a request, up to a day. Default 75 s.
    pub idle_timeout: Duration,
    /// How long a WebSocket may stay without a byte, up to a day. Default an hour.
    pub tunnel_idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 0,
            requests: 4096,
            headers: 100,
            header_bytes: 32 << 10,
            token_bytes: 8 << 10,
            body_bytes: 64 * MIB,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            tunnel_idle_timeout: Duration::from_secs(60 * 60),
        }
    }
}

impl Limits {
    pub(super) fn read(reader: Option<Reader<'_>>) -> Self {
        let mut limits = Self::default();
        let Some(mut reader) = reader else { return limits };
        limits.connections = reader.read_or("connections", limits.connections, |node| count(node, 1, 10_000_000));
        limits.connections_per_address =
            reader.read_or("connections_per_address", 0, |node| count(node, 0, 10_000_000));
        limits.requests = reader.read_or("requests", limits.requests, |node| count(node, 1, 10_000_000));
        limits.headers = reader.read_or("headers", limits.headers, |node| count(node, 1, 10_000));
        limits.header_bytes = reader.read_or("header_bytes", limits.header_bytes, |node| bytes(node, KIB));
        limits.token_bytes = reader.read_or("token_bytes", limits.token_bytes, |node| bytes(node, 128));
        limits.body_bytes = reader.read_or("body_bytes", limits.body_bytes, |node| size(node, 0..=TIB));
        limits.header_timeout = reader.read_or("header_timeout", limits.header_timeout, timeout);
        limits.body_timeout = reader.read_or("body_timeout", limits.body_timeout, timeout);
        limits.idle_timeout = reader.read_or("idle_timeout", limits.idle_timeout, timeout);
        limits.tunnel_idle_timeout = reader.read_or("tunnel_idle_timeout", limits.tunnel_idle_timeout, timeout);
        reader.finish();
        limits
    }
}

/// `[admin]`: the listener for operators. It asks nobody who they are: bind it where only they can reach it.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address; port 0 lets the system choose one. Default `127.0.0.1:9901`.
    pub address: SocketAddr,
}

impl Admin {
    /// `None`: `enabled = false`.
    pub(super) fn read(reader: Option<Reader<'_>>) -> Option<Self> {
        let mut admin = Self { address: ([127, 0, 0, 1], 9901).into() };
        let Some(mut reader) = reader else { return Some(admin) };
        let enabled = reader.read_or("enabled", true, boolean);
        admin.address = reader.read_or("address", admin.address, address);
        reader.finish();
        enabled.then_some(admin)
    }
}

/// Reads `[cache]`: `entries`, 1 to 10,000,000, default 50,000; `max_ttl`, up to a day, default 10 minutes.
pub(super) fn read_cache(reader: Option<Reader<'_>>) -> CacheSettings {
    let mut cache = CacheSettings::default();
    let Some(mut reader) = reader else { return cache };
    cache.entries = reader.read_or("entries", cache.entries, |node| integer(node, 1..=10_000_000).map(u64::from));
    cache.max_ttl = reader.read_or("max_ttl", cache.max_ttl, |node| duration(node, SECOND..=DAY));
    reader.finish();
    cache
}

/// More than no time, and at most a day.
pub(super) fn timeout(node: &Node) -> Result<Duration, Mistake> {
    duration(node, MILLISECOND..=DAY)
}

fn count(node: &Node, least: u32, most: u32) -> Result<usize, Mistake> {
    // A usize has at least 32 bits wherever this runs.
    integer(node, least..=most).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn bytes(node: &Node, least: u64) -> Result<usize, Mistake> {
    size(node, least..=MIB).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn address(node: &Node) -> Result<SocketAddr, Mistake> {
    let text = text(node)?;
    text.parse().map_err(|_| {
        let mistake = Mistake::new(format!("must be an IP address and a port, not \"{}\"", shown(text)));
        match text.strip_prefix(':').or_else(|| text.strip_prefix("localhost:")).map(str::parse::<u16>) {
            Some(Ok(port)) if text.starts_with(':') => mistake.help(format!("for every interface: \"0.0.0.0:{port}\"")),
            Some(Ok(port)) => mistake.help(format!("write \"127.0.0.1:{port}\"")),
            _ => mistake.help("write it like \"127.0.0.1:8080\" or \"[::1]:8080\""),
        }
    })
}

/// Whose word about where a connection comes from counts.
fn networks(reader: &mut Reader<'_>, key: &'static str) -> Vec<IpNet> {
    let networks = reader.any(key, network).into_iter().map(|At { value, place }| {
        if value.prefix_len() == 0 {
            let message = format!("`{value}` lets every client say where it comes from");
            reader.context.report(Diagnostic::warning(message).at(place));
        }
        value
    });
    networks.collect()
}

fn network(node: &Node) -> Result<IpNet, Mistake> {
    let text = text(node)?;
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
        Mistake::new(format!("must be addresses or networks, not \"{}\"", shown(text)))
            .help("write them like \"10.0.0.7\", \"10.0.0.0/8\" or \"fd00::/8\"")
    })?;
    if network.trunc() == network {
        return Ok(network);
    }
    Err(Mistake::new(format!("names a host with a network's mask: \"{network}\""))
        .help(format!("the network is \"{}\"", network.trunc())))
}
