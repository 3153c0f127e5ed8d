//! The admin listener: `/livez`, `/readyz`, `/metrics` and `/routes`, for those who run the gateway.
//!
//! It has a thread and a runtime of its own, so that looking doesn't disturb, and so that it still answers when every
//! worker is busy. Only `GET` and `HEAD`; it changes nothing.

use std::{io, net::TcpListener as StdListener, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use super::{
    drain::{Phase, reached},
    metrics::{Gauges, Scrape, WorkerMetrics},
    snapshot::Snapshot,
};
use crate::authz::Rule;

/// What the admin listener shows.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Admin {
    /// Serves until the workers have ended: a drain can be watched.
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
                .with_state(self);
            tokio::select! {
                served = axum::serve(listener, router).into_future() => served,
                () = reached(&mut phase, Phase::Stopped) => Ok(()),
            }
        })
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match *admin.phase.borrow() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Draining | Phase::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let snapshot = admin.snapshot.load_full();
    let scrape = Scrape {
        workers: admin.workers.iter().map(|worker| &**worker),
        gauges: &admin.gauges,
        cache: snapshot.authenticator.cache_stats(),
        upstreams: snapshot.upstreams.iter().map(|upstream| &**upstream).collect(),
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], scrape.render())
}

async fn routes(State(admin): State<Admin>) -> impl IntoResponse {
    let snapshot = admin.snapshot.load_full();
    let rules: Vec<Value> = snapshot.routes.rules().iter().map(|rule| describe(rule, &snapshot)).collect();
    ([(header::CONTENT_TYPE, "application/json")], Value::from(rules).to_string())
}

fn describe(rule: &Rule, snapshot: &Snapshot) -> Value {
    let (methods, path) = rule.name().split_once(' ').unwrap_or(("*", rule.name()));
    json!({
        "methods": methods,
        "path": path,
        "access": rule.access().as_str(),
        "permissions": rule.requirement().names().collect::<Vec<_>>(),
        "owner": rule.ownership(),
        "upstream": snapshot.upstreams.get(rule.upstream()).map(|upstream| &upstream.name),
    })
}
