//! The one line that is written of a request that is refused, or would be.
//!
//! It has the reason, the cause, the rule and the issuer as far as they are known, method, path and the request's id,
//! which is in the answer too if the contract has `$request_id`. The query may hold secrets, and is not shown.
//!
//! The id is the gateway's own: a client's could be anything, and the same for many requests. Only what a trusted proxy
//! sends as `X-Request-Id` is taken over, if it is 1 to 128 letters, digits and `-_.:/+=@~`.

use std::{
    cell::{Cell, OnceCell},
    fmt,
};

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::{
    clock::Clock,
    proxy::Peer,
    rejection::{Reason, Rejection},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;

/// What has to be known of a request when it is gone.
pub(super) struct RequestLog {
    given: Option<HeaderValue>,
    own: RequestId,
    id: OnceCell<String>,
    method: Method,
    target: Uri,
}

/// What is known of the one that is refused, beside the cause.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) rule: Option<&'a str>,
    /// The issuer's name in the configuration.
    pub(super) issuer: Option<&'a str>,
}

impl RequestLog {
    pub(super) fn new<B>(request: &Request<B>, peer: &Peer, ids: &Ids) -> Self {
        let given = if peer.is_trusted() { request.headers().get(REQUEST_ID) } else { None };
        let given = given.filter(|given| is_id(given)).cloned();
        let own = ids.next();
        Self { given, own, id: OnceCell::new(), method: request.method().clone(), target: request.uri().clone() }
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn path(&self) -> &str {
        self.target.path()
    }

    /// The same whenever it is asked for.
    pub(super) fn id(&self) -> &str {
        self.id.get_or_init(|| self.given_id().map_or_else(|| self.own.to_string(), str::to_owned))
    }

    /// A trusted proxy's.
    pub(super) fn given_id(&self) -> Option<&str> {
        self.given.as_ref().and_then(|given| given.to_str().ok())
    }

    /// The gateway's own, which counts where none was given.
    pub(super) const fn own_id(&self) -> RequestId {
        self.own
    }

    pub(super) fn refused(&self, rejection: &Rejection, known: Known<'_>) {
        let (reason, rule, issuer) = (rejection.reason(), known.rule.unwrap_or("-"), known.issuer);
        let (method, path) = (&self.method, self.path());
        // The id is written out within the event: nobody may want it.
        match reason {
            Reason::KeysUnavailable | Reason::Overloaded | Reason::UpstreamUnreachable | Reason::UpstreamTimeout => {
                tracing::warn!(%reason, cause = %rejection, rule, issuer, %method, path, request_id = self.id(), "refused");
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
                tracing::info!(%reason, cause = %rejection, rule, issuer, %method, path, request_id = self.id(), "refused");
            }
        }
    }

    pub(super) fn would_refuse(&self, rejection: &Rejection, known: Known<'_>) {
        let (reason, rule, issuer) = (rejection.reason(), known.rule.unwrap_or("-"), known.issuer);
        let (method, path, request_id) = (&self.method, self.path(), self.id());
        tracing::info!(%reason, cause = %rejection, rule, issuer, %method, path, request_id, "would refuse");
    }
}

fn is_id(given: &HeaderValue) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    (1..=LONGEST_ID).contains(&given.len()) && given.as_bytes().iter().all(fits)
}

/// Names for requests: unique in a log, and nothing more.
pub(super) struct Ids {
    start: u64,
    worker: usize,
    count: Cell<u64>,
}

impl Ids {
    pub(super) fn new(worker: usize, clock: &Clock) -> Self {
        Self { start: clock.now().as_millis(), worker, count: Cell::new(0) }
    }

    fn next(&self) -> RequestId {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        RequestId { start: self.start, worker: self.worker, count }
    }
}

/// A name for a request, written out only where somebody wants to read it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestId {
    start: u64,
    worker: usize,
    count: u64,
}

impl RequestId {
    /// What is written of it, in hexadecimal digits and joined by `-`.
    pub(super) fn parts(self) -> [u64; 3] {
        [self.start, self.worker as u64, self.count]
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [start, worker, count] = self.parts();
        write!(formatter, "{start:x}-{worker:x}-{count:x}")
    }
}
