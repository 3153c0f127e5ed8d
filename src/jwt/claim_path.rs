//! Where in the claims a value stands: `sub`, or `realm_access` → `roles`.

use std::fmt;

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
    fn nested_names_are_shown_with_dots_and_none_is_no_path() {
        let path = ClaimPath::nested(["realm_access", "roles"]).unwrap();
        assert_eq!(path.to_string(), "realm_access.roles");
        assert_eq!(path.top_level(), None);
        assert_eq!(ClaimPath::nested(Vec::<String>::new()), None);
    }
}
