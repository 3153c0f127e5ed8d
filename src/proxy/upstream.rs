//! The upstreams: what the configuration says of each, what all workers know of its servers, and one worker's view of it.
//!
//! - [`UpstreamSettings`] is shared by all workers. It holds the [`Endpoint`]s: the places where the servers can be reached,
//!   and how each of them does. A name that means several addresses has an endpoint for each.
//! - [`watch()`] keeps an eye on them, from a thread of its own: it resolves the names anew and makes the health checks.
//! - A worker has its own connections to each endpoint, chooses among them without asking the others ([`Balance`]), and tells
//!   what came of a request by atomics, which it touches only when there is something to tell.

mod backend;
mod balance;
mod check;
mod counters;
mod health;
mod server;
mod shared;
mod tls;
mod watch;

#[cfg(test)]
pub(super) mod tests;

use std::{
    cell::{Cell, RefCell},
    hash::BuildHasher,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderMap, HeaderName};

pub(super) use self::{
    backend::{Backend, Busy, Way},
    balance::Tried,
    server::Target,
};
pub use self::{
    balance::Balance,
    check::HealthCheck,
    counters::{Counter, UpstreamCounters},
    health::Ejection,
    server::{Endpoint, Protocol, Server},
    shared::Shared,
    tls::{Identity, Tls, TlsError},
    watch::{Resolver, watch, watch_with},
};
use self::{
    balance::{Choosing, Draw, Pick},
    shared::Endpoints,
};
use super::Peer;
use crate::{authn::Principal, rejection::Rejection};

/// So many retries may come in a row before the budget has a say.
const RETRIES_IN_A_ROW: u32 = 10;

/// What requests are told apart by, that those alike go to the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// The value of this header field. A request without it goes anywhere.
    Header(HeaderName),
    /// Whose token it is: issuer and subject. A request without a principal goes anywhere.
    Principal,
    /// The client's address: that of the connection, or of a trusted proxy's word the last one.
    Address,
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
    /// How often a request that could not be sent is tried again, on another server. Default 1.
    pub retries: u32,
    /// How many of its requests a worker may try again that had reached a server, in percent; a few in a row always.
    /// Default 20.
    pub retry_budget: u8,
    /// How requests are spread. Default [`Balance::P2c`].
    pub balance: Balance,
    /// Which requests go to the same server. Default: none in particular.
    pub sticky: Option<Sticky>,
    /// When a server is left alone because requests to it fail; `None`: never.
    pub ejection: Option<Ejection>,
    /// How long the share of a server grows that is back; 0: it has all of it at once. Default 10 s.
    pub slow_start: Duration,
    /// How the servers are asked whether they are well, if they are.
    pub health_check: Option<HealthCheck>,
    /// How often names are resolved anew. Default 30 s.
    pub resolve: Duration,
    /// How many requests it may have at once, of all workers. Default: as many as come.
    pub max_requests: Option<usize>,
    /// How TLS is spoken. Without it there is no connection to a server that asks for it.
    pub tls: Option<Tls>,
    /// What went wrong, counted over all workers.
    pub counters: Arc<UpstreamCounters>,
    /// What the workers know together.
    pub shared: Shared,
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
            retry_budget: 20,
            balance: Balance::default(),
            sticky: None,
            ejection: Some(Ejection::default()),
            slow_start: Duration::from_secs(10),
            health_check: None,
            resolve: Duration::from_secs(30),
            max_requests: None,
            tls: None,
            counters: Arc::default(),
            shared: Shared::default(),
        }
    }

    /// What a request is told apart by, as a number, if it is.
    pub(super) fn key(&self, headers: &HeaderMap, principal: Option<&Principal>, peer: &Peer) -> Option<u64> {
        let hash = foldhash::quality::FixedState::default();
        match self.sticky.as_ref()? {
            Sticky::Header(name) => headers.get(name).map(|value| hash.hash_one(value.as_bytes())),
            Sticky::Principal => {
                principal.map(|principal| hash.hash_one((principal.issuer(), principal.subject().unwrap_or_default())))
            }
            Sticky::Address => Some(hash.hash_one(peer.last_address(headers))),
        }
    }
}

/// The servers as a worker sees them.
#[derive(Debug)]
pub(super) struct View {
    generation: usize,
    backends: Vec<Rc<Backend>>,
}

impl View {
    fn new(settings: &Arc<UpstreamSettings>, previous: &[Rc<Backend>]) -> Rc<Self> {
        let (generation, endpoints): (usize, Endpoints) = settings.endpoints_now();
        let known = |endpoint: &Arc<Endpoint>| {
            let known = previous.iter().find(|backend| Arc::ptr_eq(&backend.endpoint, endpoint)).map(Rc::clone);
            known.unwrap_or_else(|| Backend::new(Arc::clone(endpoint), settings))
        };
        Rc::new(Self { generation, backends: endpoints.iter().map(known).collect() })
    }
}

/// The server that was chosen for a request.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) backend: Rc<Backend>,
    pub(super) index: usize,
    is_due: bool,
}

impl Choice {
    /// Begins the request.
    ///
    /// # Errors
    /// `UpstreamOverloaded` if the upstream has as many as it may.
    pub(super) fn begin(&self) -> Result<Busy, Rejection> {
        self.backend.begin(self.is_due)
    }
}

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Upstream {
    settings: Arc<UpstreamSettings>,
    view: RefCell<Rc<View>>,
    turn: Cell<usize>,
    /// In hundredths of a retry.
    budget: Cell<u32>,
    draw: Draw,
}

impl Upstream {
    fn new(settings: Arc<UpstreamSettings>, draw: Draw) -> Self {
        let view = RefCell::new(View::new(&settings, &[]));
        Self { settings, view, turn: Cell::new(0), budget: Cell::new(RETRIES_IN_A_ROW * 100), draw }
    }

    pub(super) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// The servers as they are now. A request keeps to what it has begun with.
    pub(super) fn view(&self) -> Rc<View> {
        let mut view = self.view.borrow_mut();
        if view.generation != self.settings.shared.generation.load(Ordering::Acquire) {
            *view = View::new(&self.settings, &view.backends);
        }
        Rc::clone(&view)
    }

    /// A request more: it pays for a part of a retry.
    pub(super) fn deposit(&self) {
        let budget = self.budget.get() + u32::from(self.settings.retry_budget);
        self.budget.set(budget.min(RETRIES_IN_A_ROW * 100));
    }

    /// Whether there is enough for a retry, which is then gone.
    pub(super) fn withdraw(&self) -> bool {
        let left = self.budget.get().checked_sub(100);
        self.budget.set(left.unwrap_or(self.budget.get()));
        left.is_some()
    }

    /// The server for a request that has been to those that were `tried`. `None` only for an upstream without servers.
    pub(super) fn choose(&self, view: &View, tried: Tried, key: Option<u64>) -> Option<Choice> {
        let backends = &view.backends;
        if let [backend] = backends.as_slice() {
            return Some(Choice { backend: Rc::clone(backend), index: 0, is_due: backend.endpoint.is_ejected() });
        }
        if backends.is_empty() {
            return None;
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let choose = |tried| {
            let choosing = Choosing { backends, tried, draw: &self.draw };
            choosing.choose(self.settings.balance, turn, key)
        };
        let Pick { index, is_due } = choose(tried).or_else(|| choose(Tried::default()))?;
        Some(Choice { backend: Rc::clone(backends.get(index)?), index, is_due })
    }

    /// Another address of the name that `last` is one of: one that is up, if there is one.
    pub(super) fn sibling(view: &View, tried: Tried, last: &Choice) -> Option<Choice> {
        let server = &last.backend.endpoint.server;
        let others = || {
            let all = view.backends.iter().enumerate();
            all.filter(|(index, backend)| !tried.has(*index) && backend.endpoint.server == *server)
        };
        let (index, backend) = others().find(|(_, backend)| backend.endpoint.is_up()).or_else(|| others().next())?;
        Some(Choice { backend: Rc::clone(backend), index, is_due: false })
    }
}

/// One worker's view of all upstreams, by the index that a rule gives.
#[derive(Debug)]
pub struct Upstreams(Vec<Rc<Upstream>>);

impl Upstreams {
    /// No connection is made yet.
    #[must_use]
    pub fn new(settings: &[Arc<UpstreamSettings>]) -> Self {
        let upstream = |settings| Rc::new(Upstream::new(Arc::clone(settings), Draw::random()));
        Self(settings.iter().map(upstream).collect())
    }

    /// After `before`, whose connections are kept where the settings are the very same.
    #[must_use]
    pub fn after(before: &Self, settings: &[Arc<UpstreamSettings>]) -> Self {
        let kept = |settings: &Arc<UpstreamSettings>| {
            let known = before.0.iter().find(|known| Arc::ptr_eq(&known.settings, settings));
            known.map_or_else(|| Rc::new(Upstream::new(Arc::clone(settings), Draw::random())), Rc::clone)
        };
        Self(settings.iter().map(kept).collect())
    }

    pub(super) fn get(&self, index: usize) -> Option<&Rc<Upstream>> {
        self.0.get(index)
    }
}
