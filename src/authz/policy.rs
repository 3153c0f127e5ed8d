//! The decision: rule and principal → [`Permit`] or [`Denial`].
//!
//! 1. No rule covers the request: denied, and only to a caller whose token is good (a stranger is asked for a token
//!    first, and so learns nothing about the routes).
//! 2. A token of an issuer that the rule does not accept is not a token here.
//! 3. A missing permission is denied before ownership is looked at.
//! 4. A resource that nobody knows is nobody's: denied like one of somebody else.

use std::sync::Arc;

use super::route::{Access, Match, Rule};
use crate::authn::Principal;

/// The proof that a request was checked: forwarding takes it, and only [`permit`] makes one.
#[derive(Debug)]
pub struct Permit {
    rule: Arc<Rule>,
    principal: Option<Principal>,
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
}

/// Decides.
///
/// # Errors
/// See [`Denial`], in the order of the module's rules.
pub fn permit(found: Option<&Match<'_>>, principal: Option<Principal>) -> Result<Permit, Denial> {
    let Some(found) = found else { return Err(Denial::NoRoute) };
    let rule = found.rule();
    match &principal {
        Some(principal) => check(found, principal)?,
        // Nobody in particular has no permission and owns nothing.
        None if rule.access() == Access::Token || rule.asks() => return Err(Denial::NotAuthenticated),
        None => {}
    }
    Ok(Permit { rule: Arc::clone(rule), principal })
}

fn check(found: &Match<'_>, principal: &Principal) -> Result<(), Denial> {
    let rule = found.rule();
    if !rule.accepts_issuer(principal.issuer()) {
        return Err(Denial::IssuerNotAccepted(principal.issuer().into()));
    }
    if let Some(missing) = rule.requirement().missing(principal) {
        return Err(Denial::PermissionMissing(Arc::clone(missing)));
    }
    if let Some((segment, owner)) = rule.owner() {
        let resource = found.segment(segment).ok_or(Denial::NotOwner)?;
        if !owner.allows(principal, &resource) {
            return Err(Denial::NotOwner);
        }
    }
    Ok(())
}
