//! Tries within a window that slides in eighths.

use std::time::Duration;

use super::{limit::Limit, table::Table};
use crate::clock::Timestamp;

/// What a window is divided into.
const PARTS: u64 = 8;
/// The parts of a window, and the one that goes on now.
const SLICES: usize = PARTS as usize + 1;

/// Counters of one limit, by the hash of what they count for.
pub(super) struct Counters {
    most: u32,
    /// In milliseconds: an eighth of the window, rounded up.
    slice: u64,
    table: Table<Counter>,
}

/// When a try was counted: the slice, since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken(u64);

#[derive(Clone, Copy, Default)]
struct Counter {
    key: u64,
    /// The slice that `tries[0]` counts for; those behind it are older.
    slice: u64,
    tries: [u32; SLICES],
}

impl Counters {
    pub(super) fn new(limit: Limit) -> Self {
        let window = u64::try_from(limit.window().as_millis()).unwrap_or(u64::MAX);
        Self { most: limit.tries(), slice: window.div_ceil(PARTS), table: Table::default() }
    }

    /// Counts a try. `Err`: how long until there is one.
    pub(super) fn take(&self, key: u64, now: Timestamp) -> Result<Taken, Duration> {
        let slice = self.slice_of(now);
        self.table.with(key, |bucket| {
            let counter = Counter::claim(bucket, key, slice);
            match self.wait_for(counter, now) {
                Some(wait) => Err(wait),
                None => {
                    counter.tries[0] += 1;
                    Ok(Taken(slice))
                }
            }
        })
    }

    /// How long until there is a try. `None`: there is one.
    pub(super) fn wait(&self, key: u64, now: Timestamp) -> Option<Duration> {
        self.table.with(key, |bucket| {
            let counter = bucket.iter_mut().find(|counter| counter.key == key)?;
            counter.turn(self.slice_of(now));
            self.wait_for(counter, now)
        })
    }

    /// As if the try had not been counted. One that no longer counts, or was forgotten, changes nothing.
    pub(super) fn give_back(&self, key: u64, Taken(slice): Taken, now: Timestamp) {
        self.table.with(key, |bucket| {
            let Some(counter) = bucket.iter_mut().find(|counter| counter.key == key) else { return };
            counter.turn(self.slice_of(now));
            let age = usize::try_from(counter.slice.saturating_sub(slice)).unwrap_or(SLICES);
            // It stands further behind only if the time was set back meanwhile.
            if let Some(tries) = counter.tries.iter_mut().skip(age).find(|tries| **tries > 0) {
                *tries -= 1;
            }
        });
    }

    const fn slice_of(&self, now: Timestamp) -> u64 {
        now.as_millis() / self.slice
    }

    /// Of a counter that was turned to `now`.
    fn wait_for(&self, counter: &Counter, now: Timestamp) -> Option<Duration> {
        if counter.tries.iter().sum::<u32>() < self.most {
            return None;
        }
        let oldest =
            (0_u64..).zip(counter.tries).filter(|(_, tries)| *tries > 0).map(|(age, _)| age).last().unwrap_or(0);
        let free_in = counter.slice.saturating_add(SLICES as u64 - oldest).saturating_mul(self.slice);
        Some(Timestamp::from_millis(free_in).since(now).max(Duration::from_millis(1)))
    }
}

impl Counter {
    /// The one of `key`, turned to `slice`; else one with the fewest tries, the oldest of those, cleared.
    fn claim(bucket: &mut [Self], key: u64, slice: u64) -> &mut Self {
        let own = bucket.iter().position(|counter| counter.key == key);
        let place = own.unwrap_or_else(|| {
            let ranks = bucket.iter().map(|counter| (counter.live(slice), counter.slice));
            ranks.enumerate().min_by_key(|(_, rank)| *rank).map_or(0, |(index, _)| index)
        });
        let counter = &mut bucket[place];
        if counter.key != key {
            *counter = Self { key, slice, tries: [0; SLICES] };
        }
        counter.turn(slice);
        counter
    }

    /// Forgets what is too old at `slice`. Set back, the time goes on from there with everything that counts.
    fn turn(&mut self, slice: u64) {
        let passed = usize::try_from(slice.saturating_sub(self.slice)).unwrap_or(SLICES).min(SLICES);
        self.tries.copy_within(..SLICES - passed, passed);
        self.tries[..passed].fill(0);
        self.slice = slice;
    }

    /// How many tries count at `slice`.
    fn live(&self, slice: u64) -> u32 {
        let passed = usize::try_from(slice.saturating_sub(self.slice)).unwrap_or(SLICES).min(SLICES);
        self.tries[..SLICES - passed].iter().sum()
    }
}
