//! A table of fixed size: what does not fit takes the place of something else.

use std::sync::{Mutex, PoisonError};

/// How many places a key may stand in.
pub(super) const WAYS: usize = 16;
const BUCKETS: usize = 64;
const SHARDS: usize = 64;

/// Buckets behind locks of their own, 64 together. A lock's buckets have no memory until one of them is asked for.
pub(super) struct Table<S> {
    shards: [Mutex<Vec<[S; WAYS]>>; SHARDS],
}

impl<S: Copy + Default> Table<S> {
    /// What `work` makes of the bucket of `key`, a hash. Nobody else sees the bucket meanwhile.
    pub(super) fn with<R>(&self, key: u64, work: impl FnOnce(&mut [S; WAYS]) -> R) -> R {
        // The remainders are below 64.
        let [shard, bucket] = [key / BUCKETS as u64 % SHARDS as u64, key % BUCKETS as u64].map(|index| index as usize);
        // A thread that panicked left a bucket whole: nothing in `work` stops in between.
        let mut buckets = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.is_empty() {
            buckets.resize(BUCKETS, [S::default(); WAYS]);
        }
        work(&mut buckets[bucket])
    }
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self { shards: [const { Mutex::new(Vec::new()) }; SHARDS] }
    }
}
