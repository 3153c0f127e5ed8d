//! The decision for one request, and the call of the service behind.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    future::{Held, ResponseFuture},
    refusal::{Asked, RefusalWriter},
};
use crate::{
    authn::{Authenticator, AuthnError, Awaited, Principal},
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
    /// `after`: what was waited for.
    fn admit<B>(&self, request: &Request<B>, after: Option<&Awaited>) -> Result<Option<Principal>, AuthnError> {
        let headers = request.headers();
        let authenticated = match after {
            None => self.authenticator.authenticate(headers),
            Some(awaited) => self.authenticator.authenticate_after(headers, awaited),
        };
        match authenticated {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthnError::NotAuthenticated) if self.optional => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The request as the inner service gets it.
    fn prepare<B>(&self, request: &mut Request<B>, principal: Option<Principal>) {
        let extensions = request.extensions_mut();
        if let Some(principal) = principal {
            extensions.insert(principal);
            return;
        }
        extensions.remove::<Principal>();
        #[cfg(feature = "axum")]
        extensions.insert(super::extract::Anonymous(Arc::clone(&self.refusals)));
    }

    fn refuse<B>(&self, error: AuthnError, request: &Request<B>) -> Response<Bytes> {
        let rejection = Rejection::from(error);
        tracing::debug!(reason = rejection.reason().as_str(), cause = %rejection, "request refused");
        self.refusals.write(&rejection, &Asked::of(request))
    }

    /// The decision after a wait, behind which there is no other: the answer if it is a refusal.
    pub(super) fn decide<B>(&self, request: &mut Request<B>, awaited: &Awaited) -> Option<Response<Bytes>> {
        match self.admit(request, Some(awaited)) {
            Ok(principal) => {
                self.prepare(request, principal);
                None
            }
            Err(error) => Some(self.refuse(error, request)),
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
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
    R::Data: From<Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    /// Authenticating does not wait, so the service that is called is the very one that was ready, and none is cloned;
    /// but for a token whose key may be a new one, or that its issuer is asked about. Then the one that was ready waits
    /// with the request, and a clone takes its place here.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.admit(&request, None) {
            Ok(principal) => {
                self.gate.prepare(&mut request, principal);
                ResponseFuture::forward(self.inner.call(request))
            }
            Err(AuthnError::Awaited { awaited, .. }) => {
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::wait(Held { service, request, gate: Arc::clone(&self.gate), awaited })
            }
            Err(error) => ResponseFuture::refuse(self.gate.refuse(error, &request)),
        }
    }
}
