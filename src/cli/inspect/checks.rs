//! The checks in the order in which they decide, each with how it went.
//!
//! 1. Form, issuer, algorithm, key and signature: as far as the verification came.
//! 2. The claims, if the issuer is known: all of them, also those of a token that is not proven.
//! 3. Whether the claims that the upstream is told of fit into headers.
//! 4. Whether the token is revoked, by what the store says.
//!
//! Where the issuer is asked about the token, its answer takes the place of all but the form and the issuer.

use std::fmt::Write;

use crate::{
    authn::{AuthnError, Passed, Principal, revocation::Revocation},
    cli::{
        terminal::{BAD, FAINT, GOOD, shown},
        times,
    },
    clock::Timestamp,
    config::{Config, KeySource},
    jwt::{Check, ClaimValue, Claims, Expectations, Header, InvalidToken, Outcome},
};

/// How far a token came.
#[derive(Default)]
pub(super) struct Trace {
    contents: Option<(Header, Claims)>,
    issuer: Option<(String, Expectations)>,
    /// What was found out by each step that was passed.
    passed: Vec<String>,
    /// Who is asked, if no key tells.
    asked: Option<String>,
    pub(super) revocations: Revocations,
}

/// What is known of revocations.
#[derive(Default)]
pub(super) enum Revocations {
    /// A gateway has them in its memory alone.
    #[default]
    NoStore,
    Known(Vec<Revocation>),
    /// The store cannot be read, for this reason.
    Unknown(String),
}

const STEPS: [&str; 5] = ["form", "issuer", "algorithm", "key", "signature"];

enum Verdict {
    Passed,
    Failed,
    NotAsked,
    NotReached,
    Unknown,
}

impl Trace {
    /// Of a token of which nothing is known yet, and what is known of revocations.
    pub(super) fn knowing(revocations: Revocations) -> Self {
        Self { revocations, ..Self::default() }
    }

    pub(super) fn note(&mut self, passed: Passed<'_>) {
        self.passed.push(match passed {
            Passed::Asked { name } => {
                self.asked = Some(name.to_owned());
                return;
            }
            Passed::Form(token) => {
                self.contents = Some((token.header().clone(), token.claims().clone()));
                "a compact JWS with strict JSON".to_owned()
            }
            Passed::Issuer { name, expectations } => {
                self.issuer = Some((name.to_owned(), expectations.clone()));
                format!("`{name}`")
            }
            Passed::Algorithm => {
                self.contents.as_ref().map_or_else(String::new, |(header, _)| header.algorithm().to_string())
            }
            Passed::Key(key) => {
                key.key_id().map_or_else(|| "without an id".to_owned(), |id| format!("`{}`", shown(id)))
            }
            Passed::Signature => "made with this key".to_owned(),
        });
    }

    /// Whether the token has a form in which it can be read.
    pub(super) const fn is_read(&self) -> bool {
        self.contents.is_some()
    }

    /// Whether its issuer was asked about it.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether its issuer was asked about it because it says nothing itself.
    pub(super) const fn is_opaque(&self) -> bool {
        self.is_asked() && !self.is_read()
    }

    /// Whether the signature is right.
    pub(super) const fn is_signed(&self) -> bool {
        self.passed.len() == STEPS.len()
    }

    /// A line for each check.
    pub(super) fn lines(&self, outcome: &Result<Principal, AuthnError>, config: &Config, now: Timestamp) -> String {
        let mut text = String::new();
        if let Some(name) = &self.asked {
            self.answer(&mut text, name, outcome, config);
            return text;
        }
        for (at, step) in STEPS.into_iter().enumerate() {
            match (self.passed.get(at), outcome) {
                (Some(detail), _) => line(&mut text, step, &Verdict::Passed, detail),
                (None, Err(error)) if at == self.passed.len() => {
                    line(&mut text, step, &Verdict::Failed, &self.explained(error, config));
                }
                (None, _) => line(&mut text, step, &Verdict::NotReached, ""),
            }
        }
        self.claims(&mut text, now);
        let (verdict, detail) = match outcome {
            Ok(_) | Err(AuthnError::InvalidToken(InvalidToken::Revoked))
                if config.identity_headers.headers.is_empty() =>
            {
                (Verdict::NotAsked, String::new())
            }
            Ok(_) | Err(AuthnError::InvalidToken(InvalidToken::Revoked)) => (Verdict::Passed, String::new()),
            Err(error @ AuthnError::InvalidToken(InvalidToken::UnfitForHeader { .. })) => {
                (Verdict::Failed, detail_of(error))
            }
            Err(_) => (Verdict::NotReached, String::new()),
        };
        line(&mut text, "identity headers", &verdict, &detail);
        let (verdict, detail) = match (outcome, &self.revocations) {
            (Err(AuthnError::InvalidToken(InvalidToken::Revoked)), _) => {
                (Verdict::Failed, "the store says that it is revoked".to_owned())
            }
            (Err(_), _) => (Verdict::NotReached, String::new()),
            (Ok(_), Revocations::NoStore) => (Verdict::NotAsked, "there is no `store`".to_owned()),
            (Ok(_), Revocations::Known(_)) => (Verdict::Passed, String::new()),
            (Ok(_), Revocations::Unknown(error)) => (Verdict::Unknown, shown(error)),
        };
        line(&mut text, "revocation", &verdict, &detail);
        text
    }

    fn answer(&self, text: &mut String, name: &str, outcome: &Result<Principal, AuthnError>, config: &Config) {
        let form = if self.is_opaque() { "opaque: only its issuer can tell" } else { "a compact JWS with strict JSON" };
        line(text, "form", &Verdict::Passed, form);
        let asked = match config.issuers.iter().find(|issuer| issuer.name == name).map(|issuer| &issuer.keys) {
            Some(KeySource::Introspection(asked)) => format!("`{name}`, asked at {}", asked.url()),
            _ => format!("`{name}`"),
        };
        line(text, "issuer", &Verdict::Passed, &asked);
        match outcome {
            Ok(_) => line(text, "answer", &Verdict::Passed, "active, with acceptable claims"),
            Err(error) => line(text, "answer", &Verdict::Failed, &detail_of(error)),
        }
    }

    fn claims(&self, text: &mut String, now: Timestamp) {
        let (Some((header, claims)), Some((_, expected))) = (&self.contents, &self.issuer) else {
            for check in Check::ALL {
                line(text, &check.to_string(), &Verdict::NotReached, "");
            }
            return;
        };
        for finding in expected.report(header, claims, now) {
            let detail = detail(finding.check, expected, header, claims, now);
            let name = finding.check.to_string();
            match finding.outcome {
                Outcome::Passed => line(text, &name, &Verdict::Passed, &detail),
                Outcome::NotAsked => line(text, &name, &Verdict::NotAsked, ""),
                Outcome::Failed(error) => {
                    let detail = if detail.is_empty() { error.to_string() } else { format!("{error}: {detail}") };
                    line(text, &name, &Verdict::Failed, &detail);
                }
            }
        }
    }

    /// Why the token came no further, with what the operator can do about it.
    fn explained(&self, error: &AuthnError, config: &Config) -> String {
        let reason = detail_of(error);
        match error {
            AuthnError::InvalidToken(InvalidToken::UnknownIssuer) => {
                let iss = self.contents.as_ref().and_then(|(_, claims)| claims.issuer());
                let iss = iss.map_or_else(|| "missing".to_owned(), quoted);
                let known = config.issuers.iter().filter_map(|issuer| issuer.expectations.issuer.as_deref());
                let known = known.map(quoted).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "no issuer".to_owned() } else { known };
                format!("{reason}: `iss` is {iss}, and the configuration has {known}")
            }
            AuthnError::InvalidToken(InvalidToken::AlgorithmNotAllowed(_)) => {
                let name = self.issuer.as_ref().map(|(name, _)| name);
                let issuer = config.issuers.iter().find(|issuer| Some(&issuer.name) == name);
                let algorithms =
                    issuer.map(|issuer| issuer.algorithms.iter().map(|one| one.name()).collect::<Vec<_>>());
                format!("{reason}, only {}", algorithms.unwrap_or_default().join(", "))
            }
            AuthnError::KeysUnavailable { .. } => {
                let name = self.issuer.as_ref().map(|(name, _)| name);
                let issuer = config.issuers.iter().find(|issuer| Some(&issuer.name) == name);
                match issuer.map(|issuer| &issuer.keys) {
                    Some(KeySource::Remote { keys, .. }) => format!("{reason}; they are fetched from {}", keys.url()),
                    _ => format!("{reason}; the gateway makes them at its first start"),
                }
            }
            _ => reason,
        }
    }
}

/// The cause in plain words, without the name of its class.
pub(super) fn detail_of(error: &AuthnError) -> String {
    match error {
        AuthnError::NotAuthenticated => "there is no bearer token by the rules of this API".to_owned(),
        AuthnError::InvalidToken(cause) => cause.to_string(),
        AuthnError::Awaited { otherwise, .. } => detail_of(otherwise),
        AuthnError::TokenExpired | AuthnError::KeysUnavailable { .. } => error.to_string(),
    }
}

fn line(text: &mut String, name: &str, verdict: &Verdict, detail: &str) {
    let (style, word) = match verdict {
        Verdict::Passed => (GOOD, "passed"),
        Verdict::Failed => (BAD, "failed"),
        Verdict::NotAsked => (FAINT, "not asked"),
        Verdict::NotReached => (FAINT, "not reached"),
        Verdict::Unknown => (BAD, "unknown"),
    };
    let line = format!("  {name:<17} {style}{word}{style:#}{:pad$}  {detail}", "", pad = 11 - word.len());
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

/// What the token says, and what is expected of it.
fn detail(check: Check, expected: &Expectations, header: &Header, claims: &Claims, now: Timestamp) -> String {
    let pairs = |claims: &[ClaimValue]| {
        claims.iter().map(|claim| format!("{} = {}", claim.path, claim.value)).collect::<Vec<_>>().join(", ")
    };
    match check {
        Check::Expiry => times::dated(claims.expires_at(), now),
        Check::NotBefore => claims.not_before().map_or_else(String::new, |time| times::dated(time, now)),
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
            .and_then(times::rounded)
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
    format!("\"{}{more}\"", shown(&cut))
}
