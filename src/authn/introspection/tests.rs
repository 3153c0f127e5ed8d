use std::task::Waker;

use aws_lc_rs::rand::SystemRandom;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    authn::{
        Authenticator, AuthenticatorError, Awaited, CacheSettings, IssuerSettings, KeySource, Principal, Revocations,
        revocation::Target,
    },
    clock::Clock,
    jwt::{self, Algorithm, KeySet, SigningKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// An authenticator whose only issuer is asked by the test.
struct Asked {
    authenticator: Authenticator,
    introspector: Introspector,
    clock: Clock,
}

fn headers(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
}

impl Asked {
    fn new(change: impl FnOnce(IssuerSettings) -> IssuerSettings) -> Self {
        let (source, introspector) = KeySource::introspected();
        let clock = Clock::manual(NOW);
        let issuer = change(IssuerSettings::with_source("main", source, Vec::new()));
        let cache = CacheSettings { entries: 4, max_ttl: HOUR };
        let builder = Authenticator::builder().issuer(issuer).cache(cache).clock(clock.clone());
        Self { authenticator: builder.build().unwrap(), introspector, clock }
    }

    /// What `token` waits for.
    #[track_caller]
    fn asks(&self, token: &str) -> Awaited {
        match self.authenticator.authenticate(&headers(token)) {
            Err(AuthnError::Awaited { awaited, otherwise }) => {
                assert!(matches!(*otherwise, AuthnError::KeysUnavailable { .. }));
                awaited
            }
            other => panic!("{token} is not asked about: {other:?}"),
        }
    }

    fn question(&self) -> Option<Question> {
        let mut next = std::pin::pin!(self.introspector.next());
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(question) => question,
            Poll::Pending => None,
        }
    }

    /// What becomes of a token of which the issuer says this.
    #[track_caller]
    fn after(&self, token: &str, answer: &str) -> Result<Principal, AuthnError> {
        let awaited = self.asks(token);
        let question = self.question().unwrap();
        assert_eq!(question.token(), token);
        self.introspector.answer(question, read(answer.as_bytes().to_vec()).unwrap(), self.clock.now());
        self.authenticator.authenticate_after(&headers(token), &awaited)
    }

    fn known(&self, token: &str) -> Result<Principal, AuthnError> {
        self.authenticator.authenticate(&headers(token))
    }
}

fn invalid(cause: InvalidToken) -> AuthnError {
    AuthnError::InvalidToken(cause)
}

#[test]
fn only_strict_json_with_a_boolean_active_is_an_answer() {
    for (body, answer) in [
        ("", false),
        ("<html>", false),
        ("[]", false),
        ("null", false),
        ("true", false),
        ("{}", false),
        (r#"{"active":"true"}"#, false),
        (r#"{"active":1}"#, false),
        (r#"{"active":null}"#, false),
        (r#"{"Active":true}"#, false),
        (r#"{"active":false,"active":true}"#, false),
        (r#"{"active":true,"sub":"a","sub":"b"}"#, false),
        (r#"{"active":true} {}"#, false),
        (r#"{"active":true}"#, true),
        (r#"{"active":false}"#, true),
    ] {
        assert_eq!(read(body.as_bytes().to_vec()).is_ok(), answer, "{body}");
    }
}

#[test]
fn a_token_of_another_type_or_with_claims_of_wrong_types_is_not_acceptable() {
    let cause = |body: &str| read(body.as_bytes().to_vec()).unwrap().map(|_| ());
    for kind in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(cause(&format!(r#"{{"active":true,"token_type":"{kind}"}}"#)), Ok(()));
    }
    for kind in [r#""DPoP""#, r#""refresh_token""#, r#""""#, "null", "7"] {
        let found = cause(&format!(r#"{{"active":true,"token_type":{kind}}}"#));
        assert_eq!(found, Err(InvalidToken::WrongClaim("token_type".into())), "{kind}");
    }
    for wrong in [r#""exp":"1""#, r#""sub":7"#, r#""aud":[1]"#, r#""nbf":null"#, r#""iss":[]"#] {
        assert!(matches!(cause(&format!("{{\"active\":true,{wrong}}}")), Err(InvalidToken::ClaimType { .. })));
    }
    assert_eq!(cause(r#"{"active":false,"token_type":"DPoP"}"#), Err(InvalidToken::Inactive));
}

#[test]
fn an_answer_is_good_for_all_who_wait_and_then_from_memory_until_it_ends() {
    let asked = Asked::new(|issuer| issuer);
    let (one, two) = (asked.asks("opaque"), asked.asks("opaque"));
    assert_eq!(one, two);
    let question = asked.question().unwrap();
    assert!(asked.question().is_none(), "one question");
    let body = format!(r#"{{"active":true,"sub":"alice","exp":{}}}"#, NOW.as_secs() + 60);
    asked.introspector.answer(question, read(body.into()).unwrap(), NOW);
    for awaited in [&one, &two] {
        let principal = asked.authenticator.authenticate_after(&headers("opaque"), awaited).unwrap();
        assert_eq!((principal.subject(), principal.issuer()), (Some("alice"), "main"));
    }
    asked.clock.advance(Duration::from_millis(59_999));
    assert_eq!(asked.known("opaque").unwrap().subject(), Some("alice"));
    asked.clock.advance(Duration::from_millis(1));
    assert_eq!(asked.known("opaque").unwrap_err(), AuthnError::TokenExpired);
    assert!(asked.question().is_none());
}

#[test]
fn an_answer_without_exp_or_with_a_late_one_is_asked_for_again_after_the_longest_time_in_memory() {
    let late = format!(r#"{{"active":true,"exp":{}}}"#, NOW.as_secs() + 1_000_000);
    for answer in [r#"{"active":true}"#, &late] {
        let asked = Asked::new(|issuer| issuer);
        asked.after("opaque", answer).unwrap();
        asked.clock.advance(HOUR - Duration::from_millis(1));
        asked.known("opaque").unwrap();
        asked.clock.advance(Duration::from_millis(1));
        assert_eq!(asked.after("opaque", r#"{"active":false}"#).unwrap_err(), invalid(InvalidToken::Inactive));
    }
}

#[test]
fn an_active_token_has_to_be_for_here_and_for_now() {
    let settings = |issuer: IssuerSettings| {
        issuer.iss("https://id.example.com").audience("orders").expect(|expected| {
            expected.subject_required = true;
            expected.max_life = Some(HOUR);
        })
    };
    let now = NOW.as_secs();
    let claims = |change: serde_json::Value| {
        let mut claims = serde_json::json!({
            "active": true, "iss": "https://id.example.com", "aud": ["orders"], "sub": "a", "exp": now + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
            if value == "absent" {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        claims.to_string()
    };
    Asked::new(settings).after("t", &claims(serde_json::json!({}))).unwrap();
    for (change, error) in [
        (serde_json::json!({ "exp": now }), AuthnError::TokenExpired),
        (serde_json::json!({ "nbf": now + 1 }), invalid(InvalidToken::NotYetValid)),
        (serde_json::json!({ "iss": "https://id.example.com/" }), invalid(InvalidToken::WrongIssuer)),
        (serde_json::json!({ "iss": "absent" }), invalid(InvalidToken::MissingClaim("iss".into()))),
        (serde_json::json!({ "aud": "others" }), invalid(InvalidToken::WrongAudience)),
        (serde_json::json!({ "aud": "absent" }), invalid(InvalidToken::MissingClaim("aud".into()))),
        (serde_json::json!({ "sub": "absent" }), invalid(InvalidToken::MissingClaim("sub".into()))),
        (serde_json::json!({ "exp": now + 7200 }), invalid(InvalidToken::LivesTooLong)),
        (serde_json::json!({ "exp": "absent" }), invalid(InvalidToken::LivesTooLong)),
    ] {
        let asked = Asked::new(settings);
        assert_eq!(asked.after("t", &claims(change.clone())).unwrap_err(), error, "{change}");
        assert_eq!(asked.known("t").unwrap_err(), error, "{change}: remembered");
    }
    let typed = Asked::new(|issuer| issuer.expect(|expected| expected.typ = Some("at+jwt".to_owned())));
    assert_eq!(typed.after("t", &claims(serde_json::json!({}))).unwrap_err(), invalid(InvalidToken::MissingTyp));
}

#[test]
fn a_refusal_is_remembered_ten_seconds_and_a_clock_set_back_does_not_prolong_it() {
    let asked = Asked::new(|issuer| issuer);
    let refused = asked.after("bad", r#"{"active":false}"#).unwrap_err();
    asked.clock.advance(Duration::from_millis(9_999));
    assert_eq!(asked.known("bad").unwrap_err(), refused);
    assert!(asked.question().is_none());
    asked.clock.advance(Duration::from_millis(1));
    asked.asks("bad");
    drop(asked.question());
    asked.clock.set(NOW.saturating_sub(HOUR));
    asked.asks("bad");
}

#[test]
fn a_flood_of_bad_tokens_pushes_no_good_one_out() {
    let asked = Asked::new(|issuer| issuer);
    asked.after("good", r#"{"active":true,"sub":"alice"}"#).unwrap();
    for number in 0..200 {
        asked.after(&format!("bad{number}"), r#"{"active":false}"#).unwrap_err();
    }
    asked.known("good").unwrap();
    assert_eq!(asked.authenticator.cache_stats().entries, 1);
}

#[test]
fn no_answer_means_that_nobody_can_tell_and_the_next_request_asks_again() {
    let asked = Asked::new(|issuer| issuer);
    let awaited = asked.asks("opaque");
    assert!(asked.introspector.fail(asked.question().unwrap(), "down".to_owned()), "that is news");
    let source = asked.authenticator.keys("main").unwrap();
    assert!(!source.is_available(NOW));
    for _ in 0..2 {
        let outcome = asked.authenticator.authenticate_after(&headers("opaque"), &awaited);
        assert!(matches!(outcome, Err(AuthnError::KeysUnavailable { .. })), "{outcome:?}");
    }
    assert!(asked.question().is_none(), "nobody is asked after a wait");
    asked.asks("opaque");
    assert!(!asked.introspector.fail(asked.question().unwrap(), "down".to_owned()));
    asked.after("opaque", r#"{"active":true}"#).unwrap();
    assert!(source.is_available(NOW));
    let expected = IntrospectionStatus { answered_at: Some(NOW), active: 1, failed: 2, ..Default::default() };
    assert_eq!(source.introspection_status(), Some(expected));
}

#[test]
fn an_answer_is_used_for_the_token_that_it_is_about_and_for_no_other() {
    let asked = Asked::new(|issuer| issuer);
    let awaited = asked.asks("alices");
    asked.introspector.answer(asked.question().unwrap(), read(br#"{"active":true}"#.to_vec()).unwrap(), NOW);
    let stolen = asked.authenticator.authenticate_after(&headers("mallorys"), &awaited);
    assert!(matches!(stolen, Err(AuthnError::KeysUnavailable { .. })), "{stolen:?}");
    let other = Asked::new(|issuer| issuer);
    let elsewhere = other.authenticator.authenticate_after(&headers("alices"), &awaited);
    assert!(matches!(elsewhere, Err(AuthnError::KeysUnavailable { .. })), "{elsewhere:?}");
    asked.authenticator.authenticate_after(&headers("alices"), &awaited).unwrap();
}

#[test]
fn a_thousand_questions_are_open_and_no_more() {
    let asked = Asked::new(|issuer| issuer);
    let open: Vec<_> = (0..MOST_QUESTIONS).map(|number| asked.asks(&format!("t{number}"))).collect();
    assert!(matches!(asked.known("one-more"), Err(AuthnError::KeysUnavailable { .. })));
    assert_eq!(asked.asks("t7"), open[7], "one that is open costs nothing");
    assert_eq!(asked.authenticator.keys("main").unwrap().introspection_status().unwrap().not_asked, 1);
    asked.introspector.fail(asked.question().unwrap(), "down".to_owned());
    asked.asks("one-more");
}

#[test]
fn nobody_waits_for_an_introspector_that_is_gone() {
    let asked = Asked::new(|issuer| issuer);
    let mut awaited = asked.asks("opaque");
    let poll = |awaited: &mut Awaited| Pin::new(awaited).poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll(&mut awaited).is_pending());
    let Asked { authenticator, introspector, .. } = asked;
    drop(introspector);
    assert!(poll(&mut awaited).is_ready());
    for outcome in
        [authenticator.authenticate_after(&headers("opaque"), &awaited), authenticator.authenticate(&headers("other"))]
    {
        assert!(matches!(outcome, Err(AuthnError::KeysUnavailable { .. })), "{outcome:?}");
    }
}

#[test]
fn an_introspector_learns_that_nobody_asks_any_more() {
    let Asked { authenticator, introspector, .. } = Asked::new(|issuer| issuer);
    drop(authenticator);
    let mut next = std::pin::pin!(introspector.next());
    assert!(matches!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}

#[test]
fn a_revoked_token_is_refused_whatever_its_issuer_says() {
    let asked = Asked::new(|issuer| issuer);
    let answer = r#"{"active":true,"jti":"j-1"}"#;
    asked.after("opaque", answer).unwrap();
    let revocations: &Revocations = asked.authenticator.revocations();
    revocations.revoke("main", Target::Id("j-1".to_owned()), HOUR);
    assert_eq!(asked.known("opaque").unwrap_err(), invalid(InvalidToken::Revoked));
    assert_eq!(asked.after("copy", answer).unwrap_err(), invalid(InvalidToken::Revoked));
}

#[test]
fn what_is_too_long_or_no_token_is_nothing_to_ask_about() {
    let asked = Asked::new(|issuer| issuer);
    let long = "x".repeat(8193);
    let too_long = asked.authenticator.authenticate_token(&long).unwrap_err();
    assert_eq!(too_long, invalid(InvalidToken::TooLong { limit: 8192 }));
    assert_eq!(asked.known("a,b").unwrap_err(), invalid(InvalidToken::NotAToken));
    for jws in ["eyJh.bad.jws", "eyAi.bad.jws", "ewoi.bad.jws", "ey.."] {
        assert!(matches!(asked.known(jws).unwrap_err(), AuthnError::InvalidToken(_)), "{jws} is a JWS by its form");
    }
    assert!(asked.question().is_none());
    for opaque in ["x.y.z", "eyJ", "eyJa.b", "eyJa.b.c.d.e", "a+/~._-=="] {
        asked.asks(opaque);
        assert_eq!(asked.question().unwrap().token(), opaque);
    }
}

#[test]
fn two_issuers_that_are_asked_cannot_be_told_apart() {
    let issuer = |name: &str| {
        let (source, introspector) = KeySource::introspected();
        (IssuerSettings::with_source(name, source, Vec::new()).iss(name), introspector)
    };
    let ((one, _one), (two, _two)) = (issuer("one"), issuer("two"));
    let error = Authenticator::builder().issuer(one).issuer(two).build().unwrap_err();
    assert_eq!(error, AuthenticatorError::TwoIntrospecting("one".to_owned(), "two".to_owned()));
}

#[test]
fn an_issuer_of_both_kinds_is_asked_about_opaque_tokens_alone() {
    let key = SigningKey::generate(Algorithm::EdDsa, &SystemRandom::new()).unwrap();
    let claims = json!({ "iss": "both", "sub": "ann", "exp": NOW.as_secs() + 60 });
    let signed = jwt::sign(&key, None, claims.as_object().unwrap()).unwrap();
    for asked_first in [true, false] {
        let (source, introspector) = KeySource::introspected();
        let keys = KeySet::new(vec![key.verifying_key().clone()]).unwrap();
        let issuers = [IssuerSettings::with_source("opaque", source, Vec::new()), IssuerSettings::new("signed", keys)];
        let order = if asked_first { [0, 1] } else { [1, 0] };
        let builder = order
            .into_iter()
            .fold(Authenticator::builder(), |builder, at| builder.issuer(issuers[at].clone().iss("both")));
        let authenticator = builder.clock(Clock::manual(NOW)).build().unwrap();
        assert_eq!(authenticator.authenticate_token(&signed).unwrap().issuer(), "signed");
        assert!(matches!(authenticator.authenticate_token("opaque"), Err(AuthnError::Awaited { .. })));
        drop(introspector);
    }
}

#[test]
fn neither_token_nor_claims_are_shown() {
    let asked = Asked::new(|issuer| issuer);
    let awaited = asked.asks("sEcReT");
    let question = asked.question().unwrap();
    let shown = format!("{:?} {awaited:?} {question:?} {:?}", asked.introspector, asked.authenticator);
    assert!(!shown.contains("sEcReT"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_none(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(body);
    }

    #[test]
    fn nothing_but_active_true_gives_claims(active in "[a-z0-9\"\\[\\]{}.]{0,6}", sub in "[a-z]{0,4}") {
        let body = format!("{{\"active\":{active},\"sub\":\"x{sub}\"}}");
        if matches!(read(body.into()), Ok(Ok(_))) {
            prop_assert_eq!(active, "true");
        }
    }
}
