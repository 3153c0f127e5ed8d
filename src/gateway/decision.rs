//! Whether a request may pass: head, route, rate limits, token, policy, in this order.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use http::{HeaderMap, Request};

use super::{
    client_address::client_address,
    connection::Connection,
    head,
    rate_limit::Counted,
    request_log::Known,
    snapshot::Snapshot,
    waiting::{Wait, Waited},
};
use crate::{
    authn::{AuthnError, Awaited, Principal},
    authz::{Access, Match, Permit},
    proxy::Incoming,
    rejection::Rejection,
};

/// A request that is refused: why, by which rule if one was found, and whose token it has as far as that is known.
pub(super) struct Refusal {
    pub(super) rejection: Rejection,
    pub(super) rule: Option<Rc<str>>,
    pub(super) issuer: Option<Arc<str>>,
    /// Whose token it is, if it is good.
    pub(super) caller: Option<Principal>,
    /// Lets it through all the same, because the rule only reports.
    pub(super) overruled: Option<Box<Permit>>,
    /// After this it is worth looking at the request again.
    pub(super) wait: Option<Box<Wait>>,
    /// What it refuses is a built-in endpoint's to answer: nobody is to store that.
    pub(super) private: bool,
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, rule: None, issuer: None, caller: None, overruled: None, wait: None, private: false }
    }
}

impl Refusal {
    pub(super) fn known(&self) -> Known<'_> {
        Known { rule: self.rule.as_deref(), issuer: self.issuer.as_deref() }
    }
}

/// Decides, and once more for each thing that is worth waiting for. What the request has counted for is added to
/// `counted`.
pub(super) async fn decide_waiting(
    request: &Request<Incoming>,
    connection: &Connection,
    snapshot: &Snapshot,
    counted: &mut Counted,
) -> Result<Permit, Refusal> {
    let mut waited = Waited::default();
    loop {
        let mut decided = decide(request, connection, snapshot, &waited, counted);
        let Some(wait) = decided.as_mut().err().and_then(|refusal| refusal.wait.take()) else { return decided };
        if !waited.add(*wait).await {
            return decided;
        }
    }
}

/// What fails behind the route is the caller's affair, not the request's, and can be overruled; how often the caller comes
/// cannot.
fn decide(
    request: &Request<Incoming>,
    connection: &Connection,
    snapshot: &Snapshot,
    waited: &Waited,
    counted: &mut Counted,
) -> Result<Permit, Refusal> {
    head::check(request, &snapshot.limits, connection.peer.scheme())?;
    let (policy, method, headers) = (&snapshot.policy, request.method(), request.headers());
    let found = policy.find(method, request.uri().path()).map_err(Rejection::from)?;
    let rule = || found.as_ref().map(|found| found.rule().name().into());
    let private = found.as_ref().is_some_and(|found| !found.rule().builtin().is_empty());
    let refuse = |rejection, issuer, principal: Option<Principal>, wait: Option<Wait>| {
        let caller = principal.clone();
        let overruled = policy.overrule(found.as_ref(), method, principal).map(Box::new);
        Refusal { rejection, rule: rule(), issuer, caller, overruled, wait: wait.map(Box::new), private }
    };
    let (limits, indices) = (&*snapshot.rate_limits, snapshot.rate_limits.of(found.as_ref()));
    let client = || -> IpAddr { client_address(&connection.peer, headers, &snapshot.trusted_proxies) };
    counted.arrived(limits, indices, headers, client).map_err(|rejection| Refusal {
        rule: rule(),
        private,
        ..rejection.into()
    })?;
    let principal = authenticate(headers, connection, found.as_ref(), snapshot, waited.issuer()).map_err(|error| {
        let (wait, issuer) = (Wait::for_issuer(&error), snapshot.authenticator.issuer_named_by(headers));
        refuse(error.into(), issuer, None, wait)
    })?;
    let issuer = |principal: &Option<Principal>| principal.as_ref().map(|principal| principal.issuer().into());
    counted.known(limits, indices, principal.as_ref(), client).map_err(|rejection| Refusal {
        rule: rule(),
        issuer: issuer(&principal),
        caller: principal.clone(),
        private,
        ..rejection.into()
    })?;
    policy.permit(found.as_ref(), method, principal.clone(), waited.owner()).map_err(|denial| {
        let wait = Wait::for_owner(&denial);
        refuse(denial.into(), issuer(&principal), principal, wait)
    })
}

/// Who is calling, as far as the rule wants to know. Where there is no rule, a token is needed to learn that.
fn authenticate(
    headers: &HeaderMap,
    connection: &Connection,
    found: Option<&Match<'_>>,
    snapshot: &Snapshot,
    after: Option<&Awaited>,
) -> Result<Option<Principal>, AuthnError> {
    let certificate = connection.certificate.as_ref();
    let authenticate = || snapshot.authenticator.authenticate_over(headers, certificate, after);
    let access = found.map_or(Access::Token, |found| found.rule().access());
    match access {
        Access::Public => Ok(None),
        Access::Token => authenticate().map(Some),
        Access::Optional => match authenticate() {
            Err(AuthnError::NotAuthenticated) => Ok(None),
            known => known.map(Some),
        },
    }
}
