//! Any text as a token: never a panic, and nothing but the one good token is accepted.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use bearergate::{
    clock::Timestamp,
    jwt::{Algorithm, ClaimPath, Expectations, KeySet, SigningKey, UnverifiedToken, sign},
};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

struct Fixture {
    keys: KeySet,
    token: String,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let key = SigningKey::from_secret(Algorithm::Hs256, b"a secret of thirty-two bytes, or more").unwrap();
    let claims = serde_json::json!({ "sub": "u1", "exp": 1_900_000_060 });
    let token = sign(&key, Some("JWT"), claims.as_object().unwrap()).unwrap();
    Fixture { keys: KeySet::new(vec![key.verifying_key().clone()]).unwrap(), token }
});

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
    if let Ok(key) = FIXTURE.keys.select(token.header())
        && token.verify_signature(key).is_ok()
    {
        assert_eq!(text, FIXTURE.token);
    }
});
