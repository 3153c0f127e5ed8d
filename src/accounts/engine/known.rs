//! Users that were just looked at, for callers who ask again and again who they are.
//!
//! 1. What is known is good for a second, and is forgotten when this process changes it: whoever writes reads what was
//!    written. Another process that shares the store is noticed within the second; so where several are meant to, nothing
//!    is remembered.
//! 2. Who was looked up while something was changed is not remembered: what was read may be older than the change.
//! 3. A disabled user's access tokens are revoked: none gets here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::{
    accounts::model::User,
    clock::{Clock, Timestamp},
};

/// How many are known at most.
const MOST: u64 = 10_000;

/// Users that were just looked at, by the subject of their tokens.
pub(super) struct Known {
    users: Cache<Box<str>, (Arc<User>, Timestamp)>,
    /// How long one is known; zero: not at all.
    life: Duration,
    /// Counts the changes.
    changes: AtomicU64,
    clock: Clock,
}

/// A look at the store that has begun.
#[derive(Clone, Copy)]
pub(super) struct Look(u64);

impl Known {
    pub(super) fn new(life: Duration, clock: Clock) -> Self {
        Self { users: Cache::new(MOST), life, changes: AtomicU64::new(0), clock }
    }

    pub(super) fn get(&self, subject: &str) -> Option<Arc<User>> {
        if self.life.is_zero() {
            return None;
        }
        let (user, seen) = self.users.get(subject)?;
        let now = self.clock.now();
        // A clock that was set back makes nothing good for longer.
        (seen <= now && now.since(seen) < self.life).then_some(user)
    }

    /// Before the store is asked.
    pub(super) fn look(&self) -> Look {
        Look(self.changes.load(Ordering::Acquire))
    }

    /// What the store has said.
    pub(super) fn put(&self, subject: &str, user: &User, look: Look) {
        if self.life.is_zero() || self.look().0 != look.0 {
            return;
        }
        self.users.insert(subject.into(), (Arc::new(user.clone()), self.clock.now()));
        // A change that came in between has forgotten what was not there yet.
        if self.look().0 != look.0 {
            self.users.invalidate(subject);
        }
    }

    /// The user was changed.
    pub(super) fn forget(&self, subject: &str) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.users.invalidate(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::email::Email;

    fn user(number: u64) -> User {
        User {
            id: "6f9619ff-8b86-4011-b42d-00c04fc964ff".parse().unwrap(),
            number,
            email: Email::parse("alice@example.com").unwrap(),
            joined: Timestamp::default(),
            confirmed: None,
            disabled: None,
            attributes: serde_json::Map::new(),
            password: None,
            credential_version: 0,
        }
    }

    #[test]
    fn a_user_is_known_for_a_while_and_until_a_change() {
        let clock = Clock::manual(Timestamp::from_secs(1000));
        let known = Known::new(Duration::from_secs(1), clock.clone());
        known.put("a", &user(1), known.look());
        clock.advance(Duration::from_millis(999));
        assert_eq!(known.get("a").map(|user| user.number), Some(1));
        clock.advance(Duration::from_millis(1));
        assert!(known.get("a").is_none());
        known.put("a", &user(2), known.look());
        known.forget("a");
        assert!(known.get("a").is_none());
        known.put("a", &user(3), known.look());
        clock.set(Timestamp::from_secs(10));
        assert!(known.get("a").is_none(), "the clock was set back");
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered() {
        let known = Known::new(Duration::from_secs(1), Clock::manual(Timestamp::from_secs(1000)));
        let look = known.look();
        known.forget("a");
        known.put("a", &user(1), look);
        assert!(known.get("a").is_none());
        let none = Known::new(Duration::ZERO, Clock::manual(Timestamp::from_secs(1000)));
        none.put("a", &user(1), none.look());
        assert!(none.get("a").is_none());
    }
}
