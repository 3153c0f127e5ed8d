//! Base64url as JOSE writes it: no padding, no `+` or `/`, no white space, no stray bits (RFC 7515 §2, RFC 4648 §3.5).
//! Each byte string has exactly one spelling, so an altered token is always another byte string.

use base64_simd::URL_SAFE_NO_PAD;

/// The bytes, or nothing if `text` is not their one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// The one spelling of `bytes`.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Adds the spelling of `bytes` to `text`.
pub(super) fn push(text: &mut String, bytes: impl AsRef<[u8]>) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        for wrong in ["_-8=", "/-8", "+-8", "_-9", "_-8\n", " _-8", "_ -8", "A", "_-8==", "\u{fc}"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_spelled_in_one_way(text in "[A-Za-z0-9_+/= -]{0,100}") {
            if let Some(bytes) = decode(&text) {
                proptest::prop_assert_eq!(encode(bytes), text);
            }
        }
    }
}
