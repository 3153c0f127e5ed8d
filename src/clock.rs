//! Time as a parameter: the system's clock, or one that a test turns by hand.
//!
//! Nothing outside this file asks the operating system for the time (`clippy.toml` bans it), so no test sleeps until a
//! token expires.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 §2, `NumericDate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last second that [`Timestamp`] can hold.
    pub const MAX_SECONDS: u64 = u64::MAX / 1000;

    /// The last point in time.
    pub const MAX: Self = Self(u64::MAX);

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch; more than [`Timestamp::MAX_SECONDS`] becomes the last point in time.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `duration`, or the last point in time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// `duration` before this time, or the epoch.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Timestamp {
    /// A point in time as RFC 3339 writes it, or in whole seconds since 1970. `None`: it is neither, or before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse::<u64>() {
            Ok(seconds) if seconds <= Self::MAX_SECONDS => Some(Self::from_secs(seconds)),
            _ => u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok().map(Self::from_millis),
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, whole seconds: `2025-12-12T10:45:22Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.as_secs()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) => write!(formatter, "{time}"),
            Err(_) => write!(formatter, "@{seconds}"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where the time comes from. Clones of a manual clock show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is [set](Clock::set) or [advanced](Clock::advance).
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(start.as_millis()))))
    }

    /// The time now. A system clock before 1970 shows 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(millis(since_epoch))
            }
            Source::Manual(time) => Timestamp(time.load(Ordering::Relaxed)),
        }
    }

    /// Turns a manual clock to `time`. The system's clock is left alone.
    pub fn set(&self, time: Timestamp) {
        if let Source::Manual(shown) = &self.0 {
            shown.store(time.as_millis(), Ordering::Relaxed);
        }
    }

    /// Turns a manual clock on by `duration`. The system's clock is left alone.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().saturating_add(duration));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_as_rfc_3339_in_whole_seconds() {
        assert_eq!(Timestamp::from_millis(1_765_536_322_987).to_string(), "2025-12-12T10:45:22Z");
        assert_eq!(Timestamp::from_secs(u64::MAX).to_string(), "@18446744073709551");
    }

    #[test]
    fn clones_of_a_manual_clock_show_the_same_time() {
        let clock = Clock::manual(Timestamp::from_secs(100));
        let other = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(other.now(), Timestamp::from_millis(101_500));
    }
}
