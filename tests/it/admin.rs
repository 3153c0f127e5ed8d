//! The admin listener, and the embedded echo upstream.

use bearergate::gateway::Echo;
use serde_json::{Value, json};

use crate::support::{Gateway, Setup, Upstream};

#[test]
fn the_admin_listener_answers_what_it_has_and_nothing_else() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    gateway.get("/");
    gateway.connect().send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n").response();
    let mut admin = gateway.admin();
    assert_eq!(admin.get("/livez").text(), "alive\n");
    assert_eq!(admin.get("/readyz").text(), "ready\n");
    assert_eq!(admin.get("/nothing").status, 404);
    assert_eq!(admin.send("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").response().status, 405);
    let metrics = admin.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let metrics = metrics.text();
    for line in [
        "bearergate_requests_total{outcome=\"forwarded\"} 1\n",
        "bearergate_requests_total{outcome=\"refused\",reason=\"invalid_token\"} 1\n",
        "bearergate_request_duration_seconds_count 2\n",
        "bearergate_cache_misses_total 2\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(metrics.contains("bearergate_invalid_tokens_total{cause=\""));
}

#[test]
fn the_routes_are_shown() {
    let gateway = Gateway::before(&Upstream::ok());
    let routes: Value = serde_json::from_slice(&gateway.admin().get("/routes").body).unwrap();
    let first = json!({
        "methods": "*", "path": "/**", "access": "token", "mode": "enforce", "permissions": [], "owner": null,
        "rate_limits": [], "upgrade": [], "websocket_token": null, "close_at_exp": false, "upstream": "default",
        "built_in": false,
    });
    assert_eq!(routes[0], first);
    assert_eq!(routes.as_array().unwrap().len(), 3);
}

#[test]
fn the_echo_answers_with_what_it_received() {
    let echo = Echo::start().unwrap();
    let gateway = Setup::new(&[echo.address()]).start();
    let mut client = gateway.connect();
    let body = "é".repeat(5000);
    let request = "POST /public/a%20b?c=d HTTP/1.1\r\nHost: api\r\nX: 1\r\nX: 2\r\n";
    client.send(format!("{request}Content-Length: {}\r\n\r\n{body}", body.len()));
    let received: Value = serde_json::from_slice(&client.response().body).unwrap();
    assert_eq!(received["method"], "POST");
    assert_eq!(received["path"], "/public/a%20b");
    assert_eq!(received["query"], "c=d");
    assert_eq!(received["headers"]["host"], "api");
    assert_eq!(received["headers"]["x"], json!(["1", "2"]));
    assert_eq!(received["body_bytes"], 10_000);
    assert_eq!(received["body"].as_str().unwrap().chars().count(), 2048);
    let identified: Value = serde_json::from_slice(&client.get("/me").body).unwrap();
    assert_eq!(identified["headers"]["x-user-id"], "alice");
    assert_eq!(identified["query"], Value::Null);
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let gateway = Gateway::before(&Upstream::ok());
    let mut admin = gateway.admin();
    for path in ["/livez", "/readyz", "/metrics", "/routes"] {
        let head = admin.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")).head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    }
    for request in ["OPTIONS /metrics", "DELETE /routes", "PUT /readyz", "TRACE /livez"] {
        let refused = admin.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).response();
        assert_eq!(refused.status, 405, "{request}");
    }
    assert_eq!(admin.get("/livez").text(), "alive\n", "and nothing of an answer to HEAD was left in between");
}
