//! What report mode has let through: for each rule and reason how often, since when, and the last few requests.
//!
//! 1. Each worker records for itself, under a lock that only a look at the admin listener contends for; what they have
//!    is merged then.
//! 2. There is one entry for a rule and a reason, with five examples: the configuration bounds the memory, not the
//!    requests.
//! 3. An example is what the log says of a request. It has no query, no header field and nothing of a token.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use http::Method;
use serde_json::{Value, json};

use crate::{authz::Mode, clock::Timestamp, rejection::Reason};

/// Examples that are kept of one kind.
const EXAMPLES: usize = 5;
/// What is kept of a path or a cause, in characters.
const LONGEST: usize = 256;

/// What one worker has let through, or all of them.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Mutex<Findings>,
}

/// By reason and the rule's name.
type Findings = BTreeMap<Reason, BTreeMap<Box<str>, Finding>>;

#[derive(Debug, Clone)]
struct Finding {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// The newest is the last.
    examples: VecDeque<Example>,
}

/// A request that was let through.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) at: Timestamp,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) cause: String,
    pub(super) issuer: Option<String>,
    pub(super) request_id: String,
}

impl Report {
    pub(super) fn record(&self, rule: &str, reason: Reason, mut example: Example) {
        for text in [&mut example.path, &mut example.cause] {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
            }
        }
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let by_rule = findings.entry(reason).or_default();
        let new = Finding { count: 1, first: example.at, last: example.at, examples: VecDeque::from([example]) };
        match by_rule.get_mut(rule) {
            Some(finding) => finding.add(new),
            None => drop(by_rule.insert(rule.into(), new)),
        }
    }

    /// What all of them have let through.
    pub(super) fn merged<'a>(reports: impl IntoIterator<Item = &'a Self>) -> Merged {
        let mut merged = Findings::default();
        for report in reports {
            // A copy, so that no worker waits for the rest.
            let findings = report.findings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (reason, by_rule) in findings {
                let known = merged.entry(reason).or_default();
                for (rule, finding) in by_rule {
                    match known.get_mut(&rule) {
                        Some(sum) => sum.add(finding),
                        None => drop(known.insert(rule, finding)),
                    }
                }
            }
        }
        Merged(merged)
    }
}

impl Finding {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.examples.extend(other.examples);
        self.examples.make_contiguous().sort_by_key(|example| example.at);
        self.examples.drain(..self.examples.len().saturating_sub(EXAMPLES));
    }
}

/// What all workers together have let through.
pub(super) struct Merged(Findings);

impl Merged {
    /// Rule, reason and how often.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&str, Reason, u64)> {
        self.each().map(|(rule, reason, finding)| (rule, reason, finding.count))
    }

    /// As `/report` shows it: what happens most comes first.
    pub(super) fn show(&self, mode: Mode) -> Value {
        let mut findings: Vec<_> = self.each().collect();
        findings.sort_by_key(|(_, _, finding)| std::cmp::Reverse(finding.count));
        let shown = findings.into_iter().map(|(rule, reason, finding)| {
            json!({
                "route": rule,
                "reason": reason.as_str(),
                "count": finding.count,
                "first": finding.first.to_string(),
                "last": finding.last.to_string(),
                "examples": finding.examples.iter().rev().map(Example::show).collect::<Vec<_>>(),
            })
        });
        json!({ "mode": mode.as_str(), "would_refuse": shown.collect::<Vec<_>>() })
    }

    fn each(&self) -> impl Iterator<Item = (&str, Reason, &Finding)> {
        let rules = |(reason, by_rule): (&Reason, _)| (*reason, by_rule);
        let flat = self.0.iter().map(rules);
        flat.flat_map(|(reason, by_rule): (Reason, &BTreeMap<Box<str>, Finding>)| {
            by_rule.iter().map(move |(rule, finding)| (&**rule, reason, finding))
        })
    }
}

impl Example {
    fn show(&self) -> Value {
        json!({
            "at": self.at.to_string(),
            "method": self.method.as_str(),
            "path": self.path,
            "cause": self.cause,
            "issuer": self.issuer,
            "request_id": self.request_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(second: u64, path: &str) -> Example {
        Example {
            at: Timestamp::from_secs(second),
            method: Method::GET,
            path: path.to_owned(),
            cause: "no route matches".to_owned(),
            issuer: None,
            request_id: second.to_string(),
        }
    }

    #[test]
    fn workers_are_merged_and_the_newest_examples_kept() {
        let (one, other) = (Report::default(), Report::default());
        for second in 0..100 {
            let report = if second % 3 == 0 { &one } else { &other };
            report.record("GET /a", Reason::NotAuthenticated, example(second, &format!("/{second}")));
        }
        other.record("GET /b", Reason::NotAuthenticated, example(7, "/b"));
        one.record("GET /a", Reason::NoRoute, example(8, "/a"));
        let merged = Report::merged([&one, &other]);
        assert_eq!(merged.counts().map(|(_, _, count)| count).sum::<u64>(), 102);
        let shown = merged.show(Mode::Report);
        let first = &shown["would_refuse"][0];
        assert_eq!((&first["route"], &first["count"]), (&json!("GET /a"), &json!(100)));
        assert_eq!((&first["first"], &first["last"]), (&json!("1970-01-01T00:00:00Z"), &json!("1970-01-01T00:01:39Z")));
        let paths: Vec<_> = first["examples"].as_array().unwrap().iter().map(|one| one["path"].clone()).collect();
        assert_eq!(paths, ["/99", "/98", "/97", "/96", "/95"]);
        assert_eq!(shown["would_refuse"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_long_path_is_cut_between_characters() {
        let report = Report::default();
        report.record("GET /a", Reason::NoRoute, example(0, &"é".repeat(9000)));
        let shown = Report::merged([&report]).show(Mode::Report);
        assert_eq!(shown["would_refuse"][0]["examples"][0]["path"].as_str().unwrap(), "é".repeat(LONGEST));
    }
}
