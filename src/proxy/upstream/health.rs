//! How a server does, as far as requests and health checks have told.
//!
//! 1. A server is **up** until something else is known.
//! 2. So many failures in a row, without an answer between them, **eject** it for a time ([`Ejection`]). That time doubles with
//!    each ejection, and is short again after the server has been well for as long as it was away.
//! 3. When the time is over, one request **probes** it. A valid answer brings it back; a failure ejects it for longer.
//! 4. Health checks that fail take a server **down**, whatever requests tell; as many that succeed in a row bring it up.
//! 5. A server that came back **warms up**: its share of the requests grows with the time.
//!
//! Times are counted from when a server was first known. They are parameters: nothing here looks at a clock.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// It is left alone for a time.
const EJECTED: u8 = 1;
/// The one request is on its way that tells whether it is back.
const PROBED: u8 = 1 << 1;
/// Its health checks fail.
const DOWN: u8 = 1 << 2;
/// It came back, and is given fewer requests than the others.
const WARMING: u8 = 1 << 3;

/// The share that a server has when it comes back.
const FIRST_SHARE: f64 = 0.1;

/// When a server is left alone because requests to it fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// So many failures in a row. Default 5.
    pub failures: u32,
    /// For how long at first. Default 5 s.
    pub time: Duration,
    /// For how long at most. Default 5 minutes.
    pub max_time: Duration,
    /// How many of the servers at most, in percent; one of several is always allowed, all of them never. Default 50.
    pub most: u8,
    /// Whether an answer with 5xx is a failure. Default: no.
    pub server_errors: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            time: Duration::from_secs(5),
            max_time: Duration::from_secs(300),
            most: 50,
            server_errors: false,
        }
    }
}

impl Ejection {
    /// How many of so many servers may be ejected at once.
    pub(super) fn allowed(&self, servers: usize) -> usize {
        let share = servers.saturating_mul(usize::from(self.most)) / 100;
        share.max(1).min(servers.saturating_sub(1))
    }
}

/// Whether a server may be given a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Admission {
    Open,
    /// With this share of what the others get.
    Warming(f64),
    /// It may be tried with one request.
    Due,
    Closed,
}

/// How one server does.
#[derive(Debug)]
pub(super) struct Health {
    born: Instant,
    flags: AtomicU8,
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is ejected, in milliseconds.
    until: AtomicU64,
    /// Since when it is back, in milliseconds.
    back_since: AtomicU64,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    /// How long the last ejection was.
    away: Duration,
    /// Health checks in a row that said something else than what is known.
    contradictions: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            flags: AtomicU8::new(0),
            failures: AtomicU32::new(0),
            until: AtomicU64::new(0),
            back_since: AtomicU64::new(0),
            history: Mutex::default(),
        }
    }
}

impl Health {
    /// The time that its methods speak of.
    pub(super) fn now(&self) -> Duration {
        self.born.elapsed()
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    pub(super) fn is_up(&self) -> bool {
        !self.has(EJECTED | DOWN)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.has(EJECTED)
    }

    /// Whether there is nothing to be said against it: the usual case, in one look.
    pub(super) fn is_perfect(&self) -> bool {
        self.flags.load(Ordering::Acquire) == 0
    }

    /// Whether an answer to a request would be news.
    pub(super) fn is_suspected(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0 || !self.is_perfect()
    }

    /// Nobody checks it any more.
    pub(super) fn forget_checks(&self) {
        self.flags.fetch_and(!DOWN, Ordering::AcqRel);
    }

    /// Nobody ejects it any more.
    pub(super) fn forget_ejection(&self) {
        self.flags.fetch_and(!(EJECTED | PROBED), Ordering::AcqRel);
    }

    pub(super) fn admission(&self, now: Duration, slow_start: Duration) -> Admission {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & (DOWN | PROBED) != 0 {
            return Admission::Closed;
        }
        if flags & EJECTED != 0 {
            let is_due = millis(now) >= self.until.load(Ordering::Acquire);
            return if is_due { Admission::Due } else { Admission::Closed };
        }
        if flags & WARMING == 0 {
            return Admission::Open;
        }
        let since = Duration::from_millis(self.back_since.load(Ordering::Acquire));
        let elapsed = now.saturating_sub(since);
        if elapsed >= slow_start {
            self.flags.fetch_and(!WARMING, Ordering::AcqRel);
            return Admission::Open;
        }
        Admission::Warming((elapsed.as_secs_f64() / slow_start.as_secs_f64()).max(FIRST_SHARE))
    }

    /// Makes a request the one that probes. Whether it is.
    pub(super) fn probe(&self) -> bool {
        self.flags.fetch_or(PROBED, Ordering::AcqRel) & PROBED == 0
    }

    /// The request that was to probe has told nothing.
    pub(super) fn abandon_probe(&self) {
        self.flags.fetch_and(!PROBED, Ordering::AcqRel);
    }

    /// A request got a valid answer. Whether that brought the server back.
    pub(super) fn succeeded(&self, now: Duration, slow_start: Duration) -> bool {
        self.failures.store(0, Ordering::Relaxed);
        // What was on its way when the server was ejected tells nothing of it now.
        let is_back = self.has(PROBED) && self.has(EJECTED);
        if is_back {
            self.come_back(EJECTED | PROBED, now, slow_start);
        }
        is_back
    }

    /// A request failed. Whether that is reason enough to eject the server, or to eject it once more.
    pub(super) fn failed(&self, ejection: &Ejection) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let flags = self.flags.load(Ordering::Acquire);
        if flags & EJECTED != 0 { flags & PROBED != 0 } else { failures >= ejection.failures }
    }

    /// Ejects it, and says for how long.
    pub(super) fn eject(&self, now: Duration, ejection: &Ejection) -> Duration {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let was_well_for = now.saturating_sub(Duration::from_millis(self.back_since.load(Ordering::Acquire)));
        let is_relapse = !history.away.is_zero() && (self.is_ejected() || was_well_for < history.away);
        let away = if is_relapse { history.away.saturating_mul(2) } else { ejection.time };
        history.away = away.min(ejection.max_time);
        self.until.store(millis(now.saturating_add(history.away)), Ordering::Release);
        self.failures.store(0, Ordering::Relaxed);
        self.flags.fetch_or(EJECTED, Ordering::AcqRel);
        self.flags.fetch_and(!(PROBED | WARMING), Ordering::AcqRel);
        history.away
    }

    /// A health check `succeeded` or failed; so many in a row are believed. What the server is since then, if that changed.
    pub(super) fn checked(
        &self,
        succeeded: bool,
        (healthy, unhealthy): (u32, u32),
        now: Duration,
        slow_start: Duration,
    ) -> Option<bool> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = self.has(DOWN);
        if succeeded != is_down {
            history.contradictions = 0;
            return None;
        }
        history.contradictions += 1;
        if history.contradictions < if succeeded { healthy } else { unhealthy } {
            return None;
        }
        history.contradictions = 0;
        drop(history);
        if succeeded {
            self.come_back(DOWN, now, slow_start);
        } else {
            self.flags.fetch_or(DOWN, Ordering::AcqRel);
        }
        Some(succeeded)
    }

    fn come_back(&self, from: u8, now: Duration, slow_start: Duration) {
        self.back_since.store(millis(now), Ordering::Release);
        if !slow_start.is_zero() {
            self.flags.fetch_or(WARMING, Ordering::AcqRel);
        }
        self.flags.fetch_and(!from, Ordering::AcqRel);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(10);

    fn fail(health: &Health, times: u32, ejection: &Ejection) -> Vec<bool> {
        (0..times).map(|_| health.failed(ejection)).collect()
    }

    #[test]
    fn failures_in_a_row_eject_and_an_answer_between_them_does_not() {
        let (health, ejection) = (Health::default(), Ejection { failures: 3, ..Ejection::default() });
        assert_eq!(fail(&health, 2, &ejection), [false, false]);
        assert!(!health.succeeded(SECOND, SLOW));
        assert_eq!(fail(&health, 3, &ejection), [false, false, true]);
    }

    #[test]
    fn the_time_away_doubles_up_to_its_most_and_is_short_again_after_a_time_of_health() {
        let ejection = Ejection { time: 2 * SECOND, max_time: 7 * SECOND, ..Ejection::default() };
        let health = Health::default();
        assert_eq!(health.eject(SECOND, &ejection), 2 * SECOND);
        assert_eq!(health.admission(2 * SECOND, SLOW), Admission::Closed);
        assert_eq!(health.admission(3 * SECOND, SLOW), Admission::Due);
        assert!(health.probe() && !health.probe(), "one request probes");
        assert_eq!(health.admission(3 * SECOND, SLOW), Admission::Closed);
        assert!(health.failed(&ejection), "a probe that fails is enough");
        assert_eq!(health.eject(3 * SECOND, &ejection), 4 * SECOND);
        assert!(health.probe() && health.succeeded(8 * SECOND, SLOW) && health.is_up());
        assert_eq!(health.eject(9 * SECOND, &ejection), 7 * SECOND, "it was well for one second");
        assert!(health.probe() && health.succeeded(20 * SECOND, SLOW));
        assert_eq!(health.eject(27 * SECOND, &ejection), 2 * SECOND, "it was well for seven");
    }

    #[test]
    fn what_was_on_its_way_when_a_server_was_ejected_changes_nothing() {
        let (health, ejection) = (Health::default(), Ejection::default());
        health.eject(SECOND, &ejection);
        assert!(!health.failed(&ejection) && !health.succeeded(SECOND, SLOW) && health.is_ejected());
        assert!(health.probe());
        health.abandon_probe();
        assert_eq!(health.admission(6 * SECOND, SLOW), Admission::Due, "who gave up leaves it to the next one");
    }

    #[test]
    fn a_server_that_is_back_has_a_growing_share() {
        let health = Health::default();
        health.eject(SECOND, &Ejection::default());
        assert!(health.probe() && health.succeeded(10 * SECOND, SLOW));
        for (now, share) in [(10, 0.1), (11, 0.1), (15, 0.5), (19, 0.9)] {
            assert_eq!(health.admission(now * SECOND, SLOW), Admission::Warming(share), "{now}");
        }
        assert!(!health.is_perfect());
        assert_eq!(health.admission(20 * SECOND, SLOW), Admission::Open);
        assert!(health.is_perfect());
    }

    #[test]
    fn checks_in_a_row_take_a_server_down_and_bring_it_up() {
        let health = Health::default();
        let mut check = |succeeded| health.checked(succeeded, (2, 3), SECOND, Duration::ZERO);
        let told = [false, false, true, false, false, false].map(&mut check);
        assert_eq!(told, [None, None, None, None, None, Some(false)]);
        assert!(!health.is_up() && health.admission(SECOND, SLOW) == Admission::Closed);
        assert!(!health.succeeded(SECOND, SLOW) && !health.is_up(), "an answer to a request is no health check");
        let mut check = |succeeded| health.checked(succeeded, (2, 3), SECOND, Duration::ZERO);
        assert_eq!([true, false, true, true].map(&mut check), [None, None, None, Some(true)]);
        assert!(health.is_perfect(), "without a slow start");
    }

    #[test]
    fn a_share_of_the_servers_may_be_ejected_and_never_all() {
        let allowed = |most, servers| Ejection { most, ..Ejection::default() }.allowed(servers);
        assert_eq!([0, 1, 2, 3, 4, 10].map(|servers| allowed(50, servers)), [0, 0, 1, 1, 2, 5]);
        assert_eq!([1, 2, 3, 10].map(|servers| allowed(100, servers)), [0, 1, 2, 9]);
        assert_eq!([1, 2, 3, 10].map(|servers| allowed(1, servers)), [0, 1, 1, 1]);
    }
}
