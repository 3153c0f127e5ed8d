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
