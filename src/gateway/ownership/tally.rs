//! What is counted of an ownership: how questions ended, and what came of answers that could tell of a new owner.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupOutcome {
    /// It is theirs.
    Owner,
    /// It is not.
    Other,
    /// Nobody could tell.
    Failed,
}

impl LookupOutcome {
    const ALL: [(Self, &'static str); 3] = [(Self::Owner, "owner"), (Self::Other, "other"), (Self::Failed, "failed")];
}

/// What came of an answer with 201 that was to tell of a new owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnOutcome {
    /// The owner is in the store.
    Kept,
    /// The owner is known here, and waits for the store.
    NotYet,
    /// Too much waits for the store.
    Lost,
    /// The answer has a `Content-Encoding`.
    Encoded,
    /// It is no JSON, or ends too soon.
    Malformed,
    /// It has nothing where the pointer leads.
    Absent,
    /// What is there names no resource.
    Unusable,
    /// It broke off.
    BrokenOff,
}

impl LearnOutcome {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Kept, "kept"),
        (Self::NotYet, "not_yet"),
        (Self::Lost, "lost"),
        (Self::Encoded, "encoded"),
        (Self::Malformed, "malformed"),
        (Self::Absent, "absent"),
        (Self::Unusable, "unusable"),
        (Self::BrokenOff, "broken_off"),
    ];

    /// As metrics and logs name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, name)| name)
    }
}

/// The counters of one ownership.
#[derive(Debug)]
pub struct Tally {
    name: String,
    lookups: [AtomicU64; LookupOutcome::ALL.len()],
    learned: [AtomicU64; LearnOutcome::ALL.len()],
}

impl Tally {
    /// All zero. `name` is the ownership's in the configuration.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lookups: Default::default(), learned: Default::default() }
    }

    /// The ownership's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn looked_up(&self, outcome: LookupOutcome) {
        count(&LookupOutcome::ALL, &self.lookups, outcome);
    }

    pub(super) fn learned(&self, outcome: LearnOutcome) {
        count(&LearnOutcome::ALL, &self.learned, outcome);
    }
}

fn count<O: PartialEq>(all: &[(O, &str)], cells: &[AtomicU64], outcome: O) {
    if let Some((_, cell)) = all.iter().zip(cells).find(|((known, _), _)| *known == outcome) {
        cell.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes both families in Prometheus' text format. The names are the configuration's: letters, digits, `-` and `_`.
pub(in crate::gateway) fn write(tallies: &[Arc<Tally>], out: &mut String) -> std::fmt::Result {
    if tallies.is_empty() {
        return Ok(());
    }
    let mut family = |name, help, cells: &dyn Fn(&Tally) -> Vec<(&'static str, u64)>| -> std::fmt::Result {
        writeln!(out, "# HELP bearergate_{name} {help}\n# TYPE bearergate_{name} counter")?;
        for tally in tallies {
            for (outcome, value) in cells(tally) {
                let ownership = &tally.name;
                writeln!(out, "bearergate_{name}{{ownership=\"{ownership}\",outcome=\"{outcome}\"}} {value}")?;
            }
        }
        Ok(())
    };
    let lookups = |tally: &Tally| read(&LookupOutcome::ALL, &tally.lookups);
    family("ownership_lookups_total", "Questions whose a resource is, by how they ended.", &lookups)?;
    let learned = |tally: &Tally| read(&LearnOutcome::ALL, &tally.learned);
    family("ownership_learned_total", "Answers that were to tell of a new owner, by what came of it.", &learned)
}

fn read<O>(all: &[(O, &'static str)], cells: &[AtomicU64]) -> Vec<(&'static str, u64)> {
    all.iter().zip(cells).map(|((_, name), cell)| (*name, cell.load(Ordering::Relaxed))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_shown_from_the_start() {
        let tally = Arc::new(Tally::new("plant"));
        tally.looked_up(LookupOutcome::Failed);
        tally.learned(LearnOutcome::Encoded);
        tally.learned(LearnOutcome::Encoded);
        let mut text = String::new();
        write(&[Arc::clone(&tally)], &mut text).unwrap();
        assert!(text.contains("bearergate_ownership_lookups_total{ownership=\"plant\",outcome=\"failed\"} 1\n"));
        assert!(text.contains("bearergate_ownership_learned_total{ownership=\"plant\",outcome=\"encoded\"} 2\n"));
        assert_eq!(text.lines().filter(|line| line.ends_with(" 0")).count(), 2 + 7);
        assert_eq!(LearnOutcome::BrokenOff.as_str(), "broken_off");
    }
}
