//! Times from people, and for them.

use crate::clock::Timestamp;
pub(super) use crate::gateway::explain::times::{dated, rounded};

/// A point in time as RFC 3339 writes it, or in seconds since 1970.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "a time is written like 2025-12-12T10:45:22Z, or in seconds since 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_rfc_3339_and_as_seconds() {
        assert_eq!(parse("1765536322"), Ok(Timestamp::from_secs(1_765_536_322)));
        assert_eq!(parse("2025-12-12T10:45:22Z"), Ok(Timestamp::from_secs(1_765_536_322)));
        assert_eq!(parse("2025-12-12T11:45:22.5+01:00"), Ok(Timestamp::from_millis(1_765_536_322_500)));
        for wrong in ["", "now", "-1", "1969-01-01T00:00:00Z", "2025-12-12", "99999999999999999999"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
