//! The end of what lasts longer than the token that it was asked for with: a WebSocket, a stream of events, any answer, where
//! its route says `close_at_exp`.
//!
//! 1. It ends at the token's `exp` and the issuer's leeway, when a new request with that token would be refused too; and
//!    within [`LOOK`] after the token was revoked.
//! 2. An answer is cut off: it never looks complete. To a WebSocket it is said ([`tunnel`](super::http1)).

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Response;
use tokio::time::Instant;

use super::{body::Answer, snapshot::Snapshot};
use crate::{
    authn::{AuthnError, Principal},
    authz::Rule,
    http1::Deadline,
};

/// How often it is asked whether the token still counts. It may be revoked, and the system's clock set.
const LOOK: Duration = Duration::from_secs(1);

/// Among an answer's extensions: whose it is, if it ends with the token.
#[derive(Clone)]
struct Bound(Principal);

/// Binds an answer to the token that it was asked for with, where the rule says so.
pub(super) fn bind<B>(response: &mut Response<B>, rule: &Rule, principal: Option<&Principal>) {
    if let Some(principal) = principal.filter(|_| rule.closes_at_exp()) {
        response.extensions_mut().insert(Bound(principal.clone()));
    }
}

/// Has an answer that is bound end in time.
pub(super) fn watch(mut response: Response<Answer>, snapshot: &Arc<ArcSwap<Snapshot>>) -> Response<Answer> {
    if let Some(Bound(principal)) = response.extensions_mut().remove() {
        let validity = Validity::new(principal, Arc::clone(snapshot));
        response.body_mut().lasts_while(validity);
    }
    response
}

/// A token that is looked at until it does not count any more.
pub(super) struct Validity {
    principal: Principal,
    /// The newest one, whatever the request was answered from.
    snapshot: Arc<ArcSwap<Snapshot>>,
    next: Instant,
    timer: Deadline,
}

/// Why a token does not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Expired,
    Revoked,
}

impl Over {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "token expired",
            Self::Revoked => "token revoked",
        }
    }
}

impl Validity {
    fn new(principal: Principal, snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        let mut validity = Self { principal, snapshot, next: Instant::now(), timer: Deadline::default() };
        let now = validity.snapshot.load().clock.now();
        validity.next += validity.principal.ends_at().since(now).min(LOOK);
        validity
    }

    /// Ready when the token does not count any more.
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<Over> {
        loop {
            ready!(self.timer.poll(self.next, context));
            if let Some(over) = self.look() {
                return Poll::Ready(over);
            }
        }
    }

    fn look(&mut self) -> Option<Over> {
        let snapshot = self.snapshot.load();
        if let Err(error) = snapshot.authenticator.still_accepts(&self.principal) {
            return Some(if error == AuthnError::TokenExpired { Over::Expired } else { Over::Revoked });
        }
        let left = self.principal.ends_at().since(snapshot.clock.now());
        // At the very end a manual clock may stand still.
        self.next = Instant::now() + left.clamp(Duration::from_millis(1), LOOK);
        None
    }
}

impl std::fmt::Debug for Validity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Validity").field("principal", &self.principal).finish_non_exhaustive()
    }
}
