//! A request that a built-in endpoint answers.
//!
//! Its body is read whole, within a small limit and a short time, and only after the request may pass.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::super::{client_address::client_address, snapshot::Snapshot};
use crate::{
    accounts::{
        command::Command,
        engine::{Accounts, Call},
    },
    authn::Principal,
    proxy::{Incoming, Peer, upload::discard},
    rejection::{BadRequest, Rejection, TooLarge},
};

/// The longest body of a request to an endpoint, in bytes.
const LONGEST_BODY: usize = 64 << 10;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer of one of `endpoints`.
pub(in crate::gateway) async fn serve(
    request: Request<Incoming>,
    (accounts, endpoints): (&Accounts, &[usize]),
    caller: Option<&Principal>,
    (snapshot, peer): (&Snapshot, &Peer),
    request_id: &str,
) -> Result<Response<Bytes>, Rejection> {
    let reads = |at: &usize| accounts.plan().endpoints.get(*at).is_some_and(|one| one.command == Command::ReadProfile);
    if request.method() == Method::HEAD && !endpoints.iter().all(reads) {
        // Who only looks changes nothing: a link of a mail is not used up by whoever checks that it leads somewhere.
        discard(request);
        return Err(Rejection::NoRoute);
    }
    let (parts, body) = request.into_parts();
    let body = match timeout(PATIENCE, Limited::new(body, LONGEST_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Rejection::TooLarge(TooLarge::Body)),
        Ok(Err(_)) => return Err(Rejection::BadRequest(BadRequest::Body("it broke off".to_owned()))),
        Err(_) => return Err(Rejection::BadRequest(BadRequest::Body("it did not come in time".to_owned()))),
    };
    let call = Call {
        headers: &parts.headers,
        path: parts.uri.path(),
        query: parts.uri.query(),
        body: &body,
        caller,
        address: client_address(peer, &parts.headers, &snapshot.trusted_proxies),
        request_id,
    };
    accounts.serve(endpoints, &call).await
}
