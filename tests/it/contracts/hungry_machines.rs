//! Hungry Machines: three details for 401, public endpoints that hand tokens out, a token for everything else.

use super::Api;
use crate::support::{
    Client,
    client::Response,
    forge::{ClaimText, Signer},
};

const MORE: &str = "
    [ownership.box]
    variable = 'box'
    claim = 'boxes'
    [[route]]
    match = 'GET /boxes/{box}'
    owner = 'box'
    [[route]]
    match = 'GET /admin'
    permissions = ['ADMIN']
";

/// As Supabase writes them.
fn claims() -> ClaimText {
    ClaimText::good()
        .with("sub", "\"0f6ae4f4-3c2b-4f0e-a8a5-6f0d3a0f3c55\"")
        .with("role", "\"authenticated\"")
        .with("session_id", "\"5d2f1c0a-6c0b-4f5e-9a54-0d9fd4c4f7b1\"")
        .with("user_metadata", r#"{"location_zip":"10001"}"#)
        .with("app_metadata", r#"{"provider":"email","providers":["email"]}"#)
}

#[track_caller]
fn unauthorized(response: &Response, what: &str, detail: &str) {
    let challenge = if detail == "Not authenticated" { "Bearer" } else { r#"Bearer error="invalid_token""# };
    let fields = [("content-type", "application/json"), ("www-authenticate", challenge)];
    response.assert_is(what, 401, &fields, &format!(r#"{{"detail":"{detail}"}}"#));
}

/// The three details, on this path, for every cause that the document names.
fn three_details(api: &Api, client: &mut Client, method: &str, path: &str) {
    for (what, value) in [
        ("no field", None),
        ("another scheme", Some("Basic YTpi")),
        ("the scheme alone", Some("Bearer")),
        ("the scheme and a space", Some("bearer ")),
    ] {
        unauthorized(&client.ask(method, path, value.map(str::as_bytes)), what, "Not authenticated");
    }
    let expired = api.token(&claims().with("exp", "1765536322"));
    unauthorized(&client.bear(method, path, &expired), "expired", "Token expired");
    let foreign = Signer::p256();
    for (what, token) in [
        ("malformed", "garbage".to_owned()),
        ("wrong signature", foreign.sign(api.header, claims().json())),
        ("wrong alg", Signer::secret(b"x").sign(r#"{"alg":"HS256","kid":"key"}"#, claims().json())),
        ("wrong aud", api.token(&claims().with("aud", "\"anon\""))),
        ("wrong typ", api.signer.sign(r#"{"alg":"ES256","typ":"rt+jwt","kid":"key"}"#, claims().json())),
        ("future nbf", api.token(&claims().with("nbf", "1765536323"))),
        ("refresh token", "v1.MRjVTXqdQ-s8aGGW2pLBEbxcZPjmG0r7".to_owned()),
        ("expired and wrongly signed", foreign.sign(api.header, claims().with("exp", "1").json())),
    ] {
        unauthorized(&client.bear(method, path, &token), what, "Invalid token");
    }
}

#[test]
fn every_protected_path_knows_the_three_details() {
    let api = Api::new("hungry-machines", "");
    let mut client = api.gateway.connect();
    for (method, path) in [
        ("GET", "/auth/me"),
        ("PATCH", "/auth/me"),
        ("GET", "/"),
        ("DELETE", "/machines/1/schedule"),
        ("POST", "/auth/logout"),
        ("OPTIONS", "/machines"),
    ] {
        three_details(&api, &mut client, method, path);
    }
    assert!(api.upstream.received_nothing_else());
    for (method, path) in [("GET", "/auth/me"), ("PATCH", "/auth/me"), ("GET", "/"), ("HEAD", "/machines")] {
        assert_eq!(client.bear(method, path, &api.token(&claims())).status, 200, "{method} {path}");
        assert!(api.upstream.received().starts_with(&format!("{method} {path} ")));
    }
}

#[test]
fn a_wrong_issuer_is_an_invalid_token() {
    let api = Api::new("hungry-machines", "issuer = 'https://id.example.com'\n");
    let mut client = api.gateway.connect();
    for claims in [claims().with("iss", "\"https://id.example.com/\""), claims().without("iss")] {
        unauthorized(&client.bear("GET", "/auth/me", &api.token(&claims)), "iss", "Invalid token");
    }
    assert_eq!(client.bear("GET", "/auth/me", &api.token(&claims())).status, 200);
}

#[test]
fn the_endpoints_that_hand_tokens_out_are_forwarded_whatever_is_presented() {
    let api = Api::new("hungry-machines", "");
    let mut client = api.gateway.connect();
    let endpoints = [
        ("POST", "/auth/signup"),
        ("POST", "/auth/login"),
        ("POST", "/auth/refresh"),
        ("GET", "/auth/confirm?token=x"),
        ("HEAD", "/auth/confirm"),
    ];
    for (method, path) in endpoints {
        for value in [None, Some(&b"Bearer expired"[..]), Some("Basic \u{e9}".as_bytes())] {
            assert_eq!(client.ask(method, path, value).status, 200, "{method} {path}");
            assert!(api.upstream.received().starts_with(&format!("{method} {path} ")));
        }
    }
}

#[test]
fn what_only_looks_like_a_public_endpoint_needs_a_token() {
    let api = Api::new("hungry-machines", "");
    let mut client = api.gateway.connect();
    for (method, path) in [
        ("GET", "/auth/login"),
        ("PUT", "/auth/signup"),
        ("POST", "/auth/confirm"),
        ("OPTIONS", "/auth/login"),
        ("POST", "/auth/login/"),
        ("POST", "/auth/login/x"),
        ("POST", "/Auth/login"),
        ("POST", "/auth/loginx"),
        ("POST", "/auth"),
        ("POST", "/auth/login%20"),
        ("POST", "/x/auth/login"),
        ("POST", "/machines?/auth/login"),
    ] {
        unauthorized(&client.ask(method, path, None), path, "Not authenticated");
    }
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn every_other_refusal_is_a_detail() {
    let api = Api::new("hungry-machines", MORE);
    let token = api.token(&claims());
    let mut client = api.gateway.connect();
    for path in ["/admin", "/boxes/1"] {
        let response = client.bear("GET", path, &token);
        response.assert_is(path, 403, &[("content-type", "application/json")], r#"{"detail":"Forbidden"}"#);
    }
    let expected = [
        (400, "Bad Request", None),
        (400, "Bad Request", None),
        (413, "Request Entity Too Large", None),
        (431, "Request Header Fields Too Large", None),
        (431, "Request Header Fields Too Large", None),
        (502, "Bad Gateway", None),
        (504, "Gateway Timeout", None),
        (503, "Auth service unreachable", Some("5")),
        (503, "Service Unavailable", Some("1")),
    ];
    for ((what, response), (status, detail, retry_after)) in api.refusals("/machines", &token).iter().zip(expected) {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(retry_after.map(|seconds| ("retry-after", seconds)));
        response.assert_is(what, status, &fields, &format!(r#"{{"detail":"{detail}"}}"#));
    }
}
