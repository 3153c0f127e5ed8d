//! The decision for one request, and the call of the service behind.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    future::ResponseFuture,
    refusal::{Asked, RefusalWriter},
};
use crate::{
    authn::{Authenticator, AuthnError, Principal},
    rejection::Rejection,
};

/// A service behind the gate.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    gate: Arc<Gate>,
}

pub(super) struct Gate {
    pub(super) authenticator: Authenticator,
    pub(super) refusals: Arc<dyn RefusalWriter>,
    pub(super) optional: bool,
}

impl Gate {
    /// Who sent the request; `None` if nobody in particular did and need not have.
    fn admit<B>(&self, request: &Request<B>) -> Result<Option<Principal>, Rejection> {
        match self.authenticator.authenticate(request.headers()) {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthnError::NotAuthenticated) if self.optional => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authenticator, optional, refusals: _ } = self;
        formatter
            .debug_struct("Gate")
            .field("authenticator", authenticator)
            .field("optional", optional)
            .finish_non_exhaustive()
    }
}

impl<S> BearerService<S> {
    pub(super) const fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S, B, R> Service<Request<B>> for BearerService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
    R::Data: From<bytes::Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    /// Authenticating never waits, so the service that is called is the very one that was ready: none is cloned.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.admit(&request) {
            Ok(Some(principal)) => {
                request.extensions_mut().insert(principal);
                ResponseFuture::forward(self.inner.call(request))
            }
            Ok(None) => {
                request.extensions_mut().remove::<Principal>();
                #[cfg(feature = "axum")]
                request.extensions_mut().insert(super::extract::Anonymous(Arc::clone(&self.gate.refusals)));
                ResponseFuture::forward(self.inner.call(request))
            }
            Err(rejection) => {
                tracing::debug!(reason = rejection.reason().as_str(), cause = %rejection, "request refused");
                ResponseFuture::refuse(self.gate.refusals.write(&rejection, &Asked::of(&request)))
            }
        }
    }
}
