//! What an operation's `security` asks of its caller (OpenAPI Specification 3.1.1 §4.8.30, §4.8.27).
//!
//! 1. Absent everywhere, or `[]`: nothing. `{}` among the alternatives: a token is welcome, not needed.
//! 2. `http` with `bearer`, `oauth2` and `openIdConnect` are tokens, and their scopes are permissions: all of one
//!    alternative, or one of several alternatives' where each asks for one more than what they have in common.
//! 3. Other schemes (API keys, Basic, client certificates, unknown ones) cannot be checked here. Beside a token they are
//!    left to the upstream; an alternative of nothing else lets nobody in, for everybody else needs a token.
//! 4. Alternatives that no route can say (several scopes against several others, or different schemes, which a token
//!    does not tell) are asked for together.
//!
//! 3 and 4 let in fewer callers than the document does, never more, and are noted.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::{
    OpenApiError,
    demand::{self, Demand},
    source::{Source, list, object, text},
};
use crate::authz::Access;

/// More alternatives of one operation, or scopes of one alternative, are nobody's policy.
const MOST: usize = 100;

/// `components.securitySchemes`: whether each is a token, or else what it is.
pub(super) struct Schemes<'a>(HashMap<&'a str, Scheme>);

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Token,
    /// What it is, for a note.
    Other(String),
}

/// One way to be let in: all of these at once.
struct Alternative<'a> {
    tokens: BTreeSet<&'a str>,
    scopes: Vec<String>,
    /// Schemes that cannot be checked, each with what it is.
    others: Vec<String>,
}

impl<'a> Schemes<'a> {
    pub(super) fn read(source: &'a Source) -> Result<Self, OpenApiError> {
        let schemes = source.components("securitySchemes")?;
        let read = |(name, node): (&'a String, &'a Value)| {
            let place = format!("components.securitySchemes.{name}");
            Ok((name.as_str(), Scheme::read(source.resolve(node, &place)?, &place)?))
        };
        Ok(Self(schemes.into_iter().flatten().map(read).collect::<Result<_, OpenApiError>>()?))
    }

    fn get(&self, name: &str) -> Scheme {
        self.0.get(name).cloned().unwrap_or_else(|| Scheme::Other("not defined".to_owned()))
    }
}

impl Scheme {
    fn read(scheme: &Map<String, Value>, place: &str) -> Result<Self, OpenApiError> {
        let member = |key: &str| {
            let node = scheme.get(key).ok_or_else(|| OpenApiError::form(place, format!("`{key}` is missing")))?;
            text(node, &format!("{place}.{key}"))
        };
        Ok(match member("type")? {
            "oauth2" | "openIdConnect" => Self::Token,
            "http" => match member("scheme")? {
                bearer if bearer.eq_ignore_ascii_case("bearer") => Self::Token,
                other => Self::Other(format!("http {other}")),
            },
            other => Self::Other(other.to_owned()),
        })
    }
}

/// What `security` asks for, and what there is to say about that.
pub(super) fn read(
    security: Option<&Value>,
    schemes: &Schemes<'_>,
    place: &str,
) -> Result<(Demand, Vec<String>), OpenApiError> {
    let Some(security) = security else { return Ok((Demand::PUBLIC, Vec::new())) };
    let requirements = list(security, place)?;
    if requirements.len() > MOST {
        return Err(OpenApiError::form(place, format!("has more than {MOST} alternatives")));
    }
    let alternatives = requirements.iter().map(|node| Alternative::read(node, schemes, place));
    let alternatives = alternatives.collect::<Result<Vec<_>, OpenApiError>>()?;
    let (with, without): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(Alternative::asks);
    if with.is_empty() {
        return Ok((Demand::PUBLIC, Vec::new()));
    }
    if !without.is_empty() {
        return Ok((Demand::new(Access::Optional), Vec::new()));
    }
    Ok(decide(with))
}

impl<'a> Alternative<'a> {
    fn read(node: &'a Value, schemes: &Schemes<'_>, place: &str) -> Result<Self, OpenApiError> {
        let mut alternative = Self { tokens: BTreeSet::new(), scopes: Vec::new(), others: Vec::new() };
        for (name, scopes) in object(node, place)? {
            let scopes = list(scopes, &format!("{place}.{name}"))?;
            if scopes.len() > MOST {
                return Err(OpenApiError::form(place, format!("has an alternative with more than {MOST} scopes")));
            }
            match schemes.get(name) {
                Scheme::Token => {
                    alternative.tokens.insert(name);
                    let scopes = scopes.iter().map(|node| scope(node, place));
                    demand::add(&mut alternative.scopes, scopes.collect::<Result<_, OpenApiError>>()?);
                }
                Scheme::Other(what) => alternative.others.push(format!("{name} ({what})")),
            }
        }
        Ok(alternative)
    }

    fn asks(&self) -> bool {
        !self.tokens.is_empty() || !self.others.is_empty()
    }

    /// Whether whoever passes `other` passes this one too.
    fn asks_no_more_than(&self, other: &Self) -> bool {
        self.tokens == other.tokens && self.scopes.iter().all(|scope| other.scopes.contains(scope))
    }
}

fn scope(node: &Value, place: &str) -> Result<String, OpenApiError> {
    let scope = text(node, place)?;
    if scope.is_empty() || scope.chars().any(char::is_control) {
        return Err(OpenApiError::form(place, "has a scope that is empty or has control characters"));
    }
    Ok(scope.to_owned())
}

/// The demand of alternatives that all ask for something.
fn decide(alternatives: Vec<Alternative<'_>>) -> (Demand, Vec<String>) {
    let mut notes = Vec::new();
    let (tokens, others): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(|one| !one.tokens.is_empty());
    for alternative in others {
        let what = alternative.others.join(" and ");
        notes.push(if tokens.is_empty() {
            format!("the document asks for {what}, which the gateway cannot check: a token is asked for instead")
        } else {
            format!("the document also lets in who has {what}, which the gateway cannot check: a token is needed")
        });
    }
    for what in tokens.iter().filter(|one| !one.others.is_empty()).map(|one| one.others.join(" and ")) {
        notes.push(format!("the document asks for {what} too: left to the upstream"));
    }
    let mut demand = Demand::new(Access::Token);
    let least = least(tokens);
    if !least.is_empty() && !say(&least, &mut demand) {
        let each: Vec<String> = least.iter().map(|one| spelled(&one.scopes)).collect();
        notes.push(format!("the document asks for {}: all of it is asked for", each.join(", or ")));
        least.into_iter().for_each(|one| demand::add(&mut demand.all, one.scopes));
    }
    notes.dedup();
    (demand, notes)
}

/// Without those that let nobody in whom an earlier one, or one that asks for less, would not.
fn least(mut alternatives: Vec<Alternative<'_>>) -> Vec<Alternative<'_>> {
    let mut at = 0;
    while let Some(one) = alternatives.get(at) {
        let is_covered = alternatives.iter().enumerate().any(|(index, other)| {
            index != at && other.asks_no_more_than(one) && (index < at || !one.asks_no_more_than(other))
        });
        if is_covered {
            alternatives.remove(at);
        } else {
            at += 1;
        }
    }
    alternatives
}

/// Puts exactly these alternatives into `demand`, if it can say them.
fn say(alternatives: &[Alternative<'_>], demand: &mut Demand) -> bool {
    let Some((first, rest)) = alternatives.split_first() else { return true };
    let contains_all =
        |one: &Alternative<'_>, other: &Alternative<'_>| one.scopes.iter().all(|scope| other.scopes.contains(scope));
    if rest.iter().all(|one| contains_all(one, first) && contains_all(first, one)) {
        demand.all.clone_from(&first.scopes);
        return true;
    }
    let is_common = |scope: &&String| rest.iter().all(|one| one.scopes.contains(scope));
    let common: Vec<String> = first.scopes.iter().filter(is_common).cloned().collect();
    let own: Option<Vec<String>> = alternatives
        .iter()
        .map(|one| {
            let mut own = one.scopes.iter().filter(|scope| !common.contains(scope));
            own.next().filter(|_| own.next().is_none()).cloned()
        })
        .collect();
    match own {
        Some(own) if rest.iter().all(|one| one.tokens == first.tokens) => {
            demand.all = common;
            demand::add(&mut demand.any, own);
            true
        }
        _ => false,
    }
}

fn spelled(scopes: &[String]) -> String {
    if scopes.is_empty() { "a token".to_owned() } else { scopes.join(" and ") }
}
