//! From where an account is logged in to.

use std::time::Duration;

use super::table::{Table, WAYS};
use crate::clock::Timestamp;

/// How long an address is remembered after the last login from there.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many addresses of one account are, so that one account does not displace all others.
const ADDRESSES: usize = 8;

/// Addresses of accounts, both hashed.
#[derive(Default)]
pub(super) struct Familiar {
    table: Table<Login>,
}

#[derive(Clone, Copy, Default)]
struct Login {
    account: u64,
    network: u64,
    /// The latest; the epoch where there is none.
    at: Timestamp,
}

impl Familiar {
    pub(super) fn knows(&self, account: u64, network: u64, now: Timestamp) -> bool {
        self.table.with(account, |bucket| {
            let Some(login) = bucket.iter_mut().find(|login| login.is(account, network)) else { return false };
            // Remembered for 30 days more, not for as long as the time was wrong.
            login.at = login.at.min(now);
            login.at > Timestamp::default() && now.since(login.at) < REMEMBERED
        })
    }

    pub(super) fn remember(&self, account: u64, network: u64, now: Timestamp) {
        self.table.with(account, |bucket| {
            let place = place(bucket, account, network);
            bucket[place] = Login { account, network, at: now };
        });
    }
}

/// Its own place; else, of an account that has its share, the oldest of its own; else the oldest of all.
fn place(bucket: &[Login; WAYS], account: u64, network: u64) -> usize {
    if let Some(own) = bucket.iter().position(|login| login.is(account, network)) {
        return own;
    }
    let has_its_share = bucket.iter().filter(|login| login.account == account).count() >= ADDRESSES;
    let candidates = bucket.iter().enumerate().filter(|(_, login)| !has_its_share || login.account == account);
    candidates.min_by_key(|(_, login)| login.at).map_or(0, |(index, _)| index)
}

impl Login {
    const fn is(&self, account: u64, network: u64) -> bool {
        self.account == account && self.network == network
    }
}
