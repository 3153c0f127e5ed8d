//! Report mode: everything passes that only its caller spoke against, and it is known what would have been refused.

use std::path::Path;

use bearergate::clock::Clock;
use serde_json::{Value, json};

use crate::support::{Gateway, Upstream, deployment::deploy, token_with};

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
[identity_headers]
X-User-Id = 'sub'
[[route]]
match = 'GET /plants/{id}'
permissions = ['PLANTS READ']
owner = 'plant'
issuers = ['main']
[[route]]
match = 'GET /strict'
mode = 'enforce'
[[route]]
match = 'GET /open'
access = 'public'
";

fn reporting(upstream: &Upstream) -> (Gateway, Clock) {
    deploy(&format!("mode = 'report'\n{CONFIGURATION}\n[limits]\nbody_bytes = '1KiB'"), Path::new(""), upstream.address)
}

fn findings(gateway: &Gateway) -> Value {
    serde_json::from_slice(&gateway.admin().get("/report").body).unwrap()
}

fn finding<'v>(report: &'v Value, route: &str, reason: &str) -> &'v Value {
    let mut all = report["would_refuse"].as_array().unwrap().iter();
    all.find(|one| one["route"] == route && one["reason"] == reason).unwrap_or_else(|| panic!("{route}: {report:#}"))
}

#[test]
fn what_would_be_refused_passes_and_is_listed() {
    let upstream = Upstream::ok();
    let (gateway, _) = reporting(&upstream);
    let mut client = gateway.connect();
    let good = token_with(json!({ "sub": "alice", "permissions": ["PLANTS READ"], "plants": ["p1"] }));
    let poor = token_with(json!({ "sub": "bob" }));
    let no_owner = token_with(json!({ "sub": "carol", "permissions": ["PLANTS READ"] }));
    let foreign = token_with(json!({ "sub": "dave", "iss": "other" }));
    let plant = "GET /plants/{id}";
    for (path, token, subject, finding) in [
        ("/plants/p1", Some(&good), Some("alice"), None),
        ("/plants/p1?secret=s3cr3t", None, None, Some((plant, "not_authenticated"))),
        ("/plants/p1", Some(&"nonsense".to_owned()), None, Some((plant, "invalid_token"))),
        ("/plants/p1", Some(&poor), Some("bob"), Some((plant, "permission_missing"))),
        ("/plants/p1", Some(&no_owner), Some("carol"), Some((plant, "not_owner"))),
        // A token that counts for nothing on this route tells the upstream nothing either.
        ("/plants/p1", Some(&foreign), None, Some((plant, "invalid_token"))),
        ("/nothing", Some(&poor), Some("bob"), Some(("-", "no_route"))),
        ("/nothing", None, None, Some(("-", "not_authenticated"))),
        ("/open", None, None, None),
    ] {
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: api\r\nX-User-Id: root\r\n{token}\r\n");
        assert_eq!(client.send(request).response().status, 200, "{path} {finding:?}");
        let head = upstream.received();
        let told = head.lines().find_map(|line| line.strip_prefix("x-user-id: "));
        assert_eq!(told, subject, "{path} {finding:?}");
        if let Some((route, reason)) = finding {
            self::finding(&findings(&gateway), route, reason);
        }
    }
    let report = findings(&gateway);
    assert_eq!(report["mode"], "report");
    assert_eq!(report["would_refuse"].as_array().unwrap().len(), 6, "{report:#}");
    let missing = finding(&report, plant, "permission_missing");
    assert_eq!(missing["count"], 1);
    let example = &missing["examples"][0];
    assert_eq!(example["cause"], "permission \"PLANTS READ\" is missing");
    assert_eq!(
        (&example["issuer"], &example["path"], &example["method"]),
        (&json!("main"), &json!("/plants/p1"), &json!("GET"))
    );
    assert!(example["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    let text = report.to_string();
    for secret in ["s3cr3t", good.as_str(), poor.as_str(), "nonsense", "alice", "bob"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let metrics = gateway.admin().get("/metrics").text();
    for line in [
        "bearergate_would_refuse_total{route=\"GET /plants/{id}\",reason=\"invalid_token\"} 2\n",
        "bearergate_would_refuse_total{route=\"-\",reason=\"no_route\"} 1\n",
        "bearergate_requests_total{outcome=\"forwarded\"} 9\n",
        "bearergate_requests_total{outcome=\"refused\",reason=\"not_authenticated\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[test]
fn an_expired_token_passes_too_and_says_whose_it_was() {
    let upstream = Upstream::ok();
    let (gateway, clock) = reporting(&upstream);
    let token = token_with(json!({ "sub": "alice", "permissions": ["PLANTS READ"], "plants": ["p1"] }));
    assert_eq!(gateway.connect().bear("GET", "/plants/p1", &token).status, 200);
    clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(gateway.connect().bear("GET", "/plants/p1", &token).status, 200);
    upstream.received();
    assert!(!upstream.received().contains("x-user-id"));
    let report = findings(&gateway);
    let expired = finding(&report, "GET /plants/{id}", "token_expired");
    assert_eq!(expired["examples"][0]["issuer"], "main");
    assert_eq!(expired["first"], expired["last"]);
}

#[test]
fn what_is_wrong_with_the_request_itself_is_refused_as_ever() {
    let upstream = Upstream::ok();
    let (gateway, _) = reporting(&upstream);
    for (request, status) in [
        ("GET /plants/../p1 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        ("GET /Strict HTTP/1.1\r\nHost: api\r\n\r\n", 200),
        ("GET /plants//p1 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        ("TRACE /plants/p1 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost: api\r\nHost: other\r\n\r\n", 400),
        ("POST /nothing HTTP/1.1\r\nHost: api\r\nContent-Length: 2000\r\n\r\n", 413),
        ("GET /strict HTTP/1.1\r\nHost: api\r\n\r\n", 401),
    ] {
        assert_eq!(gateway.connect().send(request).response().status, status, "{request}");
    }
    let report = findings(&gateway);
    let recorded: Vec<_> = report["would_refuse"].as_array().unwrap().iter().map(|one| &one["route"]).collect();
    assert_eq!(recorded, ["-"], "{report:#}");
}

#[test]
fn one_route_alone_can_be_in_report_mode() {
    let upstream = Upstream::ok();
    let text = CONFIGURATION.replace("issuers = ['main']", "mode = 'report'");
    let (gateway, _) = deploy(&text, Path::new(""), upstream.address);
    let statuses = ["/plants/p1", "/strict", "/nothing"].map(|path| gateway.connect().ask("GET", path, None).status);
    assert_eq!(statuses, [200, 401, 401]);
    assert_eq!(gateway.admin().get("/readyz").text(), "ready\nmode: report, on some routes\n");
    assert_eq!(findings(&gateway)["mode"], "enforce");
    let (gateway, _) = reporting(&upstream);
    assert_eq!(gateway.admin().get("/readyz").text(), "ready\nmode: report\n");
    let (gateway, _) = deploy(CONFIGURATION, Path::new(""), upstream.address);
    assert_eq!(gateway.admin().get("/readyz").text(), "ready\n");
}
