//! Access tokens: what they say, who believes them, and for how long.

use std::time::Duration;

use bearergate::jwt::{KeySet, Origin, UnverifiedToken};
use serde_json::{Value, json};

use super::{Api, EMAIL, Kept, on_both_stores, part, refresh, said, session_at, sign_up, start, unauthorized, unset};
use crate::support::{
    NOW,
    forge::{ClaimText, Signer, with_signature},
};

on_both_stores! {
    an_access_token_says_what_supabases_says
    the_published_key_verifies_it
    an_issuer_that_is_configured_is_in_it
    it_is_good_for_an_hour
    what_is_no_token_is_refused_in_three_ways_on_every_path
}

fn an_access_token_says_what_supabases_says(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let (header, claims) = (part(&session.access, 0), part(&session.access, 1));
    let kid = header["kid"].as_str().unwrap();
    assert!(!kid.is_empty());
    assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT", "kid": kid }));
    let id = claims["session_id"].as_str().unwrap();
    assert_eq!(super::uuid_form(id), id);
    assert_ne!(id, session.user);
    let expected = json!({
        "sub": session.user, "aud": "authenticated", "role": "authenticated", "email": EMAIL, "session_id": id,
        "user_metadata": {}, "app_metadata": { "provider": "email", "providers": ["email"] },
        "iss": "hungry-machines", "iat": NOW, "exp": NOW + 3600,
    });
    assert_eq!(claims, expected);
}

fn the_published_key_verifies_it(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let published = api.client().ask("GET", "/.well-known/jwks.json", None);
    assert_eq!(published.status, 200, "{}", published.text());
    let (keys, _) = KeySet::from_jwks(&published.body, Origin::File).unwrap();
    let unverified = UnverifiedToken::parse(&session.access, 8192).unwrap();
    let key = keys.select(unverified.header()).unwrap();
    assert_eq!(key.key_id(), part(&session.access, 0)["kid"].as_str());
    unverified.verify_signature(key).unwrap();
    let document: Value = serde_json::from_slice(&published.body).unwrap();
    for key in document["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "{key}");
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    }
}

fn an_issuer_that_is_configured_is_in_it(kept: &Kept) {
    let iss = "https://api.example.com/auth/v1";
    let api = Api::start("hungry-machines", kept, &format!("[issuer.api]\nissuer = '{iss}'"), "");
    let session = sign_up(&api);
    assert_eq!(part(&session.access, 1)["iss"], iss);
    said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
}

fn it_is_good_for_an_hour(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    api.clock.advance(Duration::from_secs(3599));
    said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
    api.clock.advance(Duration::from_secs(1));
    for (method, path) in [("GET", "/auth/me"), ("GET", "/machines"), ("POST", "/auth/logout")] {
        unauthorized(&api.client().bear(method, path, &session.access), "Token expired");
    }
    unauthorized(&super::patch(&api, &session.access, &json!({ "location_zip": "1" })), "Token expired");
    // As the document's client goes on.
    let next = session_at(&refresh(&api, &session.refresh), 3600);
    said(&api.get("/auth/me", &next.access), 200, &unset(&session.user));
    // Expired, and somebody else's signature.
    let wrong = with_signature(&session.access, |bytes| bytes[0] ^= 1);
    unauthorized(&api.get("/auth/me", &wrong), "Invalid token");
}

fn what_is_no_token_is_refused_in_three_ways_on_every_path(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let [header, claims] = [0, 1].map(|at| part(&session.access, at));
    let foreign = Signer::p256();
    let mut admin = claims.clone();
    admin["role"] = json!("service_role");
    let [head, payload, signature] = session.access.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let altered = crate::support::forge::base64url(admin.to_string());
    let mut client = api.client();
    for (method, path) in [
        ("GET", "/auth/me"),
        ("PATCH", "/auth/me"),
        ("POST", "/auth/logout"),
        ("GET", "/machines"),
        ("DELETE", "/auth/login"),
        ("GET", "/auth/signup"),
    ] {
        let none = [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer "), Some("bearer"), Some("Token x")];
        for value in none {
            unauthorized(&client.ask(method, path, value.map(str::as_bytes)), "Not authenticated");
        }
        for token in [
            "garbage",
            "a.b.c",
            &session.refresh,
            &with_signature(&session.access, |bytes| bytes[0] ^= 1),
            &format!("{head}.{altered}.{signature}"),
            &format!("{head}.{payload}."),
            &format!("{}.{payload}.", crate::support::forge::base64url(r#"{"alg":"none"}"#)),
            &foreign.sign(header.to_string(), claims.to_string()),
            &foreign.sign(r#"{"alg":"ES256","typ":"JWT"}"#, claims.to_string()),
            &Signer::secret(b"x").sign(header.to_string().replace("ES256", "HS256"), ClaimText::good().json()),
        ] {
            unauthorized(&client.bear(method, path, token), "Invalid token");
        }
    }
    assert!(api.upstream.received_nothing_else());
    // In any case of the scheme.
    let scheme = format!("bEARER {}", session.access);
    said(&client.ask("GET", "/auth/me", Some(scheme.as_bytes())), 200, &unset(&session.user));
    assert_eq!(client.bear("GET", "/machines", &session.access).status, 200);
    assert!(api.upstream.received().starts_with("GET /machines "));
}
