//! From a request's headers to a principal: cache first, then the whole verification.

mod builder;
mod issuer_settings;

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use http::HeaderMap;

use super::{
    AuthnError, Awaited, CacheStats, ClientCertificate, KeySource, Principal, SchemeMatch,
    bearer::{self, Presented},
    binding,
    cache::{Cache, Known, Standing},
    introspection::Introspections,
    passed::Passed,
    principal::Profile,
    revocation::Revocations,
    role_grants::RoleGrants,
};
use crate::{
    clock::{Clock, Timestamp},
    jwt::{Algorithm, Claims, Expectations, InvalidToken, RememberedHeaders, UnverifiedToken, VerifyError},
};

pub use self::{
    builder::{AuthenticatorBuilder, AuthenticatorError},
    issuer_settings::IssuerSettings,
};

/// Verifies the tokens of requests. Shared by all workers; nothing in it is locked while a request waits.
#[derive(Debug)]
pub struct Authenticator {
    issuers: Box<[Issuer]>,
    by_iss: HashMap<Box<str>, usize>,
    without_iss: Option<usize>,
    /// Which one is asked about tokens that do not say whose they are.
    introspecting: Option<usize>,
    cache: Cache,
    headers: RememberedHeaders,
    revocations: Arc<Revocations>,
    grants: Arc<RoleGrants>,
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
            Some(renewal) => AuthnError::Awaited { otherwise: Box::new(cause.into()), awaited: renewal.into() },
            None => cause.into(),
        }
    }

    fn unavailable(&self, now: Timestamp) -> AuthnError {
        let issuer = Arc::clone(&self.profile.issuer);
        AuthnError::KeysUnavailable { issuer, retry_after: self.keys.retry_after(now) }
    }
}

impl Authenticator {
    /// An authenticator without issuers, which refuses every token until some are added.
    #[must_use]
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::default()
    }

    /// Who sent these headers, over a connection without a client certificate.
    ///
    /// # Errors
    /// See [`AuthnError`]: nothing was presented, it has expired, it is not acceptable, or nobody can tell yet. With
    /// [`AuthnError::Awaited`] comes what is worth waiting for; then [`authenticate_over`](Self::authenticate_over) with it.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, AuthnError> {
        self.authenticate_over(headers, None, None)
    }

    /// Who sent these headers, now that `awaited` has ended: by what it brought, if that is about their token. Nobody is
    /// asked again.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), never [`AuthnError::Awaited`].
    pub fn authenticate_after(&self, headers: &HeaderMap, awaited: &Awaited) -> Result<Principal, AuthnError> {
        self.authenticate_over(headers, None, Some(awaited))
    }

    /// Who sent these headers over a connection whose client has proven to have `certificate`: a token may be bound to it
    /// (RFC 8705 §3). `after` is what has been waited for, if anything has.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate); with `after` never [`AuthnError::Awaited`].
    pub fn authenticate_over(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
        after: Option<&Awaited>,
    ) -> Result<Principal, AuthnError> {
        let token = bearer::token(headers, self.scheme, self.token_bytes)?;
        let principal = self.recall_or_verify(token, after)?;
        binding::check(principal.certificate(), certificate).map(|()| principal)
    }

    /// Whose token this is. [`authenticate`](Self::authenticate) without the headers.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), never [`AuthnError::NotAuthenticated`].
    pub fn authenticate_token(&self, token: &str) -> Result<Principal, AuthnError> {
        let principal = self.recall_or_verify(Presented::from(token), None)?;
        binding::check(principal.certificate(), None).map(|()| principal)
    }

    fn recall_or_verify(&self, token: Presented<'_>, after: Option<&Awaited>) -> Result<Principal, AuthnError> {
        let now = self.clock.now();
        if let Some(outcome) = self.cache.get(token.as_bytes()).and_then(|known| self.recall(known, now)) {
            self.cache.hit();
            return outcome;
        }
        if after.is_none() {
            self.cache.miss();
        }
        self.verify(token.text()?, now, after, |_| {})
    }

    /// As [`authenticate`](Self::authenticate), always by the whole verification, and `passed` is told of every step on
    /// the way: what comes behind the last one failed. To explain an answer by what gives it; what a token is bound to is
    /// not looked at.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub fn explain(
        &self,
        headers: &HeaderMap,
        after: Option<&Awaited>,
        passed: impl FnMut(Passed<'_>),
    ) -> Result<Principal, AuthnError> {
        let token = bearer::token(headers, self.scheme, self.token_bytes)?;
        self.verify(token.text()?, self.clock.now(), after, passed)
    }

    /// Whether a token that was accepted before still is, but for a change of its issuer's keys: for what lasts longer than
    /// a request.
    ///
    /// # Errors
    /// [`AuthnError::TokenExpired`], and [`AuthnError::InvalidToken`] if it was revoked.
    pub fn still_accepts(&self, principal: &Principal) -> Result<(), AuthnError> {
        let ended = self.clock.now() >= principal.ends_at();
        if ended { Err(AuthnError::TokenExpired) } else { self.unless_revoked(principal.clone()).map(drop) }
    }

    /// The name in the configuration of the issuer whose the presented token is, or only says that it is. For the log.
    #[must_use]
    pub fn issuer_named_by(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let token = bearer::token(headers, self.scheme, self.token_bytes).ok()?;
        let known = self.cache.get(token.as_bytes()).and_then(|known| self.issuers.get(known.standing().issuer));
        let named = || {
            let unverified = UnverifiedToken::parse_with(token.text().ok()?, self.token_bytes, &self.headers).ok()?;
            self.issuer_of(&unverified).ok().map(|(_, issuer)| issuer)
        };
        known.or_else(named).map(|issuer| Arc::clone(&issuer.profile.issuer))
    }

    /// Every `iss` that it knows.
    pub fn expected_issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().filter_map(|issuer| issuer.expectations.issuer.as_deref())
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

    /// The granted roles that it looks at.
    #[must_use]
    pub const fn role_grants(&self) -> &Arc<RoleGrants> {
        &self.grants
    }

    /// The keys of the issuer that has this name in the configuration.
    #[must_use]
    pub fn keys(&self, issuer: &str) -> Option<&Arc<KeySource>> {
        self.issuers.iter().find(|known| *known.profile.issuer == *issuer).map(|known| &known.keys)
    }

    /// What that which is known is worth now; `None` if the token has to be verified again.
    fn recall(&self, known: Known, now: Timestamp) -> Option<Result<Principal, AuthnError>> {
        let Standing { expires, verified, issuer, generation } = *known.standing();
        if !self.cache.is_fresh(verified, now) || !self.issuers.get(issuer)?.keys.is_current(generation, now) {
            return None;
        }
        match known {
            Known::Good(principal) if now < expires => {
                // It was valid when it was verified, and now is later: nothing else of it depends on the time.
                self.grants.agree_with(&principal).then(|| self.unless_revoked(principal))
            }
            Known::Good(_) | Known::Expired(_) => Some(Err(AuthnError::TokenExpired)),
        }
    }

    fn verify(
        &self,
        token: &str,
        now: Timestamp,
        after: Option<&Awaited>,
        mut passed: impl FnMut(Passed<'_>),
    ) -> Result<Principal, AuthnError> {
        if let Some((at, issuer, asked)) = self.introspecting().filter(|_| !is_jws(token)) {
            if token.len() > self.token_bytes {
                return Err(InvalidToken::TooLong { limit: self.token_bytes }.into());
            }
            passed(Passed::Asked { name: &issuer.profile.issuer });
            return self.introspect((at, issuer), asked, token, now, after);
        }
        let unverified = UnverifiedToken::parse_with(token, self.token_bytes, &self.headers)?;
        passed(Passed::Form(&unverified));
        let (at, issuer) = self.issuer_of(&unverified)?;
        let Issuer { expectations, algorithms, profile, .. } = issuer;
        passed(Passed::Issuer { name: &profile.issuer, expectations, algorithms });
        if let Some(asked) = issuer.keys.introspections() {
            passed(Passed::Asked { name: &profile.issuer });
            return self.introspect((at, issuer), asked, token, now, after);
        }
        let algorithm = unverified.header().algorithm();
        if !issuer.algorithms.contains(&algorithm) {
            return Err(InvalidToken::AlgorithmNotAllowed(algorithm).into());
        }
        passed(Passed::Algorithm);
        let (keys, generation) = issuer.keys.load(now).ok_or_else(|| issuer.unavailable(now))?;
        let key = keys.select(unverified.header()).map_err(|cause| match after {
            None => issuer.without_key(cause, now),
            Some(_) => cause.into(),
        })?;
        passed(Passed::Key(key));
        let signed = unverified.verify_and_remember(key, &self.headers)?;
        passed(Passed::Signature);
        let outcome = issuer.expectations.check(&signed, now);
        let origin = Origin { at, issuer, generation, now, told: false };
        self.conclude(token, signed.into_claims(), outcome, &origin)
    }

    /// By what the issuer has said of the token; if it has not been asked yet, it is now, which is worth waiting for.
    fn introspect(
        &self,
        (at, issuer): (usize, &Issuer),
        asked: &Arc<Introspections>,
        token: &str,
        now: Timestamp,
        after: Option<&Awaited>,
    ) -> Result<Principal, AuthnError> {
        asked.refuses(token, now).map_or(Ok(()), Err)?;
        let Some(awaited) = after else {
            let otherwise = issuer.unavailable(now);
            return Err(match Introspections::ask(asked, token) {
                Some(answer) => AuthnError::Awaited { otherwise: Box::new(otherwise), awaited: answer.into() },
                None => otherwise,
            });
        };
        let answer = awaited.answer_about(token, asked).ok_or_else(|| issuer.unavailable(now))?;
        let concluded = answer.map_err(AuthnError::from).and_then(|claims| {
            let outcome = issuer.expectations.check_introspected(&claims, now);
            let origin = Origin { at, issuer, generation: issuer.keys.generation(), now, told: true };
            self.conclude(token, Claims::clone(&claims), outcome, &origin)
        });
        if let Err(AuthnError::InvalidToken(cause)) = &concluded {
            asked.refuse(token, cause, now);
        }
        concluded
    }

    /// The principal of claims that are the issuer's own, remembered; `outcome` is whether they are acceptable.
    fn conclude(
        &self,
        token: &str,
        claims: Claims,
        outcome: Result<(), VerifyError>,
        origin: &Origin<'_>,
    ) -> Result<Principal, AuthnError> {
        let Origin { at, issuer, generation, now, told } = *origin;
        let expires = claims.expires_at().saturating_add(issuer.expectations.leeway);
        let standing = Standing { expires, verified: now, issuer: at, generation };
        match outcome {
            Ok(()) => {
                let binding = issuer.expectations.binding;
                let principal = Principal::new(&issuer.profile, token, &claims, standing, binding, &self.grants)?;
                let revoked = self.revocations.revokes(&principal, || Cow::Borrowed(&claims));
                let principal = if told { principal.told(claims) } else { principal };
                self.cache.insert(Known::Good(principal.clone()));
                if revoked { Err(InvalidToken::Revoked.into()) } else { Ok(principal) }
            }
            Err(VerifyError::Expired) => {
                self.cache.insert(Known::expired(token, standing));
                Err(AuthnError::TokenExpired)
            }
            Err(VerifyError::Invalid(cause)) => Err(cause.into()),
        }
    }

    /// The issuer that is asked about tokens that do not say whose they are.
    fn introspecting(&self) -> Option<(usize, &Issuer, &Arc<Introspections>)> {
        let at = self.introspecting?;
        let issuer = self.issuers.get(at)?;
        Some((at, issuer, issuer.keys.introspections()?))
    }

    fn unless_revoked(&self, principal: Principal) -> Result<Principal, AuthnError> {
        if self.revocations.revokes(&principal, || principal.glance()) {
            Err(InvalidToken::Revoked.into())
        } else {
            Ok(principal)
        }
    }

    /// The issuer by `iss`; else the one that does not check `iss`. The `kid` chooses only among that issuer's keys.
    fn issuer_of(&self, token: &UnverifiedToken<'_>) -> Result<(usize, &Issuer), InvalidToken> {
        let named = token.claims().issuer().and_then(|iss| self.by_iss.get(iss).copied());
        let at = named.or(self.without_iss).ok_or(InvalidToken::UnknownIssuer)?;
        self.issuers.get(at).map(|issuer| (at, issuer)).ok_or(InvalidToken::UnknownIssuer)
    }
}

/// Where claims come from, and when.
struct Origin<'a> {
    at: usize,
    issuer: &'a Issuer,
    generation: u64,
    now: Timestamp,
    /// Whether the issuer has told them: then they are not in the token.
    told: bool,
}

/// Whether it is a JWS in compact serialization by its form: two dots, and a header that begins as an object of JSON
/// does, with `{"`, `{ ` (`ey` in base64url) or a line's end (`ew`). It names its issuer, and nobody else is asked about
/// it; anything else is opaque to us.
fn is_jws(token: &str) -> bool {
    let begins_as_json = token.starts_with("ey") || token.starts_with("ew");
    begins_as_json && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests;
