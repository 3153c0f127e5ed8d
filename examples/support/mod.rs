//! What the examples need to be tried: an issuer that is made up on the spot, and its tokens.
//!
//! A service of yours has none of this. It gets the issuer's public keys, from a file for instance:
//! `KeySet::from_jwks(&std::fs::read("jwks.json")?, Origin::File)`.

use std::{error::Error, time::Duration};

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    authn::IssuerSettings,
    clock::Clock,
    jwt::{self, Algorithm, KeySet, SigningKey},
};
use serde_json::{Value, json};

/// Anything that goes wrong.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// Signs tokens with a key that is as old as the process.
pub(crate) struct Issuer(SigningKey);

impl Issuer {
    const NAME: &str = "https://id.example.com";

    pub(crate) fn new() -> Result<Self, AnyError> {
        Ok(Self(SigningKey::generate(Algorithm::Es256, &SystemRandom::new())?))
    }

    /// What a service has to know of an issuer: its keys, its name, and the audience that its tokens must name.
    pub(crate) fn settings(&self) -> Result<IssuerSettings, AnyError> {
        let keys = KeySet::new(vec![self.0.verifying_key().clone()])?;
        Ok(IssuerSettings::new("main", keys).iss(Self::NAME).audience("orders"))
    }

    /// A token of user `u-1` that is good for an hour.
    pub(crate) fn token(&self) -> Result<String, AnyError> {
        self.token_with(&json!({}))
    }

    /// One with more claims.
    pub(crate) fn token_with(&self, claims: &Value) -> Result<String, AnyError> {
        self.sign(Clock::system().now().saturating_add(Duration::from_secs(3600)).as_secs(), claims)
    }

    /// One that has expired a minute ago.
    #[cfg(test)]
    pub(crate) fn expired_token(&self) -> Result<String, AnyError> {
        self.sign(Clock::system().now().saturating_sub(Duration::from_secs(60)).as_secs(), &json!({}))
    }

    fn sign(&self, exp: u64, claims: &Value) -> Result<String, AnyError> {
        let mut all = json!({ "iss": Self::NAME, "aud": "orders", "sub": "u-1", "exp": exp });
        for (name, value) in claims.as_object().ok_or("claims are an object")? {
            all[name] = value.clone();
        }
        Ok(jwt::sign(&self.0, None, all.as_object().ok_or("claims are an object")?)?)
    }
}

/// The address to listen on: the first argument, or this one.
pub(crate) fn address() -> String {
    std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned())
}
