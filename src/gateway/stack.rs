//! The way of a request, top to bottom.
//!
//! A panic ends the one request that it happens in: a bare 500, counted and logged. It is a fault of the gateway, which
//! no contract has words for.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{body::Answer, connection::Connection, head, metrics::WorkerMetrics, snapshot::Snapshot};
use crate::{
    authn::{AuthnError, Awaited, Principal},
    authz::{Access, Denial, Match, OwnerAwaited, Permit},
    contract::Facts,
    proxy::{Body, Context, Upstreams, forward, upload::discard},
    rejection::{Reason, Rejection},
};

/// When a client that found the gateway too busy should come again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What one worker needs to answer requests.
pub(super) struct Stack {
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<WorkerMetrics>,
    current: RefCell<Rc<Current>>,
    ids: Ids,
}

/// The snapshot as this worker sees it: the connections to its upstreams are the worker's own.
struct Current {
    snapshot: Arc<Snapshot>,
    upstreams: Upstreams,
}

impl Current {
    fn new(snapshot: Arc<Snapshot>) -> Rc<Self> {
        let upstreams = Upstreams::new(&snapshot.upstreams);
        Rc::new(Self { snapshot, upstreams })
    }
}

/// A request that is refused: why, and by which rule if one was found.
struct Refusal {
    rejection: Rejection,
    rule: Option<Rc<str>>,
    /// After this it is worth looking at the request again.
    wait: Option<Wait>,
}

/// What a request may have to wait for.
enum Wait {
    /// The token's issuer is asked: for new keys, or about the token.
    Issuer(Awaited),
    /// Somebody is asked whose the resource is.
    Owner(OwnerAwaited),
}

/// What a request has waited for: for each thing once, so that two slow parties cannot keep it for ever.
#[derive(Default)]
struct Waited {
    issuer: Option<Awaited>,
    owner: Option<OwnerAwaited>,
}

impl Waited {
    /// Waits, unless that has been done.
    async fn add(&mut self, wait: Wait) -> bool {
        match wait {
            Wait::Issuer(mut awaited) if self.issuer.is_none() => {
                (&mut awaited).await;
                self.issuer = Some(awaited);
            }
            Wait::Owner(mut awaited) if self.owner.is_none() => {
                (&mut awaited).await;
                self.owner = Some(awaited);
            }
            Wait::Issuer(_) | Wait::Owner(_) => return false,
        }
        true
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, rule: None, wait: None }
    }
}

impl Stack {
    pub(super) fn new(snapshot: Arc<ArcSwap<Snapshot>>, metrics: Arc<WorkerMetrics>, worker: usize) -> Rc<Self> {
        let current = Current::new(snapshot.load_full());
        let ids = Ids::new(worker, &current.snapshot);
        Rc::new(Self { snapshot, metrics, current: RefCell::new(current), ids })
    }

    /// The answer to a request, whatever it is.
    pub(super) async fn serve(&self, request: Request<Incoming>, connection: &Rc<Connection>) -> Response<Answer> {
        if let Some(response) = contained(self.answer(request, connection)).await {
            return response;
        }
        self.metrics.panicked();
        let (in_flight, _) = connection.begin(usize::MAX);
        let mut response = Response::new(Answer::new(Body::Empty, in_flight));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    async fn answer(&self, request: Request<Incoming>, connection: &Rc<Connection>) -> Response<Answer> {
        let started = Instant::now();
        let current = self.current();
        let (in_flight, admitted) = connection.begin(current.snapshot.limits.requests);
        let (method, target) = (request.method().clone(), request.uri().clone());

        if admitted && let Some(response) = publish(&request, &current.snapshot) {
            discard(request);
            self.metrics.answered(started.elapsed());
            return response.map(|body| Answer::new(Body::from(body), in_flight));
        }
        let answered = if admitted {
            pass(request, connection, &current).await
        } else {
            discard(request);
            Err(Rejection::Overloaded { retry_after: TRY_AGAIN }.into())
        };
        let response = match answered {
            Ok(response) => {
                self.metrics.forwarded(started.elapsed());
                response
            }
            Err(Refusal { rejection, rule, wait: _ }) => {
                self.metrics.refused(&rejection, started.elapsed());
                let id = self.ids.next();
                log(&rejection, rule.as_deref(), &method, target.path(), &id);
                let facts = Facts { path: target.path(), request_id: &id, clock: &current.snapshot.clock };
                current.snapshot.contract.render(&rejection, &facts).map(Body::from)
            }
        };
        response.map(|body| Answer::new(body, in_flight))
    }

    /// The snapshot that this request is answered from, from its first check to its last.
    fn current(&self) -> Rc<Current> {
        let newest = self.snapshot.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&newest, &current.snapshot) {
            *current = Current::new(Arc::clone(&newest));
        }
        Rc::clone(&current)
    }
}

/// What comes of `future`; `None` if it panics. Its parts are dropped by then, and nothing that outlives a request is
/// left half-changed: what is shared between requests is cells that are set whole.
async fn contained<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let poll = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    });
    poll.await
}

/// What the gateway says of itself, to whoever asks.
fn publish<B>(request: &Request<B>, snapshot: &Snapshot) -> Option<Response<Bytes>> {
    let response = snapshot.published.as_ref()?.answer(request)?;
    // A request with two meanings is refused like any other.
    head::check(request, &snapshot.limits).is_ok().then_some(response)
}

/// Checks, and forwards what passed.
async fn pass(
    request: Request<Incoming>,
    connection: &Rc<Connection>,
    current: &Current,
) -> Result<Response<Body>, Refusal> {
    let snapshot = &*current.snapshot;
    let permit = match decide_waiting(&request, snapshot).await {
        Ok(permit) => permit,
        Err(refusal) => {
            discard(request);
            return Err(refusal);
        }
    };
    let rule = Arc::clone(permit.rule());
    let context = Context {
        peer: &connection.peer,
        upstreams: &current.upstreams,
        managed: &snapshot.managed,
        body_bytes: snapshot.limits.body_bytes,
        stall_limit: snapshot.limits.idle_timeout,
    };
    forward(permit, request, &context).await.map_err(|rejection| Refusal {
        rejection,
        rule: Some(rule.name().into()),
        wait: None,
    })
}

/// Decides, and once more for each thing that is worth waiting for.
async fn decide_waiting<B>(request: &Request<B>, snapshot: &Snapshot) -> Result<Permit, Refusal> {
    let mut waited = Waited::default();
    loop {
        let mut decided = decide(request, snapshot, &waited);
        let Some(wait) = decided.as_mut().err().and_then(|refusal| refusal.wait.take()) else { return decided };
        if !waited.add(wait).await {
            return decided;
        }
    }
}

/// Head, route, token, policy: in this order.
fn decide<B>(request: &Request<B>, snapshot: &Snapshot, waited: &Waited) -> Result<Permit, Refusal> {
    head::check(request, &snapshot.limits)?;
    let policy = &snapshot.policy;
    let found = policy.find(request.method(), request.uri().path()).map_err(Rejection::from)?;
    let refuse = |rejection, wait| {
        let rule = found.as_ref().map(|found| found.rule().name().into());
        Refusal { rejection, rule, wait }
    };
    let principal =
        authenticate(request.headers(), found.as_ref(), snapshot, waited.issuer.as_ref()).map_err(|error| {
            let wait = if let AuthnError::Awaited { awaited, .. } = &error { Some(awaited.clone()) } else { None };
            refuse(error.into(), wait.map(Wait::Issuer))
        })?;
    policy.permit(found.as_ref(), request.method(), principal, waited.owner.as_ref()).map_err(|denial| {
        let wait = if let Denial::OwnerAwaited(awaited) = &denial { Some(awaited.clone()) } else { None };
        refuse(denial.into(), wait.map(Wait::Owner))
    })
}

/// Who is calling, as far as the rule wants to know. Where there is no rule, a token is needed to learn that.
fn authenticate(
    headers: &HeaderMap,
    found: Option<&Match<'_>>,
    snapshot: &Snapshot,
    after: Option<&Awaited>,
) -> Result<Option<Principal>, AuthnError> {
    let authenticate = || match after {
        None => snapshot.authenticator.authenticate(headers),
        Some(awaited) => snapshot.authenticator.authenticate_after(headers, awaited),
    };
    let access = found.map_or(Access::Token, |found| found.rule().access());
    match access {
        Access::Public => Ok(None),
        Access::Token => authenticate().map(Some),
        Access::Optional => match authenticate() {
            Err(AuthnError::NotAuthenticated) => Ok(None),
            known => known.map(Some),
        },
    }
}

/// The one line that tells of a refusal. The query may hold secrets, and is not shown.
fn log(rejection: &Rejection, rule: Option<&str>, method: &http::Method, path: &str, request_id: &str) {
    let reason = rejection.reason();
    let rule = rule.unwrap_or("-");
    match reason {
        Reason::KeysUnavailable | Reason::Overloaded | Reason::UpstreamUnreachable | Reason::UpstreamTimeout => {
            tracing::warn!(%reason, cause = %rejection, rule, %method, path, request_id, "refused");
        }
        Reason::NotAuthenticated
        | Reason::TokenExpired
        | Reason::InvalidToken
        | Reason::PermissionMissing
        | Reason::NotOwner
        | Reason::NoRoute
        | Reason::BadRequest
        | Reason::TooLarge
        | Reason::RateLimited => {
            tracing::info!(%reason, cause = %rejection, rule, %method, path, request_id, "refused");
        }
    }
}

/// Names for requests: unique in a log, and nothing more.
struct Ids {
    start: u64,
    worker: usize,
    count: Cell<u64>,
}

impl Ids {
    fn new(worker: usize, snapshot: &Snapshot) -> Self {
        Self { start: snapshot.clock.now().as_millis(), worker, count: Cell::new(0) }
    }

    fn next(&self) -> String {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        format!("{:x}-{:x}-{count:x}", self.start, self.worker)
    }
}
