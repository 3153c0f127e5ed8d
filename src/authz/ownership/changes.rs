//! Which requests change who owns what.
//!
//! 1. A request that a `learn` pattern covers, answered with 201 (RFC 9110 §15.3.2): the caller owns what the answer
//!    names, found by a JSON pointer.
//! 2. One that a `forget` pattern covers, answered with any 2xx: nobody owns the resource any more.
//! 3. Any other method than a safe one (RFC 9110 §9.2.1) on a rule with an owner may have changed the resource, whatever
//!    the answer: what was remembered of it is dropped.
//!
//! An error changes nothing that is kept.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::{OwnershipRecord, OwnershipSource};
use crate::{
    authn::Principal,
    authz::{Match, Pattern},
};

/// A pattern, and what the requests change that it covers.
#[derive(Debug, Clone)]
pub struct ChangeRule {
    /// Which requests.
    pub pattern: Pattern,
    /// The index of the ownership.
    pub ownership: usize,
    /// What they change.
    pub effect: Effect,
}

/// What a request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The caller owns what the answer names at this JSON pointer (RFC 6901).
    Learn(Arc<str>),
    /// Nobody owns what this segment of the path names.
    Forget(usize),
}

/// What one request changes, if it is answered as its kind of change asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// With 201: the caller owns what the answer names.
    Learn {
        /// The index of the ownership.
        ownership: usize,
        /// Where the answer names it: a JSON pointer (RFC 6901).
        pointer: Arc<str>,
        /// The owner; the resource is to be found.
        owner: OwnershipRecord,
    },
    /// With 2xx: nobody owns the resource.
    Forget {
        /// The index of the ownership.
        ownership: usize,
        /// Which one.
        resource: String,
    },
    /// With any answer, or none: nothing is known of the resource.
    Doubt {
        /// The index of the ownership.
        ownership: usize,
        /// Which one.
        resource: String,
    },
}

impl Change {
    /// Whether it has come true by an answer with this status.
    #[must_use]
    pub fn holds(&self, status: StatusCode) -> bool {
        match self {
            Self::Learn { .. } => status == StatusCode::CREATED,
            Self::Forget { .. } => status.is_success(),
            Self::Doubt { .. } => true,
        }
    }
}

/// Every [`ChangeRule`].
#[derive(Debug, Clone, Default)]
pub struct Changes(Vec<ChangeRule>);

impl Changes {
    /// These.
    #[must_use]
    pub const fn new(rules: Vec<ChangeRule>) -> Self {
        Self(rules)
    }

    /// What a request changes that was found to be covered by `found`, and that `principal` sends.
    pub(in crate::authz) fn of(
        &self,
        found: &Match<'_>,
        method: &Method,
        principal: Option<&Principal>,
        sources: &[OwnershipSource],
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for rule in self.0.iter().filter(|rule| rule.pattern.covers(method, found.path())) {
            changes.extend(rule.change(found, principal, sources));
        }
        if let Some(check) = found.rule().owner().filter(|_| !method.is_safe())
            && matches!(sources.get(check.source()), Some(OwnershipSource::Owners(_)))
            && let Some(resource) = found.segment(check.segment())
        {
            changes.push(Change::Doubt { ownership: check.source(), resource: resource.into_owned() });
        }
        changes
    }
}

impl ChangeRule {
    fn change(&self, found: &Match<'_>, by: Option<&Principal>, sources: &[OwnershipSource]) -> Option<Change> {
        let ownership = self.ownership;
        match &self.effect {
            Effect::Forget(segment) => {
                Some(Change::Forget { ownership, resource: found.segment(*segment)?.into_owned() })
            }
            Effect::Learn(pointer) => {
                let Some(OwnershipSource::Owners(owners)) = sources.get(ownership) else { return None };
                // Nobody in particular owns nothing.
                let (issuer, subject) = by.and_then(|principal| Some((principal.issuer(), principal.subject()?)))?;
                let owner = OwnershipRecord {
                    ownership: owners.name().to_owned(),
                    resource: String::new(),
                    issuer: issuer.to_owned(),
                    subject: subject.to_owned(),
                };
                Some(Change::Learn { ownership, pointer: Arc::clone(pointer), owner })
            }
        }
    }
}
