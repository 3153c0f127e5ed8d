//! An issuer for the benchmarks: keys, settings and tokens of an ordinary shape.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

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

    /// A token with the claims that Keycloak gives an ordinary user of an ordinary client.
    pub(crate) fn keycloak(&self, number: u32) -> String {
        let expires = NOW.as_secs() + 3600;
        let claims = json!({
            "exp": expires, "iat": expires - 3600, "auth_time": expires - 3605,
            "jti": format!("onrtac:{number:08x}-71e2-4b0b-a9fb-3d92f6b3c9a7"),
            "iss": "https://issuer.example", "aud": ["api", "account"],
            "sub": format!("{number:08x}-9c1d-4b57-8f0e-61b1d3a7c2f4"),
            "typ": "Bearer", "azp": "web-application", "sid": format!("{number:08x}-5a40-4d2c-b7de-0b7a5f6d3e11"),
            "acr": "1", "allowed-origins": ["https://app.example.com"],
            "realm_access": { "roles": ["default-roles-example", "offline_access", "uma_authorization", "orders-editor"] },
            "resource_access": { "account": { "roles": ["manage-account", "manage-account-links", "view-profile"] } },
            "scope": "openid profile email", "email_verified": true, "name": "Alexandra Musterfrau",
            "preferred_username": format!("alexandra.{number}"), "given_name": "Alexandra",
            "family_name": "Musterfrau", "email": format!("alexandra.{number}@example.com"),
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
