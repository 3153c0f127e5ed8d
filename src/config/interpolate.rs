//! `${VAR}` and `${VAR:-default}` in strings.
//!
//! 1. `${NAME}` is the variable's value; a variable that is not set is a mistake, an empty one is empty.
//! 2. `${NAME:-text}` is the value, or `text` where the variable is not set or empty (POSIX Shell §2.6.2). The text ends
//!    at the first `}`.
//! 3. `$${` stands for `${`. Any other `$` stands for itself.
//! 4. What a variable holds is not read again: nobody who sets one can reach another.

/// Looks up a variable of the environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The text with the variables' values in it; the error names what is wrong.
pub(super) fn interpolate(text: &str, environment: &Environment<'_>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            result.push_str(escaped);
            result.push_str("${");
            rest = after;
            continue;
        }
        let (inside, behind) = after.split_once('}').ok_or("`${` is not closed by `}`; write `$${` for `${` itself")?;
        result.push_str(before);
        result.push_str(&variable(inside, environment)?);
        rest = behind;
    }
    result.push_str(rest);
    Ok(result)
}

fn variable(inside: &str, environment: &Environment<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable_name(name) {
        return Err(format!("`{}` is not the name of an environment variable", name.escape_debug()));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the environment variable `{name}` is not set")),
    }
}

/// A letter or `_`, then letters, digits and `_` (POSIX Base Definitions §3.216).
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST} $${HOST}".to_owned()),
            _ => None,
        }
    }

    fn check(text: &str) -> Result<String, String> {
        interpolate(text, &environment)
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        assert_eq!(check("https://${HOST}/${NONE:-a/b}${EMPTY}").as_deref(), Ok("https://example.com/a/b"));
        assert_eq!(check("${EMPTY:-default}").as_deref(), Ok("default"));
        assert_eq!(check("${NONE:-}").as_deref(), Ok(""));
        assert_eq!(check("${NONE:-a:-b}").as_deref(), Ok("a:-b"));
    }

    #[test]
    fn other_dollars_are_left_alone() {
        for text in ["$path", "costs 5$", "$", "$$", "{}", "$ {HOST}", "Permission $permission required"] {
            assert_eq!(check(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn two_dollars_before_a_brace_are_one() {
        assert_eq!(check("$${HOST}").as_deref(), Ok("${HOST}"));
        assert_eq!(check("$${HOST} ${HOST}").as_deref(), Ok("${HOST} example.com"));
        assert_eq!(check("$$${HOST}").as_deref(), Ok("$${HOST}"));
    }

    #[test]
    fn a_value_is_not_read_again() {
        assert_eq!(check("${TRICK}").as_deref(), Ok("${HOST} $${HOST}"));
        assert_eq!(check("$${${HOST}").as_deref(), Ok("${example.com"));
    }

    #[test]
    fn unset_unclosed_and_misnamed_variables_are_mistakes() {
        assert_eq!(check("${NONE}").unwrap_err(), "the environment variable `NONE` is not set");
        assert!(check("a ${HOST").unwrap_err().contains("not closed"));
        for text in ["${}", "${1A}", "${A B}", "${HOST-x}", "${:-x}", "${É}", "${${HOST}}"] {
            assert!(check(text).unwrap_err().contains("is not the name"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_either_read_or_refused(text in "[${}:a-zA-Z\\-é ]{0,40}") {
            let read = check(&text);
            if !text.contains("${") {
                prop_assert_eq!(read.as_deref(), Ok(text.as_str()));
            }
        }
    }
}
