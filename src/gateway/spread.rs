//! Connections are spread evenly over the workers.
//!
//! The system gives each new connection to one of the listening sockets by a hash of its addresses (`SO_REUSEPORT`): on
//! average that is even, and with few connections it is not. They live long, so a worker that has got too many stays the
//! busiest. Therefore:
//!
//! 1. A worker that accepts a connection keeps it unless another one has fewer by more than [`slack`].
//! 2. Else the one that has the fewest gets it, by a queue, and serves it to its end. Requests never change threads.
//! 3. A worker that drains takes what is in its queue, and closes it: what comes then stays where it was accepted.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A connection on its way to the worker that is to serve it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) place: Place,
}

/// A connection's place among those of its worker. Dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Place {
    load: Arc<[AtomicUsize]>,
    worker: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(load) = self.load.get(self.worker) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One worker's view: how many connections each has, and the way to them.
#[derive(Debug)]
pub(super) struct Spread {
    worker: usize,
    load: Arc<[AtomicUsize]>,
    queues: Vec<UnboundedSender<Accepted>>,
}

/// So many workers, each with its queue.
pub(super) fn spreads(workers: usize) -> Vec<(Spread, UnboundedReceiver<Accepted>)> {
    let load: Arc<[AtomicUsize]> = (0..workers).map(|_| AtomicUsize::new(0)).collect();
    let (queues, ends): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
    let spread = |worker| Spread { worker, load: Arc::clone(&load), queues: queues.clone() };
    ends.into_iter().enumerate().map(|(worker, end)| (spread(worker), end)).collect()
}

/// By how many connections the one that has the fewest may be exceeded.
const fn slack(fewest: usize) -> usize {
    1 + fewest / 16
}

impl Spread {
    /// How many connections each worker has, as it changes.
    pub(super) fn load(&self) -> Arc<[AtomicUsize]> {
        Arc::clone(&self.load)
    }

    /// The worker that is to have the next connection, and its place there.
    pub(super) fn place(&self) -> Place {
        let loads = self.load.iter().map(|load| load.load(Ordering::Relaxed));
        let own = self.load.get(self.worker).map_or(0, |load| load.load(Ordering::Relaxed));
        let least = loads.enumerate().min_by_key(|(_, load)| *load);
        let worker = match least {
            Some((worker, fewest)) if own > fewest + slack(fewest) => worker,
            Some(_) | None => self.worker,
        };
        self.at(worker)
    }

    /// A place at this worker.
    pub(super) fn own(&self) -> Place {
        self.at(self.worker)
    }

    fn at(&self, worker: usize) -> Place {
        if let Some(load) = self.load.get(worker) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        Place { load: Arc::clone(&self.load), worker }
    }

    /// Whether the place is at this worker.
    pub(super) const fn is_own(&self, place: &Place) -> bool {
        place.worker == self.worker
    }

    /// Hands a connection on to the worker of its place.
    ///
    /// # Errors
    /// Gives it back if that worker takes no more.
    pub(super) fn hand_on(&self, accepted: Accepted) -> Result<(), Accepted> {
        match self.queues.get(accepted.place.worker) {
            Some(queue) => queue.send(accepted).map_err(|unsent| unsent.0),
            None => Err(accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_they_come_the_busiest_has_not_many_more_than_the_mean(
            workers in 1usize..9,
            accepting in proptest::collection::vec(0usize..9, 64..600),
        ) {
            let spreads = spreads(workers);
            let at = |worker: usize| &spreads[worker % workers].0;
            let places: Vec<Place> = accepting.iter().map(|worker| at(*worker).place()).collect();
            let counts: Vec<usize> = at(0).load.iter().map(|load| load.load(Ordering::Relaxed)).collect();
            prop_assert_eq!(counts.iter().sum::<usize>(), accepting.len());
            let mean = accepting.len() as f64 / workers as f64;
            prop_assert!(*counts.iter().max().unwrap() as f64 <= mean.mul_add(1.1, 2.0), "{:?}", counts);
            drop(places);
            prop_assert!(at(0).load.iter().all(|load| load.load(Ordering::Relaxed) == 0));
        }
    }

    #[test]
    fn a_worker_that_takes_no_more_gives_connections_back() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = || {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (stream, listener.local_addr().unwrap())
        };
        let mut spreads = spreads(2);
        let (other, mut queue) = spreads.pop().unwrap();
        let (spread, _) = spreads.pop().unwrap();
        let (stream, address) = connection();
        assert!(spread.hand_on(Accepted { stream, address, place: other.own() }).is_ok());
        queue.close();
        let (stream, address) = connection();
        let back = spread.hand_on(Accepted { stream, address, place: other.own() }).unwrap_err();
        assert!(!spread.is_own(&back.place) && other.is_own(&back.place));
        assert!(queue.try_recv().is_ok() && queue.try_recv().is_err());
    }
}
