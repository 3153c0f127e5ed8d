//! How many connections one address has open, over all workers: looked at only when a connection comes or goes, and only
//! where there is a ceiling for it.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::BuildHasher,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::quality::RandomState;

use super::{metrics::Gauges, rate_limit::network};

/// Locks, so that workers seldom meet.
const SHARDS: usize = 16;

/// Addresses and how many connections each has; one that has none is not there.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    shards: [Mutex<HashMap<IpAddr, usize, RandomState>>; SHARDS],
    hasher: RandomState,
}

impl Addresses {
    fn shard(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize, RandomState>> {
        let at = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or_default();
        let [first, ..] = &self.shards;
        self.shards.get(at).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more, which counts from now on.
    fn enter(&self, address: IpAddr, limit: usize) -> bool {
        let mut shard = self.shard(address);
        let open = shard.entry(address).or_default();
        let has_room = *open < limit;
        *open += usize::from(has_room);
        has_room
    }

    fn leave(&self, address: IpAddr) {
        if let Entry::Occupied(mut open) = self.shard(address).entry(address) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

/// A connection's place among those of its address. Dropping it gives the place up.
#[derive(Debug, Default)]
pub(super) struct Seat(Option<(Arc<Gauges>, IpAddr)>);

impl Seat {
    /// A place for a connection from `address`, or `None` where it has `limit` open; 0: there is no ceiling.
    pub(super) fn take(gauges: &Arc<Gauges>, address: IpAddr, limit: usize) -> Option<Self> {
        if limit == 0 {
            return Some(Self(None));
        }
        let address = network(address);
        gauges.addresses.enter(address, limit).then(|| Self(Some((Arc::clone(gauges), address))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((gauges, address)) = &self.0 {
            gauges.addresses.leave(*address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(gauges: &Gauges) -> usize {
        gauges.addresses.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[test]
    fn an_address_has_so_many_places_and_a_network_of_ipv6_as_many_as_one_address() {
        let gauges = Arc::new(Gauges::default());
        let take = |address: &str| Seat::take(&gauges, address.parse().unwrap(), 2);
        let (first, second) = (take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2").unwrap();
        drop(first);
        let third = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none());

        let v6 = (take("2001:db8::1").unwrap(), take("2001:db8::ffff:1").unwrap());
        assert!(take("2001:db8::2").is_none());
        assert!(take("2001:db8:0:1::2").is_some());
        drop((second, third, other, v6));
        assert_eq!(remembered(&gauges), 0, "an address without a connection is forgotten");
    }

    #[test]
    fn without_a_ceiling_nothing_is_counted() {
        let gauges = Arc::new(Gauges::default());
        let seats: Vec<_> = (0..100).map(|_| Seat::take(&gauges, [192, 0, 2, 1].into(), 0).unwrap()).collect();
        assert_eq!((seats.len(), remembered(&gauges)), (100, 0));
    }

    #[test]
    fn threads_together_get_no_more_than_the_ceiling() {
        let gauges = Arc::new(Gauges::default());
        let take = |_| Seat::take(&gauges, [192, 0, 2, 1].into(), 5);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).filter_map(take).collect::<Vec<_>>())).collect();
            let seats: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            seats.iter().map(Vec::len).sum()
        });
        assert_eq!((taken, remembered(&gauges)), (5, 0));
    }
}
