//! From a request's headers to a principal: cache first, then the whole verification.

use std::{collections::HashMap, sync::Arc};

use http::HeaderMap;

use super::{
    AuthnError, CacheSettings, CacheStats, IdentityHeader, KeySource, Principal, Roles, SchemeMatch, Vocabulary,
    bearer::{self, Presented},
    cache::{Cache, Entry},
    principal::{Profile, Wanted},
    revocation::Revocations,
};
use crate::{
    clock::{Clock, Timestamp},
    jwt::{
        Algorithm, ClaimPath, Expectations, InvalidToken, KeySet, RememberedHeaders, UnverifiedToken, VerifyError,
        VerifyingKey,
    },
};

/// What is known of one issuer, and what its tokens must say.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its name in the configuration, for logs and for routes.
    pub name: String,
    /// Its keys.
    pub keys: Arc<KeySource>,
    /// The algorithms that its tokens may use. A key is bound to one of them besides.
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

/// Verifies the tokens of requests. Shared by all workers; nothing in it is locked while a request waits.
#[derive(Debug)]
pub struct Authenticator {
    issuers: Box<[Issuer]>,
    by_iss: HashMap<Box<str>, usize>,
    without_iss: Option<usize>,
    cache: Cache,
    headers: RememberedHeaders,
    revocations: Arc<Revocations>,
    scheme: SchemeMatch,
    token_bytes: usize,
    clock: Clock,
}

#[derive(Debug)]
struct Issuer {
    keys: Arc<KeySource>,
    algorithms: Box<[Algorithm]>,
    expectations: Expectations,
    profile: Arc<Profile>,
}

impl Issuer {
    /// A key that is named and not known may be a new one.
    fn without_key(&self, cause: InvalidToken, now: Timestamp) -> AuthnError {
        let renewal = if matches!(cause, InvalidToken::UnknownKey(_)) { self.keys.ask(now) } else { None };
        match renewal {
            Some(renewal) => AuthnError::KeyAwaited { cause, renewal },
            None => cause.into(),
        }
    }
}

/// A step of the verification that a token has passed, in this order. The claims come behind the signature:
/// [`Expectations::report`] explains these.
#[derive(Debug, Clone, Copy)]
pub enum Passed<'a> {
    /// It is a token, of which nothing is proven.
    Form(&'a UnverifiedToken<'a>),
    /// It says that it is one of this issuer's.
    Issuer {
        /// The issuer's name in the configuration.
        name: &'a str,
        /// What the issuer's tokens have to be like.
        expectations: &'a Expectations,
    },
    /// The issuer uses its algorithm.
    Algorithm,
    /// This key has to have signed it.
    Key(&'a VerifyingKey),
    /// The key has.
    Signature,
}

impl Authenticator {
    /// An authenticator without issuers, which refuses every token until some are added.
    #[must_use]
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::default()
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// See [`AuthnError`]: nothing was presented, it has expired, it is not acceptable, or nobody can tell yet. After
    /// [`AuthnError::KeyAwaited`] it is worth waiting and asking again.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, AuthnError> {
        self.recall_or_verify(bearer::token(headers, self.scheme, self.token_bytes)?)
    }

    /// Whose token this is. [`authenticate`](Self::authenticate) without the headers.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), never [`AuthnError::NotAuthenticated`].
    pub fn authenticate_token(&self, token: &str) -> Result<Principal, AuthnError> {
        self.recall_or_verify(Presented::from(token))
    }

    fn recall_or_verify(&self, token: Presented<'_>) -> Result<Principal, AuthnError> {
        let now = self.clock.now();
        if let Some(outcome) = self.cache.get(token.as_bytes()).and_then(|entry| self.recall(entry, now)) {
            self.cache.hit();
            return outcome;
        }
        self.cache.miss();
        self.verify(token.text()?, now, |_| {})
    }

    /// As [`authenticate`](Self::authenticate), always by the whole verification, and `passed` is told of every step on
    /// the way: what comes behind the last one failed. To explain an answer by what gives it.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub fn explain(&self, headers: &HeaderMap, passed: impl FnMut(Passed<'_>)) -> Result<Principal, AuthnError> {
        let token = bearer::token(headers, self.scheme, self.token_bytes)?;
        self.verify(token.text()?, self.clock.now(), passed)
    }

    /// The issuers' names in the configuration and their keys, in the order in which they were added.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &KeySource)> {
        self.issuers.iter().map(|issuer| (&*issuer.profile.issuer, &*issuer.keys))
    }

    /// How the cache is doing.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// The revocations that it looks at.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// The keys of the issuer that has this name in the configuration.
    #[must_use]
    pub fn keys(&self, issuer: &str) -> Option<&Arc<KeySource>> {
        self.issuers.iter().find(|known| *known.profile.issuer == *issuer).map(|known| &known.keys)
    }

    /// What a cached entry is worth now; `None` if the token has to be verified again.
    fn recall(&self, entry: Entry, now: Timestamp) -> Option<Result<Principal, AuthnError>> {
        let issuer = self.issuers.get(entry.issuer)?;
        if !issuer.keys.is_current(entry.generation, now) {
            return None;
        }
        if now >= entry.expires {
            return Some(Err(AuthnError::TokenExpired));
        }
        // Either can only be after the clock was set back: then the token is looked at as if for the first time.
        if now < entry.not_before {
            return None;
        }
        entry.principal.map(|principal| self.unless_revoked(principal))
    }

    fn verify(&self, token: &str, now: Timestamp, mut passed: impl FnMut(Passed<'_>)) -> Result<Principal, AuthnError> {
        let unverified = UnverifiedToken::parse_with(token, self.token_bytes, &self.headers)?;
        passed(Passed::Form(&unverified));
        let (at, issuer) = self.issuer_of(&unverified)?;
        passed(Passed::Issuer { name: &issuer.profile.issuer, expectations: &issuer.expectations });
        let algorithm = unverified.header().algorithm();
        if !issuer.algorithms.contains(&algorithm) {
            return Err(InvalidToken::AlgorithmNotAllowed(algorithm).into());
        }
        passed(Passed::Algorithm);
        let (keys, generation) = issuer.keys.load(now).ok_or_else(|| AuthnError::KeysUnavailable {
            issuer: Arc::clone(&issuer.profile.issuer),
            retry_after: issuer.keys.retry_after(now),
        })?;
        let key = keys.select(unverified.header()).map_err(|cause| issuer.without_key(cause, now))?;
        passed(Passed::Key(key));
        let signed = unverified.verify_and_remember(key, &self.headers)?;
        passed(Passed::Signature);
        let outcome = issuer.expectations.check(&signed, now);

        let claims = signed.into_claims();
        let leeway = issuer.expectations.leeway;
        let expires = claims.expires_at().saturating_add(leeway);
        let not_before = claims.not_before().unwrap_or_default().saturating_sub(leeway);
        let entry = |principal| Entry { principal, expires, not_before, issuer: at, generation };
        match outcome {
            Ok(()) => {
                let principal = Principal::new(&issuer.profile, claims)?;
                self.cache.insert(token, entry(Some(principal.clone())));
                self.unless_revoked(principal)
            }
            Err(VerifyError::Expired) => {
                self.cache.insert(token, entry(None));
                Err(AuthnError::TokenExpired)
            }
            Err(VerifyError::Invalid(cause)) => Err(cause.into()),
        }
    }

    fn unless_revoked(&self, principal: Principal) -> Result<Principal, AuthnError> {
        if self.revocations.revokes(&principal) { Err(InvalidToken::Revoked.into()) } else { Ok(principal) }
    }

    /// The issuer by `iss`; else the one that does not check `iss`. The `kid` chooses only among that issuer's keys.
    fn issuer_of(&self, token: &UnverifiedToken<'_>) -> Result<(usize, &Issuer), InvalidToken> {
        let named = token.claims().issuer().and_then(|iss| self.by_iss.get(iss).copied());
        let at = named.or(self.without_iss).ok_or(InvalidToken::UnknownIssuer)?;
        self.issuers.get(at).map(|issuer| (at, issuer)).ok_or(InvalidToken::UnknownIssuer)
    }
}

/// Collects what an [`Authenticator`] is made of.
#[derive(Debug, Default)]
pub struct AuthenticatorBuilder {
    issuers: Vec<IssuerSettings>,
    wanted: Wanted,
    cache: CacheSettings,
    revocations: Option<Arc<Revocations>>,
    scheme: SchemeMatch,
    token_bytes: Option<usize>,
    clock: Clock,
}

/// Issuers that cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// Two issuers have the same `iss`, or two check none.
    #[error("issuers {0:?} and {1:?} cannot be told apart: each needs an `issuer` of its own")]
    SameIssuer(String, String),
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
    /// [`AuthenticatorError::SameIssuer`] when a token could belong to two issuers.
    pub fn build(self) -> Result<Authenticator, AuthenticatorError> {
        let shared = Arc::new(self.wanted);
        let mut by_iss = HashMap::new();
        let mut without_iss = None;
        for (at, issuer) in self.issuers.iter().enumerate() {
            let before = match &issuer.expectations.issuer {
                Some(iss) => by_iss.insert(iss.clone().into_boxed_str(), at),
                None => without_iss.replace(at),
            };
            if let Some(other) = before.and_then(|before| self.issuers.get(before)) {
                return Err(AuthenticatorError::SameIssuer(other.name.clone(), issuer.name.clone()));
            }
        }
        let issuers = self.issuers.into_iter().map(|settings| Issuer {
            keys: settings.keys,
            algorithms: settings.algorithms.into(),
            profile: Arc::new(Profile {
                issuer: settings.name.into(),
                subject: settings.expectations.subject.clone(),
                permissions: settings.permissions,
                leeway: settings.expectations.leeway,
                shared: Arc::clone(&shared),
            }),
            expectations: settings.expectations,
        });
        Ok(Authenticator {
            issuers: issuers.collect(),
            by_iss,
            without_iss,
            cache: Cache::new(self.cache),
            headers: RememberedHeaders::default(),
            revocations: self.revocations.unwrap_or_else(|| Arc::new(Revocations::new(self.clock.clone()))),
            scheme: self.scheme,
            token_bytes: self.token_bytes.unwrap_or(Self::DEFAULT_TOKEN_BYTES),
            clock: self.clock,
        })
    }
}
