//! Whether the resource that a path names is the principal's.

use crate::{
    authn::{PermissionSet, Principal, Vocabulary},
    jwt::{ClaimPath, Value},
};

/// `[ownership.NAME]`: which variable of the path names the resource, and how to tell whose it is.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// The variable of the path that names the resource.
    pub variable: String,
    /// The claim that lists what the principal owns: a string, a number, or an array of these.
    pub claim: ClaimPath,
    /// Permissions that make ownership unnecessary: any one of them is enough.
    pub unless: Vec<String>,
}

/// An [`Ownership`] as a rule checks it.
#[derive(Debug, Clone)]
pub(super) struct OwnerCheck {
    claim: ClaimPath,
    unless: PermissionSet,
}

impl OwnerCheck {
    pub(super) fn new(ownership: &Ownership, vocabulary: &mut Vocabulary) -> Self {
        let unless: Vec<_> = ownership.unless.iter().map(|name| vocabulary.intern(name)).collect();
        Self { claim: ownership.claim.clone(), unless: PermissionSet::of(&unless) }
    }

    /// Whether `principal` owns `resource`, or need not. A claim that is absent lists nothing.
    pub(super) fn allows(&self, principal: &Principal, resource: &str) -> bool {
        principal.permissions().contains_any(&self.unless)
            || match principal.claims().at(&self.claim) {
                Some(Value::Array(mut owned)) => owned.any(|one| names(one, resource)),
                Some(one) => names(one, resource),
                None => false,
            }
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
