//! `POST /explain`: what the running gateway says that it would do is what it does.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Gateway, NOW, Upstream, client::Response, deployment::deploy, token_with};

const CONFIGURATION: &str = "
[issuer.main]
algorithms = ['HS256']
secret = { env = 'KEY' }
[issuer.other]
issuer = 'other'
algorithms = ['HS256']
secret = { env = 'KEY' }
[ownership.plant]
variable = 'id'
claim = 'plants'
unless = 'ADMIN'
[identity_headers]
X-User-Id = 'sub'
[[route]]
match = 'GET /plants/{id}'
permissions = 'PLANTS READ'
any_permission = ['A', 'B']
owner = 'plant'
issuers = 'main'
[[route]]
match = 'GET /open'
access = 'public'
[[route]]
match = 'GET /maybe'
access = 'optional'
[[route]]
match = 'GET /reported'
mode = 'report'
[[route]]
match = 'POST /posted'
";

fn gateway(upstream: &Upstream) -> Gateway {
    deploy(CONFIGURATION, Path::new(""), upstream.address).0
}

fn post(gateway: &Gateway, body: &str, fields: &str) -> Response {
    let length = body.len();
    let request = format!("POST /explain HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    gateway.admin().send(request).response()
}

fn explain(gateway: &Gateway, method: &str, path: &str, token: Option<&str>) -> Value {
    let body = json!({ "method": method, "path": path, "token": token }).to_string();
    let answer = post(gateway, &body, "Content-Type: application/json\r\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn outcome<'v>(explanation: &'v Value, check: &str) -> &'v str {
    let mut checks = explanation["checks"].as_array().unwrap().iter();
    let found = checks.find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {explanation:#}"));
    found["outcome"].as_str().unwrap()
}

#[test]
fn the_explained_answer_is_the_one_that_a_client_gets() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    let with = |more: Value| {
        let mut claims = json!({ "sub": "alice" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token_with(claims)
    };
    let reader = with(json!({ "permissions": ["PLANTS READ", "B"] }));
    let owner = with(json!({ "permissions": ["PLANTS READ", "B"], "plants": ["p 1"] }));
    let admin = with(json!({ "permissions": ["PLANTS READ", "A", "ADMIN"] }));
    let one_of_two = with(json!({ "permissions": ["PLANTS READ"] }));
    let foreign = with(json!({ "iss": "other" }));
    let plant = "/plants/p%201?a=b";
    for (method, path, token, check, expected) in [
        ("GET", plant, Some(&owner), "ownership", "passed"),
        ("GET", plant, Some(&admin), "ownership", "not asked"),
        ("GET", plant, Some(&reader), "ownership", "failed"),
        ("GET", plant, Some(&one_of_two), "permissions", "failed"),
        ("GET", plant, Some(&one_of_two), "ownership", "not reached"),
        ("GET", plant, Some(&foreign), "issuer here", "failed"),
        ("GET", plant, Some(&foreign), "permissions", "not reached"),
        ("GET", plant, Some(&"a.b".to_owned()), "form", "failed"),
        ("GET", plant, None, "token", "failed"),
        ("GET", "/open", Some(&"a.b".to_owned()), "token", "not asked"),
        ("GET", "/maybe", None, "token", "not asked"),
        ("GET", "/maybe", Some(&owner), "signature", "passed"),
        ("GET", "/posted", Some(&owner), "route", "failed"),
        ("GET", "/nothing", None, "route", "failed"),
        ("GET", "/a/../b", Some(&owner), "path", "failed"),
        ("GET", "/Plants/1/", None, "path", "passed"),
        ("TRACE", "/open", None, "head", "failed"),
        ("GET", "/reported", None, "token", "failed"),
    ] {
        let explanation = explain(&gateway, method, path, token.map(String::as_str));
        assert_eq!(outcome(&explanation, check), expected, "{method} {path}: {explanation:#}");
        let credentials = token.map(|token| format!("Bearer {token}"));
        let answer = gateway.connect().ask(method, path, credentials.as_deref().map(str::as_bytes));
        if explanation["forwarded"].is_null() {
            assert_eq!(explanation["outcome"], "refused");
            assert_eq!(explanation["answer"]["status"], answer.status, "{method} {path}");
            assert_eq!(explanation["answer"]["body"], answer.text().as_str(), "{method} {path}");
            for field in explanation["answer"]["headers"].as_array().unwrap() {
                assert_eq!(answer.header(field[0].as_str().unwrap()), field[1].as_str(), "{method} {path}");
            }
        } else {
            assert_eq!(answer.status, 200, "{method} {path}: {explanation:#}");
            let told = upstream.received();
            let told = told.lines().find_map(|line| line.strip_prefix("x-user-id: "));
            let identity = explanation["forwarded"]["identity_headers"].as_array().unwrap();
            assert_eq!(identity.first().and_then(|field| field[1].as_str()), told, "{method} {path}");
        }
    }
    let reported = explain(&gateway, "GET", "/reported", None);
    assert_eq!(reported["outcome"], "let through by report mode");
    assert_eq!((&reported["reason"], &reported["answer"]["status"]), (&json!("not_authenticated"), &json!(401)));
    let posted = explain(&gateway, "GET", "/posted", Some(&owner)).to_string();
    assert!(posted.contains("only with POST"), "{posted}");
}

#[test]
fn a_revoked_token_is_seen_and_nothing_is_counted_or_reported() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    let token = token_with(json!({ "sub": "alice", "jti": "t1" }));
    assert_eq!(outcome(&explain(&gateway, "GET", "/maybe", Some(&token)), "revocation"), "passed");
    let revocations = gateway.snapshot.load().revoker.revocations().clone();
    let target = bearergate::authn::revocation::Target::Id("t1".into());
    revocations.revoke("main", target, std::time::Duration::from_secs(600));
    let explanation = explain(&gateway, "GET", "/maybe", Some(&format!("Bearer {token}")));
    assert_eq!(outcome(&explanation, "revocation"), "failed", "{explanation:#}");
    assert_eq!(explanation["reason"], "invalid_token");
    explain(&gateway, "GET", "/reported", None);
    let metrics = gateway.admin().get("/metrics").text();
    for line in ["outcome=\"refused\",reason=\"invalid_token\"} 0\n", "bearergate_request_duration_seconds_count 0\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(!metrics.contains("bearergate_would_refuse_total{"), "{metrics}");
    assert!(upstream.received_nothing_else());
}

#[test]
fn an_expired_token_and_an_unknown_issuer_are_explained() {
    let upstream = Upstream::ok();
    let (gateway, clock) = deploy(CONFIGURATION, Path::new(""), upstream.address);
    let token = token_with(json!({ "sub": "alice" }));
    clock.advance(std::time::Duration::from_secs(3600));
    let explanation = explain(&gateway, "GET", "/maybe", Some(&token));
    assert_eq!(outcome(&explanation, "expiry (exp)"), "failed");
    assert_eq!(explanation["reason"], "token_expired");
    assert!(explanation.to_string().contains("59 minutes ago"), "{explanation:#} {NOW}");
}

#[test]
fn a_page_in_a_browser_and_nonsense_are_refused() {
    let gateway = gateway(&Upstream::ok());
    let good = r#"{"method":"GET","path":"/open"}"#;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(post(&gateway, good, json).status, 200);
    assert_eq!(post(&gateway, good, &format!("{json}Origin: https://a.example\r\n")).status, 403);
    assert_eq!(post(&gateway, good, "").status, 415);
    assert_eq!(post(&gateway, good, "Content-Type: text/plain\r\n").status, 415);
    for wrong in
        ["", "[]", "{}", r#"{"method":"GET"}"#, r#"{"method":1,"path":"/"}"#, r#"{"method":"GET","path":"/","x":1}"#]
    {
        let answer = post(&gateway, wrong, json);
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
        assert!(serde_json::from_slice::<Value>(&answer.body).unwrap()["detail"].is_string());
    }
    for (method, path, token) in [
        ("", "/", None),
        ("G T", "/", None),
        ("GET", "", None),
        ("GET", "open", None),
        ("GET", "*", None),
        ("GET", "http://a/open", None),
        ("GET", "/a b", None),
        ("GET", "/\u{e9}", None),
        ("GET", "/maybe", Some("a\nb")),
        ("get", "/open", None),
    ] {
        let explanation = explain(&gateway, method, path, token);
        assert_eq!(explanation["outcome"], "refused", "{method} {path} {explanation:#}");
    }
}
