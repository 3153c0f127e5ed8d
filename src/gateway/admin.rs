//! The admin listener: `/livez`, `/readyz`, `/metrics`, `/routes`, `/keys`, `/report`, `/explain`, `/revocations`,
//! `/store/refresh` and `/reload`, for those who run the gateway.
//!
//! It has a thread and a runtime of its own, so that looking doesn't disturb, and so that it still answers when every
//! worker is busy. `POST /revocations` revokes, `POST /reload` reads the configuration again, nothing else changes anything. It asks nobody who they are, so a `POST`
//! that comes from a page in an operator's browser is refused: such a request has an `Origin`, or cannot say that it is
//! JSON (Fetch §2.2.2, §3.2).

use std::{
    io,
    net::TcpListener as StdListener,
    sync::{Arc, atomic::AtomicUsize, mpsc::Sender},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    drain::{Phase, reached},
    explain::{self, Question},
    metrics::{Gauges, Scrape, WorkerMetrics},
    reload::Ask,
    report::Report,
    revocation_json,
    revoker::Kept,
    snapshot::Snapshot,
};
use crate::{
    authn::{KeySource, KeyStatus},
    authz::{Mode, Policy, Rule, WebSocketToken},
    clock::Timestamp,
};

/// In bytes.
const LARGEST_REVOCATION: usize = 16 << 10;
/// In bytes: a token may have a mebibyte.
const LARGEST_QUESTION: usize = 2 << 20;

/// How long who asks for a reload waits.
const RELOAD_PATIENCE: Duration = Duration::from_secs(60);

/// What the admin listener shows.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    /// How many connections each worker has.
    pub(super) load: Arc<[AtomicUsize]>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) reload: Sender<Ask>,
}

impl Admin {
    /// Serves until the workers have ended, so that a drain can be watched, or until another process has taken over.
    pub(super) fn run(self, listener: StdListener) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let mut phase = self.phase.clone();
            let router = Router::new()
                .route("/livez", get(async || "alive\n"))
                .route("/readyz", get(ready))
                .route("/metrics", get(metrics))
                .route("/routes", get(routes))
                .route("/keys", get(keys))
                .route("/report", get(report))
                .route("/explain", post(explain).layer(DefaultBodyLimit::max(LARGEST_QUESTION)))
                .route("/reload", post(reload))
                .route("/store/refresh", post(refresh_store))
                .route("/revocations", get(revocations).post(revoke).layer(DefaultBodyLimit::max(LARGEST_REVOCATION)))
                .merge(documents())
                .with_state(self);
            tokio::select! {
                served = axum::serve(listener, router).into_future() => served,
                () = reached(&mut phase, Phase::Replaced) => Ok(()),
            }
        })
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    match *admin.phase.borrow() {
        Phase::Serving => {
            let snapshot = admin.snapshot.load();
            let (status, told) = ready_with_keys(&snapshot);
            (
                status,
                told + &about_upstreams(&snapshot)
                    + &about_the_store(&snapshot)
                    + &about_mail(&snapshot)
                    + reported(&snapshot.policy),
            )
        }
        Phase::Leaving | Phase::Draining | Phase::Replaced | Phase::Stopped => {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
        }
    }
}

/// A gateway that lets through what it should refuse says so to whoever looks.
fn reported(policy: &Policy) -> &'static str {
    let is_reporting = |rule: &Arc<Rule>| rule.mode() == Mode::Report;
    match policy.unmatched_mode() {
        Mode::Report => "mode: report\n",
        Mode::Enforce if policy.routes().rules().iter().any(is_reporting) => "mode: report, on some routes\n",
        Mode::Enforce => "",
    }
}

/// Ready, and whose keys are missing, or who did not answer when last asked: then only those issuers' tokens are answered
/// with 503. Not ready without keys that are required.
fn ready_with_keys(snapshot: &Snapshot) -> (StatusCode, String) {
    let now = snapshot.clock.now();
    let missing = snapshot.authenticator.issuers().filter(|(_, keys)| !keys.is_available(now));
    let missing: Vec<&str> = missing.map(|(issuer, _)| issuer).collect();
    if missing.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let names = missing.join(", ");
    if snapshot.required_keys.iter().any(|required| missing.contains(&required.as_str())) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("not ready\nkeys missing: {names}\n"));
    }
    (StatusCode::OK, format!("ready\nkeys missing: {names}\n"))
}

/// A gateway whose upstreams are down is ready, and says so: it answers what it can, and to take it out of service for that
/// would only make its refusals those of somebody else.
fn about_upstreams(snapshot: &Snapshot) -> String {
    let down = snapshot.upstreams.iter().filter(|upstream| !upstream.is_up()).map(|upstream| upstream.name.as_str());
    match down.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => String::new(),
        names => format!("upstreams without a healthy server: {names}\n"),
    }
}

/// While the store fails, tokens are verified with what is known: the gateway is ready, and says what is wrong.
fn about_the_store(snapshot: &Snapshot) -> String {
    let mut told = String::new();
    if let Some(error) = snapshot.store.as_ref().and_then(|store| store.status().error) {
        told.push_str(&format!("{error}\n"));
    }
    if let waiting @ 1.. = snapshot.revoker.waiting() {
        told.push_str(&format!("revocations not kept yet: {waiting}\n"));
    }
    told
}

/// What is told of the built-in endpoints.
#[cfg(feature = "accounts")]
fn documents() -> Router<Admin> {
    Router::new().route("/openapi.json", get(openapi))
}

#[cfg(not(feature = "accounts"))]
fn documents() -> Router<Admin> {
    Router::new()
}

#[cfg(feature = "accounts")]
async fn openapi(State(admin): State<Admin>) -> Response {
    let snapshot = admin.snapshot.load_full();
    match &snapshot.accounts {
        Some(running) => json_answer(StatusCode::OK, &running.openapi(&snapshot.contract)),
        None => told(StatusCode::NOT_FOUND, "there are no built-in endpoints: [accounts] switches them on"),
    }
}

/// Mail that goes nowhere, or that does not go: people wait for their links.
#[cfg(feature = "accounts")]
fn about_mail(snapshot: &Snapshot) -> String {
    snapshot.accounts.as_ref().map(|running| running.about_mail(snapshot.clock.now())).unwrap_or_default()
}

#[cfg(not(feature = "accounts"))]
fn about_mail(_: &Snapshot) -> String {
    String::new()
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let snapshot = admin.snapshot.load_full();
    let scrape = Scrape {
        workers: admin.workers.iter().map(|worker| &**worker),
        load: &admin.load,
        gauges: &admin.gauges,
        cache: snapshot.authenticator.cache_stats(),
        revocations: snapshot.revoker.revocations().count() as u64,
        store: snapshot.store.as_ref().map(|store| (store.status(), snapshot.revoker.waiting())),
        ownerships: &snapshot.ownerships,
        rate_limits: &snapshot.rate_limits,
        upstreams: snapshot.upstreams.iter().map(|upstream| &**upstream).collect(),
        tls: snapshot.tls.as_deref(),
        keys: snapshot.authenticator.issuers().collect(),
        now: snapshot.clock.now(),
    };
    let rendered = scrape.render();
    #[cfg(feature = "accounts")]
    let rendered = snapshot.accounts.iter().fold(rendered, |rendered, running| rendered + &running.metrics());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], rendered)
}

async fn report(State(admin): State<Admin>) -> Response {
    let merged = Report::merged(admin.workers.iter().map(|worker| &worker.report));
    json_answer(StatusCode::OK, &merged.show(admin.snapshot.load().policy.unmatched_mode()))
}

async fn revocations(State(admin): State<Admin>) -> Response {
    let revocations = admin.snapshot.load().revoker.revocations().list();
    let shown: Vec<Value> = revocations.iter().map(revocation_json::show).collect();
    json_answer(StatusCode::OK, &json!({ "count": shown.len(), "revocations": shown }))
}

async fn explain(State(admin): State<Admin>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refuse_pages(&headers) {
        return refusal;
    }
    let snapshot = admin.snapshot.load_full();
    match Question::read(&body) {
        Ok(question) => json_answer(StatusCode::OK, &explain::explain(&snapshot, &question).await),
        Err(mistake) => told(StatusCode::BAD_REQUEST, &mistake),
    }
}

/// The answer to a `POST` that a page in a browser may have sent.
fn refuse_pages(headers: &HeaderMap) -> Option<Response> {
    if headers.contains_key(header::ORIGIN) {
        return Some(told(StatusCode::FORBIDDEN, "this is not for pages in a browser"));
    }
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "application/json") {
        return Some(told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json"));
    }
    None
}

fn told(status: StatusCode, detail: &str) -> Response {
    json_answer(status, &json!({ "detail": detail }))
}

async fn revoke(State(admin): State<Admin>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refuse_pages(&headers) {
        return refusal;
    }
    let snapshot = admin.snapshot.load_full();
    let revocation = match revocation_json::read(&body, snapshot.clock.now()) {
        Ok(revocation) if snapshot.authenticator.keys(&revocation.issuer).is_some() => revocation,
        Ok(unknown) => return told(StatusCode::BAD_REQUEST, &format!("there is no issuer {:?}", unknown.issuer)),
        Err(mistake) => return told(StatusCode::BAD_REQUEST, &mistake),
    };
    let mut shown = revocation_json::show(&revocation);
    let (status, kept, detail) = match snapshot.revoker.revoke(revocation).await {
        Ok(Kept::InStore) => (StatusCode::OK, true, "Revoked, and kept in the store.".to_owned()),
        Ok(Kept::InMemory) => {
            (StatusCode::OK, false, "Revoked until this gateway ends: no `store` is configured.".to_owned())
        }
        Ok(Kept::NotYet(error)) => {
            let detail =
                format!("Revoked here. It is not kept yet, which is tried again until this gateway ends: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, false, detail)
        }
        Err(error) => {
            tracing::error!(%error, "a revocation is not kept");
            let detail = format!("Revoked only until this gateway ends, and only here. {error}");
            (StatusCode::SERVICE_UNAVAILABLE, false, detail)
        }
    };
    shown["kept"] = json!(kept);
    shown["detail"] = json!(detail);
    json_answer(status, &shown)
}

/// Whoever has written to the store may have it read before the next request.
async fn refresh_store(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse_pages(&headers) {
        return refusal;
    }
    let snapshot = admin.snapshot.load_full();
    match snapshot.revoker.catch_up().await {
        Ok(()) => told(StatusCode::OK, "What the store says of revocations and roles is in force."),
        Err(error) => told(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// Has the configuration be read again, and tells what came of it.
async fn reload(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse_pages(&headers) {
        return refusal;
    }
    let (outcome, told_of) = oneshot::channel();
    if *admin.phase.borrow() != Phase::Serving || admin.reload.send(Ask { outcome }).is_err() {
        return told(StatusCode::SERVICE_UNAVAILABLE, "The gateway is about to end.");
    }
    match timeout(RELOAD_PATIENCE, told_of).await {
        Ok(Ok(Ok(()))) => told(StatusCode::OK, "The configuration is taken over."),
        Ok(Ok(Err(mistakes))) => told(StatusCode::UNPROCESSABLE_ENTITY, &mistakes),
        Ok(Err(_)) => told(StatusCode::SERVICE_UNAVAILABLE, "The gateway is about to end."),
        Err(_) => told(StatusCode::SERVICE_UNAVAILABLE, "It is still under way; the log tells what comes of it."),
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn routes(State(admin): State<Admin>) -> impl IntoResponse {
    let snapshot = admin.snapshot.load_full();
    let rules: Vec<Value> = snapshot.policy.routes().rules().iter().map(|rule| describe(rule, &snapshot)).collect();
    ([(header::CONTENT_TYPE, "application/json")], Value::from(rules).to_string())
}

async fn keys(State(admin): State<Admin>) -> impl IntoResponse {
    let snapshot = admin.snapshot.load_full();
    let now = snapshot.clock.now();
    let issuers: Vec<Value> =
        snapshot.authenticator.issuers().map(|(name, keys)| describe_keys(name, keys, now)).collect();
    ([(header::CONTENT_TYPE, "application/json")], Value::from(issuers).to_string())
}

/// Keys that are not fetched have no age. Of an issuer that is asked, it is that of the last answer.
fn describe_keys(issuer: &str, source: &KeySource, now: Timestamp) -> Value {
    let asked = source.introspection_status();
    let introspection = asked.is_some();
    let status = asked.map_or_else(
        || source.status().unwrap_or_default(),
        |asked| KeyStatus { renewed_at: asked.answered_at, last_error: asked.last_error, ..KeyStatus::default() },
    );
    let keys = source.keys(now);
    let keys = keys.as_ref().map_or(&[][..], |keys| keys.keys());
    let keys = keys.iter().map(|key| json!({ "kid": key.key_id(), "algorithm": key.algorithm().name() }));
    json!({
        "issuer": issuer,
        "introspection": introspection,
        "keys": keys.collect::<Vec<_>>(),
        "age_seconds": status.renewed_at.map(|renewed_at| now.since(renewed_at).as_secs()),
        "next_refresh": status.next.map(|next| next.to_string()),
        "last_error": status.last_error,
    })
}

fn describe(rule: &Rule, snapshot: &Snapshot) -> Value {
    let (methods, path) = rule.name().split_once(' ').unwrap_or(("*", rule.name()));
    let built_in = !rule.builtin().is_empty();
    json!({
        "methods": methods,
        "path": path,
        "access": rule.access().as_str(),
        "mode": rule.mode().as_str(),
        "permissions": rule.requirement().names().collect::<Vec<_>>(),
        "owner": rule.ownership(),
        "rate_limits": snapshot.rate_limits.described(rule.limits()),
        "upgrade": rule.websocket().map_or(&[][..], |_| &["websocket"]),
        "websocket_token": rule.websocket().map(WebSocketToken::as_str),
        "close_at_exp": rule.closes_at_exp(),
        "upstream": snapshot.upstreams.get(rule.upstream()).filter(|_| !built_in).map(|upstream| &upstream.name),
        "built_in": built_in,
    })
}
