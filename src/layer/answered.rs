//! What is left to do when the inner service answers a request that was let through.
//!
//! 1. It may have changed whose the resource is: what was remembered of that is dropped, whatever the answer, and also
//!    if there is none because the client went away.
//! 2. With the feature `axum`: a handler that refuses by a [`Rejection`](crate::rejection::Rejection) (`principal.require("…")?`)
//!    leaves the words to the layer.

use std::sync::Arc;

#[cfg(feature = "axum")]
use http::{HeaderMap, Method, Uri};
use http::{Request, Response};

#[cfg(feature = "axum")]
use super::refusal::Asked;
use super::{
    body::ResponseBody,
    service::{Gate, Rules},
};
use crate::authz::{Permit, ownership::Change};
#[cfg(feature = "axum")]
use crate::rejection::Rejection;

/// Asked for the answer's words, and dropped with it.
pub(super) struct Answered {
    #[cfg(feature = "axum")]
    refusal: LateRefusal,
    _doubts: Option<Doubts>,
}

/// What a request changed that was answered, or given up.
struct Doubts {
    gate: Arc<Gate>,
    permit: Arc<Permit>,
}

/// What is needed to refuse a request that the inner service has already.
#[cfg(feature = "axum")]
struct LateRefusal {
    gate: Arc<Gate>,
    method: Method,
    uri: Uri,
    /// `X-Request-Id` alone: to keep more would cost every request.
    headers: HeaderMap,
}

impl Answered {
    pub(super) fn new<B>(gate: &Arc<Gate>, permit: Option<&Arc<Permit>>, request: &Request<B>) -> Self {
        let changing = permit.filter(|permit| !permit.changes().is_empty());
        let doubts = changing.map(|permit| Doubts { gate: Arc::clone(gate), permit: Arc::clone(permit) });
        #[cfg(not(feature = "axum"))]
        let _ = request;
        Self {
            #[cfg(feature = "axum")]
            refusal: LateRefusal::new(gate, request),
            _doubts: doubts,
        }
    }

    /// The answer; in the layer's words, if a handler refuses.
    pub(super) fn worded<R>(&self, response: Response<R>) -> Response<ResponseBody<R>> {
        #[cfg(feature = "axum")]
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            let LateRefusal { gate, method, uri, headers } = &self.refusal;
            return gate.refuse(rejection, &Asked { method, uri, headers }).map(ResponseBody::refusal);
        }
        response.map(ResponseBody::inner)
    }
}

#[cfg(feature = "axum")]
impl LateRefusal {
    fn new<B>(gate: &Arc<Gate>, request: &Request<B>) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(id) = request.headers().get("x-request-id") {
            headers.insert("x-request-id", id.clone());
        }
        Self { gate: Arc::clone(gate), method: request.method().clone(), uri: request.uri().clone(), headers }
    }
}

impl Drop for Doubts {
    fn drop(&mut self) {
        let Rules::Policy(policy) = &self.gate.rules else { return };
        for change in self.permit.changes() {
            if let Change::Doubt { ownership, resource } = change
                && let Some(owners) = policy.owners(*ownership)
            {
                owners.written(resource);
            }
        }
    }
}
