//! What the configuration says of limits.

use std::{fmt, str::FromStr, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// So many tries within so long: `10/15m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    tries: u32,
    window: Duration,
}

/// The limits of a [`Throttle`](super::Throttle). `None`: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Failed tries at one account from one address; ten times as many from all addresses. Default `10/15m`.
    pub account: Option<Limit>,
    /// Failed tries from one address at all accounts. Default `100/15m`.
    pub address: Option<Limit>,
}

/// What is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    /// Neither a number, a slash and a duration, nor `off`.
    #[error("a limit is a number of tries and a duration, such as \"10/15m\", or \"off\"")]
    Form,
    /// Zero, or too many.
    #[error("a limit has 1 to 1000000 tries")]
    Tries,
    /// Too short, or too long.
    #[error("the time of a limit is 1s to 30d")]
    Window,
}

impl Limit {
    /// The most tries.
    pub const MAX_TRIES: u32 = 1_000_000;
    /// The longest window: 30 days.
    pub const MAX_WINDOW: Duration = Duration::from_secs(30 * DAY);

    /// `tries` (1 to [`Limit::MAX_TRIES`]) within `window` (a second to [`Limit::MAX_WINDOW`]; what is shorter than a
    /// millisecond does not count).
    ///
    /// # Errors
    /// When one of them is out of range.
    pub const fn new(tries: u32, window: Duration) -> Result<Self, BadLimit> {
        if tries == 0 || tries > Self::MAX_TRIES {
            return Err(BadLimit::Tries);
        }
        if window.as_nanos() < SECOND.as_nanos() || window.as_nanos() > Self::MAX_WINDOW.as_nanos() {
            return Err(BadLimit::Window);
        }
        Ok(Self { tries, window })
    }

    /// A limit as it is configured, or none where it says `off`.
    ///
    /// # Errors
    /// When it says neither.
    pub fn or_off(text: &str) -> Result<Option<Self>, BadLimit> {
        if text == "off" { Ok(None) } else { text.parse().map(Some) }
    }

    /// How many tries.
    #[must_use]
    pub const fn tries(self) -> u32 {
        self.tries
    }

    /// Within how long.
    #[must_use]
    pub const fn window(self) -> Duration {
        self.window
    }

    /// `factor` times as many within the same time.
    pub(super) const fn times(self, factor: u32) -> Self {
        Self { tries: self.tries.saturating_mul(factor), window: self.window }
    }
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        const WINDOW: Duration = Duration::from_secs(15 * MINUTE);
        Self { account: Some(Limit { tries: 10, window: WINDOW }), address: Some(Limit { tries: 100, window: WINDOW }) }
    }
}

impl super::MailLimit {
    /// `5/1h`.
    pub const DEFAULT: Limit = Limit { tries: 5, window: Duration::from_secs(HOUR) };
}

impl FromStr for Limit {
    type Err = BadLimit;

    /// Digits, `/`, digits, and one of `s`, `m`, `h`, `d`. Nothing else: no sign, no space, no fraction.
    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let (tries, window) = text.split_once('/').ok_or(BadLimit::Form)?;
        let (count, unit) = window.split_at_checked(window.len().saturating_sub(1)).ok_or(BadLimit::Form)?;
        let unit = match unit {
            "s" => 1,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            _ => return Err(BadLimit::Form),
        };
        let tries = u32::try_from(number(tries)?).map_err(|_| BadLimit::Tries)?;
        Self::new(tries, Duration::from_secs(number(count)?.saturating_mul(unit)))
    }
}

/// One that is too large for its type is too large for every range.
fn number(digits: &str) -> Result<u64, BadLimit> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadLimit::Form);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

impl fmt::Display for Limit {
    /// As it is configured: in the largest unit that shows it whole. What is shorter than a second is not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (length, unit) = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')]
            .into_iter()
            .find(|(length, _)| seconds.is_multiple_of(*length))
            .unwrap_or((1, 's'));
        write!(formatter, "{}/{}{unit}", self.tries, seconds / length)
    }
}
