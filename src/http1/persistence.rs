//! Whether a connection goes on behind a message (RFC 9112 §9.3).

use http::{HeaderMap, Version, header::CONNECTION};

/// Whether the sender of a message of this version, with these fields, means its connection to go on. `close` counts more
/// than `keep-alive`.
#[must_use]
pub fn is_persistent(version: Version, headers: &HeaderMap) -> bool {
    let has = |wanted: &[u8]| {
        let mut options =
            headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    // Most messages have no such field.
    if !headers.keys().any(|name| *name == CONNECTION) {
        return version == Version::HTTP_11;
    }
    !has(b"close") && (version == Version::HTTP_11 || has(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn close_counts_more_than_keep_alive_wherever_they_stand() {
        for (options, old, new) in [
            (&[][..], false, true),
            (&["keep-alive"], true, true),
            (&["x, Keep-Alive ,"], true, true),
            (&["close"], false, false),
            (&["keep-alive, CLOSE"], false, false),
            (&["close", "keep-alive"], false, false),
            (&["x", "", "\tclose"], false, false),
            (&["closed, keep-alives"], false, true),
        ] {
            let mut headers = HeaderMap::new();
            for option in options {
                headers.append(CONNECTION, HeaderValue::from_static(option));
            }
            assert_eq!(is_persistent(Version::HTTP_10, &headers), old, "{options:?}");
            assert_eq!(is_persistent(Version::HTTP_11, &headers), new, "{options:?}");
        }
    }
}
