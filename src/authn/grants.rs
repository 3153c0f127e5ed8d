//! Permissions as bits: every permission that the configuration names has an index, and a principal's set is built
//! once, when its token is verified.

use std::{collections::HashMap, sync::Arc};

use crate::jwt::{ClaimPath, Claims, Value};

/// The permissions that the configuration names, each with its index.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    indices: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
}

impl Vocabulary {
    /// The index of `permission`, given now if it has none yet.
    pub fn intern(&mut self, permission: &str) -> usize {
        let next = self.indices.len();
        *self.indices.entry(Arc::from(permission)).or_insert(next)
    }

    /// The index of `permission`, if the configuration names it.
    #[must_use]
    pub fn index(&self, permission: &str) -> Option<usize> {
        self.indices.get(permission).copied()
    }
}

/// A set of permissions of one [`Vocabulary`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionSet {
    words: Box<[u64]>,
}

impl PermissionSet {
    /// The set of these indices.
    #[must_use]
    pub fn of(indices: &[usize]) -> Self {
        let mut words = vec![0_u64; indices.iter().max().map_or(0, |highest| highest / 64 + 1)];
        for index in indices {
            if let Some(word) = words.get_mut(index / 64) {
                *word |= 1 << (index % 64);
            }
        }
        Self { words: words.into_boxed_slice() }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether the permission with this index is in it.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.word(index / 64) & (1 << (index % 64)) != 0
    }

    /// Whether all of `required` is in it.
    #[must_use]
    pub fn contains_all(&self, required: &Self) -> bool {
        required.words.iter().enumerate().all(|(at, word)| word & !self.word(at) == 0)
    }

    /// Whether any of `wanted` is in it.
    #[must_use]
    pub fn contains_any(&self, wanted: &Self) -> bool {
        wanted.words.iter().enumerate().any(|(at, word)| word & self.word(at) != 0)
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }
}

/// Names that stand for several permissions: `[roles]` of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Roles(HashMap<Box<str>, Box<[Box<str>]>>);

impl Roles {
    /// Adds a role. A role given twice has the permissions of the last.
    pub fn insert(&mut self, role: &str, permissions: impl IntoIterator<Item = String>) {
        self.0.insert(role.into(), permissions.into_iter().map(String::into_boxed_str).collect());
    }

    /// Whether the configuration says what this role stands for.
    #[must_use]
    pub fn contains(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }

    fn permissions(&self, role: &str) -> &[Box<str>] {
        self.0.get(role).map_or(&[], |permissions| permissions)
    }
}

/// Calls `each` with every permission that the claims and the roles `given` besides grant, by name, roles resolved; a
/// name may come twice.
///
/// A string is one permission (`PLANTS READ` has a space in it), but `scope` and `scp` are split at spaces (RFC 8693
/// §4.2); of an array its strings count. Anything else grants nothing.
pub(super) fn granted<'a>(
    claims: &Claims,
    sources: &[ClaimPath],
    given: impl IntoIterator<Item = &'a String>,
    roles: &Roles,
    each: &mut dyn FnMut(&str),
) {
    let mut grant = |name: &str| {
        each(name);
        roles.permissions(name).iter().for_each(|permission| each(permission));
    };
    given.into_iter().for_each(|role| grant(role));
    for source in sources {
        match claims.at(source) {
            Some(Value::String(text)) if matches!(source.names().last(), Some("scope" | "scp")) => {
                text.split(' ').filter(|name| !name.is_empty()).for_each(&mut grant);
            }
            Some(Value::String(text)) => grant(text),
            Some(Value::Array(elements)) => elements.filter_map(|element| element.as_str()).for_each(&mut grant),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_index_is_given_once() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.intern("PLANTS READ"), 0);
        assert_eq!(vocabulary.intern("PLANTS CREATE"), 1);
        assert_eq!(vocabulary.intern("PLANTS READ"), 0);
        assert_eq!(vocabulary.index("PLANTS CREATE"), Some(1));
        assert_eq!(vocabulary.index("PLANTS"), None);
    }

    proptest! {
        #[test]
        fn a_bit_set_answers_like_a_set(
            granted in proptest::collection::btree_set(0_usize..200, 0..20),
            wanted in proptest::collection::btree_set(0_usize..200, 0..5),
        ) {
            let set = PermissionSet::of(&granted.iter().copied().collect::<Vec<_>>());
            let mask = PermissionSet::of(&wanted.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.contains_all(&mask), wanted.is_subset(&granted));
            prop_assert_eq!(set.contains_any(&mask), !wanted.is_disjoint(&granted));
            prop_assert_eq!(set.is_empty(), granted.is_empty());
            for index in 0..200 {
                prop_assert_eq!(set.contains(index), granted.contains(&index));
            }
        }
    }
}
