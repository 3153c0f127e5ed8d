//! What a rule asks of the principal's permissions: two masks over the bits of its set.

use std::sync::Arc;

use crate::authn::{PermissionSet, Principal, Vocabulary};

/// All of some permissions, and one of some others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    all: PermissionSet,
    any: PermissionSet,
    /// Every name of either mask with its index, to say which one is missing.
    names: Box<[(usize, Arc<str>)]>,
}

impl Requirement {
    /// All of `all`, and at least one of `any` unless it is empty.
    #[must_use]
    pub fn new(all: &[String], any: &[String], vocabulary: &mut Vocabulary) -> Self {
        let mut indices = |names: &[String]| names.iter().map(|name| vocabulary.intern(name)).collect::<Vec<_>>();
        let (all_indices, any_indices) = (indices(all), indices(any));
        let named = all_indices
            .iter()
            .chain(&any_indices)
            .copied()
            .zip(all.iter().chain(any).map(|name| Arc::from(name.as_str())));
        Self { all: PermissionSet::of(&all_indices), any: PermissionSet::of(&any_indices), names: named.collect() }
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The permissions that are asked for, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| &**name)
    }

    /// The first permission that `principal` lacks; of a choice, the first of the choice.
    #[must_use]
    pub fn missing(&self, principal: &Principal) -> Option<&Arc<str>> {
        let granted = principal.permissions();
        let satisfied = granted.contains_all(&self.all) && (self.any.is_empty() || granted.contains_any(&self.any));
        if satisfied {
            return None;
        }
        self.names.iter().find(|(index, _)| !granted.contains(*index)).map(|(_, name)| name)
    }
}
