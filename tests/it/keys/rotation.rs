//! Keys that change while requests run.

use std::time::Duration;

use bearergate::authn::AuthnError;
use serde_json::json;

use super::provider::{Answer, Deployed, Provider, ROUTES, eventually, issuer, token};
use crate::support::forge::Signer;

#[test]
fn a_new_key_works_at_once_and_a_removed_ones_cached_tokens_are_refused_at_once() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[old.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    let (of_old, of_new) = (token(&old, "a", "main"), token(&new, "b", "main"));
    assert_eq!((deployed.status(&of_old), deployed.status(&of_old)), (200, 200));

    provider.set(Answer::keys(&[old.jwk("a", "EdDSA"), new.jwk("b", "EdDSA")]));
    assert_eq!((deployed.status(&of_new), deployed.status(&of_old)), (200, 200));

    provider.set(Answer::keys(&[new.jwk("b", "EdDSA")]));
    deployed.refresh();
    assert_eq!((deployed.status(&of_old), deployed.status(&of_new)), (401, 200));
    assert_eq!(deployed.keys()["keys"], json!([{ "kid": "b", "algorithm": "EdDSA" }]));
}

#[test]
fn a_new_key_works_though_an_older_answer_is_still_on_its_way() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[old.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "refresh = '1s'");
    provider.set(Answer::keys(&[old.jwk("a", "EdDSA")]).after(Duration::from_millis(500)));
    let requests = provider.requests();
    eventually(|| provider.requests() > requests);
    // What is under way was asked for before there was a new key.
    provider.set(Answer::keys(&[old.jwk("a", "EdDSA"), new.jwk("b", "EdDSA")]));
    assert_eq!(deployed.status(&token(&new, "b", "main")), 200);
    assert_eq!(provider.most_at_once(), 1);
}

#[test]
fn another_key_under_the_same_id_takes_the_place_of_the_first() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[old.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    let (of_old, of_new) = (token(&old, "a", "main"), token(&new, "a", "main"));
    assert_eq!((deployed.status(&of_old), deployed.status(&of_new)), (200, 401));
    provider.set(Answer::keys(&[new.jwk("a", "EdDSA")]));
    deployed.refresh();
    assert_eq!((deployed.status(&of_old), deployed.status(&of_new)), (401, 200));
}

#[test]
fn ten_thousand_invented_ids_are_one_fetch_a_cooldown() {
    let (key, stranger) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "refresh_cooldown = '30s'");
    let snapshot = deployed.gateway.snapshot.load_full();
    let mut unknown = 0;
    for round in 1..=3 {
        assert_eq!(deployed.status(&token(&stranger, &format!("first of {round}"), "main")), 401);
        assert_eq!(provider.requests(), 1 + round, "the first one asks");
        for _ in 0..3333 {
            unknown += 1;
            let invented = token(&stranger, &format!("invented {unknown}"), "main");
            let refused = snapshot.authenticator.authenticate_token(&invented);
            assert!(matches!(refused, Err(AuthnError::InvalidToken(_))), "at once, without a wait: {refused:?}");
        }
        deployed.clock.advance(Duration::from_millis(29_999));
        assert_eq!(deployed.status(&token(&stranger, "too soon", "main")), 401);
        assert_eq!(provider.requests(), 1 + round, "and nobody else before its time");
        deployed.clock.advance(Duration::from_millis(1));
    }
}

#[test]
fn a_token_that_names_no_key_or_names_one_wrongly_asks_for_nothing() {
    let (key, stranger) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    let claims = json!({ "iss": "https://main.example.com", "exp": crate::support::NOW + 60 }).to_string();
    for header in [
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"a"}"#,
        r#"{"alg":"EdDSA","kid":7}"#,
        r#"{"alg":"ES256","kid":"b"}"#,
        r#"{"alg":"none","kid":"b"}"#,
    ] {
        assert_eq!(deployed.status(&stranger.sign(header, &claims)), 401, "{header}");
    }
    assert_eq!(deployed.status(&token(&stranger, "b", "nobody")), 401);
    assert_eq!(deployed.status(&key.sign(r#"{"alg":"EdDSA"}"#, &claims)), 200, "the only key is meant");
    assert_eq!(provider.requests(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_lock_new_keys_out() {
    let (key, new) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    deployed.refresh();
    let now = deployed.clock.now();
    deployed.clock.set(now.saturating_sub(Duration::from_secs(3600)));
    provider.set(Answer::keys(&[new.jwk("b", "EdDSA")]));
    assert_eq!(deployed.status(&token(&new, "b", "main")), 200);
}

#[test]
fn the_same_id_at_two_issuers_is_two_keys_and_a_route_chooses_among_issuers() {
    let (one, two) = (Signer::ed25519(), Signer::ed25519());
    let providers = [&one, &two].map(|key| Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")])));
    let source = |at: usize| format!("jwks_url = '{}'", providers[at].url("/jwks"));
    let only = "[[route]]\nmatch = 'GET /one'\naccess = 'token'\nissuers = ['one']\n";
    let issuers = issuer("one", &source(0), "") + &issuer("two", &source(1), "");
    let deployed = Deployed::new(&format!("{issuers}{ROUTES}{only}"));
    for (key, name, status, at_one) in
        [(&one, "one", 200, 200), (&two, "two", 200, 401), (&one, "two", 401, 401), (&two, "one", 401, 401)]
    {
        let token = token(key, "a", name);
        // The second time a good one comes from the cache.
        for _ in 0..2 {
            assert_eq!(deployed.status(&token), status, "{name}");
            assert_eq!(deployed.gateway.connect().bear("GET", "/one", &token).status, at_one, "{name} at one");
        }
    }
}
