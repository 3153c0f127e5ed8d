//! `[dialect]`: how an API says no, reason by reason.

use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use toml::{Table, Value};

use super::{
    answer::{Answer, Vocabulary},
    challenge,
    mistake::{Mistake, Mistakes, expect_text},
    preset,
    template::Meaning,
};
use crate::{authn::SchemeMatch, rejection::Reason};

/// A token of another kind than an access token, where an API says so; otherwise it is an `invalid_token`.
const WRONG_TOKEN_TYPE: &str = "wrong_token_type";
/// The head is too large, where an API tells that from the body; otherwise it is `too_large`.
const HEADERS_TOO_LARGE: &str = "headers_too_large";

const PARTICULAR: [&str; 2] = [WRONG_TOKEN_TYPE, HEADERS_TOO_LARGE];
const SETTINGS: [&str; 3] = ["scheme", "challenge", "challenge_error"];

/// How one API says no.
#[derive(Debug, Clone)]
pub struct Dialect {
    scheme: SchemeMatch,
    /// In the order of [`Reason::ALL`].
    answers: [Answer<Variable>; Reason::ALL.len()],
    wrong_token_type: Option<Answer<Variable>>,
    headers_too_large: Option<Answer<Variable>>,
}

/// A value that is only known when a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Path,
    Timestamp,
    RequestId,
    Permission,
}

/// What a refusal may say. `permission`: whether `$permission` means anything here.
fn meaning(name: &str, permission: bool) -> Option<Meaning<Variable>> {
    let variable = match name {
        "path" => Variable::Path,
        "timestamp" => Variable::Timestamp,
        "request_id" => Variable::RequestId,
        "permission" if permission => Variable::Permission,
        _ => return None,
    };
    Some(Meaning::Then(variable))
}

const NAMES: &str = "$path, $status, $timestamp, $request_id and, where a permission is missing, $permission";

impl Default for Dialect {
    /// RFC 6750 challenges and RFC 9457 problem details.
    fn default() -> Self {
        Self::read(&preset::standard(), &mut Vec::new())
    }
}

impl Dialect {
    /// Reads `[dialect]`; what it does not say is said as in [`Dialect::default`].
    ///
    /// # Errors
    /// Every mistake that there is.
    pub fn from_table(own: &Table) -> Result<Self, Vec<Mistake>> {
        let mut table = preset::standard();
        if own.contains_key(Reason::TooLarge.as_str()) {
            // An API's own answer is for head and body alike, unless it tells them apart.
            table.remove(HEADERS_TOO_LARGE);
        }
        table.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        let mut errors = Vec::new();
        let dialect = Self::read(&table, &mut errors);
        if errors.is_empty() { Ok(dialect) } else { Err(errors) }
    }

    /// How the scheme `Bearer` is compared.
    #[must_use]
    pub const fn scheme(&self) -> SchemeMatch {
        self.scheme
    }

    pub(super) const fn answer(&self, reason: Reason) -> &Answer<Variable> {
        &self.answers[reason as usize]
    }

    pub(super) const fn wrong_token_type(&self) -> Option<&Answer<Variable>> {
        self.wrong_token_type.as_ref()
    }

    pub(super) const fn headers_too_large(&self) -> Option<&Answer<Variable>> {
        self.headers_too_large.as_ref()
    }

    fn read(table: &Table, list: &mut Vec<Mistake>) -> Self {
        let known: Vec<_> = SETTINGS.into_iter().chain(Reason::ALL.map(Reason::as_str)).chain(PARTICULAR).collect();
        let mut errors = Mistakes::new("dialect", list);
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            errors.unknown(&[key], &known);
        }
        let scheme = read_scheme(table, &mut errors);
        let challenges = read_challenges(table, &mut errors);
        let mut answer = |name: &'static str| {
            let permission = name == Reason::PermissionMissing.as_str();
            let meanings = |name: &str| meaning(name, permission);
            let vocabulary = Vocabulary { statuses: 400..=599, meanings: &meanings, names: NAMES };
            let mut answer = Answer::read(table.get(name)?, &vocabulary, &mut errors.below(name))?;
            if let (StatusCode::UNAUTHORIZED, Some((plain, with_error))) = (answer.status(), &challenges) {
                let presented = name != Reason::NotAuthenticated.as_str();
                answer.add_header(&WWW_AUTHENTICATE, if presented { with_error } else { plain });
            }
            Some(answer)
        };
        Self {
            scheme,
            // A refusal without words is still a refusal.
            answers: Reason::ALL.map(|reason| answer(reason.as_str()).unwrap_or_else(Answer::wordless)),
            wrong_token_type: answer(WRONG_TOKEN_TYPE),
            headers_too_large: answer(HEADERS_TOO_LARGE),
        }
    }
}

fn read_scheme(table: &Table, errors: &mut Mistakes<'_>) -> SchemeMatch {
    match table.get("scheme") {
        None => SchemeMatch::default(),
        Some(Value::String(text)) if text == "any-case" => SchemeMatch::CaseInsensitive,
        Some(Value::String(text)) if text == "exact" => SchemeMatch::Exact,
        Some(_) => {
            errors.push(&["scheme"], "the scheme is compared \"exact\" or \"any-case\"");
            SchemeMatch::Exact
        }
    }
}

/// The challenge alone, and with the error of a token that was presented.
fn read_challenges(table: &Table, errors: &mut Mistakes<'_>) -> Option<(HeaderValue, HeaderValue)> {
    let text = match table.get("challenge") {
        None => "Bearer",
        Some(value) => expect_text(value, &["challenge"], errors)?,
    };
    let Some(plain) = HeaderValue::from_str(text).ok().filter(|_| text == "Bearer" || text.starts_with("Bearer "))
    else {
        errors.push(&["challenge"], "a challenge is `Bearer`, with parameters behind it or not (RFC 6750 section 3)");
        return None;
    };
    let with_error = match table.get("challenge_error") {
        None | Some(Value::Boolean(true)) => challenge::with_invalid_token(&plain)?,
        Some(Value::Boolean(false)) => plain.clone(),
        Some(_) => {
            errors.push(&["challenge_error"], "true or false is expected");
            return None;
        }
    };
    Some((plain, with_error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock, Timestamp},
        contract::{Contract, Facts, Preset},
        rejection::Rejection,
    };

    fn mistakes(text: &str) -> Vec<String> {
        let errors = Dialect::from_table(&text.parse().unwrap()).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_shipped_dialect_is_whole() {
        let tables = Preset::ALL.map(|preset| preset::dialect_table(preset.source()));
        for table in tables.into_iter().chain([preset::standard()]) {
            let mut errors = Vec::new();
            Dialect::read(&table, &mut errors);
            assert_eq!(errors, []);
            for name in Reason::ALL.map(Reason::as_str) {
                assert!(table.contains_key(name), "{name} is missing in {table:?}");
            }
        }
    }

    #[test]
    fn all_mistakes_are_found_at_once_and_named() {
        let found = mistakes(
            r#"
            scheme = "loose"
            challenge = "Basic"
            challenge_error = 1
            not_authentcated = { status = 401 }
            token_expired = { status = 200 }
            invalid_token = { body = "x" }
            no_route = { status = 404, body = { detail = "$nothing" } }
            not_owner = { status = 403, headers = { "a b" = "c" } }
            too_large = { status = 413, headers = { "Content-Length" = "1" } }
            bad_request = { status = 400, bdy = "x", headers = { X-A = "a\nb" } }
            overloaded = 503
            "#,
        );
        let all = found.join("\n");
        for part in [
            "dialect.scheme:",
            "dialect.challenge:",
            "dialect.not_authentcated: unknown key",
            "dialect.token_expired.status:",
            "dialect.invalid_token: an answer needs a status",
            "dialect.no_route.body: $nothing",
            "dialect.not_owner.headers.a b:",
            "dialect.too_large.headers.Content-Length:",
            "dialect.bad_request.bdy: unknown key",
            "dialect.bad_request.headers.X-A:",
            "dialect.overloaded:",
        ] {
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
    }

    #[test]
    fn what_a_dialect_does_not_say_is_said_in_the_words_of_the_rfcs() {
        let table = r#"challenge = 'Bearer realm="x"'
            invalid_token = { status = 401, body = "no", content_type = "text/html" }"#;
        let contract = Contract::new(Dialect::from_table(&table.parse().unwrap()).unwrap());
        let clock = Clock::manual(Timestamp::from_secs(0));
        let facts = Facts { path: "/", request_id: "1", clock: &clock };
        let expired = contract.render(&Rejection::TokenExpired, &facts);
        assert_eq!(expired.headers()[WWW_AUTHENTICATE], r#"Bearer realm="x", error="invalid_token""#);
        assert_eq!(expired.headers()["content-type"], "application/problem+json");
        let missing = contract.render(&Rejection::NotAuthenticated, &facts);
        assert_eq!(missing.headers()[WWW_AUTHENTICATE], r#"Bearer realm="x""#);
        let invalid = contract.render(&Rejection::InvalidToken(crate::jwt::InvalidToken::NotAToken), &facts);
        assert_eq!(
            (invalid.body().as_ref(), &invalid.headers()["content-type"]),
            (b"no".as_ref(), &HeaderValue::from_static("text/html"))
        );
    }
}
