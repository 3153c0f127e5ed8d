//! Times for people: as a date, and from now.

use std::time::Duration;

use crate::clock::Timestamp;

/// `2025-12-12T10:45:22Z, in 59 minutes`.
pub(crate) fn dated(time: Timestamp, now: Timestamp) -> String {
    format!("{time}, {}", relative(time, now))
}

/// `in 59 minutes`, `an hour ago`, `now`; rounded down.
fn relative(time: Timestamp, now: Timestamp) -> String {
    if time > now {
        return rounded(time.since(now)).map_or_else(|| "now".to_owned(), |span| format!("in {span}"));
    }
    rounded(now.since(time)).map_or_else(|| "now".to_owned(), |span| format!("{span} ago"))
}

/// `59 minutes`, `an hour`; nothing if it is less than a second.
pub(crate) fn rounded(span: Duration) -> Option<String> {
    const UNITS: [(u64, &str); 5] =
        [(365 * 86_400, "a year"), (86_400, "a day"), (3600, "an hour"), (60, "a minute"), (1, "a second")];
    let seconds = span.as_secs();
    let (unit, one) = UNITS.into_iter().find(|(unit, _)| seconds >= *unit)?;
    Some(match (seconds / unit, one.split_once(' ')) {
        (count @ 2.., Some((_, name))) => format!("{count} {name}s"),
        _ => one.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_from_now() {
        let now = Timestamp::from_secs(1_000_000_000);
        let cases: [(i64, &str); 9] = [
            (0, "now"),
            (1, "in a second"),
            (59, "in 59 seconds"),
            (3599, "in 59 minutes"),
            (3600, "in an hour"),
            (-3600, "an hour ago"),
            (-7200, "2 hours ago"),
            (86_400 * 400, "in a year"),
            (-60, "a minute ago"),
        ];
        for (offset, told) in cases {
            let time = Timestamp::from_secs(1_000_000_000_u64.saturating_add_signed(offset));
            assert_eq!(relative(time, now), told);
        }
    }
}
