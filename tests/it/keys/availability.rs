//! A provider that is not there, or slow.

use std::{thread, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::provider::{Answer, Deployed, Provider, ROUTES, eventually, iss, issuer, token};
use crate::support::{Client, NOW, forge::Signer};

#[test]
fn a_provider_that_is_down_at_the_start_takes_only_its_own_tokens_with_it() {
    let (key, provider) = (Signer::ed25519(), Provider::new(Answer::down()));
    let source = format!("jwks_url = '{}'", provider.url("/jwks"));
    let other = "[issuer.other]\nissuer = 'https://other.example.com'\nsecret = { env = 'KEY' }\n";
    let deployed = Deployed::new(&format!("{}{other}{ROUTES}", issuer("main", &source, "")));
    let good = token(&key, "a", "main");

    let refused = deployed.gateway.connect().bear("GET", "/", &good);
    assert_eq!(refused.status, 503);
    let retry_after: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after), "{retry_after}");
    assert_eq!(deployed.gateway.get("/public/x").status, 200);
    let claims = json!({ "iss": iss("other"), "exp": NOW + 60 }).to_string();
    let secret = Signer::secret(crate::support::deployment::SECRET.as_bytes());
    assert_eq!(deployed.status(&secret.sign(r#"{"alg":"HS256"}"#, claims)), 200);
    assert_eq!(deployed.gateway.admin().get("/readyz").status, 200);
    assert_eq!(deployed.admin("/readyz"), "ready\nkeys missing: main\n");
    deployed.assert_metric("bearergate_keys{issuer=\"main\"} 0");
    let keys = deployed.keys();
    assert_eq!((&keys["keys"], &keys["age_seconds"]), (&json!([]), &Value::Null));
    assert!(keys["last_error"].as_str().unwrap().contains("cannot be reached"), "{keys}");

    provider.set(Answer::keys(&[key.jwk("a", "EdDSA")]));
    eventually(|| deployed.status(&good) == 200);
    assert_eq!(deployed.admin("/readyz"), "ready\n");
    assert_eq!(deployed.keys()["last_error"], Value::Null);
}

#[test]
fn keys_that_are_required_make_the_gateway_unready_until_they_come() {
    let (key, provider) = (Signer::ed25519(), Provider::new(Answer::down()));
    let deployed = Deployed::fetching(&provider, "require_keys = true");
    let ready = deployed.gateway.admin().get("/readyz");
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready\nkeys missing: main\n"));
    provider.set(Answer::keys(&[key.jwk("a", "EdDSA")]));
    eventually(|| deployed.gateway.admin().get("/readyz").status == 200);
}

#[test]
fn the_last_good_keys_are_used_until_they_are_too_old_and_so_are_the_tokens_that_they_verified() {
    let key = Signer::ed25519();
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "max_stale = '1h'");
    let (cached, fresh) = (token(&key, "a", "main"), token(&key, "a", "main"));
    assert_eq!(deployed.status(&cached), 200);
    provider.set(Answer::down());
    deployed.clock.advance(Duration::from_millis(3_599_999));
    assert_eq!((deployed.status(&cached), deployed.status(&fresh)), (200, 200));
    assert_eq!(deployed.keys()["age_seconds"], 3599);
    deployed.clock.advance(Duration::from_millis(1));
    assert_eq!((deployed.status(&cached), deployed.status(&fresh)), (503, 503));
    assert_eq!(deployed.admin("/readyz"), "ready\nkeys missing: main\n");
}

#[test]
fn keys_that_became_too_old_are_good_again_once_they_were_fetched() {
    let key = Signer::ed25519();
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "refresh = '1s'\nmax_stale = '1h'");
    let good = token(&key, "a", "main");
    provider.set(Answer::down());
    eventually(|| deployed.keys()["last_error"].is_string());
    deployed.clock.advance(Duration::from_secs(3600));
    assert_eq!(deployed.status(&good), 503);
    provider.set(Answer::keys(&[key.jwk("a", "EdDSA")]));
    eventually(|| deployed.status(&good) == 200);
}

#[test]
fn a_slow_refresh_is_one_and_holds_nobody_longer_than_the_limit_and_nobody_whose_key_is_known() {
    let (key, new) = (Signer::ed25519(), Signer::ed25519());
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    let keys = [key.jwk("a", "EdDSA"), new.jwk("b", "EdDSA")];
    provider.set(Answer::keys(&keys).after(Duration::from_millis(3500)));
    let (known, unknown) = (token(&key, "a", "main"), token(&new, "b", "main"));
    let address = deployed.gateway.running.address();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let started = Instant::now();
                    (Client::connect(address).bear("GET", "/", &unknown).status, started.elapsed())
                })
            })
            .collect();
        eventually(|| provider.requests() == 2);
        for _ in 0..20 {
            let started = Instant::now();
            assert_eq!(deployed.status(&known), 200);
            assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
        }
        for waited in waiting {
            let (status, elapsed) = waited.join().unwrap();
            assert_eq!(status, 401);
            assert!(elapsed < Duration::from_millis(3000), "{elapsed:?}");
        }
    });
    eventually(|| deployed.status(&unknown) == 200);
    assert_eq!((provider.requests(), provider.most_at_once()), (2, 1));
}

#[test]
fn a_token_that_asks_while_a_refresh_is_under_way_is_not_refused_for_what_that_one_brings() {
    let (key, new) = (Signer::ed25519(), Signer::ed25519());
    let old = Answer::keys(&[key.jwk("a", "EdDSA")]);
    let provider = Provider::new(old.clone());
    let deployed = Deployed::fetching(&provider, "refresh = '1s'\nrefresh_cooldown = '1h'");
    provider.set(old.after(Duration::from_millis(800)));
    eventually(|| provider.requests() == 2);
    provider.set(Answer::keys(&[key.jwk("a", "EdDSA"), new.jwk("b", "EdDSA")]));
    assert_eq!(deployed.status(&token(&new, "b", "main")), 200);
    assert_eq!((provider.requests(), provider.most_at_once()), (3, 1));
    assert_eq!(deployed.status(&token(&new, "c", "main")), 401, "and that was its one question");
}

#[test]
fn a_provider_that_never_answers_is_given_up() {
    let key = Signer::ed25519();
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "");
    provider.set(Answer::down().after(Duration::from_secs(8)));
    deployed.refresh();
    eventually(|| deployed.keys()["last_error"] == "the provider did not answer in time");
    assert_eq!(deployed.status(&token(&key, "a", "main")), 200);
}
