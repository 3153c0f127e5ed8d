//! An issuer for the benchmarks: keys, settings and tokens of an ordinary shape.

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    authn::IssuerSettings,
    clock::{Clock, Timestamp},
    jwt::{self, Algorithm, KeySet, SigningKey},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::json;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

pub(crate) struct Issuer {
    key: SigningKey,
}

impl Issuer {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm, &SystemRandom::new()).expect("a key");
        Self { key: key.with_key_id("k1".to_owned()) }
    }

    pub(crate) fn settings(&self) -> IssuerSettings {
        let keys = KeySet::new(vec![self.key.verifying_key().clone()]).expect("a key set");
        IssuerSettings::new("main", keys).iss("https://issuer.example").audience("api")
    }

    /// The token of user `number`, good for an hour from `expires - 3600`.
    pub(crate) fn token(&self, number: u32, expires: u64) -> String {
        let claims = json!({
            "iss": "https://issuer.example", "aud": "api", "sub": format!("user-{number:06}"),
            "iat": expires - 3600, "exp": expires, "jti": format!("{number:032x}"),
            "scope": "read:items write:items profile email",
        });
        jwt::sign(&self.key, None, claims.as_object().expect("an object")).expect("a token")
    }

    pub(crate) fn good(&self, number: u32) -> String {
        self.token(number, NOW.as_secs() + 3600)
    }
}

/// The clock of the running system costs what it costs in production; only where the time is moved is it by hand.
pub(crate) fn clock() -> Clock {
    Clock::manual(NOW)
}

pub(crate) fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    headers.insert(AUTHORIZATION, value);
    headers
}
