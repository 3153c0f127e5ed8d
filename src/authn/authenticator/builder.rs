//! What an [`Authenticator`] is made of.

use std::{collections::HashMap, sync::Arc};

use super::{Authenticator, Issuer, IssuerSettings};
use crate::{
    authn::{
        CacheSettings, IdentityHeader, Revocations, RoleGrants, Roles, SchemeMatch, Vocabulary,
        cache::Cache,
        principal::{Profile, Wanted},
    },
    clock::Clock,
    jwt::RememberedHeaders,
};

/// Collects what an [`Authenticator`] is made of.
#[derive(Debug, Default)]
pub struct AuthenticatorBuilder {
    issuers: Vec<IssuerSettings>,
    wanted: Wanted,
    cache: CacheSettings,
    revocations: Option<Arc<Revocations>>,
    grants: Arc<RoleGrants>,
    scheme: SchemeMatch,
    token_bytes: Option<usize>,
    clock: Clock,
}

/// Issuers that cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// Two issuers with keys have the same `iss`, or two check none.
    #[error("issuers {0:?} and {1:?} cannot be told apart: each needs an `issuer` of its own")]
    SameIssuer(String, String),
    /// Two issuers are asked about tokens.
    #[error("issuers {0:?} and {1:?} are both asked about tokens, and an opaque token does not say whose it is")]
    TwoIntrospecting(String, String),
}

impl AuthenticatorBuilder {
    /// The longest token that is looked at, unless [`token_bytes`](Self::token_bytes) says otherwise: 8 KiB.
    pub const DEFAULT_TOKEN_BYTES: usize = 8 * 1024;

    /// Adds an issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: IssuerSettings) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The permissions that are asked for, so that each principal's are bits.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: Vocabulary) -> Self {
        self.wanted.vocabulary = vocabulary;
        self
    }

    /// What the names of roles stand for.
    #[must_use]
    pub fn roles(mut self, roles: Roles) -> Self {
        self.wanted.roles = roles;
        self
    }

    /// The headers to prepare for the upstream.
    #[must_use]
    pub fn identity_headers(mut self, headers: Vec<IdentityHeader>) -> Self {
        self.wanted.identity = headers;
        self
    }

    /// How much is remembered.
    #[must_use]
    pub const fn cache(mut self, settings: CacheSettings) -> Self {
        self.cache = settings;
        self
    }

    /// The revoked tokens, to be added to while requests are served. Without this there are none.
    #[must_use]
    pub fn revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// The granted roles, to be changed while requests are served. Without this there are none.
    #[must_use]
    pub fn role_grants(mut self, grants: Arc<RoleGrants>) -> Self {
        self.grants = grants;
        self
    }

    /// How the scheme is compared.
    #[must_use]
    pub const fn scheme(mut self, scheme: SchemeMatch) -> Self {
        self.scheme = scheme;
        self
    }

    /// The longest token that is looked at, in bytes.
    #[must_use]
    pub const fn token_bytes(mut self, bytes: usize) -> Self {
        self.token_bytes = Some(bytes);
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The authenticator.
    ///
    /// # Errors
    /// See [`AuthenticatorError`]: a token could belong to two issuers.
    pub fn build(self) -> Result<Authenticator, AuthenticatorError> {
        let shared = Arc::new(self.wanted);
        let Found { by_iss, without_iss, introspecting } = find(&self.issuers)?;
        let issuers = self.issuers.into_iter().map(|settings| Issuer {
            keys: settings.keys,
            algorithms: settings.algorithms.into(),
            profile: Arc::new(Profile {
                issuer: settings.name.into(),
                subject: settings.expectations.subject.clone(),
                permissions: settings.permissions,
                shared: Arc::clone(&shared),
            }),
            expectations: settings.expectations,
        });
        Ok(Authenticator {
            issuers: issuers.collect(),
            by_iss,
            without_iss,
            introspecting,
            cache: Cache::new(self.cache),
            headers: RememberedHeaders::default(),
            revocations: self.revocations.unwrap_or_else(|| Arc::new(Revocations::new(self.clock.clone()))),
            grants: self.grants,
            scheme: self.scheme,
            token_bytes: self.token_bytes.unwrap_or(Self::DEFAULT_TOKEN_BYTES),
            clock: self.clock,
        })
    }
}

/// How a token finds its issuer.
#[derive(Default)]
struct Found {
    by_iss: HashMap<Box<str>, usize>,
    without_iss: Option<usize>,
    introspecting: Option<usize>,
}

/// A provider may issue signed tokens and opaque ones: then the signed ones are those of the issuer with keys.
fn find(issuers: &[IssuerSettings]) -> Result<Found, AuthenticatorError> {
    let mut found = Found::default();
    let name = |at: usize| issuers.get(at).map(|issuer| issuer.name.clone()).unwrap_or_default();
    let asks = |issuer: &IssuerSettings| issuer.keys.introspections().is_some();
    for (at, issuer) in issuers.iter().enumerate().filter(|(_, issuer)| !asks(issuer)) {
        let before = match &issuer.expectations.issuer {
            Some(iss) => found.by_iss.insert(iss.as_str().into(), at),
            None => found.without_iss.replace(at),
        };
        if let Some(other) = before {
            return Err(AuthenticatorError::SameIssuer(name(other), name(at)));
        }
    }
    for (at, issuer) in issuers.iter().enumerate().filter(|(_, issuer)| asks(issuer)) {
        if let Some(other) = found.introspecting.replace(at) {
            return Err(AuthenticatorError::TwoIntrospecting(name(other), name(at)));
        }
        match &issuer.expectations.issuer {
            Some(iss) => *found.by_iss.entry(iss.as_str().into()).or_insert(at),
            None => *found.without_iss.get_or_insert(at),
        };
    }
    Ok(found)
}
