//! A request that a built-in endpoint answers.
//!
//! Its body is read whole, within a small limit and a short time, and only after the request may pass.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ipnet::IpNet;
use tokio::time::timeout;

use super::super::snapshot::Snapshot;
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
/// Forwarded addresses that are looked at.
const MOST_HOPS: usize = 32;

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
        address: address(peer, &parts.headers, &snapshot.trusted_proxies),
        request_id,
    };
    accounts.serve(endpoints, &call).await
}

/// Where a request comes from: the peer, or the last hop before the trusted proxies.
fn address(peer: &Peer, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !peer.is_trusted() {
        return peer.address();
    }
    let fields = headers.get_all("x-forwarded-for").into_iter().filter_map(|field| field.to_str().ok());
    let hops: Vec<&str> = fields.flat_map(|field| field.split(',')).map(str::trim).collect();
    let mut nearest = peer.address();
    for hop in hops.iter().rev().take(MOST_HOPS) {
        let Ok(address) = hop.parse::<IpAddr>() else { return nearest };
        nearest = address;
        if !trusted.iter().any(|network| network.contains(&address)) {
            return address;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let from = |peer: &str, fields: &[&str]| {
            let peer = Peer::new(format!("{peer}:1").parse().unwrap(), &trusted);
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", field.parse().unwrap());
            }
            address(&peer, &headers, &trusted).to_string()
        };
        assert_eq!(from("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &["198.51.100.7, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["198.51.100.7", "203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9, x, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(from("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }
}
