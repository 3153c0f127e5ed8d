//! What a token seems to say: its parts, as far as each can be read. Far more is read here than is ever accepted.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use crate::{
    cli::{
        terminal::{BOLD, FAINT, is_unsafe},
        times,
    },
    clock::Timestamp,
    jwt::Claims,
};

/// A part of more bytes is not shown.
const MOST_BYTES: usize = 64 * 1024;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The header, the claims and their times, for people.
pub(super) fn show(token: &str, now: Timestamp) -> String {
    let mut parts = token.split('.');
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next());
    let claims = payload.map(read);
    let mut text = part("Header", &read(header));
    if let Some(claims) = &claims {
        text.push_str(&part("Claims", claims));
    }
    if let Some(Ok(claims)) = &claims {
        text.push_str(&times_of(claims, now));
    }
    text
}

/// What the issuer says of a token that it was asked about, for people.
pub(super) fn answer(claims: &Claims) -> String {
    part("The issuer's answer", &Ok(claims.to_json()))
}

fn read(part: &str) -> Result<Value, &'static str> {
    if part.len() > MOST_BYTES {
        return Err("too long to be shown");
    }
    let bytes = LENIENT.decode(part).map_err(|_| "not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "not JSON")
}

fn part(name: &str, value: &Result<Value, &'static str>) -> String {
    let shown = match value {
        Ok(value) => escaped(&format!("{value:#}")).replace('\n', "\n  "),
        Err(why) => format!("{FAINT}({why}){FAINT:#}"),
    };
    format!("{BOLD}{name}{BOLD:#}\n  {shown}\n\n")
}

/// JSON stays JSON: what would act on a terminal is escaped in JSON's way.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_unsafe(character) {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

fn times_of(claims: &Value, now: Timestamp) -> String {
    let mut text = String::new();
    for (claim, name) in [("iat", "issued"), ("nbf", "good from"), ("exp", "expires")] {
        if let Some(time) = claims.get(claim).and_then(time) {
            text.push_str(&format!("  {name:<10} {}\n", times::dated(time, now)));
        }
    }
    if text.is_empty() { text } else { format!("{BOLD}Times{BOLD:#}\n{text}\n") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a conversion that saturates is as good")]
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(value.as_u64().map_or(Timestamp::from_secs(seconds as u64), Timestamp::from_secs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_765_536_322);

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.", LENIENT.encode(header), LENIENT.encode(claims))
    }

    #[test]
    fn header_claims_and_times_are_shown() {
        let text = show(&token(r#"{"alg":"none"}"#, r#"{"exp":1765539922,"iat":1765536262.5}"#), NOW);
        assert!(text.contains("\"alg\": \"none\""), "{text}");
        assert!(text.contains("expires    2025-12-12T11:45:22Z, in an hour"), "{text}");
        assert!(text.contains("issued     2025-12-12T10:44:22Z, a minute ago"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(show("a.b", NOW).contains("(not base64url)"));
        assert!(show(&token("x", "{}"), NOW).contains("(not JSON)"));
        assert!(show(&"a".repeat(100_000), NOW).contains("(too long to be shown)"));
    }

    #[test]
    fn nothing_in_a_token_acts_on_the_terminal() {
        let text = show(&token("{}", "{\"\u{9b}2J\":\"\\u001b[2J\u{7f}\u{202e}\"}"), NOW);
        assert!(text.contains(r#""\u009b2J": "\u001b[2J\u007f\u202e""#), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown(token in ".{0,80}", json in "[\\[\\]{}\":,0-9a-z.eE+-]{0,60}") {
            show(&token, NOW);
            show(&format!("{}.{}", LENIENT.encode(&json), LENIENT.encode(&json)), NOW);
        }
    }
}
