//! Sends a permitted request on, and brings the answer back.
//!
//! 1. A `Content-Length` above the limit is refused before anything is sent; a body without one is counted on its way.
//! 2. The target is sent in origin-form, path and query byte for byte as they were matched; `Host` is the client's.
//! 3. A connection that was closed before a byte of the request was on it is no attempt: the next one is taken. So a
//!    `POST` too survives an upstream that closes idle connections.
//! 4. A connection that can't be made, or that closes before a byte was sent, uses up one of the upstream's
//!    `retries`; another server is tried. Other addresses of the same name come first, and use up nothing. Once a byte
//!    was sent nothing is repeated, whatever the method: unless it went by HTTP/2, and the upstream says that it has not
//!    processed the request (RFC 9113 §8.7). When too many requests had to be tried again lately, this one is not.
//! 5. No head of an answer within `response_timeout` after the last movement of the request: 504. The time that the
//!    client takes over its body doesn't count, it has a limit of its own.
//! 6. No connection, or no valid answer on it: 502. An answer with 101 is not valid unless a WebSocket was asked for, and
//!    it is one ([`upgrade`]).
//! 7. After the head nothing can be refused any more: a body that breaks off breaks the client's connection off.

use std::{rc::Rc, time::Duration};

use http::{Request, Response, Uri, Version, header, request::Parts, uri};
use http_body::Body as _;

use super::{
    Body, Incoming, ManagedHeaders, Peer, Upstreams,
    exchange::exchange,
    pool::Pool,
    rewrite,
    stream::{self, Connections},
    upgrade::{self, Handshake},
    upload::{self, Upload},
    upstream::{Busy, Choice, Tried, Upstream, Way},
};
use crate::{
    authz::Permit,
    rejection::{BadRequest, Rejection, TooLarge},
};

/// So many more addresses of a name are tried that one of them did not answer at, before that counts as a retry.
const MORE_ADDRESSES: u32 = 3;

/// What forwarding needs to know beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who sent the request.
    pub peer: &'a Peer,
    /// The worker's upstreams.
    pub upstreams: &'a Upstreams,
    /// The names that only the gateway sets.
    pub managed: &'a ManagedHeaders,
    /// The longest body of a request, in bytes.
    pub body_bytes: u64,
    /// How long a client may pause in its body.
    pub stall_limit: Duration,
}

/// A request on its way to the upstream.
struct Outgoing {
    head: Parts,
    /// Whether the client means to read trailers: only HTTP/2 says so to the upstream.
    wants_trailers: bool,
    upload: Upload,
}

/// What came of an attempt.
pub(super) enum Outcome {
    Answer(Response<Body>),
    /// Nothing of the request was sent, or nothing of it processed.
    Unsent {
        /// Why.
        cause: String,
        /// Whether the connection had just served its time: then it was no attempt.
        stale: bool,
    },
    /// There is no connection.
    Unreached {
        /// Why.
        cause: String,
    },
}

/// Forwards `request` to the upstream of the permit's rule.
///
/// # Errors
/// `TooLarge`, `BadRequest` for a body that the client breaks off or lets stall, `UpstreamUnreachable`, `UpstreamTimeout`
/// and, if the upstream has as many requests as it may, `UpstreamOverloaded`, as the module's rules say.
pub async fn forward(
    permit: Permit,
    request: Request<Incoming>,
    context: &Context<'_>,
) -> Result<Response<Body>, Rejection> {
    let upstream = context
        .upstreams
        .get(permit.rule().upstream())
        .ok_or_else(|| Rejection::UpstreamUnreachable("the rule's upstream is not configured".to_owned()))?;
    if request.body().size_hint().exact().is_some_and(|length| length > context.body_bytes) {
        upload::discard(request);
        return Err(Rejection::TooLarge(TooLarge::Body));
    }
    let key = upstream.settings().key(request.headers(), permit.principal(), context.peer);
    let outgoing = prepare(&permit, request, context, upstream)?;
    send(outgoing, upstream, key).await
}

fn prepare(
    permit: &Permit,
    request: Request<Incoming>,
    context: &Context<'_>,
    upstream: &Upstream,
) -> Result<Outgoing, Rejection> {
    let (mut parts, incoming) = request.into_parts();
    let wants_trailers = stream::wants_trailers(&parts.headers);
    // A request of HTTP/1.1 has one: that was checked.
    let may_lack_host = parts.version != Version::HTTP_11;
    if may_lack_host
        && !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = header::HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    let identity = permit.principal().map(|principal| principal.identity()).unwrap_or_default();
    let resigned = permit.principal().map(|principal| context.managed.resign(principal)).transpose()?.flatten();
    let handshake = parts.extensions.remove::<Handshake>();
    rewrite::request(&mut parts.headers, parts.version, context.peer, context.managed, identity);
    if handshake.is_some() {
        upgrade::ask(&mut parts.headers);
    }
    parts.headers.extend(resigned);
    if may_lack_host
        && !parts.headers.contains_key(header::HOST)
        && let Some(server) = upstream.settings().servers.first()
        && let Ok(host) = header::HeaderValue::from_str(server.authority.as_str())
    {
        // HTTP/1.0 may do without; HTTP/1.1 may not.
        parts.headers.insert(header::HOST, host);
    }
    parts.uri = origin_form(parts.uri)?;
    parts.version = Version::HTTP_11;
    let upload = Upload::new(incoming, context.body_bytes, context.stall_limit);
    // Fresh extensions: those of the server's side mean nothing to the client's.
    parts.extensions = http::Extensions::new();
    handshake.and_then(|handshake| parts.extensions.insert(handshake));
    Ok(Outgoing { head: parts, wants_trailers, upload })
}

fn origin_form(target: Uri) -> Result<Uri, Rejection> {
    if target.authority().is_none() {
        return Ok(target);
    }
    let no_path = |_| Rejection::BadRequest(BadRequest::Target("it has no path"));
    let path_and_query = match target.into_parts().path_and_query {
        // `http://a?b` (RFC 9112 §3.2.1: an empty path is sent as `/`).
        Some(query) if !query.as_str().starts_with('/') => {
            Some(uri::PathAndQuery::try_from(format!("/{query}")).map_err(|_| no_path(()))?)
        }
        path_and_query => path_and_query,
    };
    let mut parts = uri::Parts::default();
    parts.path_and_query = path_and_query;
    Uri::from_parts(parts).map_err(|_| no_path(()))
}

async fn send(mut outgoing: Outgoing, upstream: &Upstream, key: Option<u64>) -> Result<Response<Body>, Rejection> {
    upstream.deposit();
    let view = upstream.view();
    let (mut tried, mut addresses, mut retries) = (Tried::default(), MORE_ADDRESSES, upstream.settings().retries);
    let mut choice = upstream.choose(&view, tried, key).ok_or_else(no_servers)?;
    loop {
        let busy = choice.begin()?;
        let outcome = match &choice.backend.way {
            Way::Http1(pool) => by_http1(pool, busy, &mut outgoing, upstream).await?,
            Way::Http2(connections) => by_http2(&choice, connections, busy, &mut outgoing, upstream).await?,
        };
        let (cause, is_unreached) = match outcome {
            Outcome::Answer(response) => return Ok(response),
            Outcome::Unsent { stale: true, .. } => continue,
            Outcome::Unsent { cause, stale: false } => (cause, false),
            Outcome::Unreached { cause } => (cause, true),
        };
        tried.add(choice.index);
        let sibling = if is_unreached && addresses > 0 { Upstream::sibling(&view, tried, &choice) } else { None };
        choice = match sibling {
            Some(sibling) => {
                addresses -= 1;
                sibling
            }
            None if retries == 0 => return Err(Rejection::UpstreamUnreachable(cause)),
            // Where nobody was reached, another try burdens nobody twice.
            None if !is_unreached && !upstream.withdraw() => {
                let cause = format!("{cause}; it is not tried again: too many requests have been lately");
                return Err(Rejection::UpstreamUnreachable(cause));
            }
            None => {
                retries -= 1;
                upstream.choose(&view, tried, key).ok_or_else(no_servers)?
            }
        };
    }
}

fn no_servers() -> Rejection {
    Rejection::UpstreamUnreachable("the upstream has no servers".to_owned())
}

async fn by_http1(
    pool: &Rc<Pool>,
    busy: Busy,
    outgoing: &mut Outgoing,
    upstream: &Upstream,
) -> Result<Outcome, Rejection> {
    let lease = match pool.take(busy) {
        Ok(lease) => lease,
        Err(busy) => match pool.connect(busy).await {
            Ok(lease) => lease,
            Err(cause) => return Ok(Outcome::Unreached { cause }),
        },
    };
    exchange(lease, &outgoing.head, &mut outgoing.upload, upstream.settings().response_timeout).await
}

async fn by_http2(
    choice: &Choice,
    connections: &Rc<Connections>,
    busy: Busy,
    outgoing: &mut Outgoing,
    upstream: &Upstream,
) -> Result<Outcome, Rejection> {
    if outgoing.head.extensions.get::<Handshake>().is_some() {
        return Err(Rejection::UpstreamUnreachable("it speaks HTTP/2, and a WebSocket needs HTTP/1.1".to_owned()));
    }
    let scheme = choice.backend.endpoint.server.uri_scheme();
    let request = stream::request(&outgoing.head, scheme, outgoing.wants_trailers)?;
    match connections.take(busy).await {
        Ok(place) => stream::exchange(place, request, &mut outgoing.upload, upstream.settings().response_timeout).await,
        Err(cause) => Ok(Outcome::Unreached { cause }),
    }
}
