//! Which server a request goes to.
//!
//! 1. A server that has been tried for the request is not tried again while there is another one.
//! 2. With a key, each server has a rank among the others that only the two of them decide (rendezvous hashing): the first that
//!    takes requests has it. One that goes away moves its own keys, and no others.
//! 3. Else two servers are drawn, and the one that has less to do is taken ([`Balance::P2c`]): by the requests in flight from
//!    this worker, and by how long answers took. Or all take turns.
//! 4. A server that warms up is passed over as often as it lacks of its share. That is not so for keys: they have one place.
//! 5. An ejected server whose time is over is taken as soon as it is met, for the one request that probes it.
//! 6. When no server takes requests, all do: a guess is better than a refusal.

use std::{cell::Cell, hash::BuildHasher, rc::Rc};

use super::{Backend, health::Admission};

/// How requests are spread over servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The one of two random servers that has less to do.
    #[default]
    P2c,
    /// One after the other.
    RoundRobin,
}

/// What a worker draws from. Nothing secret depends on it.
#[derive(Debug)]
pub(super) struct Draw(Cell<u64>);

/// The servers that a request has been to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Tried(u64);

/// One of the servers; whether it is to be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) index: usize,
    pub(super) is_due: bool,
}

impl Draw {
    pub(super) fn random() -> Self {
        Self::seeded(foldhash::fast::RandomState::default().hash_one(0))
    }

    pub(super) const fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// SplitMix64.
    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        mixed(state)
    }

    /// A number below `end`, which is not 0.
    fn below(&self, end: usize) -> usize {
        let scaled = u128::from(self.next()) * (end as u128);
        usize::try_from(scaled >> 64).unwrap_or_default()
    }

    /// A number from 0 to below 1.
    pub(super) fn share(&self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
    }
}

const fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl Tried {
    const fn bit(index: usize) -> u64 {
        // With more servers than bits some are taken for others: they are tried a little less.
        1 << (index % 64)
    }

    pub(super) const fn has(self, index: usize) -> bool {
        self.0 & Self::bit(index) != 0
    }

    pub(in crate::proxy) const fn add(&mut self, index: usize) {
        self.0 |= Self::bit(index);
    }
}

/// A choice among `backends`, of which there are several.
pub(super) struct Choosing<'a> {
    pub(super) backends: &'a [Rc<Backend>],
    pub(super) tried: Tried,
    pub(super) draw: &'a Draw,
}

impl Choosing<'_> {
    pub(super) fn choose(&self, balance: Balance, turn: usize, key: Option<u64>) -> Option<Pick> {
        let found = match (key, balance) {
            (Some(key), _) => return self.by_key(key),
            (None, Balance::P2c) => self.of_two(),
            (None, Balance::RoundRobin) => self.from(turn, true),
        };
        // Nobody has been found who is neither tried nor ill nor weak: once more, less choosy.
        let start = if balance == Balance::RoundRobin { turn } else { self.draw.below(self.backends.len()) };
        found.or_else(|| self.from(start, false)).or_else(|| self.anyone(start))
    }

    fn of_two(&self) -> Option<Pick> {
        let first = self.draw.below(self.backends.len());
        let second = self.draw.below(self.backends.len() - 1);
        let second = if second < first { second } else { second + 1 };
        let Some(first) = self.look(first, true) else { return self.look(second, true) };
        let Some(second) = (if first.is_due { None } else { self.look(second, true) }) else { return Some(first) };
        let (Some(one), Some(other)) = (self.backends.get(first.index), self.backends.get(second.index)) else {
            return Some(first);
        };
        Some(if !second.is_due && one.is_better_than(other) { first } else { second })
    }

    /// The first from `start` on that takes requests.
    fn from(&self, start: usize, by_share: bool) -> Option<Pick> {
        self.round(start).find_map(|index| self.look(index, by_share))
    }

    /// The first from `start` on that has not been tried.
    fn anyone(&self, start: usize) -> Option<Pick> {
        let untried = self.round(start).find(|index| !self.tried.has(*index))?;
        Some(self.whatever(untried))
    }

    fn round(&self, start: usize) -> impl Iterator<Item = usize> {
        let count = self.backends.len();
        (0..count).map(move |step| start.wrapping_add(step) % count)
    }

    fn whatever(&self, index: usize) -> Pick {
        Pick { index, is_due: self.backends.get(index).is_some_and(|backend| backend.endpoint.health.is_ejected()) }
    }

    /// This one, if it has not been tried and takes requests; one that warms up, only as often as its share says.
    fn look(&self, index: usize, by_share: bool) -> Option<Pick> {
        if self.tried.has(index) {
            return None;
        }
        match self.backends.get(index)?.admission() {
            Admission::Open => Some(Pick { index, is_due: false }),
            Admission::Warming(share) if by_share && self.draw.share() >= share => None,
            Admission::Warming(_) => Some(Pick { index, is_due: false }),
            Admission::Due => Some(Pick { index, is_due: true }),
            Admission::Closed => None,
        }
    }

    fn by_key(&self, key: u64) -> Option<Pick> {
        let rank = |index: &usize| self.backends.get(*index).map(|backend| mixed(key ^ backend.endpoint.hash));
        let untried = || (0..self.backends.len()).filter(|index| !self.tried.has(*index));
        let takes_requests = |index: &usize| self.look(*index, false).is_some();
        let first = untried().filter(takes_requests).max_by_key(rank);
        match first {
            Some(index) => self.look(index, false),
            None => untried().max_by_key(rank).map(|index| self.whatever(index)),
        }
    }
}
