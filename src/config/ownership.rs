//! `[ownership.*]`: how it is told whose a resource is.
//!
//! 1. `variable` names the segment of the path that is the resource.
//! 2. Exactly one source: `claim`, `table`, `query` or `call`.
//! 3. `query` and `call` have a time limit of their own, `timeout`.
//! 4. `cache` is how long an answer is remembered; a claim is remembered with its token.
//! 5. A table is kept in the `store`; without one configured, in a SQLite file of the state folder, for otherwise it
//!    would be empty after every start.

use std::time::Duration;

use super::{
    node::{Entry, Node},
    reader::{At, Reader},
    secrets, store,
    values::{Mistake, claim_path, duration, owned, parsed, text},
};
use crate::{
    authz::{
        Ownership, Pattern,
        ownership::{ChangeRule, Effect, call::OwnerCall},
    },
    jwt::ClaimPath,
    store::{
        Location,
        query::OwnerQuery,
        sql::{OwnerSql, SqlDialect},
    },
};

/// The keys that name a source.
const SOURCES: [&str; 4] = ["claim", "table", "query", "call"];

/// How long an answer is remembered, unless `cache` says otherwise.
const DEFAULT_LIFE: Duration = Duration::from_secs(10);
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);

/// How long a query or a call may take, unless `timeout` says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

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
    /// `query`: a database of somebody else's.
    Query {
        /// What it is asked.
        query: OwnerQuery,
        /// How long that may take, 10 ms to a minute. Default 2 s.
        timeout: Duration,
    },
    /// `call`: an API of the operator's.
    Call {
        /// What it is asked.
        call: Box<OwnerCall>,
        /// How long that may take, 10 ms to a minute. Default 2 s.
        timeout: Duration,
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
    let given: Vec<(&'static str, &Entry)> =
        SOURCES.into_iter().filter_map(|key| Some((key, reader.entry(key)?))).collect();
    match given.as_slice() {
        [] => {
            reader.missing("claim", "name the claim that lists what the caller owns: `claim = \"plants\"`");
            None
        }
        [("claim", _)] => Some(OwnerSource::Claim(reader.read("claim", claim_path)?.value)),
        [("query", _)] => query(reader.table("query")?),
        [("call", _)] => call(reader.table("call")?, reader),
        [_] => Some(table(reader.table("table")?, reader)),
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

fn query(mut query: Reader<'_>) -> Option<OwnerSource> {
    if query.entry("database").is_none() {
        let help = "name it: `database = { env = \"LEGACY_DATABASE_URL\" }`, or `\"sqlite:PATH\"`";
        query.missing("database", help);
    }
    let location = store::read(&mut query, "database");
    // Which dialect it is, the database tells.
    let dialect = location.as_ref().map(|location| match location {
        Location::Postgres(_) => SqlDialect::Postgres,
        Location::Sqlite(_) => SqlDialect::Sqlite,
    });
    if query.entry("sql").is_none() {
        query.missing("sql", "`sql = \"SELECT 1 FROM plants WHERE uuid = $resource AND owner = $subject\"`");
    }
    let sql = query.read("sql", |node| {
        let text = node.string().ok_or_else(|| Mistake::kind("a string", node))?;
        let sql = dialect.map(|dialect| OwnerSql::parse(text, dialect)).transpose();
        sql.map_err(|error| Mistake::new(error.to_string()))
    });
    let timeout = query.read_or("timeout", DEFAULT_TIMEOUT, |node| duration(node, TIMEOUTS));
    query.finish();
    Some(OwnerSource::Query { query: OwnerQuery { location: location?, sql: sql?.value? }, timeout })
}

fn call(mut call: Reader<'_>, ownership: &mut Reader<'_>) -> Option<OwnerSource> {
    let variable = ownership.entry("variable").and_then(|entry| text(&entry.node).ok());
    if call.entry("url").is_none() {
        call.missing("url", "`url = \"http://127.0.0.1:8000/internal/plants/{plantUuid}\"`");
    }
    if call.entry("pointer").is_none() {
        call.missing("pointer", "say where the owner stands in the answer: `pointer = \"/ownerId\"`");
    }
    hide_password(&mut call);
    let pointer = call.read("pointer", pointer);
    let url = call.read("url", |node| {
        // Where the variable is wrong that is said, and nothing of its place.
        let Some(variable) = variable else { return text(node).map(|_| None) };
        let pointer = pointer.as_ref().map_or("", |read| read.value.as_str());
        let call = OwnerCall::new(text(node)?, variable, pointer);
        call.map(Some).map_err(|error| Mistake::new(error.to_string()))
    });
    let timeout = call.read_or("timeout", DEFAULT_TIMEOUT, |node| duration(node, TIMEOUTS));
    let authorization = call.entry("authorization").and_then(|entry| Some((secrets::read(&call, entry)?, entry.place)));
    let asked = url.and_then(|read| read.value);
    let asked = match (asked, authorization) {
        (Some(asked), Some((named, place))) => {
            let authorized = asked.authorization(&named.secret);
            if authorized.is_none() {
                call.report("authorization", place, Mistake::new("cannot be the value of a header field"));
            }
            authorized
        }
        (asked, _) => asked,
    };
    call.finish();
    pointer.is_some().then_some(OwnerSource::Call { call: Box::new(asked?), timeout })
}

/// A URL with a password in it is refused; the message must not show it either.
fn hide_password(call: &mut Reader<'_>) {
    if let Some(entry) = call.entry("url").filter(|entry| entry.node.string().is_some_and(|url| url.contains('@'))) {
        call.context.problems.hide(entry.node.place);
    }
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
