//! Whatever happens in between, the cache answers as if it were not there.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    authn::{CacheSettings, HeaderFormat, IdentityHeader, revocation::Target, role_grants::RoleGrant},
    jwt::{self, KeySet, SigningKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const TTL: Duration = Duration::from_secs(600);

/// What can happen between requests.
#[derive(Debug, Clone)]
enum Step {
    /// A request with this token.
    Ask(usize),
    /// Another thread's.
    AskElsewhere(usize),
    /// The clock goes on, or back, by so many seconds.
    Clock(i64),
    /// The token's id, or its session, or what its subject was issued so many seconds after the start.
    Revoke(usize, u8, u64),
    Grant(Option<usize>),
    /// The issuer's keys are the first, the second, both or none of them.
    Keys(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..TOKENS).prop_map(Step::Ask),
        2 => (0..TOKENS).prop_map(Step::AskElsewhere),
        3 => (-2_000_i64..4_000).prop_map(Step::Clock),
        1 => (0..TOKENS, 0..3_u8, 0..4_000_u64).prop_map(|(token, by, before)| Step::Revoke(token, by, before)),
        1 => proptest::option::of(0..TOKENS).prop_map(Step::Grant),
        2 => (0..4_u8).prop_map(Step::Keys),
    ]
}

const TOKENS: usize = 12;

struct House {
    keys: [SigningKey; 2],
    tokens: Vec<String>,
    clock: Clock,
    source: Arc<KeySource>,
    revocations: Arc<Revocations>,
    grants: Arc<RoleGrants>,
    settings: IssuerSettings,
}

impl House {
    fn new() -> Self {
        let key =
            |byte, id: &str| SigningKey::from_secret(Algorithm::Hs256, &[byte; 32]).unwrap().with_key_id(id.to_owned());
        let keys = [key(1, "a"), key(2, "b")];
        let clock = Clock::manual(NOW);
        let source = Arc::new(KeySource::pending());
        let mut settings = IssuerSettings::with_source("main", Arc::clone(&source), vec![Algorithm::Hs256]);
        settings.expectations.leeway = Duration::from_secs(5);
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let tokens = (0..TOKENS).map(|number| jwt::sign(&keys[number % 2], None, &claims(number)).unwrap()).collect();
        let house = Self { keys, tokens, clock, source, revocations, grants: Arc::default(), settings };
        house.set_keys(2);
        house
    }

    fn set_keys(&self, which: u8) {
        let chosen = self.keys.iter().enumerate().filter(|(at, _)| which == 2 || usize::from(which) == *at);
        let keys = chosen.map(|(_, key)| key.verifying_key().clone()).collect();
        if let Ok(keys) = KeySet::new(keys) {
            self.source.replace(keys);
        }
    }

    fn authenticator(&self, entries: u64) -> Authenticator {
        let identity = |name, claim: &str| IdentityHeader {
            name: http::HeaderName::from_static(name),
            claim: claim.into(),
            format: HeaderFormat::Joined,
        };
        Authenticator::builder()
            .issuer(self.settings.clone())
            .cache(CacheSettings { entries, max_ttl: TTL })
            .identity_headers(vec![identity("x-user", "sub"), identity("x-names", "names")])
            .revocations(Arc::clone(&self.revocations))
            .role_grants(Arc::clone(&self.grants))
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }
}

/// Some are valid only later, some have expired soon, some are bad whenever they are looked at.
fn claims(number: usize) -> serde_json::Map<String, Value> {
    let at = NOW.as_secs() + 300 * number as u64;
    let mut claims = json!({
        "sub": format!("user-{}", number % 5), "jti": format!("j{number}"), "sid": format!("s{}", number % 4),
        "iat": at, "exp": at + 900, "names": ["\u{fc}", "b\\n"], "scope": "one two",
    });
    match number % 3 {
        0 => claims["nbf"] = at.into(),
        1 if number == 7 => claims["names"] = json!(["a,b"]),
        _ => {}
    }
    claims.as_object().unwrap().clone()
}

/// All that can be seen of an answer.
fn seen(outcome: Result<Principal, AuthnError>) -> Result<Value, AuthnError> {
    outcome.map(|principal| {
        let identity: Vec<String> = principal.identity().iter().map(|header| format!("{header:?}")).collect();
        let permissions = ["one", "two", "role"].map(|name| principal.has_permission(name));
        json!({
            "issuer": principal.issuer(), "subject": principal.subject(), "expires": principal.expires_at().as_millis(),
            "claims": principal.claims().to_json(), "audience": principal.claims().id(), "identity": identity,
            "permissions": permissions,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_cached_answer_is_the_one_that_the_whole_verification_gives(
        entries in prop_oneof![Just(0), Just(3), Just(100)],
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let house = House::new();
        let cached = house.authenticator(entries);
        // Another one in the same process, which has nothing to do with it and knows no token.
        let other = Authenticator::builder().clock(house.clock.clone()).build().unwrap();
        for step in steps {
            match step {
                Step::Ask(at) | Step::AskElsewhere(at) => {
                    let token = &house.tokens[at];
                    let answer = match step {
                        Step::Ask(_) => cached.authenticate_token(token),
                        _ => std::thread::scope(|scope| scope.spawn(|| cached.authenticate_token(token)).join().unwrap()),
                    };
                    let anew = house.authenticator(0).authenticate_token(token);
                    prop_assert_eq!(seen(answer), seen(anew));
                    prop_assert!(other.authenticate_token(token).is_err());
                }
                Step::Clock(seconds) => {
                    let now = house.clock.now().as_secs().saturating_add_signed(seconds);
                    house.clock.set(Timestamp::from_secs(now));
                }
                Step::Revoke(at, by, before) => {
                    let claims = claims(at);
                    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
                    let target = match by {
                        0 => Target::Id(text("jti")),
                        1 => Target::Session(text("sid")),
                        _ => Target::Subject { subject: text("sub"), before: Timestamp::from_secs(NOW.as_secs() + before) },
                    };
                    house.revocations.revoke("main", target, Revocations::DEFAULT_LIFE);
                }
                Step::Grant(at) => house.grants.replace(at.map(|at| RoleGrant {
                    issuer: "main".to_owned(),
                    subject: format!("user-{}", at % 5),
                    role: "role".to_owned(),
                })),
                Step::Keys(which) => house.set_keys(which),
            }
        }
    }
}

#[test]
fn what_is_past_its_time_is_verified_again() {
    let house = House::new();
    let authenticator = house.authenticator(100);
    let ask = |at: usize| authenticator.authenticate_token(&house.tokens[at]).is_ok();
    assert!(ask(0) && ask(1));
    house.clock.advance(TTL - Duration::from_millis(1));
    assert!(ask(1) && ask(2));
    let stats = authenticator.cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 3, 3));
    house.clock.advance(Duration::from_millis(1));
    assert!(ask(0), "verified again");
    let stats = authenticator.cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 4, 3), "in the place of what was known of it");
    assert!(ask(2), "the third is younger");
    assert_eq!(authenticator.cache_stats().hits, 2);
}

#[test]
fn what_is_past_its_time_is_thrown_out_whether_it_is_asked_for_or_not() {
    let house = House::new();
    let settings = CacheSettings { entries: 100, max_ttl: Duration::from_millis(1) };
    let builder = Authenticator::builder().issuer(house.settings.clone()).cache(settings);
    let authenticator = builder.clock(house.clock.clone()).build().unwrap();
    assert!(authenticator.authenticate_token(&house.tokens[0]).is_ok());
    // The time is moka's, which cannot be turned.
    let gone = |_| {
        std::thread::sleep(Duration::from_millis(1));
        authenticator.cache_stats().entries == 0
    };
    assert!((0..5_000).any(gone));
}

#[test]
fn any_settings_make_a_cache() {
    let house = House::new();
    for max_ttl in [Duration::ZERO, Duration::MAX] {
        let settings = CacheSettings { entries: u64::MAX, max_ttl };
        let builder = Authenticator::builder().issuer(house.settings.clone()).cache(settings);
        let authenticator = builder.clock(house.clock.clone()).build().unwrap();
        assert!((0..2).all(|_| authenticator.authenticate_token(&house.tokens[0]).is_ok()));
        assert_eq!(authenticator.cache_stats().hits, u64::from(!max_ttl.is_zero()));
    }
}

#[test]
fn a_flood_of_new_tokens_pushes_out_no_hot_one_and_is_let_go() {
    const HOT: usize = 50;
    let house = House::new();
    let authenticator = house.authenticator(100);
    let token = |number: usize| {
        let claims = json!({ "sub": "user", "jti": format!("t{number}"), "exp": NOW.as_secs() + 900 });
        jwt::sign(&house.keys[number % 2], None, claims.as_object().unwrap()).unwrap()
    };
    let hot: Vec<String> = (0..HOT).map(token).collect();
    let ask_the_hot = || hot.iter().all(|token| authenticator.authenticate_token(token).is_ok());
    assert!((0..20).all(|_| ask_the_hot()));
    let each_once = |number| {
        authenticator.authenticate_token(&token(number)).unwrap();
    };
    (HOT..HOT + 2_000).for_each(each_once);
    let before = authenticator.cache_stats();
    assert!(before.entries <= 100, "{before:?}");
    assert!(ask_the_hot());
    let found = authenticator.cache_stats().hits - before.hits;
    assert!(found >= 45, "{found} of {HOT}");
    // Whatever is thrown out is freed, but for the little that waits its turn.
    let held = Arc::strong_count(&authenticator.issuers[0].profile) - 1;
    assert!(held <= 1_000, "{held} principals are held");
}

#[test]
fn claims_are_kept_for_those_who_asked_and_say_what_the_token_says() {
    let house = House::new();
    let authenticator = house.authenticator(100);
    let fresh = authenticator.authenticate_token(&house.tokens[0]).unwrap();
    assert_eq!(fresh.glance().to_json(), Value::Object(claims(0)));
    let known = authenticator.authenticate_token(&house.tokens[0]).unwrap();
    assert_eq!(known.claims().to_json(), Value::Object(claims(0)));
    assert!(std::ptr::eq(known.claims(), fresh.claims()), "decoded once for all who hold it");
    assert_eq!(known.claims().subject(), fresh.subject());
}
