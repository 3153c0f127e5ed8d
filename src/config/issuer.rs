//! `[issuer.*]`: whose tokens are accepted, and what they must say.

use std::time::Duration;

use super::{
    context::Context,
    diagnostics::Diagnostic,
    key_source::{self, KeySource},
    node::{Node, Value},
    reader::{At, Reader},
    values::{Mistake, claim_path, duration, one_of, owned, shown, similar, text},
};
use crate::jwt::{Algorithm, Binding, ClaimPath, ClaimValue, Expectations};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest leeway: more would be another expiry.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// What becomes of tokens that are bound to a key.
const BINDINGS: [(&str, Binding); 3] =
    [("checked", Binding::Checked), ("required", Binding::Required), ("ignored", Binding::Ignored)];

/// One issuer of tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name in the configuration (not its `iss`).
    pub name: String,
    /// The algorithms that its tokens may use, all symmetric or all asymmetric; none if it is asked about each token.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are, and those that are known already.
    pub keys: KeySource,
    /// What the claims must say.
    pub expectations: Expectations,
    /// The claims that grant permissions. Default `permissions`, `scope` and `scp`.
    pub permissions: Vec<ClaimPath>,
}

impl Issuer {
    /// Reads one issuer. `generated`: without a key source it makes its own keys (it comes from a preset).
    pub(super) fn read(name: &str, mut reader: Reader<'_>, generated: bool) -> Option<Self> {
        let algorithms = reader.some("algorithms", algorithm);
        let expectations = expectations(&mut reader);
        let permissions = reader.entry("permissions").map_or_else(default_permissions, |entry| {
            let paths = entry.node.elements().iter();
            paths.filter_map(|node| reader.parse("permissions", node, claim_path)).map(|read| read.value).collect()
        });
        let keys =
            key_source::read(name, &mut reader, algorithms.as_deref(), expectations.issuer.as_deref(), generated);
        reader.finish();
        let (algorithms, keys) = keys?;
        Some(Self { name: name.to_owned(), algorithms, keys, expectations, permissions })
    }
}

fn default_permissions() -> Vec<ClaimPath> {
    ["permissions", "scope", "scp"].map(ClaimPath::from).into()
}

fn expectations(reader: &mut Reader<'_>) -> Expectations {
    let default = Expectations::default();
    let subject = reader.read("subject", claim_path).map(|read| read.value);
    let audience = reader.some("audience", owned).unwrap_or_default();
    Expectations {
        issuer: reader.read("issuer", owned).map(|read| read.value),
        audience: audience.into_iter().map(|read| read.value).collect(),
        leeway: reader.read_or("leeway", default.leeway, |node| duration(node, Duration::ZERO..=MAX_LEEWAY)),
        typ: reader.read("typ", owned).map(|read| read.value),
        required_claims: reader.table("required_claims").map(claims_with_values).unwrap_or_default(),
        forbidden_claims: reader.table("forbidden_claims").map(claims_with_values).unwrap_or_default(),
        subject_required: subject.is_some(),
        subject_integer: reader
            .read_or("subject_type", false, |node| one_of(node, &[("string", false), ("integer", true)])),
        subject: subject.unwrap_or(default.subject),
        max_life: reader
            .read("max_life", |node| duration(node, Duration::from_secs(1)..=DAY * 3650))
            .map(|read| read.value),
        binding: reader.read_or("binding", default.binding, |node| one_of(node, &BINDINGS)),
    }
}

fn claims_with_values(reader: Reader<'_>) -> Vec<ClaimValue> {
    let mut claims = Vec::new();
    for entry in reader.entries() {
        if let Some(At { value, .. }) = reader.parse(&entry.key, &entry.node, json_scalar) {
            claims.push(ClaimValue { path: ClaimPath::from(entry.key.as_str()), value });
        }
    }
    claims
}

fn json_scalar(node: &Node) -> Result<serde_json::Value, Mistake> {
    match &node.value {
        Value::String(text) => Ok(text.as_str().into()),
        Value::Integer(number) => Ok((*number).into()),
        Value::Boolean(value) => Ok((*value).into()),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(Mistake::kind("a string, a whole number or a boolean", node))
        }
    }
}

fn algorithm(node: &Node) -> Result<Algorithm, Mistake> {
    let name = text(node)?;
    if name.eq_ignore_ascii_case("none") {
        return Err(Mistake::new("must not have \"none\": everyone can write a token that is not signed"));
    }
    name.parse().map_err(|_| {
        let names = Algorithm::ALL.map(Algorithm::name);
        let mistake = Mistake::new(format!("has no \"{}\"", shown(name)));
        match similar(name, names) {
            Some(known) => mistake.help(format!("did you mean `{known}`?")),
            None => mistake.help(format!("there are {}", names.join(", "))),
        }
    })
}

/// Two issuers that a token could both be of: the same `issuer`, or both without one. An issuer that is asked about its
/// opaque tokens is in nobody's way.
pub(super) fn report_ambiguous(issuers: &[At<Issuer>], context: &Context<'_>) {
    let issuers: Vec<_> =
        issuers.iter().filter(|issuer| !matches!(issuer.value.keys, KeySource::Introspection(_))).collect();
    for (at, one) in issuers.iter().enumerate() {
        let iss = &one.value.expectations.issuer;
        if let Some(other) = issuers[..at].iter().find(|other| other.value.expectations.issuer == *iss) {
            let what = if iss.is_some() { "have the same `issuer`" } else { "have no `issuer`" };
            let message = format!("the issuers `{}` and `{}` {what}", other.value.name, one.value.name);
            let diagnostic = Diagnostic::mistake(message).at(one.place).related(other.place, "the other one is here");
            context.report(diagnostic.help("a token is matched to its issuer by its `iss` claim"));
        }
    }
}
