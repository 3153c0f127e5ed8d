//! A request that the gateway answers itself, in the upstream's place.

#[cfg(feature = "accounts")]
use std::panic::resume_unwind;
use std::sync::Arc;

use http::{Request, Response};
#[cfg(feature = "accounts")]
use tokio::task::spawn_local;

#[cfg(feature = "accounts")]
use super::accounts;
use super::snapshot::Snapshot;
use crate::{
    authz::Permit,
    proxy::{Body, Incoming, Peer, upload::discard},
    rejection::Rejection,
};

/// The answer of the built-in endpoints; who may not pass comes without a permit.
#[cfg(feature = "accounts")]
pub(super) async fn answer(
    permit: Permit,
    request: Request<Incoming>,
    peer: &Peer,
    snapshot: &Arc<Snapshot>,
    request_id: &str,
) -> Result<Response<Body>, Rejection> {
    let Some(running) = &snapshot.accounts else {
        discard(request);
        return Err(Rejection::NoRoute);
    };
    let goes_on = running.accounts.goes_on_alone(permit.rule().builtin());
    let (snapshot, peer, request_id) = (Arc::clone(snapshot), peer.clone(), request_id.to_owned());
    let answering = async move {
        let Some(running) = &snapshot.accounts else { return Err(Rejection::NoRoute) };
        let asked = (&running.accounts, permit.rule().builtin());
        accounts::serve(request, asked, permit.principal(), (&snapshot, &peer), &request_id).await
    };
    let answered = if goes_on {
        // Nobody aborts it, so that what it fails with is a panic, and this request's.
        spawn_local(answering).await.unwrap_or_else(|failed| resume_unwind(failed.into_panic()))
    } else {
        answering.await
    };
    answered.map(|response| response.map(Body::from))
}

/// Without the feature `accounts` no rule has built-in endpoints.
#[cfg(not(feature = "accounts"))]
pub(super) async fn answer(
    _: Permit,
    request: Request<Incoming>,
    _: &Peer,
    _: &Arc<Snapshot>,
    _: &str,
) -> Result<Response<Body>, Rejection> {
    discard(request);
    Err(Rejection::NoRoute)
}
