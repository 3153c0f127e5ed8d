//! Whether a token's claims are acceptable here and now: one list of checks, for the answer and for the explanation.
//!
//! In order, the first that fails decides ([`Check::ALL`]):
//!
//! 1. `exp`: at `exp` plus the leeway the token is expired (RFC 7519 §4.1.4, "on or after").
//! 2. `nbf`: the token is already valid, give or take the leeway.
//! 3. `iss`: exactly the expected issuer, character by character.
//! 4. `aud`: one of the expected audiences is named. Without expected ones any or none is accepted.
//! 5. `typ`: the expected kind, without case and with or without `application/` (RFC 7515 §4.1.9, RFC 8725 §3.11). If
//!    none is expected: missing, `JWT` or `at+jwt`; a token made for something else is no access token.
//! 6. Required claims: there, and equal.
//! 7. Forbidden claims: not there, or not equal.
//! 8. The subject: of a type that names one, and there if it has to be.
//! 9. Life: neither from issue to expiry nor from now to expiry longer than the maximum and the leeway.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use crate::clock::Timestamp;

use super::{ClaimPath, Claims, Header, InvalidToken, Shown, SignedToken, VerifyError};

/// What an issuer's tokens have to be like.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The exact `iss`. Absent: not checked.
    pub issuer: Option<String>,
    /// Of these audiences `aud` has to name one. Empty: not checked.
    pub audience: Vec<String>,
    /// Clock skew allowed on `exp`, `nbf` and the life (RFC 7519 §4.1.4). Default 0.
    pub leeway: Duration,
    /// The exact kind of token, such as `at+jwt`. Absent: none, `JWT` or `at+jwt`.
    pub typ: Option<String>,
    /// Claims that have to be there with a certain value.
    pub required_claims: Vec<ClaimValue>,
    /// Claims that must not have a certain value: a token that was made for something else says so.
    pub forbidden_claims: Vec<ClaimValue>,
    /// Which claim names the subject. Default `sub`.
    pub subject: ClaimPath,
    /// Whether the claim that names the subject has to be there. Its type is checked in any case. Default false.
    pub subject_required: bool,
    /// Whether the subject has to be a whole number of at most 64 bits, as a number or as its digits (`1` or `"1"`, not
    /// `"01"`). Default false: any text will do.
    pub subject_integer: bool,
    /// The longest acceptable life. Absent: not checked.
    pub max_life: Option<Duration>,
    /// What becomes of tokens that are bound to a key of their bearer's. Whoever knows the connection looks at that.
    pub binding: Binding,
}

/// What becomes of tokens that are bound to a key of their bearer's (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// One that is bound to a client certificate needs it (RFC 8705 §3); one that is bound otherwise is refused.
    #[default]
    Checked,
    /// And one that is not bound is refused.
    Required,
    /// Nobody looks: somebody else has.
    Ignored,
}

/// A claim and a value of it, that a token must have or must not have.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimValue {
    /// Where it stands.
    pub path: ClaimPath,
    /// What it is compared with. An integer is equal to no number with a fraction or exponent.
    pub value: serde_json::Value,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::ZERO,
            typ: None,
            required_claims: Vec::new(),
            forbidden_claims: Vec::new(),
            subject: ClaimPath::from("sub"),
            subject_required: false,
            subject_integer: false,
            max_life: None,
            binding: Binding::default(),
        }
    }
}

impl Expectations {
    /// Makes `claims` say what tokens of this issuer have to say, and from when to when they are good, whatever they said
    /// of that.
    pub fn meet(&self, claims: &mut Map<String, Value>, issued: Timestamp, expires: Timestamp) {
        for required in &self.required_claims {
            required.path.set(claims, required.value.clone());
        }
        self.put_registered(claims, issued, expires);
    }

    /// [`meet`](Self::meet) for a token of another kind, which must not pass for one of these.
    pub fn put_registered(&self, claims: &mut Map<String, Value>, issued: Timestamp, expires: Timestamp) {
        let audience = match self.audience.as_slice() {
            [] => None,
            [one] => Some(Value::from(one.as_str())),
            several => Some(Value::from(several)),
        };
        let registered = [
            ("iss", self.issuer.as_deref().map(Value::from)),
            ("aud", audience),
            ("iat", Some(issued.as_secs().into())),
            ("exp", Some(expires.as_secs().into())),
        ];
        for (name, value) in registered {
            claims.remove(name);
            claims.extend(value.map(|value| (name.to_owned(), value)));
        }
    }

    /// Whether the token is acceptable at the time `now`.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self, token: &SignedToken, now: Timestamp) -> Result<(), VerifyError> {
        self.check_parts(token.header().typ(), token.claims(), now)
    }

    /// Whether what the issuer answered about a token is acceptable at the time `now`. An answer has no `typ`: if one is
    /// expected, none is acceptable.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn check_introspected(&self, claims: &Claims, now: Timestamp) -> Result<(), VerifyError> {
        self.check_parts(None, claims, now)
    }

    fn check_parts(&self, typ: Option<&str>, claims: &Claims, now: Timestamp) -> Result<(), VerifyError> {
        Check::ALL.into_iter().try_for_each(|check| match check.outcome(self, typ, claims, now) {
            Outcome::Passed | Outcome::NotAsked => Ok(()),
            Outcome::Failed(error) => Err(error),
        })
    }

    /// Every check in order with its outcome, to explain a token. A report is no proof: it is made for unproven tokens too.
    #[must_use]
    pub fn report(&self, header: &Header, claims: &Claims, now: Timestamp) -> Vec<Finding> {
        let finding = |check: Check| Finding { check, outcome: check.outcome(self, header.typ(), claims, now) };
        Check::ALL.into_iter().map(finding).collect()
    }
}

/// A check and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The token is as it has to be.
    Passed,
    /// Nothing is expected, or the token says nothing where it need not.
    NotAsked,
    /// The token is refused.
    Failed(VerifyError),
}

/// A check of a signed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// `exp`.
    Expiry,
    /// `nbf`.
    NotBefore,
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `typ`.
    Kind,
    /// The claims that have to have certain values.
    RequiredClaims,
    /// The claims that must not have certain values.
    ForbiddenClaims,
    /// The claim that names the subject.
    Subject,
    /// How long the token lives.
    Life,
}

impl Check {
    /// Every check, in the order in which they decide.
    pub const ALL: [Self; 9] = [
        Self::Expiry,
        Self::NotBefore,
        Self::Issuer,
        Self::Audience,
        Self::Kind,
        Self::RequiredClaims,
        Self::ForbiddenClaims,
        Self::Subject,
        Self::Life,
    ];

    fn outcome(self, expected: &Expectations, typ: Option<&str>, claims: &Claims, now: Timestamp) -> Outcome {
        match self {
            Self::Expiry => expiry(expected, claims, now),
            Self::NotBefore => not_before(expected, claims, now),
            Self::Issuer => issuer(expected, claims),
            Self::Audience => audience(expected, claims),
            Self::Kind => kind(expected, typ),
            Self::RequiredClaims => required_claims(expected, claims),
            Self::ForbiddenClaims => forbidden_claims(expected, claims),
            Self::Subject => subject(expected, claims),
            Self::Life => life(expected, claims, now),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Expiry => "expiry (exp)",
            Self::NotBefore => "start (nbf)",
            Self::Issuer => "issuer (iss)",
            Self::Audience => "audience (aud)",
            Self::Kind => "kind (typ)",
            Self::RequiredClaims => "required claims",
            Self::ForbiddenClaims => "forbidden claims",
            Self::Subject => "subject",
            Self::Life => "maximum life",
        })
    }
}

fn failed(error: InvalidToken) -> Outcome {
    Outcome::Failed(VerifyError::Invalid(error))
}

fn passed_or(passed: bool, error: InvalidToken) -> Outcome {
    if passed { Outcome::Passed } else { failed(error) }
}

fn expiry(expected: &Expectations, claims: &Claims, now: Timestamp) -> Outcome {
    if now >= claims.expires_at().saturating_add(expected.leeway) {
        return Outcome::Failed(VerifyError::Expired);
    }
    Outcome::Passed
}

fn not_before(expected: &Expectations, claims: &Claims, now: Timestamp) -> Outcome {
    let Some(not_before) = claims.not_before() else { return Outcome::NotAsked };
    passed_or(now.saturating_add(expected.leeway) >= not_before, InvalidToken::NotYetValid)
}

fn issuer(expected: &Expectations, claims: &Claims) -> Outcome {
    let Some(expected) = &expected.issuer else { return Outcome::NotAsked };
    match claims.issuer() {
        Some(issuer) => passed_or(issuer == expected, InvalidToken::WrongIssuer),
        None => failed(InvalidToken::MissingClaim("iss".into())),
    }
}

fn audience(expected: &Expectations, claims: &Claims) -> Outcome {
    if expected.audience.is_empty() {
        return Outcome::NotAsked;
    }
    let mut audience = claims.audience().peekable();
    if audience.peek().is_none() {
        return failed(InvalidToken::MissingClaim("aud".into()));
    }
    let named = audience.any(|audience| expected.audience.iter().any(|expected| expected == audience));
    passed_or(named, InvalidToken::WrongAudience)
}

fn kind(expected: &Expectations, typ: Option<&str>) -> Outcome {
    let fits = match (&expected.typ, typ) {
        (None, None) => return Outcome::NotAsked,
        (Some(_), None) => return failed(InvalidToken::MissingTyp),
        (Some(expected), Some(typ)) => same_media_type(typ, expected),
        (None, Some(typ)) => same_media_type(typ, "JWT") || same_media_type(typ, "at+jwt"),
    };
    if fits { Outcome::Passed } else { failed(InvalidToken::WrongTyp(Shown::new(typ.unwrap_or_default()))) }
}

/// Media types have no case, and `application/` may be left out where no other slash follows (RFC 7515 §4.1.9).
fn same_media_type(left: &str, right: &str) -> bool {
    subtype(left).eq_ignore_ascii_case(subtype(right))
}

fn subtype(media_type: &str) -> &str {
    match media_type.split_once('/') {
        Some((top, subtype)) if top.eq_ignore_ascii_case("application") && !subtype.contains('/') => subtype,
        _ => media_type,
    }
}

fn required_claims(expected: &Expectations, claims: &Claims) -> Outcome {
    if expected.required_claims.is_empty() {
        return Outcome::NotAsked;
    }
    for required in &expected.required_claims {
        match claims.at(&required.path) {
            None => return failed(InvalidToken::MissingClaim(required.path.to_string().into())),
            Some(value) if !value.equals(&required.value) => {
                return failed(InvalidToken::WrongClaim(required.path.to_string().into()));
            }
            Some(_) => {}
        }
    }
    Outcome::Passed
}

fn forbidden_claims(expected: &Expectations, claims: &Claims) -> Outcome {
    if expected.forbidden_claims.is_empty() {
        return Outcome::NotAsked;
    }
    let has = |one: &&ClaimValue| claims.at(&one.path).is_some_and(|value| value.equals(&one.value));
    match expected.forbidden_claims.iter().find(has) {
        Some(one) => failed(InvalidToken::ForbiddenClaim(one.path.to_string().into())),
        None => Outcome::Passed,
    }
}

fn subject(expected: &Expectations, claims: &Claims) -> Outcome {
    match claims.subject_text(&expected.subject) {
        Ok(Some(text)) if expected.subject_integer => {
            let digits = text.parse::<u64>().is_ok_and(|number| number.to_string() == text);
            let claim = || expected.subject.to_string().into();
            passed_or(digits, InvalidToken::ClaimType { claim: claim(), expected: "a whole number" })
        }
        Ok(Some(_)) => Outcome::Passed,
        Ok(None) if expected.subject_required => {
            failed(InvalidToken::MissingClaim(expected.subject.to_string().into()))
        }
        Ok(None) => Outcome::NotAsked,
        Err(error) => failed(error),
    }
}

fn life(expected: &Expectations, claims: &Claims, now: Timestamp) -> Outcome {
    let Some(maximum) = expected.max_life else { return Outcome::NotAsked };
    let longest = maximum.saturating_add(expected.leeway);
    let expires_at = claims.expires_at();
    let from_issue = claims.issued_at().map_or(Duration::ZERO, |issued_at| expires_at.since(issued_at));
    passed_or(from_issue <= longest && expires_at.since(now) <= longest, InvalidToken::LivesTooLong)
}
