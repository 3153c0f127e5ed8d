//! How often may be guessed: limits on failed tries, for one account and for one address.
//!
//! A try is counted when it [begins](Throttle::begin), before anything is looked up or hashed, so a thousand at once
//! get no more than the limit. One that succeeds is given back. Accounts that do not exist are counted like others:
//! whoever is refused learns nothing. A try is refused when any of these has no more to give, in this order:
//!
//! 1. **The account from this address**: `account` tries. Who fails somewhere else takes nothing from this.
//! 2. **The address**, over all accounts: `address` tries. A success gives back itself and nothing more: an own account
//!    does not buy new guesses.
//! 3. **The account from everywhere**: ten times `account`. It stops only addresses that are not *familiar*, those from
//!    which the account has not been logged in to within 30 days. So an attacker with many addresses gets no more than
//!    this, and does not lock out the owner, who comes from where he always comes from.
//!
//! An address is a whole IPv4 address or the first 64 bits of an IPv6 one, which is what a customer gets at the least
//! (RFC 6177 §2). Owners who share an address with who attacks them, behind one NAT, are locked out there together.
//!
//! # Windows
//!
//! A window slides in eighths: a try counts for the window, and at most an eighth of it longer. In no stretch of time
//! as long as the window does more than the limit fail, which is how `10/15m` reads. A token bucket (GCRA) would take
//! less memory, but lets almost twice the limit fail in the first window. [`Throttled::retry_after`] is when the oldest
//! try that counts no longer does.
//!
//! When the time is set back, what was counted ages from the new time on: nobody is locked out for longer than a window
//! and an eighth after the next try. Set forward, tries are forgiven early.
//!
//! # Memory
//!
//! Each of the three tables holds 65,536 counters of 56 bytes, and as many familiar addresses of 24: 12 MiB at most,
//! taken as they are needed. A key stands in one of 4,096 buckets of 16, by a hash with a random seed that only this
//! process knows; neither an e-mail nor an address is kept. A full bucket forgets *the counter with the fewest tries*,
//! the oldest of those. So what a flood of invented accounts or addresses, one try each, displaces is others with one
//! try; to forget one with `k`, fifteen neighbours need as many, and as nobody can say which are neighbours, about
//! 65,536 × `k` failed tries within a window are needed, from 655 × `k` addresses at the default limits. What is let
//! through then: `k` tries more of one counter, while the other two of the same guess still count. Of one account eight
//! addresses are familiar, the latest. A restart forgets everything.

mod counters;
mod familiar;
mod limit;
mod table;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

pub use self::limit::{BadLimit, Limit, ThrottleSettings};
use self::{
    counters::{Counters, Taken},
    familiar::Familiar,
};
use crate::clock::{Clock, Timestamp};

/// How many times the limit of one address an account takes from all addresses together.
const EVERYWHERE: u32 = 10;

/// Counts failed tries. Any number of threads may share one.
pub struct Throttle {
    clock: Clock,
    seed: RandomState,
    settings: ThrottleSettings,
    account_here: Option<Counters>,
    account_everywhere: Option<Counters>,
    address: Option<Counters>,
    familiar: Familiar,
}

/// Counts mails, so that nobody's mailbox is filled: a number of them for one account, whoever asks from wherever.
pub struct MailLimit {
    clock: Clock,
    seed: RandomState,
    counters: Counters,
}

/// A try that may be made, and counts as failed unless it is told otherwise.
#[must_use = "a try counts as failed unless it is told that it succeeded"]
pub struct Try<'a> {
    throttle: &'a Throttle,
    counted: [Option<(Place<'a>, Taken)>; 3],
    account: Option<u64>,
    network: u64,
}

/// A try that is not worth making now (429, RFC 6585 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tries for {by}, the next one in {}s", self.seconds())]
pub struct Throttled {
    /// How long until one is, unless others are made meanwhile. At least a millisecond.
    pub retry_after: Duration,
    /// The limit that keeps it for the longest.
    pub by: By,
}

/// What a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// An account.
    Account,
    /// An address.
    Address,
}

/// One counter of a try.
#[derive(Clone, Copy)]
struct Place<'a> {
    counters: &'a Counters,
    key: u64,
    by: By,
    /// Whether it may refuse the try.
    stops: bool,
}

/// What one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl Throttle {
    /// One that has counted nothing.
    #[must_use]
    pub fn new(settings: ThrottleSettings, clock: Clock) -> Self {
        Self {
            clock,
            seed: RandomState::new(),
            settings,
            account_here: settings.account.map(Counters::new),
            account_everywhere: settings.account.map(|limit| Counters::new(limit.times(EVERYWHERE))),
            address: settings.address.map(Counters::new),
            familiar: Familiar::default(),
        }
    }

    /// What it was made with.
    #[must_use]
    pub const fn settings(&self) -> &ThrottleSettings {
        &self.settings
    }

    /// Counts a try, before any work is done for it. `account`: what a user is found by, as it is compared (an e-mail, a
    /// uid), whether there is one or not. `None`: the try is at no account that can be named, and only `address` counts.
    ///
    /// # Errors
    /// When a limit has no more to give. The try is not counted then, so waiting is not made longer by asking.
    pub fn begin(&self, account: Option<&str>, address: IpAddr) -> Result<Try<'_>, Throttled> {
        self.begin_in(account, address, true)
    }

    /// As [`begin`](Self::begin), but what is tried at the account from other addresses neither counts nor stops anybody:
    /// for what cannot be guessed however many try, such as the token of a mail. Its holder comes from anywhere.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_here(&self, account: Option<&str>, address: IpAddr) -> Result<Try<'_>, Throttled> {
        self.begin_in(account, address, false)
    }

    fn begin_in(&self, account: Option<&str>, address: IpAddr, everywhere: bool) -> Result<Try<'_>, Throttled> {
        let now = self.clock.now();
        let account = account.map(|account| self.seed.hash_one(account));
        let network = self.seed.hash_one(Network::of(address));
        let [here, from_address, from_everywhere] = self.places(account, network, now);
        let places = [here, from_address, from_everywhere.filter(|_| everywhere)];
        let mut counted = [None; 3];
        for (index, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            match place.counters.take(place.key, now) {
                Ok(taken) => counted[index] = Some((*place, taken)),
                Err(_) if !place.stops => {}
                Err(retry_after) => {
                    give_back(&counted, now);
                    return Err(Throttled { retry_after, by: place.by }.or_longer(&places, now));
                }
            }
        }
        Ok(Try { throttle: self, counted, account, network })
    }

    /// Where a try counts. The account's own counter is the last, since what is given back after a refusal can refuse
    /// others meanwhile: those are of the same address.
    fn places(&self, account: Option<u64>, network: u64, now: Timestamp) -> [Option<Place<'_>>; 3] {
        let here = self.account_here.as_ref().zip(account).map(|(counters, account)| Place {
            counters,
            key: self.seed.hash_one((account, network)),
            by: By::Account,
            stops: true,
        });
        let address =
            self.address.as_ref().map(|counters| Place { counters, key: network, by: By::Address, stops: true });
        let everywhere = self.account_everywhere.as_ref().zip(account).map(|(counters, account)| Place {
            counters,
            key: account,
            by: By::Account,
            stops: !self.familiar.knows(account, network, now),
        });
        [here, address, everywhere]
    }
}

impl Try<'_> {
    /// The try is given back, and its address is familiar to the account for 30 days. What failed before still counts.
    pub fn succeeded(self) {
        let now = self.throttle.clock.now();
        give_back(&self.counted, now);
        if let Some(account) = self.account {
            self.throttle.familiar.remember(account, self.network, now);
        }
    }

    /// The try counts, as it does when it is dropped.
    pub fn failed(self) {}

    /// The try is given back: it was neither right nor wrong, since the store or the hashing threads were not to be had.
    pub fn undecided(self) {
        give_back(&self.counted, self.throttle.clock.now());
    }
}

impl MailLimit {
    /// One that has counted nothing.
    #[must_use]
    pub fn new(limit: Limit, clock: Clock) -> Self {
        Self { clock, seed: RandomState::new(), counters: Counters::new(limit) }
    }

    /// Counts a mail to `account`, whether there is one or not.
    ///
    /// # Errors
    /// When there were enough. The answer to the client must be the same as ever then.
    pub fn begin(&self, account: &str) -> Result<(), Throttled> {
        match self.counters.take(self.seed.hash_one(account), self.clock.now()) {
            Ok(_) => Ok(()),
            Err(retry_after) => Err(Throttled { retry_after, by: By::Account }),
        }
    }
}

fn give_back(counted: &[Option<(Place<'_>, Taken)>; 3], now: Timestamp) {
    for (place, taken) in counted.iter().flatten() {
        place.counters.give_back(place.key, *taken, now);
    }
}

impl Throttled {
    /// [`Throttled::retry_after`] for `Retry-After` (RFC 9110 §10.2.3): whole seconds, rounded up.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.retry_after.as_secs() + if self.retry_after.subsec_nanos() > 0 { 1 } else { 0 }
    }

    /// What of `places` keeps a try for longer, if one does.
    fn or_longer(self, places: &[Option<Place<'_>>; 3], now: Timestamp) -> Self {
        places.iter().flatten().filter(|place| place.stops).fold(self, |longest, place| {
            match place.counters.wait(place.key, now) {
                Some(retry_after) if retry_after > longest.retry_after => Self { retry_after, by: place.by },
                _ => longest,
            }
        })
    }
}

impl Network {
    /// An IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5.2, RFC 6052 §2.1) is the same customer's.
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => match address.octets() {
                [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Self::V4(Ipv4Addr::new(a, b, c, d)),
                [a, b, c, d, e, f, g, h, ..] => Self::V6([a, b, c, d, e, f, g, h]),
            },
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Account => "an account",
            Self::Address => "an address",
        })
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Try<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Try").finish_non_exhaustive()
    }
}

impl fmt::Debug for MailLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MailLimit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
