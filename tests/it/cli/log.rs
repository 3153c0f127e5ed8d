//! The log: one line for a refusal, whatever a stranger writes, and nothing in it that is a secret.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::support::{Folder, Gateway};
use crate::support::{Client, forge::base64url};

fn address(gateway: &Gateway) -> SocketAddr {
    gateway.banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap().parse().unwrap()
}

#[test]
fn a_strangers_text_stays_inside_its_line() {
    let folder = Folder::with_preset("hungry-machines");
    let gateway = Gateway::start(&folder, &[]);
    let mut client = Client::connect(address(&gateway));
    let injected = "\r\n{\"level\":\"INFO\",\"message\":\"made a key\",\"by\":\"mallory\"}\n\u{1b}[2J\u{202e}\0";
    let payload = base64url(json!({ "exp": 4_000_000_000_u64, "aud": "authenticated", "sub": "a" }).to_string());
    let tokens: Vec<String> = [
        json!({ "alg": "ES256", "kid": injected }),
        json!({ "alg": injected }),
        json!({ "alg": "ES256", "kid": "k".repeat(4000) }),
        json!({ injected: 1, "alg": "ES256", "crit": [injected] }),
    ]
    .iter()
    .map(|header| format!("{}.{payload}.{}", base64url(header.to_string()), base64url([1; 64])))
    .collect();
    for token in &tokens {
        assert_eq!(client.bear("GET", "/a", token).status, 401);
    }
    // Quotes, backslashes and bytes beyond ASCII can stand in a target.
    for path in ["/a\"b\\n", "/\u{2028}\u{202e}", "/%0d%0a%1b[2J", "/x?secret=hunter2"] {
        assert!([400, 401].contains(&client.ask("GET", path, Some(b"Bearer s3cr3t")).status), "{path}");
    }
    assert_eq!(client.ask("M\u{27}`|~", "/a", None).status, 401);

    let ended = gateway.terminate();
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.iter().filter(|line| line["message"] == "refused").count(), 9, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line["message"] == "made a key").count(), 1, "{lines:?}");
    assert!(lines.iter().all(|line| line["by"].is_null()));
    assert!(!ended.stderr.contains(|character: char| character != '\n' && character.is_control()), "{}", ended.stderr);
    for secret in ["hunter2", "s3cr3t", payload.as_str()].into_iter().chain(tokens.iter().map(String::as_str)) {
        assert!(!ended.stderr.contains(secret), "{secret}: {}", ended.stderr);
    }
    for line in ended.stderr.lines() {
        assert!(line.len() < 600, "{line}");
    }
}

#[test]
fn neither_a_good_token_nor_what_it_says_is_logged() {
    let folder = Folder::with_preset("homsai");
    let token = folder.mint(&["--subject", "alice@example.com", "--claim", "email=alice@example.com"]);
    let gateway = Gateway::start(&folder, &[]);
    let mut client = Client::connect(address(&gateway));
    for path in ["/plants", "/plants/1", "/nothing", "/a/../b"] {
        assert!([400, 403].contains(&client.bear("GET", path, &token).status), "{path}");
    }
    let ended = gateway.terminate();
    assert_eq!(ended.stderr.matches("\"refused\"").count(), 4);
    for secret in token.split('.').chain(["alice"]) {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

#[test]
fn a_refusals_line_says_why_by_which_rule_and_whose_token_it_was() {
    let folder = Folder::with_preset("homsai");
    let gateway = Gateway::start(&folder, &[]);
    let expired = folder.mint(&["--expired"]);
    let poor = folder.mint(&["--subject", "a"]);
    let good = folder.mint(&["--permission", "PLANTS READ"]);
    let (body, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", base64url([1; 64]));
    assert_ne!(signature.len(), 0);
    let mut client = Client::connect(address(&gateway));
    // Twice: the second time it is known.
    for token in [&expired, &expired, &poor, &forged] {
        client.bear("GET", "/plants", token);
    }
    client.bear("GET", "/nothing", &good);
    client.ask("GET", "/plants", None);
    let own_id = "GET /plants HTTP/1.1\r\nHost: api\r\nX-Request-Id: 7\r\n\r\n";
    client.send(own_id).response();
    let ended = gateway.terminate();
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let refused: Vec<&Value> = lines.iter().filter(|line| line["message"] == "refused").collect();
    let told = |at: usize| (refused[at]["reason"].as_str().unwrap(), &refused[at]["rule"], &refused[at]["issuer"]);
    let (rule, api) = (json!("GET /plants"), json!("api"));
    assert_eq!(told(0), ("token_expired", &rule, &api));
    assert_eq!(told(1), ("token_expired", &rule, &api));
    assert_eq!(told(2), ("permission_missing", &rule, &api));
    assert_eq!(told(3), ("invalid_token", &rule, &api));
    assert_eq!(told(4), ("no_route", &json!("-"), &api));
    assert_eq!(told(5), ("not_authenticated", &rule, &Value::Null));
    let ids: std::collections::BTreeSet<&str> =
        refused.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7, "each has its own");
    assert!(!ids.contains("7"), "a stranger does not choose it");
}

#[test]
fn a_trusted_proxys_request_id_is_taken_over_if_it_is_one() {
    let folder = Folder::with(
        "[listen]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\nworkers = 1\n[admin]\nenabled = false\n\
         [upstream.default]\nservers = [\"builtin:echo\"]\n[issuer.main]\nsigning_keys = \"keys\"\n\
         [dialect]\nnot_authenticated = { status = 401, body = { id = \"$request_id\" } }\n",
    );
    let gateway = Gateway::start(&folder, &[]);
    let mut client = Client::connect(address(&gateway));
    let long = "x".repeat(129);
    for (given, taken) in [("req-1/2:a", true), ("a b", false), ("", false), ("\"", false), (&long, false)] {
        let request = format!("GET /a HTTP/1.1\r\nHost: api\r\nX-Request-Id: {given}\r\n\r\n");
        let answer: Value = serde_json::from_slice(&client.send(request).response().body).unwrap();
        assert_eq!(answer["id"] == given, taken, "{given}: {answer}");
    }
    let ended = gateway.terminate();
    assert!(ended.stderr.contains("\"request_id\":\"req-1/2:a\""), "{}", ended.stderr);
}
