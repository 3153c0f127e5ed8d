//! Any text as a token: never a panic, and what is accepted as signed was signed: its MAC is computed again, apart from
//! the code that is tested.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bearergate::{
    clock::Timestamp,
    jwt::{Algorithm, ClaimPath, Expectations, KeySet, UnverifiedToken, VerifyingKey},
};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::new(vec![VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap()]).unwrap());

/// Whether the last part is the MAC of the others, in its one spelling.
fn is_signed(text: &str) -> bool {
    let (message, signature) = text.rsplit_once('.').unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    signature == URL_SAFE_NO_PAD.encode(tag)
}

fuzz_target!(|text: &str| {
    let Ok(token) = UnverifiedToken::parse(text, 8192) else { return };
    let expected = Expectations {
        issuer: Some("i".to_owned()),
        audience: vec!["a".to_owned()],
        subject: ClaimPath::from("user_id"),
        max_life: Some(Duration::from_secs(60)),
        ..Expectations::default()
    };
    for finding in expected.report(token.header(), token.claims(), NOW) {
        let _ = format!("{finding:?}");
    }
    assert!(token.claims().subject().is_none_or(|subject| !subject.is_empty() && !subject.contains(char::is_control)));
    let _ = token.claims().to_json();
    let _ = format!("{token:?}");
    if let Ok(key) = KEYS.select(token.header())
        && token.verify_signature(key).is_ok()
    {
        assert!(is_signed(text));
    }
});
