//! `[ownership.*]`: how it is told whose a resource is.
//!
//! 1. `variable` names the segment of the path that is the resource.
//! 2. Exactly one source: `claim`, `table`, `query` or `call`.
//! 3. `cache` is how long an answer is remembered; a claim is remembered with its token.
//! 4. A table is kept in the `store`; without one configured, in a SQLite file of the state folder, for otherwise it
//!    would be empty after every start.

use std::time::Duration;

use super::{
    node::{Entry, Node},
    reader::{At, Reader},
    values::{Mistake, claim_path, duration, owned, parsed, text},
};
use crate::{
    authz::{
        Ownership, Pattern,
        ownership::{ChangeRule, Effect},
    },
    jwt::ClaimPath,
};

/// The keys that name a source.
const SOURCES: [&str; 4] = ["claim", "table", "query", "call"];

/// How long an answer is remembered, unless `cache` says otherwise.
const DEFAULT_LIFE: Duration = Duration::from_secs(10);
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);

/// An `[ownership.NAME]`.
#[derive(Clone, Debug)]
pub struct OwnershipSettings {
    /// Its name.
    pub name: String,
    /// What a route knows of it.
    pub ownership: Ownership,
    /// Who tells.
    pub source: OwnerSource,
    /// How long an answer is remembered, up to an hour. Default 10 s.
    pub cache: Duration,
}

/// Who tells whose a resource is.
#[derive(Clone, Debug)]
pub enum OwnerSource {
    /// `claim`: the token.
    Claim(ClaimPath),
    /// `table`: the gateway itself, from what it has seen go through.
    Table {
        /// Requests whose answers name a new resource, and where.
        learn: Vec<(Pattern, String)>,
        /// Requests that end one.
        forget: Vec<Pattern>,
    },
}

impl OwnershipSettings {
    /// Reads one. Its name counts even if it is wrong.
    pub(super) fn read(name: &str, mut reader: Reader<'_>) -> Option<Self> {
        let variable = reader.read("variable", owned);
        if reader.entry("variable").is_none() {
            let help = "name the variable of the path that is the resource: `variable = \"plantUuid\"`";
            reader.missing("variable", help);
        }
        let unless = reader.any("unless", owned).into_iter().map(|read| read.value).collect();
        let cache = reader.read("cache", |node| duration(node, Duration::ZERO..=LONGEST_LIFE));
        let source = source(&mut reader);
        if let Some(cache) = cache.as_ref().filter(|_| matches!(source, Some(OwnerSource::Claim(_)))) {
            reader.report("cache", cache.place, Mistake::new("has no meaning here: a claim is known with its token"));
        }
        let cache = cache.map_or(DEFAULT_LIFE, |read| read.value);
        reader.finish();
        let ownership = Ownership { variable: variable?.value, unless };
        Some(Self { name: name.to_owned(), ownership, source: source?, cache })
    }

    /// Its name, and what a route knows of it.
    #[must_use]
    pub fn of_routes(&self) -> (String, Ownership) {
        (self.name.clone(), self.ownership.clone())
    }

    /// What goes through and changes who owns what; `at` is the place of this ownership in the list.
    #[must_use]
    pub fn changes(&self, at: usize) -> Vec<ChangeRule> {
        let OwnerSource::Table { learn, forget } = &self.source else { return Vec::new() };
        let learns = learn.iter().map(|(pattern, pointer)| ChangeRule {
            pattern: pattern.clone(),
            ownership: at,
            effect: Effect::Learn(pointer.as_str().into()),
        });
        let forgets = forget.iter().filter_map(|pattern| {
            let segment = pattern.variable(&self.ownership.variable)?;
            Some(ChangeRule { pattern: pattern.clone(), ownership: at, effect: Effect::Forget(segment) })
        });
        learns.chain(forgets).collect()
    }
}

/// Whether what the gateway learns has to be kept somewhere.
pub(super) fn needs_store(ownerships: &[OwnershipSettings]) -> bool {
    ownerships.iter().any(|one| matches!(one.source, OwnerSource::Table { .. }))
}

fn source(reader: &mut Reader<'_>) -> Option<OwnerSource> {
    reader.unsupported(&["query", "call"]);
    let given: Vec<(&'static str, &Entry)> =
        SOURCES.into_iter().filter_map(|key| Some((key, reader.entry(key)?))).collect();
    match given.as_slice() {
        [] => {
            reader.missing("claim", "name the claim that lists what the caller owns: `claim = \"plants\"`");
            None
        }
        [("claim", _)] => Some(OwnerSource::Claim(reader.read("claim", claim_path)?.value)),
        [("table", _)] => Some(table(reader.table("table")?, reader)),
        [_] => None,
        [_, (key, second), ..] => {
            let mistake = Mistake::new("is a second source: there is exactly one of `claim`, `table`, `query`, `call`");
            reader.report(key, second.place, mistake);
            None
        }
    }
}

fn table(mut table: Reader<'_>, ownership: &mut Reader<'_>) -> OwnerSource {
    let mut learn = Vec::new();
    if let Some(entries) = table.table("learn") {
        for entry in entries.entries() {
            // A pattern as a key; what is wrong with it is said at the key.
            let pattern = entry.key.parse::<Pattern>().map_err(|error| {
                entries.report(&entry.key, entry.place, Mistake::new(format!("is not a pattern: {error}")));
            });
            let pointer = entries.parse(&entry.key, &entry.node, pointer);
            if let (Ok(pattern), Some(At { value, .. })) = (pattern, pointer) {
                learn.push((pattern, value));
            }
        }
    }
    let variable = ownership.entry("variable").and_then(|entry| text(&entry.node).ok()).unwrap_or_default();
    let mut forget = Vec::new();
    for At { value, place } in table.any("forget", parsed::<Pattern>) {
        if value.variable(variable).is_none() {
            let message = format!("has \"{value}\" without {{{variable}}}, which names the resource");
            table.report("forget", place, Mistake::new(message));
        }
        forget.push(value);
    }
    table.finish();
    OwnerSource::Table { learn, forget }
}

/// A JSON pointer (RFC 6901 §3) that is not the whole document.
fn pointer(node: &Node) -> Result<String, Mistake> {
    let pointer = text(node)?;
    let help = "write it like \"/uuid\" or \"/data/0/id\"";
    if !pointer.starts_with('/') {
        return Err(Mistake::new("must be a JSON pointer, which begins with `/`").help(help));
    }
    let escapes = pointer.split('~').skip(1);
    if escapes.into_iter().any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(Mistake::new("has a `~` that is neither `~0` nor `~1` (RFC 6901 §3)").help(help));
    }
    Ok(pointer.to_owned())
}
