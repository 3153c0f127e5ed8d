//! Hits and misses, counted by many threads that do not get into each other's way: one number that all of them write
//! would go from core to core with every request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More threads than this share places.
const PLACES: usize = 16;

/// Counts hits and misses.
#[derive(Default)]
pub(super) struct Tally([Place; PLACES]);

/// As far from the next as processors fetch memory at once.
#[derive(Default)]
#[repr(align(128))]
struct Place {
    hits: AtomicU64,
    misses: AtomicU64,
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % PLACES;
}

impl Tally {
    pub(super) fn hit(&self) {
        self.place().hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self) {
        self.place().misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits and misses so far.
    pub(super) fn sums(&self) -> (u64, u64) {
        let sum =
            |number: fn(&Place) -> &AtomicU64| self.0.iter().map(|place| number(place).load(Ordering::Relaxed)).sum();
        (sum(|place| &place.hits), sum(|place| &place.misses))
    }

    /// A thread that is about to end has no place of its own any more, and takes the first.
    fn place(&self) -> &Place {
        &self.0[PLACE.try_with(|place| *place).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_thread_counts_is_in_the_sum() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    (0..100).for_each(|_| tally.hit());
                    tally.miss();
                });
            }
        });
        assert_eq!(tally.sums(), (4_000, 40));
    }
}
