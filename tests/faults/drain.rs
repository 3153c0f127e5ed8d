//! The end, under load.

use std::{thread, time::Duration};

use tokio::time::Instant;

use crate::{
    house::{House, configuration, echo, token, with_path},
    load::{Asked, load},
    upstream::Upstream,
};

#[test]
fn a_sigterm_under_load_costs_no_request() {
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, ""));
    let token = token("alice");
    let (tally, ()) = load(
        house.address,
        16,
        |client, number| match client {
            0..12 => Asked::new("request", format!("/api/{client}/{number}"), &token),
            _ => Asked::open("open", format!("/open/{client}/{number}")),
        },
        || {
            thread::sleep(Duration::from_millis(700));
            house.signal("TERM");
            // Who was told that it was the last answer finds nobody to connect to.
            thread::sleep(Duration::from_millis(700));
        },
    );
    tally.assert_each("request", &["200"]);
    tally.assert_each("open", &["200"]);
    let began = Instant::now();
    house.terminate();
    assert!(began.elapsed() < Duration::from_secs(5), "nothing was left to wait for");
}

#[test]
fn a_second_sigterm_under_load_ends_it_at_once_and_visibly() {
    let upstream = Upstream::start(|mut line| {
        while let Some((head, _)) = line.request() {
            if head.contains("/slow/") {
                thread::sleep(Duration::from_secs(10));
            }
            line.send(with_path(&head));
        }
    });
    let mut house = House::start(&configuration("", upstream.address, ""));
    let token = token("alice");
    let (tally, ()) = load(
        house.address,
        8,
        |client, number| match client {
            0..4 => Asked::new("request", format!("/api/{client}/{number}"), &token),
            _ => Asked::new("slow", format!("/slow/{client}/{number}"), &token),
        },
        || {
            thread::sleep(Duration::from_millis(500));
            house.signal("TERM");
            thread::sleep(Duration::from_millis(300));
            let began = Instant::now();
            house.terminate();
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        },
    );
    tally.assert_each("request", &["200"]);
    // Cut off, and never taken for an answer.
    tally.assert_only("slow", &["nothing", "a reset"]);
}
