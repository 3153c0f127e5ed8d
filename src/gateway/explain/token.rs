//! The checks of a token in the order in which they decide, each with how it went.
//!
//! 1. Form, issuer, algorithm, key and signature: as far as the verification came.
//! 2. The claims, if the issuer is known: all of them, also those of a token that is not proven.
//! 3. Whether the claims that the upstream is told of fit into headers.
//! 4. Whether it is revoked ([`Revocations`]).
//!
//! Where the issuer is asked about the token, its answer takes the place of all but the form and the issuer.

use super::{
    Step, Verdict,
    times::{dated, rounded},
};
use crate::{
    authn::{Authenticator, AuthnError, Passed, Principal},
    clock::Timestamp,
    jwt::{Algorithm, Check, ClaimValue, Claims, Expectations, Header, InvalidToken, Outcome},
};

/// How far a token came.
#[derive(Default)]
pub(crate) struct Trace {
    contents: Option<(Header, Claims)>,
    issuer: Option<Named>,
    /// What was found out by each step that was passed.
    passed: Vec<String>,
    /// Who is asked, if no key tells.
    asked: Option<String>,
}

/// What is known of revocations.
pub(crate) enum Revocations {
    /// What the gateway knows.
    Known,
    /// A gateway has them in its memory alone.
    NoStore,
    /// The store cannot be read, for this reason.
    Unknown(String),
}

impl Revocations {
    /// Whether the token is revoked. That is asked last.
    pub(crate) fn step(&self, outcome: &Result<Principal, AuthnError>) -> Step {
        let (verdict, detail) = match (outcome, self) {
            (Err(error @ AuthnError::InvalidToken(InvalidToken::Revoked)), _) => (Verdict::Failed, detail_of(error)),
            (Err(_), _) => (Verdict::NotReached, String::new()),
            (Ok(_), Self::Known) => (Verdict::Passed, String::new()),
            (Ok(_), Self::NoStore) => (Verdict::NotAsked, "there is no `store`".to_owned()),
            (Ok(_), Self::Unknown(error)) => (Verdict::Unknown, error.clone()),
        };
        Step::new("revocation", verdict, detail)
    }
}

/// The issuer that a token names.
struct Named {
    name: String,
    expectations: Expectations,
    algorithms: Vec<Algorithm>,
}

const STEPS: [&str; 5] = ["form", "issuer", "algorithm", "key", "signature"];

impl Trace {
    pub(crate) fn note(&mut self, passed: Passed<'_>) {
        self.passed.push(match passed {
            Passed::Asked { name } => {
                self.asked = Some(name.to_owned());
                return;
            }
            Passed::Form(token) => {
                self.contents = Some((token.header().clone(), token.claims().clone()));
                "a compact JWS with strict JSON".to_owned()
            }
            Passed::Issuer { name, expectations, algorithms } => {
                let (expectations, algorithms) = (expectations.clone(), algorithms.to_vec());
                self.issuer = Some(Named { name: name.to_owned(), expectations, algorithms });
                format!("`{name}`")
            }
            Passed::Algorithm => {
                self.contents.as_ref().map_or_else(String::new, |(header, _)| header.algorithm().to_string())
            }
            Passed::Key(key) => key.key_id().map_or_else(|| "without an id".to_owned(), |id| format!("`{id}`")),
            Passed::Signature => "made with this key".to_owned(),
        });
    }

    /// Whether the token has a form in which it can be read.
    pub(crate) const fn is_read(&self) -> bool {
        self.contents.is_some()
    }

    /// Whether its issuer was asked about it.
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether its issuer was asked about it because it says nothing itself.
    pub(crate) const fn is_opaque(&self) -> bool {
        self.is_asked() && !self.is_read()
    }

    /// Whether the signature is right.
    pub(crate) const fn is_signed(&self) -> bool {
        self.passed.len() == STEPS.len()
    }

    /// Each check and how it went. `keys` says of an issuer without keys what its operator should know.
    pub(crate) fn steps(
        &self,
        outcome: &Result<Principal, AuthnError>,
        authenticator: &Authenticator,
        keys: &dyn Fn(&str) -> String,
        now: Timestamp,
    ) -> Vec<Step> {
        if let Some(name) = &self.asked {
            return self.answer(name, outcome, keys).into();
        }
        let mut steps = Vec::new();
        for (at, name) in STEPS.into_iter().enumerate() {
            steps.push(match (self.passed.get(at), outcome) {
                (Some(detail), _) => Step::new(name, Verdict::Passed, detail),
                (None, Err(error)) if at == self.passed.len() => {
                    Step::new(name, Verdict::Failed, self.explained(error, authenticator, keys))
                }
                (None, _) => Step::new(name, Verdict::NotReached, ""),
            });
        }
        self.claims(&mut steps, now);
        let (verdict, detail) = match outcome {
            Ok(principal) if principal.identity().is_empty() => (Verdict::NotAsked, String::new()),
            Ok(_) | Err(AuthnError::InvalidToken(InvalidToken::Revoked)) => (Verdict::Passed, String::new()),
            Err(error @ AuthnError::InvalidToken(InvalidToken::UnfitForHeader { .. })) => {
                (Verdict::Failed, detail_of(error))
            }
            Err(_) => (Verdict::NotReached, String::new()),
        };
        steps.push(Step::new("identity headers", verdict, detail));
        steps
    }

    fn answer(&self, name: &str, outcome: &Result<Principal, AuthnError>, keys: &dyn Fn(&str) -> String) -> [Step; 3] {
        let form = if self.is_opaque() { "opaque: only its issuer can tell" } else { "a compact JWS with strict JSON" };
        let (verdict, answer) = match outcome {
            Ok(_) | Err(AuthnError::InvalidToken(InvalidToken::Revoked)) => {
                (Verdict::Passed, "active, with acceptable claims".to_owned())
            }
            Err(error) => (Verdict::Failed, detail_of(error)),
        };
        [
            Step::new("form", Verdict::Passed, form),
            Step::new("issuer", Verdict::Passed, format!("`{name}`, {}", keys(name))),
            Step::new("answer", verdict, answer),
        ]
    }

    fn claims(&self, steps: &mut Vec<Step>, now: Timestamp) {
        let (Some((header, claims)), Some(Named { expectations: expected, .. })) = (&self.contents, &self.issuer)
        else {
            steps.extend(Check::ALL.map(|check| Step::new(check.to_string(), Verdict::NotReached, "")));
            return;
        };
        steps.extend(expected.report(header, claims, now).into_iter().map(|finding| {
            let detail = detail(finding.check, expected, header, claims, now);
            let name = finding.check.to_string();
            match finding.outcome {
                Outcome::Passed => Step::new(name, Verdict::Passed, detail),
                Outcome::NotAsked => Step::new(name, Verdict::NotAsked, ""),
                Outcome::Failed(error) => {
                    let detail = if detail.is_empty() { error.to_string() } else { format!("{error}: {detail}") };
                    Step::new(name, Verdict::Failed, detail)
                }
            }
        }));
    }

    /// Why the token came no further, with what the operator can do about it.
    fn explained(&self, error: &AuthnError, authenticator: &Authenticator, keys: &dyn Fn(&str) -> String) -> String {
        let reason = detail_of(error);
        match (error, &self.issuer) {
            (AuthnError::InvalidToken(InvalidToken::UnknownIssuer), _) => {
                let iss = self.contents.as_ref().and_then(|(_, claims)| claims.issuer());
                let iss = iss.map_or_else(|| "missing".to_owned(), quoted);
                let known = authenticator.expected_issuers().map(quoted).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "no issuer".to_owned() } else { known };
                format!("{reason}: `iss` is {iss}, and the configuration has {known}")
            }
            (AuthnError::InvalidToken(InvalidToken::AlgorithmNotAllowed(_)), Some(issuer)) => {
                let algorithms: Vec<&str> = issuer.algorithms.iter().map(|one| one.name()).collect();
                format!("{reason}, only {}", algorithms.join(", "))
            }
            (AuthnError::KeysUnavailable { .. }, Some(issuer)) => format!("{reason}; {}", keys(&issuer.name)),
            _ => reason,
        }
    }
}

/// The cause in plain words, without the name of its class.
pub(crate) fn detail_of(error: &AuthnError) -> String {
    match error {
        AuthnError::NotAuthenticated => "there is no bearer token by the rules of this API".to_owned(),
        AuthnError::InvalidToken(cause) => cause.to_string(),
        AuthnError::Awaited { otherwise, .. } => detail_of(otherwise),
        AuthnError::TokenExpired | AuthnError::KeysUnavailable { .. } => error.to_string(),
    }
}

/// What the token says, and what is expected of it.
fn detail(check: Check, expected: &Expectations, header: &Header, claims: &Claims, now: Timestamp) -> String {
    let pairs = |claims: &[ClaimValue]| {
        claims.iter().map(|claim| format!("{} = {}", claim.path, claim.value)).collect::<Vec<_>>().join(", ")
    };
    match check {
        Check::Expiry => dated(claims.expires_at(), now),
        Check::NotBefore => claims.not_before().map_or_else(String::new, |time| dated(time, now)),
        Check::Issuer => both(claims.issuer().map(quoted), expected.issuer.as_deref().map(quoted)),
        Check::Audience => {
            let named = listed(claims.audience());
            both((!named.is_empty()).then_some(named), Some(listed(expected.audience.iter().map(String::as_str))))
        }
        Check::Kind => both(header.typ().map(quoted), expected.typ.as_deref().map(quoted)),
        Check::RequiredClaims => pairs(&expected.required_claims),
        Check::ForbiddenClaims => format!("not {}", pairs(&expected.forbidden_claims)),
        Check::Subject => match claims.subject_text(&expected.subject) {
            Ok(Some(subject)) => format!("`{}` is {}", expected.subject, quoted(subject)),
            Ok(None) | Err(_) => String::new(),
        },
        Check::Life => expected
            .max_life
            .and_then(rounded)
            .map_or_else(String::new, |most| format!("at most {most}, counted from `iat` and from now")),
    }
}

fn both(found: Option<String>, expected: Option<String>) -> String {
    match (found, expected) {
        (Some(found), Some(expected)) if found == expected => found,
        (Some(found), Some(expected)) => format!("{found}, expected {expected}"),
        (None, Some(expected)) => format!("expected {expected}"),
        (Some(found), None) => found,
        (None, None) => String::new(),
    }
}

fn listed<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.map(quoted).collect::<Vec<_>>().join(" or ")
}

/// A stranger's text between quotation marks, cut where it gets long.
fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let cut: String = text.chars().take(MOST).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{cut}{more}\"")
}
