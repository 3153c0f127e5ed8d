use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use serde_json::{Value, json};

use super::*;
use crate::{
    authn::{Authenticator, AuthnError, IssuerSettings},
    jwt::{self, Algorithm, InvalidToken, KeySet, SigningKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
/// The order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Two issuers, `main` and `other`, and the authenticator for both.
struct Issuers {
    keys: [SigningKey; 2],
    authenticator: Authenticator,
    revocations: Arc<Revocations>,
    clock: Clock,
}

impl Issuers {
    fn new() -> Self {
        let clock = Clock::manual(NOW);
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let keys = [(); 2].map(|()| SigningKey::generate(Algorithm::Es256, &SystemRandom::new()).unwrap());
        let mut builder = Authenticator::builder().clock(clock.clone()).revocations(Arc::clone(&revocations));
        for (name, key) in ["main", "other"].into_iter().zip(&keys) {
            let keys = KeySet::new(vec![key.verifying_key().clone()]).unwrap();
            builder = builder.issuer(IssuerSettings::new(name, keys).iss(name));
        }
        Self { keys, authenticator: builder.build().unwrap(), revocations, clock }
    }

    /// A token of `main` that is good for an hour.
    fn token(&self, claims: Value) -> String {
        self.token_of(0, "main", claims)
    }

    fn token_of(&self, key: usize, iss: &str, mut claims: Value) -> String {
        claims["iss"] = json!(iss);
        claims["exp"] = json!(NOW.as_secs() + 3600);
        jwt::sign(&self.keys[key], None, claims.as_object().unwrap()).unwrap()
    }

    /// Whether it is let through; whatever else is wrong with it fails the test.
    #[track_caller]
    fn accepts(&self, token: &str) -> bool {
        match self.authenticator.authenticate_token(token) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, AuthnError::InvalidToken(InvalidToken::Revoked));
                false
            }
        }
    }
}

fn id(id: &str) -> Target {
    Target::Id(id.to_owned())
}

fn session(session: &str) -> Target {
    Target::Session(session.to_owned())
}

#[test]
fn a_token_is_revoked_by_its_id_whether_it_is_in_the_cache_or_new() {
    let issuers = Issuers::new();
    let [known, fresh, good] = ["a", "b", "c"].map(|id| issuers.token(json!({ "jti": id })));
    assert!(issuers.accepts(&known) && issuers.accepts(&good));
    issuers.revocations.revoke("main", id("a"), HOUR);
    issuers.revocations.revoke("main", id("b"), HOUR);
    for _ in 0..2 {
        assert!(!issuers.accepts(&known) && !issuers.accepts(&fresh));
        assert!(issuers.accepts(&good));
    }
    assert_eq!(issuers.authenticator.cache_stats().misses, 3, "a revoked token does not cost its verification again");
}

#[test]
fn a_session_is_revoked_by_either_name_of_its_claim_and_by_its_number() {
    let issuers = Issuers::new();
    let tokens = [json!({ "session_id": "s" }), json!({ "sid": "s" }), json!({ "sid": 7 }), json!({ "sid": "t" })];
    let tokens = tokens.map(|claims| issuers.token(claims));
    assert!(tokens.iter().all(|token| issuers.accepts(token)));
    issuers.revocations.revoke("main", session("s"), HOUR);
    assert_eq!(tokens.each_ref().map(|token| issuers.accepts(token)), [false, false, true, true]);
    issuers.revocations.revoke("main", session("7"), HOUR);
    assert_eq!(tokens.each_ref().map(|token| issuers.accepts(token)), [false, false, false, true]);
    issuers.revocations.revoke("main", id("t"), HOUR);
    assert!(issuers.accepts(&tokens[3]), "an id is no session");
}

#[test]
fn of_a_subject_what_was_issued_before_is_revoked_and_what_does_not_say_when() {
    let issuers = Issuers::new();
    let issued = |iat: u64| issuers.token(json!({ "sub": "alice", "iat": iat }));
    let (old, new) = (issued(NOW.as_secs() - 10), issued(NOW.as_secs()));
    let silent = issuers.token(json!({ "sub": "alice" }));
    let somebody_else = issuers.token(json!({ "sub": "alicia", "iat": 1 }));
    let target = |before| Target::Subject { subject: "alice".to_owned(), before };
    issuers.revocations.revoke("main", target(NOW), HOUR);
    let accepted = || [&old, &silent, &new, &somebody_else].map(|token| issuers.accepts(token));
    assert_eq!(accepted(), [false, false, true, true]);
    issuers.revocations.revoke("main", target(Timestamp::from_secs(1)), HOUR);
    assert_eq!(accepted(), [false, false, true, true], "an earlier time takes nothing back");
    issuers.revocations.revoke("main", target(NOW.saturating_add(HOUR)), HOUR);
    assert_eq!(accepted(), [false, false, false, true]);
}

#[test]
fn the_same_id_of_another_issuer_is_another_token() {
    let issuers = Issuers::new();
    let other = issuers.token_of(1, "other", json!({ "jti": "a", "sid": "a", "sub": "a" }));
    issuers.revocations.revoke("main", id("a"), HOUR);
    issuers.revocations.revoke("main", session("a"), HOUR);
    issuers.revocations.revoke("main", Target::Subject { subject: "a".to_owned(), before: NOW }, HOUR);
    assert!(issuers.accepts(&other));
    issuers.revocations.revoke("other", id("a"), HOUR);
    assert!(!issuers.accepts(&other));
}

#[test]
fn a_malleated_copy_of_a_revoked_token_is_revoked() {
    let issuers = Issuers::new();
    let token = issuers.token(json!({ "jti": "a" }));
    let copy = malleated(&token);
    assert_ne!(token, copy);
    assert!(issuers.accepts(&token) && issuers.accepts(&copy), "both signatures are right");
    issuers.revocations.revoke("main", id("a"), HOUR);
    assert!(!issuers.accepts(&token) && !issuers.accepts(&copy));
    let fresh = issuers.token(json!({ "jti": "a", "nonce": 1 }));
    assert!(!issuers.accepts(&malleated(&fresh)));
}

/// The other signature that fits the same bytes: `n - s` in place of `s`.
fn malleated(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let mut borrow = 0;
    for (digit, order) in signature[32..].iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference + 256 * borrow).unwrap();
    }
    format!("{signed}.{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature))
}

#[test]
fn an_expired_token_is_expired_and_not_revoked() {
    let issuers = Issuers::new();
    let token = issuers.token(json!({ "jti": "a" }));
    assert!(issuers.accepts(&token));
    issuers.revocations.revoke("main", id("a"), HOUR * 2);
    issuers.clock.advance(HOUR);
    assert_eq!(issuers.authenticator.authenticate_token(&token).unwrap_err(), AuthnError::TokenExpired);
}

#[test]
fn what_is_over_is_forgotten_and_the_later_of_two_ends_counts() {
    let issuers = Issuers::new();
    let revocations = &issuers.revocations;
    revocations.revoke("main", id("a"), HOUR);
    revocations.revoke("main", id("b"), HOUR * 3);
    revocations.revoke("main", id("b"), HOUR);
    assert_eq!(revocations.count(), 2);
    issuers.clock.advance(HOUR);
    let until = NOW.saturating_add(HOUR * 3);
    assert_eq!(revocations.list(), [Revocation { issuer: "main".to_owned(), target: id("b"), until }]);
    revocations.revoke("other", id("c"), HOUR);
    assert_eq!(revocations.count(), 2, "a is forgotten");
}

#[test]
fn one_that_is_revoked_while_others_ask_is_refused_by_all_at_once() {
    let issuers = Issuers::new();
    let token = issuers.token(json!({ "jti": "a" }));
    let good = issuers.token(json!({ "jti": "b" }));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (issuers, good) = (&issuers, &good);
            scope.spawn(move || {
                for number in 0..500 {
                    issuers.revocations.revoke("main", id(&format!("{thread}-{number}")), HOUR);
                    assert!(issuers.accepts(good));
                }
            });
        }
        issuers.accepts(&token);
        issuers.revocations.revoke("main", id("a"), HOUR);
        assert!(!issuers.accepts(&token));
    });
    assert_eq!(issuers.revocations.count(), 2001);
    assert!(!issuers.accepts(&token));
}
