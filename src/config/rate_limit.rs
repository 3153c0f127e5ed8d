//! `[rate_limit.NAME]` and a route's own `rate_limit`: how many requests, and whose are counted together.

use std::{fmt, num::NonZeroU32, time::Duration};

use http::HeaderName;

use super::{
    diagnostics::Diagnostic,
    node::{Entry, Node, Value},
    reader::{At, Reader},
    values::{Mistake, boolean, duration_in, integer, known, parsed, plain, shown, text},
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Requests in a period.
const MOST: u32 = 1_000_000;

/// How many requests are let through, and whose are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name in the configuration; of a route's own, the route's first `match`.
    pub name: String,
    /// Whether it belongs to one route and has no name of its own.
    pub is_own: bool,
    /// How many requests in `period`, 1 to 1,000,000.
    pub requests: NonZeroU32,
    /// 1 s to a day.
    pub period: Duration,
    /// How many may come at once, 1 to 1,000,000. Default: as many as in a period.
    pub burst: NonZeroU32,
    /// Whose requests are counted together.
    pub by: LimitedBy,
    /// Whether it counts on every route that names none, and where there is no route.
    pub is_default: bool,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The client's address, of IPv6 the first 64 bits; counted before a token is looked at.
    Address,
    /// The token's issuer and subject, counted once the token is known to be good; without them, the address.
    Principal,
    /// What this header says, counted before a token is looked at; without it, the address.
    Header(HeaderName),
}

/// What a route says of limits.
pub(super) enum RouteLimits {
    /// Nothing.
    Default,
    /// These, by their indices.
    Named(Vec<usize>),
    /// One of its own.
    Own(RateLimit),
}

impl RateLimit {
    /// Reads one; what is wrong leaves no limit, and has been reported.
    pub(super) fn read(name: &str, mut reader: Reader<'_>) -> Option<Self> {
        let is_default = reader.read_or("default", false, boolean);
        Self::read_values(name, reader).map(|limit| Self { is_default, ..limit })
    }

    fn read_values(name: &str, mut reader: Reader<'_>) -> Option<Self> {
        let rate = reader.read("requests", rate);
        if reader.entry("requests").is_none() {
            reader.missing("requests", "say how many in which time: `requests = \"100/1m\"`");
        }
        let burst = reader.read("burst", |node| integer(node, 1..=MOST));
        let by = reader.read_or("by", LimitedBy::Principal, by);
        reader.finish();
        let (requests, period) = rate?.value;
        let burst = burst.and_then(|read| NonZeroU32::new(read.value)).unwrap_or(requests);
        Some(Self { name: name.to_owned(), is_own: false, requests, period, burst, by, is_default: false })
    }
}

impl RouteLimits {
    /// Reads a route's `rate_limit`: a name, a list of names, or a table. `own` is what the route is called.
    pub(super) fn read(reader: &mut Reader<'_>, own: &str, names: &[&str]) -> Self {
        let Some(entry) = reader.entry("rate_limit") else { return Self::Default };
        if entry.node.table().is_some() {
            return match reader.table("rate_limit").and_then(|table| RateLimit::read_values(own, table)) {
                Some(limit) => Self::Own(RateLimit { is_own: true, ..limit }),
                None => Self::Default,
            };
        }
        Self::Named(named(reader, entry, names))
    }

    /// The indices of the limits, of which a route's own is added to `all`.
    pub(super) fn place(self, all: &mut Vec<RateLimit>) -> Vec<usize> {
        match self {
            Self::Default => (0..all.len()).filter(|at| all.get(*at).is_some_and(|limit| limit.is_default)).collect(),
            Self::Named(indices) => indices,
            Self::Own(limit) => {
                all.push(limit);
                vec![all.len() - 1]
            }
        }
    }
}

/// An empty list means none: the default ones don't count either.
fn named(reader: &mut Reader<'_>, entry: &Entry, names: &[&str]) -> Vec<usize> {
    let mut indices = Vec::new();
    for At { value, place } in reader.any("rate_limit", |node| known(node, "rate_limit", names)) {
        if indices.contains(&value) {
            let message = "`route.rate_limit` names a limit twice: a request counts once";
            reader.context.report(Diagnostic::mistake(message).at(place).related(entry.place, "in this list"));
        } else {
            indices.push(value);
        }
    }
    indices
}

/// `"100/1m"`.
fn rate(node: &Node) -> Result<(NonZeroU32, Duration), Mistake> {
    const HELP: &str = "write how many in which time: \"10/1s\", \"100/1m\" or \"5000/24h\"";
    let text = node.string().ok_or_else(|| Mistake::kind("a number of requests and a time", node).help(HELP))?;
    let wrong = |message: &str| Mistake::new(format!("{message}, not \"{}\"", shown(text))).help(HELP);
    let (requests, period) =
        text.split_once('/').ok_or_else(|| wrong("must be a number of requests, `/` and a time"))?;
    let digits = requests.bytes().all(|byte| byte.is_ascii_digit());
    let requests = requests.parse().ok().and_then(NonZeroU32::new).filter(|count| digits && count.get() <= MOST);
    let requests = requests.ok_or_else(|| wrong("must let through 1 to 1000000 requests"))?;
    let period = duration_in(period).filter(|period| (SECOND..=DAY).contains(period) && period.subsec_nanos() == 0);
    Ok((requests, period.ok_or_else(|| wrong("must be for whole seconds, up to a day"))?))
}

/// `"principal"`, `"address"` or `{ header = "X-Api-Key" }`.
fn by(node: &Node) -> Result<LimitedBy, Mistake> {
    const HELP: &str = "it is \"principal\", \"address\" or { header = \"X-Api-Key\" }";
    if let Some(table) = node.table() {
        return match table.0.as_slice() {
            [entry] if entry.key == "header" => parsed::<HeaderName>(&entry.node).map(LimitedBy::Header),
            _ => Err(Mistake::new("must be a table with `header` alone").help(HELP)),
        };
    }
    if !matches!(node.value, Value::String(_)) {
        return Err(Mistake::kind("a string or a table", node).help(HELP));
    }
    match text(node)? {
        "principal" => Ok(LimitedBy::Principal),
        "address" => Ok(LimitedBy::Address),
        other => Err(Mistake::new(format!("is not known: \"{}\"", shown(other))).help(HELP)),
    }
}

/// `login: 10 in 1m, 20 at once, by address`.
impl fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_own { "" } else { &self.name };
        let between = if name.is_empty() { "" } else { ": " };
        write!(formatter, "{name}{between}{} in {}", self.requests, plain(self.period))?;
        if self.burst != self.requests {
            write!(formatter, ", {} at once", self.burst)?;
        }
        match &self.by {
            LimitedBy::Address => formatter.write_str(", by address"),
            LimitedBy::Principal => formatter.write_str(", by principal"),
            LimitedBy::Header(name) => write!(formatter, ", by the header {name}"),
        }
    }
}
