//! How often what came of a command.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::accounts::command::{Command, FailureKind};

/// What may come of a command: that it is done, and each failure.
const OUTCOMES: usize = FailureKind::ALL.len() + 1;

/// How often what came of which command. Any number of threads may count.
#[derive(Debug)]
pub struct Tally([[AtomicU64; OUTCOMES]; Command::ALL.len()]);

/// One number of a [`Tally`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Of this command.
    pub command: Command,
    /// What came of it; `None`: it was done.
    pub failure: Option<FailureKind>,
    /// How often.
    pub count: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self([const { [const { AtomicU64::new(0) }; OUTCOMES] }; Command::ALL.len()])
    }
}

impl Tally {
    pub(super) fn count(&self, command: Command, failure: Option<FailureKind>) {
        if let Some(count) = self.0.get(command as usize).and_then(|counts| counts.get(outcome(failure))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has happened at least once.
    pub fn counts(&self) -> impl Iterator<Item = Count> {
        Command::ALL.iter().flat_map(move |command| {
            let failures = FailureKind::ALL.iter().copied().map(Some);
            std::iter::once(None).chain(failures).filter_map(move |failure| {
                let counted = self.0.get(*command as usize)?.get(outcome(failure))?.load(Ordering::Relaxed);
                (counted > 0).then_some(Count { command: *command, failure, count: counted })
            })
        })
    }
}

fn outcome(failure: Option<FailureKind>) -> usize {
    failure.map_or(0, |failure| failure as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_for_itself() {
        let tally = Tally::default();
        for &command in Command::ALL {
            tally.count(command, None);
            FailureKind::ALL.iter().for_each(|failure| tally.count(command, Some(*failure)));
        }
        tally.count(Command::Refresh, Some(FailureKind::InvalidRefreshToken));
        assert_eq!(tally.counts().count(), Command::ALL.len() * OUTCOMES);
        let twice: Vec<Count> = tally.counts().filter(|count| count.count == 2).collect();
        let failure = Some(FailureKind::InvalidRefreshToken);
        assert_eq!(twice, [Count { command: Command::Refresh, failure, count: 2 }]);
    }
}
