//! The value of an `Authorization` field, as somebody pastes it.

/// The value of an `Authorization` field.
pub(crate) struct Credentials(String);

impl Credentials {
    /// A field as `curl -v` shows it, its value, or a token alone.
    pub(crate) fn of(text: &str) -> Self {
        let value = match text.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => value.trim_start(),
            _ => text,
        };
        let has_scheme = value.split_once(' ').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        Self(if has_scheme { value.to_owned() } else { format!("Bearer {value}") })
    }

    pub(crate) fn value(&self) -> &str {
        &self.0
    }

    pub(crate) fn token(&self) -> &str {
        self.0.split_once(' ').map_or("", |(_, token)| token.trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_with_and_without_what_stands_before_it() {
        for text in
            ["a.b.c", "Bearer a.b.c", "bearer  a.b.c", "Authorization: Bearer a.b.c", "authorization:Bearer a.b.c"]
        {
            assert_eq!(Credentials::of(text).token(), "a.b.c", "{text}");
        }
        assert_eq!(Credentials::of("bearer a").0, "bearer a", "an API may take the scheme exactly");
        assert_eq!(Credentials::of("a b").0, "Bearer a b");
    }
}
