//! Users that were just looked at, for callers who ask again and again who they are.
//!
//! 1. What is known counts as long as the store has the same [`Stamp`]: whatever is written there, by whatever process,
//!    gives it another one. A store that has none is asked each time.
//! 2. A stamp is made of times, and two changes in one tick of the system's clock have the same. So what was read within
//!    [`TICKS`] of the stamp's first sight is not remembered: what is read later was read after the last change of it.

use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use tokio::time::{Duration, Instant};

use crate::accounts::model::User;

/// How many are known at most.
const MOST: u64 = 10_000;
/// Longer than a tick of any system's clock for files.
const TICKS: Duration = Duration::from_millis(50);

/// What changes with everything that is written to a store.
pub type Stamp = [u64; 4];
/// The stamp of a store as it is now; `None`: it has none.
pub type StampNow = Box<dyn Fn() -> Option<Stamp> + Send + Sync>;

/// Users that were just looked at, by the subject of their tokens.
pub(super) struct Known {
    users: Cache<Box<str>, (Arc<User>, Stamp)>,
    stamp: StampNow,
    /// The stamp that was seen last, and since when.
    seen: Mutex<Option<(Stamp, Instant)>>,
}

/// A look at the store that has begun: what it finds may be remembered under this stamp.
pub(super) struct Look(Option<Stamp>);

impl Known {
    pub(super) fn new(stamp: StampNow) -> Self {
        Self { users: Cache::new(MOST), stamp, seen: Mutex::default() }
    }

    pub(super) fn get(&self, subject: &str) -> Option<Arc<User>> {
        let (user, stamp) = self.users.get(subject)?;
        ((self.stamp)() == Some(stamp)).then_some(user)
    }

    /// Before the store is asked.
    pub(super) fn look(&self) -> Look {
        self.look_at(Instant::now())
    }

    fn look_at(&self, now: Instant) -> Look {
        let Some(stamp) = (self.stamp)() else { return Look(None) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some((known, since)) if known == stamp => Look((now.duration_since(since) >= TICKS).then_some(stamp)),
            _ => {
                *seen = Some((stamp, now));
                Look(None)
            }
        }
    }

    /// What the store has said.
    pub(super) fn put(&self, subject: &str, user: &User, look: &Look) {
        if let Look(Some(stamp)) = look {
            self.users.insert(subject.into(), (Arc::new(user.clone()), *stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{accounts::email::Email, clock::Timestamp};

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

    fn known(stamp: &Arc<AtomicU64>) -> Known {
        let stamp = Arc::clone(stamp);
        Known::new(Box::new(move || Some([stamp.load(Ordering::Relaxed); 4])))
    }

    #[test]
    fn a_user_is_known_until_anything_is_written() {
        let (stamp, now) = (Arc::new(AtomicU64::new(1)), Instant::now());
        let known = known(&stamp);
        let _ = known.look_at(now);
        known.put("a", &user(1), &known.look_at(now + TICKS));
        assert_eq!(known.get("a").map(|user| user.number), Some(1));
        stamp.store(2, Ordering::Relaxed);
        assert!(known.get("a").is_none());
    }

    #[test]
    fn what_is_read_in_the_tick_of_a_change_is_not_remembered() {
        let (stamp, now) = (Arc::new(AtomicU64::new(1)), Instant::now());
        let known = known(&stamp);
        for after in [Duration::ZERO, TICKS - Duration::from_millis(1)] {
            known.put("a", &user(1), &known.look_at(now + after));
            assert!(known.get("a").is_none());
        }
        let look = known.look_at(now + TICKS);
        stamp.store(2, Ordering::Relaxed);
        known.put("a", &user(1), &look);
        assert!(known.get("a").is_none(), "it was read before the change");
    }

    #[test]
    fn a_store_without_stamps_is_asked_each_time() {
        let known = Known::new(Box::new(|| None));
        known.put("a", &user(1), &known.look());
        assert!(known.get("a").is_none());
    }
}
