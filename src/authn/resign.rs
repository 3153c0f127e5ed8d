//! A token of the gateway's own for the upstream, in place of the client's: short, and of the same subject.
//!
//! 1. It says what tokens of the issuer have to say that it is signed for (`iss`, `aud`, required claims), `sub`, the
//!    claims that are copied, as far as they are there, `iat` and `exp` (RFC 7519 §4.1).
//! 2. It ends after its lifetime, and never after the token that it stands for.
//! 3. It is minted once for a principal and kept with it. When a quarter of its life is left another one is minted, unless
//!    that would end no later.
//!
//! Two workers may mint at the same time; either token is good, so nothing is locked.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{
    HeaderName, HeaderValue,
    header::{self, InvalidHeaderValue},
};
use serde_json::{Map, Value};

use super::Principal;
use crate::{
    clock::{Clock, Timestamp},
    jwt::{ClaimPath, Expectations, SignError, SigningKey, sign},
};

/// What the tokens are like.
#[derive(Debug, Clone)]
pub struct ResignSettings {
    /// The name of the issuer in the configuration that they are signed for.
    pub issuer: String,
    /// What that issuer's tokens have to say.
    pub expectations: Expectations,
    /// How long they are good for.
    pub lifetime: Duration,
    /// What is copied from the client's token.
    pub claims: Vec<ClaimPath>,
    /// The header that carries them. With `Authorization` the scheme `Bearer` goes before the token.
    pub header: HeaderName,
}

/// Mints the tokens.
pub struct Resigner {
    settings: ResignSettings,
    key: CurrentKey,
    clock: Clock,
}

/// The key that signs now. Clones are the same one.
pub type CurrentKey = Arc<ArcSwap<SigningKey>>;

/// A token that was minted, as a header's value.
pub(super) struct Minted {
    value: HeaderValue,
    issued: Timestamp,
    /// From when on another one is minted.
    renewed: Timestamp,
}

impl Minted {
    /// Not before it was issued either: then the clock was set back, and a recipient with the same clock refuses it.
    fn is_good(&self, now: Timestamp) -> bool {
        self.issued <= now && now < self.renewed
    }
}

impl Resigner {
    /// Signs with `key`, whichever that is at the time.
    #[must_use]
    pub const fn new(settings: ResignSettings, key: CurrentKey, clock: Clock) -> Self {
        Self { settings, key, clock }
    }

    /// The name of the issuer in the configuration that tokens are signed for.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// The header that carries the tokens.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.settings.header
    }

    /// The header's value for a request of `principal`'s.
    ///
    /// # Errors
    /// [`SignError`], if the key does not sign.
    pub fn value(&self, principal: &Principal) -> Result<HeaderValue, SignError> {
        let now = self.clock.now();
        if let Some(minted) = &*principal.resigned().load()
            && minted.is_good(now)
        {
            return Ok(minted.value.clone());
        }
        let minted = self.mint(principal, now)?;
        let value = minted.value.clone();
        principal.resigned().store(Some(Arc::new(minted)));
        Ok(value)
    }

    fn mint(&self, principal: &Principal, now: Timestamp) -> Result<Minted, SignError> {
        let ResignSettings { expectations, lifetime, header, .. } = &self.settings;
        let end = now.saturating_add(*lifetime);
        let (expires, renewed) = if principal.ends_at() <= end {
            (principal.ends_at(), principal.ends_at())
        } else {
            (end, now.saturating_add(*lifetime / 4 * 3))
        };
        let typ = expectations.typ.as_deref().unwrap_or("JWT");
        let token = sign(&self.key.load(), Some(typ), &self.claims(principal, now, expires))?;
        let value = if *header == header::AUTHORIZATION { format!("Bearer {token}") } else { token };
        let mut value = HeaderValue::try_from(value).map_err(|_: InvalidHeaderValue| SignError::Claims)?;
        value.set_sensitive(true);
        Ok(Minted { value, issued: now, renewed })
    }

    fn claims(&self, principal: &Principal, now: Timestamp, expires: Timestamp) -> Map<String, Value> {
        let ResignSettings { expectations, claims: copied, .. } = &self.settings;
        let mut claims = Map::new();
        for path in copied {
            if let Some(value) = principal.claims().at(path) {
                path.set(&mut claims, value.to_json());
            }
        }
        // Whatever was copied, these are the gateway's word.
        expectations.meet(&mut claims, now, expires);
        claims.remove("sub");
        claims.extend(principal.subject().map(|subject| ("sub".to_owned(), Value::from(subject))));
        claims
    }
}

impl fmt::Debug for Resigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resigner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        authn::{Authenticator, IssuerSettings},
        jwt::{Algorithm, ClaimValue, KeySet},
    };

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LIFETIME: Duration = Duration::from_secs(60);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_secret(Algorithm::Hs256, &[byte; 32]).unwrap()
    }

    fn resigner(clock: &Clock, change: impl FnOnce(&mut ResignSettings)) -> Resigner {
        let mut settings = ResignSettings {
            issuer: "internal".to_owned(),
            expectations: Expectations { issuer: Some("https://gateway".to_owned()), ..Expectations::default() },
            lifetime: LIFETIME,
            claims: Vec::new(),
            header: HeaderName::from_static("x-internal-token"),
        };
        change(&mut settings);
        Resigner::new(settings, Arc::new(ArcSwap::from_pointee(key(2))), clock.clone())
    }

    /// Who sends a token with these claims.
    fn principal(clock: &Clock, leeway: Duration, claims: &Value) -> Principal {
        let keys = KeySet::new(vec![key(1).verifying_key().clone()]).unwrap();
        let issuer = IssuerSettings::new("main", keys).expect(|expected| expected.leeway = leeway);
        let authenticator = Authenticator::builder().issuer(issuer).clock(clock.clone()).build().unwrap();
        authenticator.authenticate_token(&sign(&key(1), None, claims.as_object().unwrap()).unwrap()).unwrap()
    }

    fn claims(value: &HeaderValue) -> Value {
        let token = value.to_str().unwrap();
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap()).unwrap()
    }

    fn until(seconds: u64) -> Value {
        json!({ "sub": "alice", "exp": NOW.as_secs() + seconds })
    }

    #[test]
    fn it_says_what_its_issuer_wants_and_what_is_copied_and_nothing_else() {
        let clock = Clock::manual(NOW);
        let resigner = resigner(&clock, |settings| {
            settings.expectations.audience = vec!["a".to_owned(), "b".to_owned()];
            settings.expectations.required_claims = vec![ClaimValue { path: "kind".into(), value: "internal".into() }];
            let nested = ClaimPath::nested(["realm_access", "roles"]).unwrap();
            settings.claims = vec!["email".into(), nested, "absent".into(), "kind".into(), "nbf".into()];
        });
        let claimed = json!({
            "sub": "alice", "exp": NOW.as_secs() + 3600, "email": "a@example.com", "kind": "forged", "secret": 1,
            "realm_access": { "roles": ["r"], "other": 1 }, "iss": "https://id", "aud": "other", "jti": "j",
        });
        let expected = json!({
            "sub": "alice", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 60, "email": "a@example.com",
            "kind": "internal", "realm_access": { "roles": ["r"] }, "iss": "https://gateway", "aud": ["a", "b"],
        });
        assert_eq!(claims(&resigner.value(&principal(&clock, Duration::ZERO, &claimed)).unwrap()), expected);
    }

    #[test]
    fn nobody_in_particular_stays_nobody_whatever_is_copied() {
        let clock = Clock::manual(NOW);
        let resigner = resigner(&clock, |settings| settings.claims = vec!["aud".into()]);
        let claimed = json!({ "exp": NOW.as_secs() + 60, "aud": "other" });
        let minted = claims(&resigner.value(&principal(&clock, Duration::ZERO, &claimed)).unwrap());
        assert_eq!(minted.as_object().unwrap().keys().collect::<Vec<_>>(), ["iss", "iat", "exp"]);
    }

    #[test]
    fn it_is_minted_once_and_again_when_a_quarter_of_its_life_is_left() {
        let clock = Clock::manual(NOW);
        let resigner = resigner(&clock, |_| {});
        let principal = principal(&clock, Duration::ZERO, &until(3600));
        let first = resigner.value(&principal).unwrap();
        assert!(first.is_sensitive());
        clock.advance(Duration::from_millis(44_999));
        assert_eq!(resigner.value(&principal).unwrap(), first);
        clock.advance(Duration::from_millis(1));
        assert_eq!(claims(&resigner.value(&principal).unwrap())["exp"], NOW.as_secs() + 45 + 60);
        clock.set(NOW);
        assert_eq!(claims(&resigner.value(&principal).unwrap())["iat"], NOW.as_secs(), "the clock was set back");
    }

    #[test]
    fn it_never_outlives_the_token_that_it_stands_for() {
        let clock = Clock::manual(NOW);
        let resigner = resigner(&clock, |_| {});
        let principal = principal(&clock, Duration::from_secs(5), &until(50));
        let first = resigner.value(&principal).unwrap();
        assert_eq!(claims(&first)["exp"], NOW.as_secs() + 55, "with the leeway that the token has");
        clock.advance(Duration::from_millis(54_999));
        assert_eq!(resigner.value(&principal).unwrap(), first, "another one would end no later");
    }

    #[test]
    fn another_key_signs_what_is_minted_from_then_on() {
        let clock = Clock::manual(NOW);
        let resigner = resigner(&clock, |settings| settings.header = header::AUTHORIZATION);
        let signed_by = |value: &HeaderValue, byte| {
            let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
            crate::jwt::UnverifiedToken::parse(token, 8192).unwrap().verify_signature(key(byte).verifying_key()).is_ok()
        };
        let principal = principal(&clock, Duration::ZERO, &until(3600));
        assert!(signed_by(&resigner.value(&principal).unwrap(), 2));
        resigner.key.store(Arc::new(key(3)));
        clock.advance(LIFETIME);
        assert!(signed_by(&resigner.value(&principal).unwrap(), 3));
    }
}
