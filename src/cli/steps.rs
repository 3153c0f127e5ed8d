//! Checks, a line each.

use super::terminal::{BAD, BOLD, FAINT, GOOD, shown};
use crate::gateway::explain::{Step, Verdict};

/// A line for each check. What a stranger wrote does not act on the terminal.
pub(super) fn lines(steps: &[Step]) -> String {
    steps.iter().map(line).collect()
}

fn line(Step { name, verdict, detail }: &Step) -> String {
    let style = match verdict {
        Verdict::Passed => GOOD,
        Verdict::Failed => BAD,
        Verdict::Unknown => BOLD,
        Verdict::NotAsked | Verdict::NotReached => FAINT,
    };
    let (name, word, detail) = (shown(name), verdict.as_str(), shown(detail));
    let pad = 11_usize.saturating_sub(word.len());
    let line = format!("  {name:<17} {style}{word}{style:#}{:pad$}  {detail}", "");
    format!("{}\n", line.trim_end())
}
