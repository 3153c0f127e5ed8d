//! Where in the claims a value stands: `sub`, or `realm_access` → `roles`.

use std::fmt;

use serde_json::{Map, Value};

/// The names of the members that lead to a claim: one name for a top-level claim, more for a nested one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath {
    first: String,
    rest: Vec<String>,
}

impl ClaimPath {
    /// The claim that `names` lead to, outermost first. Nothing, if there is no name.
    pub fn nested<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Option<Self> {
        let mut names = names.into_iter().map(Into::into);
        Some(Self { first: names.next()?, rest: names.collect() })
    }

    /// The names, outermost first. At least one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first.as_str()).chain(self.rest.iter().map(String::as_str))
    }

    /// The first name, and those behind it.
    pub(super) fn steps(&self) -> (&str, &[String]) {
        (&self.first, &self.rest)
    }

    /// The name, if it is that of a top-level claim.
    #[must_use]
    pub fn top_level(&self) -> Option<&str> {
        self.rest.is_empty().then_some(self.first.as_str())
    }

    /// Writes `value` there; what stands in its way is replaced.
    pub fn set(&self, claims: &mut Map<String, Value>, value: Value) {
        let mut names: Vec<&str> = self.names().collect();
        let Some(last) = names.pop() else { return };
        let mut members = claims;
        for name in names {
            let inner = members.entry(name).or_insert(Value::Null);
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            match inner {
                Value::Object(object) => members = object,
                _ => return,
            }
        }
        members.insert(last.to_owned(), value);
    }
}

impl From<&str> for ClaimPath {
    /// One top-level claim: a dot or a slash in the name is part of it (`https://example.com/roles`).
    fn from(name: &str) -> Self {
        Self { first: name.to_owned(), rest: Vec::new() }
    }
}

impl fmt::Display for ClaimPath {
    /// For people: `realm_access.roles`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.first)?;
        self.rest.iter().try_for_each(|name| write!(formatter, ".{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_one_name_is_not_a_step() {
        let path = ClaimPath::from("https://example.com/roles");
        assert_eq!(path.names().collect::<Vec<_>>(), ["https://example.com/roles"]);
        assert_eq!(path.top_level(), Some("https://example.com/roles"));
    }

    #[test]
    fn a_claim_is_written_where_it_is_read() {
        let mut claims = Map::new();
        let nested = |names: &[&str]| ClaimPath::nested(names.iter().copied()).unwrap();
        nested(&["realm_access", "roles"]).set(&mut claims, serde_json::json!(["r"]));
        nested(&["realm_access", "more"]).set(&mut claims, true.into());
        ClaimPath::from("a.b").set(&mut claims, 1.into());
        nested(&["a.b", "c"]).set(&mut claims, 2.into());
        let expected = serde_json::json!({ "realm_access": { "roles": ["r"], "more": true }, "a.b": { "c": 2 } });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn nested_names_are_shown_with_dots_and_none_is_no_path() {
        let path = ClaimPath::nested(["realm_access", "roles"]).unwrap();
        assert_eq!(path.to_string(), "realm_access.roles");
        assert_eq!(path.top_level(), None);
        assert_eq!(ClaimPath::nested(Vec::<String>::new()), None);
    }
}
