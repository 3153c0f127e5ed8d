//! What an authenticator is told of an issuer.

use std::sync::Arc;

use crate::{
    authn::KeySource,
    jwt::{Algorithm, ClaimPath, Expectations, KeySet, VerifyingKey},
};

/// What is known of one issuer, and what its tokens must say.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its name in the configuration, for logs and for routes.
    pub name: String,
    /// Its keys.
    pub keys: Arc<KeySource>,
    /// The algorithms that its tokens may use. A key is bound to one of them besides. None, if it is asked about each
    /// token.
    pub algorithms: Vec<Algorithm>,
    /// What the claims must say. Its `issuer` is also how a token finds its issuer, if there are several.
    pub expectations: Expectations,
    /// The claims that grant permissions.
    pub permissions: Vec<ClaimPath>,
}

impl IssuerSettings {
    /// An issuer with these keys, whose tokens may use the algorithms that the keys are for, and grant permissions by
    /// `permissions`, `scope` or `scp`.
    #[must_use]
    pub fn new(name: impl Into<String>, keys: KeySet) -> Self {
        let algorithms = keys.keys().iter().map(VerifyingKey::algorithm).collect();
        Self::with_source(name, Arc::new(KeySource::known(keys)), algorithms)
    }

    /// An issuer whose keys may change, or are still to come.
    #[must_use]
    pub fn with_source(name: impl Into<String>, keys: Arc<KeySource>, algorithms: Vec<Algorithm>) -> Self {
        Self {
            name: name.into(),
            keys,
            algorithms,
            expectations: Expectations::default(),
            permissions: ["permissions", "scope", "scp"].map(ClaimPath::from).into(),
        }
    }

    /// The exact `iss` of its tokens (RFC 7519 §4.1.1).
    #[must_use]
    pub fn iss(mut self, iss: impl Into<String>) -> Self {
        self.expectations.issuer = Some(iss.into());
        self
    }

    /// Adds an audience: the token's `aud` has to name one of those added (RFC 7519 §4.1.3).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.expectations.audience.push(audience.into());
        self
    }

    /// Everything else that the claims must say.
    #[must_use]
    pub fn expect(mut self, change: impl FnOnce(&mut Expectations)) -> Self {
        change(&mut self.expectations);
        self
    }
}
