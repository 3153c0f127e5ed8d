//! What is asked of a caller: a token or not, permissions that are all needed, and some of which one is needed.

use crate::authz::{Access, RouteSpec};

/// What an operation or a route asks of its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Whether a token is needed.
    pub access: Access,
    /// Permissions that are all needed.
    pub all: Vec<String>,
    /// Permissions of which one is needed, unless there are none.
    pub any: Vec<String>,
}

impl Demand {
    /// Everybody is let in.
    pub(super) const PUBLIC: Self = Self { access: Access::Public, all: Vec::new(), any: Vec::new() };

    pub(super) const fn new(access: Access) -> Self {
        Self { access, all: Vec::new(), any: Vec::new() }
    }

    /// What a route asks, as far as an OpenAPI document could say it.
    pub(super) fn of(route: &RouteSpec) -> Self {
        let asks = !route.permissions.is_empty() || !route.any_permission.is_empty() || route.owner.is_some();
        let access = if asks { Access::Token } else { route.access };
        Self { access, all: route.permissions.clone(), any: route.any_permission.clone() }
    }

    /// Whether everybody who is let in here would be let in there.
    pub(super) fn implies(&self, other: &Self) -> bool {
        let asks_for_token = |demand: &Self| demand.access == Access::Token;
        let certain = |one: &String| self.all.contains(one) || self.any.as_slice() == std::slice::from_ref(one);
        let one_of_any = other.any.is_empty()
            || other.any.iter().any(|one| self.all.contains(one))
            || !self.any.is_empty() && self.any.iter().all(|one| other.any.contains(one));
        (asks_for_token(self) || !asks_for_token(other)) && other.all.iter().all(certain) && one_of_any
    }

    /// What lets nobody in whom either of the two would not.
    pub(super) fn both(mut self, other: Self) -> Self {
        if rank(other.access) > rank(self.access) {
            self.access = other.access;
        }
        add(&mut self.all, other.all);
        if self.any.is_empty() || self.any == other.any {
            self.any = other.any;
        } else if !other.any.is_empty() {
            // There is room for one choice: whoever has everything has one of each.
            add(&mut self.all, std::mem::take(&mut self.any));
            add(&mut self.all, other.any);
        }
        self
    }
}

/// Adds what is not there yet.
pub(super) fn add(all: &mut Vec<String>, more: Vec<String>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

const fn rank(access: Access) -> u8 {
    match access {
        Access::Public => 0,
        Access::Optional => 1,
        Access::Token => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(access: Access, all: &[&str], any: &[&str]) -> Demand {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Demand { access, all: owned(all), any: owned(any) }
    }

    #[test]
    fn more_implies_less_and_not_the_other_way_round() {
        let token = |all: &[&str], any: &[&str]| demand(Access::Token, all, any);
        let pairs = [
            (token(&[], &[]), Demand::PUBLIC),
            (token(&[], &[]), Demand::new(Access::Optional)),
            (token(&["a"], &[]), token(&[], &[])),
            (token(&["a", "b"], &[]), token(&["a"], &[])),
            (token(&["a"], &[]), token(&[], &["a", "b"])),
            (token(&[], &["a"]), token(&[], &["a", "b"])),
            (token(&["c"], &["a"]), token(&["c"], &["a", "b"])),
        ];
        for (more, less) in pairs {
            assert!(more.implies(&less), "{more:?} {less:?}");
            assert!(!less.implies(&more), "{more:?} {less:?}");
        }
        assert!(token(&[], &["a"]).implies(&token(&["a"], &[])), "one of one is that one");
        assert!(!token(&[], &["a", "b"]).implies(&token(&[], &["a"])));
    }

    #[test]
    fn both_implies_each() {
        let some = ["a", "b", "c"];
        let lists: Vec<&[&str]> = vec![&[], &some[..1], &some[1..], &some];
        let mut demands = vec![Demand::PUBLIC, Demand::new(Access::Optional)];
        for all in &lists {
            demands.extend(lists.iter().map(|any| demand(Access::Token, all, any)));
        }
        for one in &demands {
            for other in &demands {
                let both = one.clone().both(other.clone());
                assert!(both.implies(one) && both.implies(other), "{one:?} {other:?}: {both:?}");
            }
        }
    }
}
