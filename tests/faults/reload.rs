//! The configuration replaced, well and badly, under load.

use std::{fs, net::SocketAddr, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    house::{House, configuration, echo, eventually, forged, token, token_with},
    load::{Asked, load},
};

/// `/switch` is open to those with a permission, or to everybody with a token.
fn with_switch(upstream: SocketAddr, is_shut: bool) -> String {
    let permissions = if is_shut { "permissions = ['KEYS']" } else { "" };
    configuration("", upstream, &format!("[[route]]\nmatch = 'GET /switch/**'\n{permissions}"))
}

/// Puts the configuration in place as a whole, and has it read.
fn reload(house: &House, configuration: &str) -> (u16, Value) {
    let new = house.folder.write("gateway.new", configuration);
    fs::rename(new, house.folder.path().join("gateway.toml")).unwrap();
    House::post(house.admin, "/reload", None, &json!({})).unwrap()
}

#[test]
fn a_reload_under_load_costs_no_request_and_a_broken_file_changes_nothing() {
    let upstream = echo();
    let [open, shut] = [false, true].map(|is_shut| with_switch(upstream.address, is_shut));
    let broken = [
        String::new(),
        "\u{0}\u{1}".to_owned(),
        shut[..shut.len() / 2].to_owned(),
        shut.replace("permissions", "permission"),
        shut.replace("'secret'", "'nowhere'"),
        shut.replace("[issuer.main]", "[issuer.main]\nissuer = 7"),
        shut.replace("[upstream.default]", "[upstream.other]"),
        // What is bound to the process cannot be changed.
        shut.replace("workers = 2", "workers = 3"),
        format!("{shut}[[route]]\nmatch = 'GET /switch/**'\n"),
    ];
    let mut house = House::start(&open);
    let good = token("alice");
    let keys = token_with(json!({ "sub": "alice", "permissions": ["KEYS"] }));
    let bad = forged(&good);
    house.assert_idle();
    let (threads, descriptors) = (house.proc_status("Threads"), house.descriptors());
    let (tally, ()) = load(
        house.address,
        8,
        |client, number| {
            let (kind, area, token) = match client % 4 {
                0 => ("good", "api", &good),
                1 => ("has the keys", "switch", &keys),
                2 => ("has none", "switch", &good),
                _ => ("forged", "switch", &bad),
            };
            Asked::new(kind, format!("/{area}/{client}/{number}"), token)
        },
        || {
            for _ in 0..4 {
                for (configuration, status) in [(&shut, 403), (&open, 200)] {
                    let (outcome, told) = reload(&house, configuration);
                    assert_eq!(outcome, 200, "{told}");
                    assert_eq!(house.status("/switch/x", &good), status, "from the answer on");
                }
                for configuration in &broken {
                    let (outcome, told) = reload(&house, configuration);
                    assert_eq!(outcome, 422, "{told}: {configuration}");
                    assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
                    assert_eq!(house.status("/switch/x", &good), 200, "the old one stays: {configuration}");
                }
            }
            thread::sleep(Duration::from_millis(100));
        },
    );
    tally.assert_each("good", &["200"]);
    tally.assert_each("has the keys", &["200"]);
    tally.assert_each("has none", &["200", "403"]);
    tally.assert_each("forged", &["401"]);
    // What was replaced is gone.
    eventually(|| house.proc_status("Threads") == threads && house.descriptors() <= descriptors + 16);
    house.assert_idle();
    house.terminate();
}
