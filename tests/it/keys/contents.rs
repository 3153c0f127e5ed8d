//! What a provider says instead of good keys.

use std::time::Duration;

use bearergate::clock::Timestamp;
use serde_json::{Value, json};

use super::provider::{Answer, Deployed, Provider, ROUTES, iss, issuer, token};
use crate::support::{NOW, forge::Signer};

#[test]
fn what_is_no_key_set_leaves_the_old_keys_in_place() {
    let key = Signer::ed25519();
    let good = key.jwk("a", "EdDSA");
    let provider = Provider::new(Answer::keys(std::slice::from_ref(&good)));
    let deployed = Deployed::fetching(&provider, "");
    let token = token(&key, "a", "main");
    let mut private = Signer::ed25519().jwk("b", "EdDSA");
    private["d"] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into();
    let secret = json!({ "kty": "oct", "kid": "c", "alg": "HS256", "k": "c".repeat(64) });
    let weak = json!({ "kty": "RSA", "kid": "d", "alg": "RS256", "n": "u".repeat(171), "e": "AQAB" });
    let head = |head: &str| Answer::raw(format!("{head}\r\nContent-Length: 0\r\n\r\n"));
    let elsewhere = format!("Location: {}", provider.url("/elsewhere"));
    let mut failures = 0;
    for (answer, error) in [
        (Answer::body("garbage"), "not strict JSON"),
        (Answer::body_with("Content-Type: text/html\r\n", "<html>Sign in</html>"), "not strict JSON"),
        (Answer::body(""), "not strict JSON"),
        (Answer::body("{}"), "not a JWK set"),
        (Answer::body(r#"{"keys":{}}"#), "not a JWK set"),
        (Answer::keys(&[]), "no usable key"),
        (Answer::keys(&[good.clone(), good.clone()]), "`a` occurs twice"),
        (Answer::keys(&[secret]), "no usable key"),
        (Answer::keys(&[private]), "no usable key"),
        (Answer::keys(&[weak]), "no usable key"),
        (Answer::body(format!("{{\"keys\":[]}}{}", " ".repeat(2 << 20))), "longer than 1 MiB"),
        (Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":"), "broke off"),
        (head(&format!("HTTP/1.1 302 Found\r\n{elsewhere}")), "redirect (302)"),
        (head("HTTP/1.1 308 Permanent Redirect\r\nLocation: http://169.254.169.254/"), "redirect (308)"),
        (head("HTTP/1.1 304 Not Modified"), "redirect (304)"),
        (head("HTTP/1.1 404 Not Found"), "status 404"),
        (head("HTTP/1.1 500 Internal Server Error"), "status 500"),
        (Answer::raw("SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
        (Answer::down(), "cannot be reached"),
    ] {
        provider.set(answer);
        deployed.refresh();
        failures += 1;
        let keys = deployed.keys();
        assert!(keys["last_error"].as_str().unwrap_or_default().contains(error), "{error}: {keys}");
        assert_eq!(keys["keys"], json!([{ "kid": "a", "algorithm": "EdDSA" }]), "{error}");
        assert_eq!(deployed.status(&token), 200, "{error}");
    }
    // On a slow machine a retry may have come in between.
    let failed = deployed.refreshes("failed");
    assert!(failed >= failures, "{failed}");
    assert_eq!(provider.requests(), failed + 1, "nothing else was asked, and no redirect followed");
}

#[test]
fn a_bad_key_among_good_ones_is_left_out() {
    let (key, other) = (Signer::ed25519(), Signer::p256());
    let bad = [
        json!({ "kty": "oct", "kid": "c", "k": "c".repeat(64) }),
        json!({ "kty": "RSA", "kid": "d", "alg": "RS256", "n": "u".repeat(171), "e": "AQ" }),
        json!({ "kty": "EC", "kid": "e", "crv": "P-256", "x": "AA", "y": "AA", "alg": "ES256" }),
        json!("not an object"),
        other.jwk("another algorithm", "ES256"),
    ];
    let all: Vec<Value> = bad.into_iter().chain([key.jwk("a", "EdDSA")]).collect();
    let provider = Provider::new(Answer::keys(&all));
    let deployed = Deployed::fetching(&provider, "");
    assert_eq!(deployed.status(&token(&key, "a", "main")), 200);
    deployed.assert_metric("bearergate_keys{issuer=\"main\"} 1");
}

#[test]
fn unchanged_keys_are_not_sent_again_and_what_they_verified_is_not_verified_again() {
    let key = Signer::ed25519();
    let provider = Provider::new(Answer::tagged(&[key.jwk("a", "EdDSA")], "\"v1\""));
    let deployed = Deployed::fetching(&provider, "");
    let good = token(&key, "a", "main");
    assert_eq!(deployed.status(&good), 200);
    let hits = || deployed.gateway.snapshot.load().authenticator.cache_stats().hits;
    for (round, answer) in [None, Some(Answer::keys(&[key.jwk("a", "EdDSA")]))].into_iter().enumerate() {
        answer.into_iter().for_each(|answer| provider.set(answer));
        deployed.refresh();
        let unchanged = round + 1;
        deployed.assert_metric(&format!(
            "bearergate_key_refreshes_total{{issuer=\"main\",outcome=\"unchanged\"}} {unchanged}"
        ));
        deployed.assert_metric("bearergate_keys_age_seconds{issuer=\"main\"} 0");
        let before = hits();
        assert_eq!((deployed.status(&good), hits()), (200, before + 1));
    }
}

#[test]
fn keys_are_found_by_the_metadata_of_the_very_issuer() {
    let (key, provider) = (Signer::ed25519(), Provider::new(Answer::down()));
    provider.set(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let metadata = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": provider.url("/jwks") });
    provider.describe(&metadata(&iss("main")));
    let source = format!("discovery_url = '{}'", provider.url("/"));
    let deployed = Deployed::new(&format!("{}{ROUTES}", issuer("main", &source, "")));
    let good = token(&key, "a", "main");
    assert_eq!(deployed.status(&good), 200);
    for (metadata, error) in [
        (metadata("https://main.example.com/"), "that of another issuer: `https://main.example.com/`"),
        (json!({ "issuer": iss("main") }), "no `jwks_uri`"),
        (json!({ "issuer": iss("main"), "jwks_uri": "http://169.254.169.254/" }), "is an address that is not asked"),
        (json!({ "issuer": iss("main"), "jwks_uri": "http://id.example.com/" }), "is not https"),
    ] {
        provider.describe(&metadata);
        deployed.refresh();
        let keys = deployed.keys();
        assert!(keys["last_error"].as_str().unwrap_or_default().contains(error), "{error}: {keys}");
        assert_eq!(deployed.status(&good), 200);
    }
}

#[test]
fn of_the_metadatas_age_and_that_of_the_keys_the_shorter_one_counts() {
    let key = Signer::ed25519();
    for (of_metadata, of_keys) in [(40, 400), (400, 40), (40, 7200)] {
        let keys = json!({ "keys": [key.jwk("a", "EdDSA")] }).to_string();
        let field = |age: u32| format!("Cache-Control: max-age={age}\r\n");
        let provider = Provider::new(Answer::body_with(&field(of_keys), keys));
        let metadata = json!({ "issuer": iss("main"), "jwks_uri": provider.url("/jwks") });
        provider.describe_with(&field(of_metadata), &metadata);
        let source = format!("discovery_url = '{}'", provider.url("/"));
        let deployed = Deployed::new(&format!("{}{ROUTES}", issuer("main", &source, "")));
        let next = deployed.keys()["next_refresh"].as_str().and_then(Timestamp::parse).unwrap();
        let delay = next.since(Timestamp::from_secs(NOW)).as_millis();
        assert!((36_000..=40_000).contains(&delay), "{of_metadata}, {of_keys}: {delay}");
    }
}

#[test]
fn keys_are_fetched_again_and_again_without_being_asked_for() {
    let key = Signer::ed25519();
    let provider = Provider::new(Answer::keys(&[key.jwk("a", "EdDSA")]));
    let deployed = Deployed::fetching(&provider, "refresh = '1s'");
    let next = deployed.keys()["next_refresh"].clone();
    assert!(next.as_str().unwrap().starts_with("2025-12-12T10:45:2"), "{next}");
    super::provider::eventually(|| provider.requests() >= 3);
    deployed.clock.advance(Duration::from_secs(1));
    assert_eq!(deployed.keys()["last_error"], Value::Null);
}
