//! What the upstream is told about the caller: claims as the values of header fields (RFC 9110 §5.5).
//!
//! 1. An absent claim and `null` are nothing to tell.
//! 2. Joined: a string, number or boolean is sent as it is, an array of these with `,` between them, and an object as JSON.
//! 3. As JSON: whatever the claim is, in ASCII (RFC 8259 §7), so that every text can be sent.
//! 4. What the upstream would read otherwise than the issuer has said it is refused: control characters, spaces at an
//!    end, an element with a `,`; and more than [`MOST_BYTES`] of names and values together, which many a server takes
//!    from nobody.

use std::fmt::Write;

use http::{HeaderName, HeaderValue};

use crate::jwt::{ClaimPath, Claims, InvalidToken, Value};

/// The longest that all names and values are together, in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// A header that tells the upstream a claim of the caller.
#[derive(Debug, Clone)]
pub struct IdentityHeader {
    /// The header's name.
    pub name: HeaderName,
    /// The claim that it carries. A claim that is absent or `null` sets no header.
    pub claim: ClaimPath,
    /// How the claim is written.
    pub format: HeaderFormat,
}

/// How a claim is written as a header's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderFormat {
    /// As it is, and what is in an array with `,` between.
    #[default]
    Joined,
    /// As JSON, in ASCII and without white space.
    Json,
}

/// The headers, with the claims as their values.
pub(super) fn headers(
    wanted: &[IdentityHeader],
    claims: &Claims,
) -> Result<Box<[(HeaderName, HeaderValue)]>, InvalidToken> {
    let mut headers = Vec::with_capacity(wanted.len());
    let mut left = MOST_BYTES;
    for IdentityHeader { name, claim, format } in wanted {
        let value = claims.at(claim).map(|value| text(value, *format).and_then(header_value));
        let Some(value) = value.unwrap_or(Ok(None)).transpose() else { continue };
        let value = value.and_then(|value| {
            left = left.checked_sub(name.as_str().len() + value.len()).ok_or(Unfit)?;
            Ok(value)
        });
        let unfit = |Unfit| InvalidToken::UnfitForHeader { claim: claim.to_string().into() };
        headers.push((name.clone(), value.map_err(unfit)?));
    }
    Ok(headers.into_boxed_slice())
}

/// A value that cannot be sent in a header.
struct Unfit;

/// `None`: nothing to send.
fn text(value: Value<'_>, format: HeaderFormat) -> Result<Option<String>, Unfit> {
    match (value, format) {
        (Value::Null, _) => Ok(None),
        (Value::Object(_), _) | (_, HeaderFormat::Json) => Ok(Some(json(value))),
        (Value::Array(elements), HeaderFormat::Joined) => {
            let mut joined = String::new();
            for (at, element) in elements.enumerate() {
                let text = scalar(element).ok_or(Unfit)?;
                // Joined, it would be two elements, or another one without the spaces around it (RFC 9110 §5.6.1): what
                // the upstream reads must be what the issuer said.
                if text.contains(',') || text.trim_matches(' ').len() != text.len() {
                    return Err(Unfit);
                }
                if at > 0 {
                    joined.push(',');
                }
                joined.push_str(&text);
            }
            Ok(Some(joined))
        }
        (_, HeaderFormat::Joined) => Ok(scalar(value)),
    }
}

fn scalar(value: Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_owned()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// JSON in printable ASCII: outside of strings it is nothing else anyway.
fn json(value: Value<'_>) -> String {
    let mut ascii = String::new();
    for character in value.to_string().chars() {
        if matches!(character, ' '..='~') {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

/// Refused where a recipient would read something else: control characters, and spaces at an end, which are not part of
/// the value on the wire.
fn header_value(text: Option<String>) -> Result<Option<HeaderValue>, Unfit> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().any(char::is_control) || text.trim_matches(' ').len() != text.len() {
        return Err(Unfit);
    }
    HeaderValue::try_from(text.into_bytes()).map(Some).map_err(|_| Unfit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::jwt::{Algorithm, SigningKey, UnverifiedToken, sign};

    fn claims(claims: &serde_json::Value) -> Claims {
        let key = SigningKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap();
        let token = sign(&key, None, claims.as_object().unwrap()).unwrap();
        UnverifiedToken::parse(&token, token.len())
            .unwrap()
            .verify_signature(key.verifying_key())
            .unwrap()
            .into_claims()
    }

    fn headers_of(claim: &str, value: &serde_json::Value, format: HeaderFormat) -> Result<Vec<String>, InvalidToken> {
        let claims = claims(&json!({ "exp": 1, claim: value }));
        let header = IdentityHeader { name: HeaderName::from_static("x-claim"), claim: claim.into(), format };
        let text = |(_, value): &(HeaderName, HeaderValue)| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        headers(&[header], &claims).map(|headers| headers.iter().map(text).collect())
    }

    #[test]
    fn joined_values_are_as_the_issuer_wrote_them() {
        for (value, expected) in [
            (json!("alice"), "alice"),
            (json!("J\u{f6}rg \u{2713}"), "J\u{f6}rg \u{2713}"),
            (json!("a, b"), "a, b"),
            (json!(12.50), "12.5"),
            (json!(true), "true"),
            (json!(["PLANTS READ", "b", 1, false]), "PLANTS READ,b,1,false"),
            (json!([]), ""),
            (json!({ "a": ["b\r\n"] }), r#"{"a":["b\r\n"]}"#),
        ] {
            assert_eq!(headers_of("c", &value, HeaderFormat::Joined).unwrap(), [expected], "{value}");
        }
        assert!(headers_of("c", &json!(null), HeaderFormat::Joined).unwrap().is_empty());
        let url = "https://example.com/roles";
        assert_eq!(headers_of(url, &json!(["a", "b"]), HeaderFormat::Joined).unwrap(), ["a,b"]);
    }

    #[test]
    fn what_would_be_read_otherwise_than_it_was_said_is_refused() {
        for value in [
            json!("a\r\nX-Admin: 1"),
            json!("a\tb"),
            json!("a\u{7f}"),
            json!("a\u{85}"),
            json!(" a"),
            json!("a "),
            json!(["a,b"]),
            json!(["a", " b"]),
            json!(["a", ["b"]]),
            json!([null]),
            json!([{}]),
        ] {
            let refused = headers_of("c", &value, HeaderFormat::Joined).unwrap_err();
            assert_eq!(refused, InvalidToken::UnfitForHeader { claim: "c".into() }, "{value}");
        }
    }

    #[test]
    fn all_headers_together_have_a_longest_length() {
        let longest = "x".repeat(MOST_BYTES - "x-claim".len());
        assert_eq!(headers_of("c", &json!(longest), HeaderFormat::Joined).unwrap(), [longest.as_str()]);
        assert!(headers_of("c", &json!(format!("{longest}x")), HeaderFormat::Joined).is_err());
        let claims = claims(&json!({ "exp": 1, "c": "x".repeat(3000) }));
        let header = |name| IdentityHeader {
            name: HeaderName::from_static(name),
            claim: "c".into(),
            format: HeaderFormat::Joined,
        };
        assert!(headers(&[header("a"), header("b")], &claims).is_ok());
        assert!(headers(&[header("a"), header("b"), header("c")], &claims).is_err());
    }

    proptest! {
        #[test]
        fn as_json_every_text_arrives_as_it_was(texts in proptest::collection::vec(".*", 0..5)) {
            let sent = headers_of("c", &json!(texts), HeaderFormat::Json).unwrap();
            prop_assert!(sent[0].bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", sent[0]);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&sent[0]).unwrap(), texts);
        }
    }
}
