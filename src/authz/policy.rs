//! The decision: rule and principal → [`Permit`] or [`Denial`].
//!
//! 1. No rule covers the request: denied, and only to a caller whose token is good (a stranger is asked for a token
//!    first, and so learns nothing about the routes).
//! 2. A token of an issuer that the rule does not accept is not a token here. One issuer may be accepted only where a rule
//!    names it: the one whose tokens are meant for the upstream, which must not be able to send them back.
//! 3. A missing permission is denied before ownership is looked at.
//! 4. A resource that nobody knows is nobody's: denied like one of somebody else. While it is being asked whose it is,
//!    the request waits, once; whoever gives no answer lets nobody in.

use std::sync::Arc;

use http::Method;

use super::{
    ownership::{self, Change, Changes, OwnerAwaited, OwnershipSource, owners::Known},
    path::PathError,
    route::{Access, Match, Routes, Rule},
};
use crate::authn::Principal;

/// The proof that a request was checked: forwarding takes it, and only [`Policy::permit`] makes one.
#[derive(Debug)]
pub struct Permit {
    rule: Arc<Rule>,
    principal: Option<Principal>,
    changes: Vec<Change>,
}

impl Permit {
    /// The rule that let the request in.
    #[must_use]
    pub const fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Who sent it; `None` on public routes, and on optional ones without a token.
    #[must_use]
    pub const fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// What the request changes about who owns what, once it is answered.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

/// Why a request may not pass although its token is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// A token is needed, and there is none.
    #[error("the route needs a token")]
    NotAuthenticated,
    /// The token's issuer is not one that the rule accepts.
    #[error("issuer {0:?} is not accepted on this route")]
    IssuerNotAccepted(Box<str>),
    /// No rule covers the request.
    #[error("no route matches")]
    NoRoute,
    /// The rule asks for a permission that the token does not grant.
    #[error("permission {0:?} is missing")]
    PermissionMissing(Arc<str>),
    /// The resource is not the caller's.
    #[error("the resource is not the caller's")]
    NotOwner,
    /// It is being asked whose the resource is: worth waiting for, and deciding again. Who doesn't wait has to refuse.
    #[error("it is not known yet whose the resource is")]
    OwnerAwaited(OwnerAwaited),
    /// Nobody can tell whose the resource is.
    #[error("it cannot be told who owns a {ownership:?}: {cause}")]
    OwnerUnknown {
        /// The ownership's name in the configuration.
        ownership: Arc<str>,
        /// Why.
        cause: Arc<str>,
    },
}

/// All rules, and those who know whose a resource is.
#[derive(Debug, Default)]
pub struct Policy {
    routes: Routes,
    sources: Box<[OwnershipSource]>,
    changes: Changes,
    internal_issuer: Option<Box<str>>,
}

impl Policy {
    /// `sources` and the ownerships that `routes` were built with are in the same order.
    #[must_use]
    pub fn new(routes: Routes, sources: Vec<OwnershipSource>, changes: Changes) -> Self {
        Self { routes, sources: sources.into(), changes, internal_issuer: None }
    }

    /// Tokens of `issuer` count only on routes that name it.
    #[must_use]
    pub fn internal_issuer(mut self, issuer: &str) -> Self {
        self.internal_issuer = Some(issuer.into());
        self
    }

    /// All rules.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The source with this index, where owners are asked for.
    #[must_use]
    pub fn owners(&self, index: usize) -> Option<&Arc<ownership::Owners>> {
        match self.sources.get(index)? {
            OwnershipSource::Owners(owners) => Some(owners),
            OwnershipSource::Claim(_) => None,
        }
    }

    /// The rule for a request; `None` if none covers it.
    ///
    /// # Errors
    /// As [`Routes::find`].
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Result<Option<Match<'a>>, PathError> {
        self.routes.find(method, path)
    }

    /// Decides. `waited` is what the request has waited for since [`Denial::OwnerAwaited`]: it waits once.
    ///
    /// # Errors
    /// See [`Denial`], in the order of the module's rules.
    pub fn permit(
        &self,
        found: Option<&Match<'_>>,
        method: &Method,
        principal: Option<Principal>,
        waited: Option<&OwnerAwaited>,
    ) -> Result<Permit, Denial> {
        let Some(found) = found else { return Err(Denial::NoRoute) };
        let rule = found.rule();
        match &principal {
            Some(principal) => self.check(found, principal, waited)?,
            // Nobody in particular has no permission and owns nothing.
            None if rule.access() == Access::Token || rule.asks() => return Err(Denial::NotAuthenticated),
            None => {}
        }
        let changes = self.changes.of(found, method, principal.as_ref(), &self.sources);
        Ok(Permit { rule: Arc::clone(rule), principal, changes })
    }

    fn check(&self, found: &Match<'_>, principal: &Principal, waited: Option<&OwnerAwaited>) -> Result<(), Denial> {
        let rule = found.rule();
        let internal = self.internal_issuer.as_deref() == Some(principal.issuer());
        if !rule.accepts_issuer(principal.issuer(), internal) {
            return Err(Denial::IssuerNotAccepted(principal.issuer().into()));
        }
        if let Some(missing) = rule.requirement().missing(principal) {
            return Err(Denial::PermissionMissing(Arc::clone(missing)));
        }
        self.check_owner(found, principal, waited)
    }

    fn check_owner(
        &self,
        found: &Match<'_>,
        principal: &Principal,
        waited: Option<&OwnerAwaited>,
    ) -> Result<(), Denial> {
        let Some(check) = found.rule().owner().filter(|check| !check.is_needless(principal)) else { return Ok(()) };
        let unknown = |cause: Arc<str>| Denial::OwnerUnknown { ownership: Arc::clone(check.name()), cause };
        let resource = found.segment(check.segment()).ok_or(Denial::NotOwner)?;
        let owns = match self.sources.get(check.source()) {
            Some(OwnershipSource::Claim(claim)) => ownership::claims(principal, claim, &resource),
            Some(OwnershipSource::Owners(owners)) => {
                match waited.and_then(|waited| waited.outcome(principal, &resource)) {
                    Some(outcome) => outcome.map_err(unknown)?,
                    None => match owners.ask(principal, &resource) {
                        Known::Owns(owns) => owns,
                        Known::Asked(awaited) => return Err(Denial::OwnerAwaited(awaited)),
                        Known::Unknown(cause) => return Err(unknown(cause.into())),
                    },
                }
            }
            None => return Err(unknown("there is no source".into())),
        };
        if owns { Ok(()) } else { Err(Denial::NotOwner) }
    }
}
