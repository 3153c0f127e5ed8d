//! Whether the resource that a path names is the principal's.
//!
//! 1. Who has a permission of `unless` need not own it.
//! 2. Where a claim lists what a principal owns, the token says it.
//! 3. Everywhere else somebody is asked ([`Owners`]), and the answer is remembered for a short while. Meanwhile the
//!    request waits; without an answer it is not let through.
//! 4. A request that goes through may change who owns what ([`changes`]); then what was remembered of it is forgotten.
//!
//! Issuers may use the same subjects for different people: an owner is a subject of one issuer.

#[cfg(feature = "gateway")]
pub mod call;
pub mod changes;
pub(super) mod owners;
mod store;

use std::sync::Arc;

pub use self::{
    changes::{Change, ChangeRule, Changes, Effect},
    owners::{Lookup, Lookups, OwnerAwaited, Owners, OwnersSettings},
    store::{OwnershipRecord, OwnershipStore},
};
use crate::{
    authn::{PermissionSet, Principal, Vocabulary},
    jwt::{ClaimPath, Value},
};

/// `[ownership.NAME]`, as far as a rule knows it: which variable of its path names the resource, and who need not own it.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// The variable of the path that names the resource.
    pub variable: String,
    /// Permissions that make ownership unnecessary: any one of them is enough.
    pub unless: Vec<String>,
}

impl Ownership {
    /// Of the resource that this variable of the path names.
    #[must_use]
    pub fn of(variable: &str) -> Self {
        Self { variable: variable.to_owned(), unless: Vec::new() }
    }

    /// Who has this permission need not own it.
    #[must_use]
    pub fn unless(mut self, permission: &str) -> Self {
        self.unless.push(permission.to_owned());
        self
    }
}

/// How it is told whose a resource is.
#[derive(Debug, Clone)]
pub enum OwnershipSource {
    /// This claim lists what the principal owns: a string, a number, or an array of these.
    Claim(ClaimPath),
    /// Somebody is asked.
    Owners(Arc<Owners>),
}

/// An [`Ownership`] as a rule checks it.
#[derive(Debug, Clone)]
pub(super) struct OwnerCheck {
    name: Arc<str>,
    /// The index of its source.
    source: usize,
    /// The segment that names the resource.
    segment: usize,
    unless: PermissionSet,
}

impl OwnerCheck {
    pub(super) fn new(
        name: &str,
        source: usize,
        segment: usize,
        ownership: &Ownership,
        vocabulary: &mut Vocabulary,
    ) -> Self {
        let unless: Vec<_> = ownership.unless.iter().map(|name| vocabulary.intern(name)).collect();
        Self { name: name.into(), source, segment, unless: PermissionSet::of(&unless) }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) const fn source(&self) -> usize {
        self.source
    }

    pub(super) const fn segment(&self) -> usize {
        self.segment
    }

    /// Whether `principal` need not own it.
    pub(super) fn is_needless(&self, principal: &Principal) -> bool {
        principal.permissions().contains_any(&self.unless)
    }
}

/// Whether the claim lists `resource`. One that is absent lists nothing.
pub(super) fn claims(principal: &Principal, claim: &ClaimPath, resource: &str) -> bool {
    match principal.claims().at(claim) {
        Some(Value::Array(mut owned)) => owned.any(|one| names(one, resource)),
        Some(one) => names(one, resource),
        None => false,
    }
}

/// Compared in full and with case: an identifier that differs in anything is another one.
fn names(value: Value<'_>, resource: &str) -> bool {
    match value {
        Value::String(text) => text == resource,
        Value::Number(number) => number.as_str() == resource,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
