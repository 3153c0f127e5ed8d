//! The `Date` of answers (RFC 9110 §6.6.1), written once a second.

use std::cell::RefCell;

use http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Timestamp;

/// The last date that was asked for.
#[derive(Debug, Default)]
pub(super) struct Date(RefCell<Option<(u64, HeaderValue)>>);

impl Date {
    /// `now` in the format of HTTP (RFC 9110 §5.6.7).
    pub(super) fn of(&self, now: Timestamp) -> HeaderValue {
        let second = now.as_millis() / 1000;
        let mut last = self.0.borrow_mut();
        match &*last {
            Some((known, date)) if *known == second => date.clone(),
            Some(_) | None => {
                let date = written(second).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
                *last = Some((second, date.clone()));
                date
            }
        }
    }
}

fn written(second: u64) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_its_second() {
        let date = Date::default();
        assert_eq!(date.of(Timestamp::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.of(Timestamp::from_millis(784_111_777_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.of(Timestamp::from_secs(784_111_778)), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(date.of(Timestamp::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.of(Timestamp::MAX), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
