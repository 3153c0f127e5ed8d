//! The way of a request, top to bottom.
//!
//! A panic ends the one request that it happens in: a bare 500, counted and logged. It is a fault of the gateway, which
//! no contract has words for.

use std::{panic::resume_unwind, rc::Rc, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, ORIGIN},
};
use tokio::{sync::watch, task::spawn_local, time::Instant};

use super::{
    access_log::{Entry, Outcome, Recorder},
    body::Answer,
    built_in,
    client_address::client_address,
    connection::Connection,
    contained::contained,
    current::{Current, Newest},
    date::Date,
    decision::{Refusal, decide_waiting},
    expiry, head,
    metrics::WorkerMetrics,
    ownership::settle::{self, Doubts},
    rate_limit::Counted,
    report::Example,
    request_log::{Ids, Known, RequestLog},
    snapshot::Snapshot,
    upgrade,
};
use crate::{
    authz::Permit,
    contract::Facts,
    proxy::{Body, Incoming, forward, upload::discard},
    rejection::Rejection,
};

/// When a client that found the gateway too busy should come again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What one worker needs to answer requests.
pub(super) struct Stack {
    metrics: Arc<WorkerMetrics>,
    current: Newest,
    ids: Ids,
    access_log: Option<Rc<Recorder>>,
    date: Date,
}

/// Whose answer it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Upstream,
    Gateway,
}

impl Stack {
    pub(super) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<WorkerMetrics>,
        access_log: Option<Recorder>,
        worker: usize,
    ) -> Rc<Self> {
        let current = Newest::new(snapshot);
        let ids = Ids::new(worker, &current.get().snapshot.clock);
        Rc::new(Self { metrics, current, ids, access_log: access_log.map(Rc::new), date: Date::default() })
    }

    /// The answer to a request, whatever it is.
    pub(super) async fn serve(&self, request: Request<Incoming>, connection: &Rc<Connection>) -> Response<Answer> {
        if let Some(response) = contained(self.answer(request, connection)).await {
            return response;
        }
        self.metrics.panicked();
        let (in_flight, _) = connection.begin(usize::MAX);
        let mut response = Response::new(Answer::new(Body::Empty, in_flight, Entry::default()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    /// The answer to what could not be read as a request: in the logs it has no method and no path.
    pub(super) fn refuse(&self, rejection: &Rejection, connection: &Rc<Connection>) -> Response<Answer> {
        let (started, current) = (Instant::now(), self.current.get());
        let (in_flight, _) = connection.begin(usize::MAX);
        let request = head::unreadable();
        let log = RequestLog::new(&request, &connection.peer, &self.ids);
        let client = || connection.peer.address();
        let mut entry = Entry::begin(self.access_log.as_ref(), &request, &log, client, started);
        let response = self.render(rejection, &log, &current.snapshot);
        self.metrics.refused(rejection, started.elapsed());
        log.refused(rejection, Known { rule: None, issuer: None });
        entry.refused(rejection.reason(), None, None, None);
        entry.answered(&response);
        response.map(|body| Answer::new(body, in_flight, entry))
    }

    fn render(&self, rejection: &Rejection, log: &RequestLog, snapshot: &Snapshot) -> Response<Body> {
        let facts = Facts { path: log.path(), request_id: log.id(), clock: &snapshot.clock };
        snapshot.contract.render(rejection, &facts).map(Body::from)
    }

    /// See [`Newest::follow`].
    pub(super) async fn follow(&self, swapped: watch::Receiver<()>) {
        self.current.follow(swapped).await;
    }

    /// The date of an answer.
    pub(super) fn date(&self) -> HeaderValue {
        self.date.of(self.current.peek(|snapshot| snapshot.clock.now()))
    }

    async fn answer(&self, request: Request<Incoming>, connection: &Rc<Connection>) -> Response<Answer> {
        let started = Instant::now();
        let current = self.current.get();
        let (in_flight, admitted) = connection.begin(current.snapshot.limits.requests);
        let log = RequestLog::new(&request, &connection.peer, &self.ids);
        let client = || client_address(&connection.peer, request.headers(), &current.snapshot.trusted_proxies);
        let mut entry = Entry::begin(self.access_log.as_ref(), &request, &log, client, started);
        let cors = current.snapshot.cors.as_deref();
        let reader = cors.and_then(|cors| cors.reader(request.headers()));
        let mut counted = Counted::default();

        if admitted && let Some(response) = self.preflight(&request, connection, &current.snapshot) {
            discard(request);
            self.metrics.answered(started.elapsed());
            entry.became(Outcome::Preflight);
            let response = response.map(|()| Body::Empty);
            entry.answered(&response);
            return response.map(|body| Answer::new(body, in_flight, entry));
        }
        let answered = if admitted && let Some(response) = publish(&request, connection, &current.snapshot) {
            discard(request);
            self.metrics.answered(started.elapsed());
            entry.became(Outcome::Answered);
            Ok(response.map(Body::from))
        } else if admitted {
            self.pass(request, connection, &current, &log, &mut entry, &mut counted).await.map(|(response, by)| {
                match by {
                    By::Upstream => self.metrics.forwarded(started.elapsed()),
                    By::Gateway => self.metrics.answered(started.elapsed()),
                }
                entry.became(if by == By::Upstream { Outcome::Forwarded } else { Outcome::Answered });
                response
            })
        } else {
            discard(request);
            Err(Rejection::Overloaded { retry_after: TRY_AGAIN }.into())
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            self.metrics.refused(&refusal.rejection, started.elapsed());
            connection.refused(&refusal.rejection);
            let known = refusal.known();
            log.refused(&refusal.rejection, known);
            entry.refused(refusal.rejection.reason(), known.rule, known.issuer, refusal.caller.as_ref());
            let mut response = self.render(&refusal.rejection, &log, &current.snapshot);
            upgrade::tell(&refusal.rejection, &mut response);
            if refusal.private {
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            response
        });
        counted.write(response.headers_mut());
        if let Some(cors) = cors {
            cors.write(reader, response.headers_mut());
        }
        entry.answered(&response);
        expiry::watch(response.map(|body| Answer::new(body, in_flight, entry)), self.current.source())
    }

    /// The answer to a preflight, if the request is one and [`Cors`](super::Cors) is configured.
    fn preflight(
        &self,
        request: &Request<Incoming>,
        connection: &Connection,
        snapshot: &Snapshot,
    ) -> Option<Response<()>> {
        let cors = snapshot.cors.as_deref()?;
        let preflight = cors.preflight(request)?;
        // A request with two meanings is refused like any other.
        head::check(request, &snapshot.limits, connection.peer.scheme()).ok()?;
        snapshot.policy.find(&preflight.method, request.uri().path()).ok()?;
        self.metrics.preflight(preflight.allowed.is_some());
        if preflight.allowed.is_none() {
            tracing::debug!(origin = ?request.headers().get(ORIGIN), "a preflight of an origin that is not allowed");
        }
        Some(cors.answer(preflight))
    }

    /// Checks, and has what passed answered.
    async fn pass(
        &self,
        mut request: Request<Incoming>,
        connection: &Rc<Connection>,
        current: &Rc<Current>,
        log: &RequestLog,
        entry: &mut Entry,
        counted: &mut Counted,
    ) -> Result<(Response<Body>, By), Refusal> {
        let snapshot = &*current.snapshot;
        upgrade::prepare(&mut request, &snapshot.policy);
        let decided = decide_waiting(&request, connection, snapshot, counted).await;
        let permit = match decided.or_else(|refusal| self.overrule(refusal, log, entry, snapshot)) {
            Ok(permit) => permit,
            Err(refusal) => {
                discard(request);
                return Err(refusal);
            }
        };
        let (rule, principal) = (Arc::clone(permit.rule()), permit.principal().cloned());
        let by = if rule.builtin().is_empty() { By::Upstream } else { By::Gateway };
        let upstream = snapshot.upstreams.get(rule.upstream()).filter(|_| by == By::Upstream);
        entry.permitted(&rule, principal.as_ref(), upstream.map(|upstream| &**upstream));
        let mut answered = if let Err(rejection) = upgrade::check(&mut request, &rule, snapshot.cors.as_deref()) {
            discard(request);
            Err(rejection)
        } else if by == By::Gateway {
            // In boxes, for what is rare would make the future of every request large.
            Box::pin(built_in::answer(permit, request, &connection.peer, &current.snapshot, log.id())).await
        } else if permit.changes().is_empty() {
            forward(permit, request, &current.context(connection)).await
        } else {
            Box::pin(forward_change(permit, request, connection, current)).await
        };
        if let Ok(response) = &mut answered {
            expiry::bind(response, &rule, principal.as_ref());
        }
        answered.map(|response| (response, by)).map_err(|rejection| Refusal {
            rule: Some(rule.name().into()),
            issuer: principal.map(|principal| principal.issuer().into()),
            private: !rule.builtin().is_empty(),
            ..rejection.into()
        })
    }

    /// Lets through what only is reported, and records it.
    fn overrule(
        &self,
        mut refusal: Refusal,
        log: &RequestLog,
        entry: &mut Entry,
        snapshot: &Snapshot,
    ) -> Result<Permit, Refusal> {
        let Some(permit) = refusal.overruled.take() else { return Err(refusal) };
        log.would_refuse(&refusal.rejection, refusal.known());
        entry.would_refuse(refusal.rejection.reason());
        let example = Example {
            at: snapshot.clock.now(),
            method: log.method().clone(),
            path: log.path().to_owned(),
            cause: refusal.rejection.to_string(),
            issuer: refusal.issuer.as_deref().map(str::to_owned),
            request_id: log.id().to_owned(),
        };
        self.metrics.report.record(permit.rule().name(), refusal.rejection.reason(), example);
        Ok(*permit)
    }
}

/// What the gateway says of itself, to whoever asks.
fn publish(request: &Request<Incoming>, connection: &Connection, snapshot: &Snapshot) -> Option<Response<Bytes>> {
    let response = snapshot.published.as_ref()?.answer(request)?;
    // A request with two meanings is refused like any other.
    head::check(request, &snapshot.limits, connection.peer.scheme()).is_ok().then_some(response)
}

/// Forwards what may change who owns what, and sees to that. Where it has to be kept this goes on without the client: what
/// the upstream does is done.
async fn forward_change(
    mut permit: Permit,
    mut request: Request<Incoming>,
    connection: &Rc<Connection>,
    current: &Rc<Current>,
) -> Result<Response<Body>, Rejection> {
    let changes = permit.take_changes();
    settle::prepare(&mut request, &changes);
    let (connection, current) = (Rc::clone(connection), Rc::clone(current));
    let is_kept = settle::is_kept(&changes);
    let forwarding = async move {
        let snapshot = &current.snapshot;
        let _doubts = Doubts::new(&snapshot.policy, &changes);
        let response = forward(permit, request, &current.context(&connection)).await?;
        Ok(snapshot.ownerships.settle(&changes, response, &snapshot.policy).await)
    };
    if !is_kept {
        return forwarding.await;
    }
    // Nobody aborts it, so that what it fails with is a panic, and this request's.
    spawn_local(forwarding).await.unwrap_or_else(|failed| resume_unwind(failed.into_panic()))
}
