//! A request that the gateway answers itself, in the upstream's place.

use http::{Request, Response};
use hyper::body::Incoming;

#[cfg(feature = "accounts")]
use super::accounts;
use super::snapshot::Snapshot;
use crate::{
    authz::Permit,
    proxy::{Body, Peer, upload::discard},
    rejection::Rejection,
};

/// The answer of the built-in endpoints; who may not pass comes without a permit.
#[cfg(feature = "accounts")]
pub(super) async fn answer(
    permit: Permit,
    request: Request<Incoming>,
    peer: &Peer,
    snapshot: &Snapshot,
    request_id: &str,
) -> Result<Response<Body>, Rejection> {
    let Some(running) = &snapshot.accounts else {
        discard(request);
        return Err(Rejection::NoRoute);
    };
    let asked = (&running.accounts, permit.rule().builtin());
    let response = accounts::serve(request, asked, permit.principal(), (snapshot, peer), request_id).await?;
    Ok(response.map(Body::from))
}

/// Without the feature `accounts` no rule has built-in endpoints.
#[cfg(not(feature = "accounts"))]
pub(super) async fn answer(
    _: Permit,
    request: Request<Incoming>,
    _: &Peer,
    _: &Snapshot,
    _: &str,
) -> Result<Response<Body>, Rejection> {
    discard(request);
    Err(Rejection::NoRoute)
}
