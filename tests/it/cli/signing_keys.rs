//! `keys generate`, `keys list` and `keys rotate`, and the gateway that notices.

use std::{thread::sleep, time::Duration};

use serde_json::Value;

use super::support::{Folder, Gateway, get};
use crate::support::Client;

const PATH: &str = "/.well-known/jwks.json";

fn published(gateway: &Gateway) -> Vec<String> {
    let response = Client::connect(gateway.address()).get(PATH);
    assert_eq!(response.status, 200);
    let document: Value = serde_json::from_slice(&response.body).unwrap();
    let keys = document["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key["d"].is_null()), "a private half is published");
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Until the gateway publishes this many keys.
fn wait_for(gateway: &Gateway, count: usize) -> Vec<String> {
    for _ in 0..100 {
        let keys = published(gateway);
        if keys.len() == count {
            return keys;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("the gateway never notices: {:?}", published(gateway));
}

fn is_accepted(gateway: &Gateway, token: &str) -> bool {
    let header = format!("Authorization: Bearer {token}");
    get(&gateway.address().to_string(), "/api/v1/readings", Some(&header)).0 != 401
}

#[test]
fn keys_are_rotated_while_the_gateway_runs_and_no_token_is_refused() {
    let folder = Folder::with_preset("hungry-machines");
    let old = folder.mint(&["--subject", "alice"]);
    let gateway = Gateway::start(&folder, &[]);
    let first = published(&gateway);
    assert_eq!((first.len(), is_accepted(&gateway, &old)), (1, true));
    assert_eq!(folder.run(&["keys", "rotate"]).code, 1, "nobody knows a next key yet");
    assert!(folder.run(&["keys", "generate"]).stdout.starts_with("Signs after the next `keys rotate`: "));
    assert_eq!(folder.run(&["keys", "generate"]).code, 1);
    let both = wait_for(&gateway, 2);
    let rotated = folder.run(&["keys", "rotate"]);
    assert_eq!(rotated.stdout, format!("Signs from now on: {}\n", both[1]), "{rotated:?}");
    let new = folder.mint(&["--subject", "alice"]);
    assert!(is_accepted(&gateway, &old) && is_accepted(&gateway, &new));
    let keys = wait_for(&gateway, 3);
    assert_eq!((&keys[0], &keys[2]), (&both[1], &first[0]));
    assert!(is_accepted(&gateway, &old) && is_accepted(&gateway, &new));
    let list = folder.run(&["keys", "list"]).stdout;
    let stages: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(stages, ["STAGE", "current", "next", "retired"], "{list}");
    std::fs::remove_file(folder.path().join(format!("bearergate-state/keys/retired-{}.jwk", first[0]))).unwrap();
    wait_for(&gateway, 2);
    assert!(!is_accepted(&gateway, &old) && is_accepted(&gateway, &new), "a removed key's tokens die with it");
}

#[test]
fn what_is_published_may_be_kept_for_five_minutes_and_is_not_sent_twice() {
    let folder = Folder::with_preset("hungry-machines");
    let gateway = Gateway::start(&folder, &[]);
    let mut client = Client::connect(gateway.address());
    let response = client.get(PATH);
    assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(response.header("content-type"), Some("application/jwk-set+json"));
    let tag = response.header("etag").unwrap().to_owned();
    let mut ask =
        |method: &str, field: &str| client.send(format!("{method} {PATH} HTTP/1.1\r\nHost: a\r\n{field}\r\n")).head();
    for known in [format!("If-None-Match: {tag}\r\n"), format!("If-None-Match: \"x\", W/{tag}\r\n")] {
        let head = ask("GET", &known);
        assert!(head.starts_with("HTTP/1.1 304 ") && head.contains(&tag), "{head}");
    }
    let head = ask("HEAD", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(&tag), "{head}");
    let two_meanings = ask("HEAD", "Host: b\r\n");
    assert!(two_meanings.starts_with("HTTP/1.1 400 "), "{two_meanings}");
    let mut client = Client::connect(gateway.address());
    let posted = client.send(format!("POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).response();
    assert_ne!(posted.status, 200, "another method is a request like any other");
}

#[test]
fn an_issuer_that_does_not_sign_has_no_keys_to_rotate_and_publishes_none() {
    let folder = Folder::with_preset("uptimehunt");
    for command in ["generate", "list", "rotate"] {
        let ended = folder.run(&["keys", command]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains("signing_keys"), "{ended:?}");
    }
    let gateway = Gateway::start(&folder, &[]);
    assert_ne!(Client::connect(gateway.address()).get(PATH).status, 200);
}
