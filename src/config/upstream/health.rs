//! `health_check` and `ejection`: how it is found out that a server is not well.

use std::{ops::RangeInclusive, time::Duration};

use http::uri::PathAndQuery;

use crate::{
    config::{
        node::{Node, Value},
        reader::Reader,
        settings::timeout,
        values::{Mistake, boolean, duration, integer, shown, text},
    },
    proxy::upstream::{Ejection, HealthCheck},
};

const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// `health_check = { path = "/health", interval = "5s", timeout = "1s", healthy = 2, unhealthy = 3, status = "200-399" }`.
pub(super) fn health_check(mut reader: Reader<'_>) -> Option<HealthCheck> {
    if reader.entry("path").is_none() {
        reader.missing("path", "say what to ask for: `health_check = { path = \"/health\" }`");
    }
    let path = reader.read("path", path);
    let mut check = HealthCheck::new(path.map_or(PathAndQuery::from_static("/"), |read| read.value));
    check.interval = reader.read_or("interval", check.interval, |node| duration(node, INTERVALS));
    check.timeout = reader.read_or("timeout", check.timeout, timeout);
    check.healthy = reader.read_or("healthy", check.healthy, |node| integer(node, 1..=100));
    check.unhealthy = reader.read_or("unhealthy", check.unhealthy, |node| integer(node, 1..=100));
    check.status = reader.read_or("status", check.status, status);
    reader.finish();
    Some(check)
}

fn path(node: &Node) -> Result<PathAndQuery, Mistake> {
    let text = text(node)?;
    let wrong = || Mistake::new(format!("must be a path, not \"{}\"", shown(text))).help("write it like \"/health\"");
    if !text.starts_with('/') || text.contains('#') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// `"200-399"`, `"204"` or `204`.
fn status(node: &Node) -> Result<RangeInclusive<u16>, Mistake> {
    let codes = match &node.value {
        Value::Integer(code) => Some((*code, *code)),
        Value::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            first.trim().parse().ok().zip(last.trim().parse().ok())
        }
        _ => None,
    };
    let code = |code: i64| u16::try_from(code).ok().filter(|code| (200..=599).contains(code));
    let codes = codes.and_then(|(first, last)| Some(code(first)?..=code(last)?)).filter(|codes| !codes.is_empty());
    codes.ok_or_else(|| {
        Mistake::new("must be status codes from 200 to 599").help("write them like \"200-399\" or \"204\"")
    })
}

/// `ejection = false`, or what is different from the defaults.
pub(super) fn ejection(reader: &mut Reader<'_>) -> Option<Ejection> {
    let mut ejection = Ejection::default();
    let Some(entry) = reader.entry("ejection") else { return Some(ejection) };
    if let Value::Boolean(_) = entry.node.value {
        return reader.read_or("ejection", true, boolean).then_some(ejection);
    }
    let mut reader = reader.table("ejection")?;
    ejection.failures = reader.read_or("failures", ejection.failures, |node| integer(node, 1..=1000));
    ejection.time = reader.read_or("time", ejection.time, timeout);
    let longest = ejection.max_time.max(ejection.time);
    ejection.max_time = reader.read_or("max_time", longest, timeout).max(ejection.time);
    ejection.most = reader.read_or("most", ejection.most, |node| super::number(node, 1, 100));
    ejection.server_errors = reader.read_or("server_errors", ejection.server_errors, boolean);
    reader.finish();
    Some(ejection)
}
