//! The decision for one request, and the call of the service behind.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    answered::Answered,
    body::ResponseBody,
    future::{Held, ResponseFuture},
    refusal::{Asked, RefusalWriter},
};
use crate::{
    authn::{Authenticator, AuthnError, Awaited, ClientCertificate, Principal},
    authz::{Access, Denial, OwnerAwaited, Permit, Policy},
    rejection::Rejection,
};

/// A service behind the gate: a [`BearerLayer`](super::BearerLayer)'s or a [`PolicyLayer`](super::PolicyLayer)'s.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    gate: Arc<Gate>,
}

pub(super) struct Gate {
    pub(super) authenticator: Authenticator,
    pub(super) refusals: Arc<dyn RefusalWriter>,
    pub(super) rules: Rules,
}

/// What is asked of a request.
#[derive(Debug)]
pub(super) enum Rules {
    /// The same of every one.
    Same(Access),
    /// What the rule asks that covers it.
    Policy(Box<Policy>),
}

/// What becomes of a request.
pub(super) enum Decision {
    Forward(Answered),
    Refuse(Response<Bytes>),
    /// It is to be decided again after this.
    Wait(Wait),
}

/// What a request may have to wait for.
pub(super) enum Wait {
    /// The token's key may be a new one, or its issuer is asked about it.
    Issuer(Awaited),
    /// Somebody is asked whose the resource is.
    Owner(OwnerAwaited),
}

/// What a request has waited for: for each thing once.
#[derive(Default)]
pub(super) struct Waited {
    issuer: Option<Awaited>,
    owner: Option<OwnerAwaited>,
}

/// A request that may pass: who sent it, and the proof if it went through a policy.
struct Admitted {
    principal: Option<Principal>,
    permit: Option<Arc<Permit>>,
}

/// One that may not, unless what it waits for says otherwise.
struct Refused {
    rejection: Rejection,
    wait: Option<Wait>,
}

impl Gate {
    /// The decision; a request that may pass has then what the inner service is to find in it.
    pub(super) fn decide<B>(self: &Arc<Self>, request: &mut Request<B>, waited: &Waited) -> Decision {
        match self.admit(request, waited) {
            Ok(admitted) => {
                let answered = Answered::new(self, admitted.permit.as_ref(), request);
                self.prepare(request, admitted);
                Decision::Forward(answered)
            }
            Err(Refused { wait: Some(wait), .. }) if waited.lacks(&wait) => Decision::Wait(wait),
            Err(Refused { rejection, .. }) => Decision::Refuse(self.refuse(&rejection, &Asked::of(request))),
        }
    }

    fn admit<B>(&self, request: &Request<B>, waited: &Waited) -> Result<Admitted, Refused> {
        let policy = match &self.rules {
            Rules::Policy(policy) => policy,
            Rules::Same(access) => {
                return Ok(Admitted { principal: self.authenticate(request, *access, waited)?, permit: None });
            }
        };
        let found = policy.find(request.method(), request.uri().path()).map_err(Rejection::from)?;
        // A stranger learns nothing about the routes: what no rule covers needs a token first.
        let access = found.as_ref().map_or(Access::Token, |found| found.rule().access());
        let principal = self.authenticate(request, access, waited)?;
        let permit = policy.permit(found.as_ref(), request.method(), principal.clone(), waited.owner.as_ref())?;
        Ok(Admitted { principal, permit: Some(Arc::new(permit)) })
    }

    /// Who sent the request; `None` if nobody in particular did and need not have.
    fn authenticate<B>(
        &self,
        request: &Request<B>,
        access: Access,
        waited: &Waited,
    ) -> Result<Option<Principal>, AuthnError> {
        if access == Access::Public {
            return Ok(None);
        }
        let certificate = request.extensions().get::<ClientCertificate>();
        let authenticated =
            self.authenticator.authenticate_over(request.headers(), certificate, waited.issuer.as_ref());
        match authenticated {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthnError::NotAuthenticated) if access == Access::Optional => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The request as the inner service gets it.
    fn prepare<B>(&self, request: &mut Request<B>, Admitted { principal, permit }: Admitted) {
        let extensions = request.extensions_mut();
        if let Some(permit) = permit {
            extensions.insert(permit);
        }
        if let Some(principal) = principal {
            extensions.insert(principal);
            return;
        }
        extensions.remove::<Principal>();
        #[cfg(feature = "axum")]
        extensions.insert(super::extract::Anonymous(Arc::clone(&self.refusals)));
    }

    pub(super) fn refuse(&self, rejection: &Rejection, asked: &Asked<'_>) -> Response<Bytes> {
        tracing::debug!(reason = rejection.reason().as_str(), cause = %rejection, "request refused");
        self.refusals.write(rejection, asked)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authenticator, rules, refusals: _ } = self;
        formatter
            .debug_struct("Gate")
            .field("authenticator", authenticator)
            .field("rules", rules)
            .finish_non_exhaustive()
    }
}

impl Wait {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Issuer(awaited) => Pin::new(awaited).poll(context),
            Self::Owner(awaited) => Pin::new(awaited).poll(context),
        }
    }
}

impl Waited {
    /// Whether this was not waited for yet.
    const fn lacks(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Issuer(_) => self.issuer.is_none(),
            Wait::Owner(_) => self.owner.is_none(),
        }
    }

    /// This has ended.
    pub(super) fn add(&mut self, wait: Wait) {
        match wait {
            Wait::Issuer(awaited) => self.issuer = Some(awaited),
            Wait::Owner(awaited) => self.owner = Some(awaited),
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, wait: None }
    }
}

impl From<AuthnError> for Refused {
    fn from(error: AuthnError) -> Self {
        let wait =
            if let AuthnError::Awaited { awaited, .. } = &error { Some(Wait::Issuer(awaited.clone())) } else { None };
        Self { rejection: error.into(), wait }
    }
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        let wait = if let Denial::OwnerAwaited(awaited) = &denial { Some(Wait::Owner(awaited.clone())) } else { None };
        Self { rejection: denial.into(), wait }
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

    /// Deciding does not wait, so the service that is called is the very one that was ready, and none is cloned; but for
    /// a token whose issuer has to be asked, for keys or about it, and a resource whose owner has to be asked for. Then the one that was ready
    /// waits with the request, and a clone takes its place here.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let waited = Waited::default();
        match self.gate.decide(&mut request, &waited) {
            Decision::Forward(answered) => ResponseFuture::forward(self.inner.call(request), answered),
            Decision::Refuse(response) => ResponseFuture::refuse(response),
            Decision::Wait(wait) => {
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::wait(Held { service, request, gate: Arc::clone(&self.gate), wait, waited })
            }
        }
    }
}
