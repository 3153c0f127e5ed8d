//! A gateway in this process, clients that speak raw HTTP, and upstreams that do as they are told.

pub(crate) mod client;
pub(crate) mod deployment;
pub(crate) mod forge;
pub(crate) mod http_2;
pub(crate) mod http_2_upstream;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
pub(crate) mod smtp;
pub(crate) mod upstream;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
pub(crate) mod users;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bearergate::{
    authn::{Authenticator, HeaderFormat, IdentityHeader, IssuerSettings, KeySource, Vocabulary},
    authz::{Access, Policy, RouteSpec, Routes, ownership::Changes},
    clock::{Clock, Timestamp},
    config::{self, AccessLog, Limits, RateLimit},
    contract::{Contract, Dialect},
    gateway::{RateLimits, Revoker, Running, Settings, Snapshot, Tls, start},
    jwt::{Algorithm, ClaimPath, Expectations, KeySet, SigningKey, sign},
    proxy::{
        AuthorizationHeader, ManagedHeaders,
        upstream::{Resolver, Server, UpstreamSettings, watch, watch_with},
    },
};
use http::HeaderName;
use serde_json::json;

pub(crate) use client::Client;
pub(crate) use upstream::Upstream;

const SECRET: &[u8] = b"a secret of the tests, thirty-two bytes or more";
/// The manual clock's time.
pub(crate) const NOW: u64 = 1_765_536_322;
/// What the upstream is told of which claim.
const IDENTITY: [(&str, &str); 2] = [("x-user-id", "sub"), ("x-user-name", "name")];

fn identity_header((name, claim): (&'static str, &str)) -> IdentityHeader {
    IdentityHeader { name: HeaderName::from_static(name), claim: ClaimPath::from(claim), format: HeaderFormat::Joined }
}

/// A token of `subject` that is good for a minute.
pub(crate) fn token(subject: &str) -> String {
    token_with(json!({ "sub": subject }))
}

/// A token with these claims that is good for a minute.
pub(crate) fn token_with(mut claims: serde_json::Value) -> String {
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    claims["exp"] = json!(NOW + 60);
    sign(&key, None, claims.as_object().unwrap()).unwrap()
}

/// A route for each pattern and who may use it.
pub(crate) fn routes(routes: &[(&str, Access)]) -> Vec<RouteSpec> {
    let spec = |(pattern, access): &(&str, Access)| RouteSpec {
        patterns: vec![pattern.parse().unwrap()],
        access: *access,
        ..RouteSpec::default()
    };
    routes.iter().map(spec).collect()
}

fn watched(upstream: UpstreamSettings, resolver: Option<&Resolver>) -> Arc<UpstreamSettings> {
    let upstreams = [Arc::new(upstream)];
    match resolver {
        Some(resolver) => watch_with(&upstreams, resolver).unwrap(),
        None => watch(&upstreams).unwrap(),
    }
    let [upstream] = upstreams;
    upstream
}

/// What a test's gateway is made of.
pub(crate) struct Setup {
    pub(crate) upstream: UpstreamSettings,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) limits: Limits,
    pub(crate) rate_limits: Vec<RateLimit>,
    pub(crate) drain_deadline: Duration,
    pub(crate) trusted_proxies: Vec<ipnet::IpNet>,
    pub(crate) proxy_protocol: Vec<ipnet::IpNet>,
    pub(crate) tls: Option<config::Tls>,
    pub(crate) workers: usize,
    pub(crate) access_log: Option<AccessLog>,
    /// Who tells what names mean, if not the system.
    pub(crate) resolver: Option<Resolver>,
}

impl Setup {
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|address| Server::http1(address.to_string().parse().unwrap())).collect();
        Self {
            upstream: UpstreamSettings::new("default", servers),
            routes: routes(&[
                ("* /**", Access::Token),
                ("* /public/**", Access::Public),
                ("* /maybe", Access::Optional),
            ]),
            limits: Limits::default(),
            rate_limits: Vec::new(),
            drain_deadline: Duration::from_secs(20),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            tls: None,
            workers: 1,
            access_log: None,
            resolver: None,
        }
    }

    /// Before servers of HTTP/2.
    pub(crate) fn http_2(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|address| Server::http2(address.to_string().parse().unwrap())).collect();
        Self { upstream: UpstreamSettings::new("default", servers), ..Self::new(&[]) }
    }

    pub(crate) fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn snapshot(self) -> Snapshot {
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let mut vocabulary = Vocabulary::default();
        let routes = Routes::build(self.routes, &[], &mut vocabulary).unwrap();
        let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
        let authenticator = Authenticator::builder()
            .issuer(IssuerSettings {
                name: "main".to_owned(),
                keys: Arc::new(KeySource::known(KeySet::new(vec![key.verifying_key().clone()]).unwrap())),
                algorithms: vec![Algorithm::Hs256],
                expectations: Expectations::default(),
                permissions: vec![ClaimPath::from("permissions")],
            })
            .vocabulary(vocabulary)
            .identity_headers(IDENTITY.map(identity_header).to_vec())
            .clock(clock.clone())
            .build()
            .unwrap();
        Snapshot {
            #[cfg(feature = "accounts")]
            accounts: None,
            store: None,
            revoker: Arc::new(Revoker::in_memory(Arc::clone(authenticator.revocations()))),
            published: None,
            authenticator: Arc::new(authenticator),
            ownerships: Arc::default(),
            policy: Arc::new(Policy::new(routes, Vec::new(), Changes::default())),
            cors: None,
            contract: Arc::new(Contract::new(Dialect::default())),
            managed: ManagedHeaders::new(
                IDENTITY.map(|(name, _)| HeaderName::from_static(name)).to_vec(),
                AuthorizationHeader::Keep,
            ),
            upstreams: vec![watched(self.upstream, self.resolver.as_ref())],
            limits: self.limits,
            rate_limits: Arc::new(RateLimits::new(&self.rate_limits, None)),
            trusted_proxies: self.trusted_proxies,
            proxy_protocol: self.proxy_protocol,
            tls: self.tls.map(|tls| Tls::start(&tls, &clock).unwrap()),
            required_keys: Vec::new(),
            clock,
        }
    }

    pub(crate) fn start(mut self) -> Gateway {
        let settings = Settings {
            address: "127.0.0.1:0".parse().unwrap(),
            workers: self.workers,
            admin: Some("127.0.0.1:0".parse().unwrap()),
            drain_delay: Duration::ZERO,
            drain_deadline: self.drain_deadline,
            access_log: self.access_log.take(),
        };
        let snapshot = Arc::new(ArcSwap::from_pointee(self.snapshot()));
        Gateway { running: start(&settings, Arc::clone(&snapshot)).unwrap(), snapshot }
    }
}

/// A gateway that serves until it is dropped.
pub(crate) struct Gateway {
    pub(crate) running: Running,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Gateway {
    /// In front of one upstream, with the defaults.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Setup::new(&[upstream.address]).start()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.running.address())
    }

    /// One request on a connection of its own, and its answer.
    pub(crate) fn get(&self, path: &str) -> client::Response {
        self.connect().get(path)
    }

    pub(crate) fn admin(&self) -> Client {
        Client::connect(self.running.admin_address().unwrap())
    }
}
