//! What a request is answered from, and may be replaced while the gateway runs: always as a whole.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{
    authn::Authenticator,
    authz::Routes,
    clock::Clock,
    contract::Contract,
    proxy::{ManagedHeaders, upstream::UpstreamSettings},
};

/// Everything that the way of a request looks at.
pub struct Snapshot {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Which rule covers a request.
    pub routes: Arc<Routes>,
    /// In whose words a request is refused.
    pub contract: Arc<Contract>,
    /// The names that only the gateway sets.
    pub managed: ManagedHeaders,
    /// The upstreams, by the index that a rule gives.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// The limits. Those of connections are the ones that the gateway was started with.
    pub limits: Limits,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// The time shown in refusals.
    pub clock: Clock,
}

/// `[limits]`, for all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; one more is closed at once. Default 20,000.
    pub connections: usize,
    /// Requests in flight; one more is refused with `overloaded`. Default 4,096.
    pub requests: usize,
    /// Header fields of a request. Default 100.
    pub headers: usize,
    /// Bytes of a request's head. Default 32 KiB.
    pub header_bytes: usize,
    /// Bytes of a request's body. Default 64 MiB.
    pub body_bytes: u64,
    /// From the first byte of a request's head to its last, and from a connection's start to its first request.
    /// Default 10 s.
    pub header_timeout: Duration,
    /// How long a connection may stand idle between two requests, a client may pause in its body, or leave an answer
    /// unread. Default 75 s.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            requests: 4096,
            headers: 100,
            header_bytes: 32 * 1024,
            body_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}
