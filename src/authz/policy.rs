//! The decision: rule and principal → [`Permit`] or [`Denial`].
//!
//! 1. No rule covers the request: denied, and only to a caller whose token is good (a stranger is asked for a token
//!    first, and so learns nothing about the routes).
//! 2. A token of an issuer that the rule does not accept is not a token here. One issuer may be accepted only where a rule
//!    names it: the one whose tokens are meant for the upstream, which must not be able to send them back.
//! 3. A missing permission is denied before ownership is looked at.
//! 4. A resource that nobody knows is nobody's: denied like one of somebody else. While it is being asked whose it is,
//!    the request waits, once; whoever gives no answer lets nobody in.
//! 5. Where the rule only reports, what was denied can be [overruled](Policy::overrule): whoever does so records it.

use std::{borrow::Cow, sync::Arc};

use http::Method;

use super::{
    ownership::{self, Change, Changes, OwnerAwaited, OwnershipSource, owners::Known},
    path::PathError,
    route::{Access, Match, Mode, Routes, Rule},
};
use crate::{authn::Principal, jwt::ClaimPath};

/// The proof that a request was checked: forwarding takes it, and only a [`Policy`] makes one.
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

    /// [`changes`](Self::changes), for whoever sees to them: the permit goes away with the request.
    #[must_use]
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
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

/// What has to be found out about a resource: to explain a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerQuestion<'a> {
    /// Nothing: the rule does not ask whose it is.
    NotAsked,
    /// Nothing: the caller need not own it.
    Needless,
    /// Whether the claim lists it.
    Claim {
        /// Which claim.
        claim: &'a ClaimPath,
        /// The resource, as it is compared.
        resource: Cow<'a, str>,
    },
    /// Somebody is asked whether it is the caller's.
    Asked {
        /// The ownership's name in the configuration.
        ownership: &'a str,
        /// The resource, as it is compared.
        resource: Cow<'a, str>,
    },
}

/// All rules, and those who know whose a resource is.
#[derive(Debug, Default)]
pub struct Policy {
    routes: Routes,
    sources: Box<[OwnershipSource]>,
    changes: Changes,
    /// In place of a rule for what none covers, where that is only reported.
    unmatched: Option<Arc<Rule>>,
    internal_issuer: Option<Box<str>>,
}

impl Policy {
    /// `sources` and the ownerships that `routes` were built with are in the same order.
    #[must_use]
    pub fn new(routes: Routes, sources: Vec<OwnershipSource>, changes: Changes) -> Self {
        Self { routes, sources: sources.into(), changes, unmatched: None, internal_issuer: None }
    }

    /// What no rule covers can be [overruled](Self::overrule), and goes to the upstream with this index.
    #[must_use]
    pub fn report_unmatched(mut self, upstream: usize) -> Self {
        self.unmatched = Some(Arc::new(Rule::of_nothing(upstream)));
        self
    }

    /// What becomes of a request that no rule covers.
    #[must_use]
    pub const fn unmatched_mode(&self) -> Mode {
        if self.unmatched.is_some() { Mode::Report } else { Mode::Enforce }
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
        let Some(found) = found else {
            // A token that no route accepts is no token where there is no route.
            let internal = principal.filter(|principal| self.is_internal(principal));
            return Err(internal.map_or(Denial::NoRoute, |one| Denial::IssuerNotAccepted(one.issuer().into())));
        };
        let rule = found.rule();
        match &principal {
            Some(principal) => self.check(found, principal, waited)?,
            // Nobody in particular has no permission and owns nothing.
            None if rule.access() == Access::Token || rule.asks() => return Err(Denial::NotAuthenticated),
            None => {}
        }
        Ok(self.let_in(rule, Some(found), method, principal))
    }

    /// Lets in a request that was denied, or whose token is not good, if its rule only reports; `None`: it is refused.
    /// `principal` is known where the token is good. One of an issuer that the rule does not accept counts as none.
    #[must_use]
    pub fn overrule(&self, found: Option<&Match<'_>>, method: &Method, principal: Option<Principal>) -> Option<Permit> {
        let rule = match found {
            Some(found) => Some(found.rule()).filter(|rule| rule.mode() == Mode::Report),
            None => self.unmatched.as_ref(),
        }?;
        let principal = principal.filter(|principal| self.accepts_issuer(rule, principal));
        Some(self.let_in(rule, found, method, principal))
    }

    fn let_in(
        &self,
        rule: &Arc<Rule>,
        found: Option<&Match<'_>>,
        method: &Method,
        principal: Option<Principal>,
    ) -> Permit {
        let changes =
            found.map(|found| self.changes.of(found, method, principal.as_ref(), &self.sources)).unwrap_or_default();
        Permit { rule: Arc::clone(rule), principal, changes }
    }

    fn check(&self, found: &Match<'_>, principal: &Principal, waited: Option<&OwnerAwaited>) -> Result<(), Denial> {
        let rule = found.rule();
        if !self.accepts_issuer(rule, principal) {
            return Err(Denial::IssuerNotAccepted(principal.issuer().into()));
        }
        if let Some(missing) = rule.requirement().missing(principal) {
            return Err(Denial::PermissionMissing(Arc::clone(missing)));
        }
        self.check_owner(found, principal, waited)
    }

    fn is_internal(&self, principal: &Principal) -> bool {
        self.internal_issuer.as_deref() == Some(principal.issuer())
    }

    fn accepts_issuer(&self, rule: &Rule, principal: &Principal) -> bool {
        rule.accepts_issuer(principal.issuer(), self.is_internal(principal))
    }

    /// What has to be found out about the resource before `principal` may pass.
    #[must_use]
    pub fn owner_question<'a>(&'a self, found: &'a Match<'a>, principal: &Principal) -> OwnerQuestion<'a> {
        let Some(check) = found.rule().owner() else { return OwnerQuestion::NotAsked };
        if check.is_needless(principal) {
            return OwnerQuestion::Needless;
        }
        let resource = found.segment(check.segment()).unwrap_or_default();
        match self.sources.get(check.source()) {
            Some(OwnershipSource::Claim(claim)) => OwnerQuestion::Claim { claim, resource },
            Some(OwnershipSource::Owners(_)) | None => OwnerQuestion::Asked { ownership: check.name(), resource },
        }
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

#[cfg(test)]
mod tests;
