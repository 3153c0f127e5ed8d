//! What becomes of the changes of a request, once it is answered.
//!
//! 1. Before: an answer that is to be read may not be compressed, so `Accept-Encoding` asks for `identity` (RFC 9110
//!    §12.5.3).
//! 2. 2xx to what ends a resource: it is forgotten, and only then does the head of the answer go on.
//! 3. 201 to what makes one: the body tells which one, on its way ([`learning`](super::learning)). One that is encoded all
//!    the same is not read, and nothing is learned.
//! 4. Whatever the answer, and whether one comes or not: what was remembered of a resource that may have been written is
//!    dropped ([`Doubts`]).

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};
use http_body::Body as _;

use super::{
    LearnOutcome, Ownerships,
    learning::{Learner, Learning},
    ledger::Entry,
};
use crate::{
    authz::{Policy, ownership::Change},
    proxy::Body,
};

/// What may have been written by the time this is dropped, and is not remembered from then on.
pub(in crate::gateway) struct Doubts<'a> {
    policy: &'a Policy,
    changes: &'a [Change],
}

impl<'a> Doubts<'a> {
    pub(in crate::gateway) const fn new(policy: &'a Policy, changes: &'a [Change]) -> Self {
        Self { policy, changes }
    }
}

impl Drop for Doubts<'_> {
    fn drop(&mut self) {
        for change in self.changes {
            if let Change::Doubt { ownership, resource } | Change::Forget { ownership, resource } = change
                && let Some(owners) = self.policy.owners(*ownership)
            {
                owners.written(resource);
            }
        }
    }
}

/// Whether any of it is to be kept in the store.
pub(in crate::gateway) fn is_kept(changes: &[Change]) -> bool {
    changes.iter().any(|change| !matches!(change, Change::Doubt { .. }))
}

/// Has the answer be one that can be read, if it is to be.
pub(in crate::gateway) fn prepare<B>(request: &mut Request<B>, changes: &[Change]) {
    if changes.iter().any(|change| matches!(change, Change::Learn { .. })) {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

impl Ownerships {
    /// Sees to what `response` makes of `changes`.
    pub(in crate::gateway) async fn settle(
        self: &Arc<Self>,
        changes: &[Change],
        mut response: Response<Body>,
        policy: &Policy,
    ) -> Response<Body> {
        let status = response.status();
        for change in changes.iter().filter(|change| change.holds(status)) {
            match change {
                Change::Doubt { .. } => {}
                Change::Forget { ownership, resource } => {
                    let Some((ledger, owners)) = self.ledger.as_ref().zip(policy.owners(*ownership)) else { continue };
                    let (ownership, resource) = (owners.name().to_owned(), resource.clone());
                    // One that is lost has been logged.
                    let _ = ledger.keep(Entry::Forget { ownership, resource }).await;
                }
                Change::Learn { ownership, pointer, owner } => {
                    let Some(owners) = policy.owners(*ownership) else { continue };
                    let learner = Learner::new(Arc::clone(self), *ownership, Arc::clone(owners), owner.clone());
                    if is_encoded(response.headers()) {
                        learner.nothing(LearnOutcome::Encoded);
                    } else if response.body().is_end_stream() {
                        learner.nothing(LearnOutcome::Malformed);
                    } else {
                        response = response.map(|body| Body::watched(Learning::new(body, pointer, learner)));
                    }
                }
            }
        }
        response
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
