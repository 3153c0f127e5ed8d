//! A call, to a real API.

use std::{path::Path, thread, time::Duration};

use super::{House, upstream, with_body};
use crate::support::{Upstream, client::header, deployment::read};

fn call(api: &Upstream, more: &str) -> String {
    let address = api.address;
    format!("call = {{ url = 'http://{address}/internal/plants/{{id}}/owner', pointer = '/ownerId', {more} }}")
}

/// What it says is in the name of the plant.
fn api() -> Upstream {
    upstream(|_, path, line| {
        let plant = path.trim_start_matches("/internal/plants/").trim_end_matches("/owner");
        let answer = match plant {
            "a" => with_body("200 OK", r#"{"ownerId":"alice"}"#),
            "number" => with_body("200 OK", r#"{"ownerId":7}"#),
            "shared" => with_body("200 OK", r#"{"ownerId":["bob","alice"]}"#),
            "nobodys" => with_body("200 OK", r#"{"ownerId":null}"#),
            "gone" => with_body("410 Gone", r#"{"ownerId":"alice"}"#),
            "broken" => with_body("500 Oh", r#"{"ownerId":"alice"}"#),
            "closed" => with_body("401 Unauthorized", r#"{"ownerId":"alice"}"#),
            "moved" => with_body("302 Found\r\nLocation: /internal/plants/a/owner", ""),
            "created" => with_body("201 Created", r#"{"ownerId":"alice"}"#),
            "html" => with_body("200 OK", "<p>alice"),
            "empty" => with_body("200 OK", ""),
            "other" => with_body("200 OK", r#"{"owner":"alice"}"#),
            "object" => with_body("200 OK", r#"{"ownerId":{"id":"alice"}}"#),
            "large" => with_body("200 OK", &format!("{{\"x\":\"{}\",\"ownerId\":\"alice\"}}", "x".repeat(1 << 20))),
            "cut" => "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"ownerId\":\"alice\"".to_owned(),
            _ => with_body("404 Not Found", r#"{"ownerId":"alice"}"#),
        };
        line.send(answer);
        if plant == "cut" {
            line.stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    })
}

#[test]
fn only_an_answer_that_names_the_caller_lets_in_and_one_that_cannot_be_read_is_a_503() {
    let (folder, upstream, api) = (tempfile::tempdir().unwrap(), Upstream::ok(), api());
    let mut house = House::new(&call(&api, ""), folder.path(), upstream.address);
    for (plant, subject, expected) in [
        ("a", "alice", 200),
        ("a", "bob", 403),
        ("number", "7", 200),
        ("number", "70", 403),
        ("shared", "alice", 200),
        ("shared", "carol", 403),
        ("nobodys", "alice", 403),
        ("nobodys", "null", 403),
        ("unknown", "alice", 403),
        ("gone", "alice", 403),
        ("broken", "alice", 503),
        ("closed", "alice", 503),
        ("moved", "alice", 503),
        ("created", "alice", 503),
        ("html", "alice", 503),
        ("empty", "alice", 503),
        ("other", "alice", 503),
        ("object", "alice", 503),
        ("large", "alice", 503),
        ("cut", "alice", 503),
    ] {
        let answer = house.ask("GET", &format!("/plants/{plant}"), subject);
        assert_eq!(answer.status, expected, "{plant} {subject}");
        assert_eq!(answer.header("retry-after").is_some(), expected == 503, "{plant}");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_a_503() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let silent = super::upstream(|_, _, line| {
        line.fill();
    });
    let mut house = House::new(&call(&silent, "timeout = '100ms'"), folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503);
    assert_eq!(house.looked_up("failed"), Some(1));
}

#[test]
fn a_failure_is_not_remembered_and_a_yes_is() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let failures = std::sync::atomic::AtomicUsize::new(1);
    let api = super::upstream(move |_, _, line| {
        let fails = failures.fetch_update(SEQ, SEQ, |left| left.checked_sub(1)).is_ok();
        line.send(if fails { with_body("500 Oh", "") } else { with_body("200 OK", r#"{"ownerId":"alice"}"#) });
    });
    const SEQ: std::sync::atomic::Ordering = std::sync::atomic::Ordering::SeqCst;
    let mut house = House::new(&call(&api, ""), folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503);
    for _ in 0..3 {
        assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    }
    assert_eq!((api.received().is_empty(), api.received().is_empty()), (false, false));
    assert!(api.received_nothing_else(), "it was asked again");
    assert_eq!(api.connections(), 1, "a connection is kept");
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    api.received();
}

#[test]
fn fifty_who_ask_at_once_are_one_question() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let api = super::upstream(|_, _, line| {
        thread::sleep(Duration::from_millis(200));
        line.send(with_body("200 OK", r#"{"ownerId":"alice"}"#));
    });
    let house = House::new(&call(&api, ""), folder.path(), upstream.address);
    let token = crate::support::token("alice");
    let mut clients: Vec<_> = (0..50).map(|_| house.gateway.connect()).collect();
    for client in &mut clients {
        client.send(format!("GET /plants/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
    }
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
    api.received();
    assert!(api.received_nothing_else());
    assert_eq!(house.looked_up("owner"), Some(1));
}

#[test]
fn the_resource_stays_in_its_segment_and_the_gateway_says_who_it_is() {
    let (folder, upstream, api) = (tempfile::tempdir().unwrap(), Upstream::ok(), api());
    let mut house = House::new(&call(&api, "authorization = { env = 'KEY' }"), folder.path(), upstream.address);
    for (sent, asked) in
        [("a%3Fb", "a%3Fb"), ("%C3%A9", "%C3%A9"), ("a%20b", "a%20b"), ("a+b", "a%2Bb"), ("a&b", "a%26b")]
    {
        house.status("GET", &format!("/plants/{sent}"), "alice");
        let head = api.received();
        assert!(head.starts_with(&format!("GET /internal/plants/{asked}/owner HTTP/1.1\r\n")), "{head}");
        assert_eq!(header(&head, "authorization"), Some(crate::support::deployment::SECRET));
        assert_eq!(header(&head, "accept"), Some("application/json"));
    }
}

#[test]
fn an_api_that_is_not_there_is_a_503() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = format!("call = {{ url = 'http://{nobody}/{{id}}', pointer = '/o' }}");
    let mut house = House::new(&source, folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503);
    assert!(upstream.received_nothing_else());
}

#[test]
fn a_call_that_cannot_be_meant_is_a_mistake() {
    for (call, expected) in [
        ("pointer = '/o'", "`ownership.plant.call.url` is missing"),
        ("url = 'http://a/{id}'", "`ownership.plant.call.pointer` is missing"),
        ("url = 'http://a/x', pointer = '/o'", "does not have {id}"),
        ("url = 'http://a/x-{id}', pointer = '/o'", "as a whole segment"),
        ("url = 'http://u:hunter2@a/{id}', pointer = '/o'", "credentials"),
        ("url = 'http://a/{id}', pointer = 'o'", "JSON pointer"),
        ("url = 'http://a/{id}', pointer = '/o', authorization = 'hunter2'", "must not stand in the configuration"),
    ] {
        let text = super::configuration(&format!("call = {{ {call} }}"));
        let mistakes = read(&text, Path::new("/nowhere"), Upstream::ok().address).unwrap_err().to_string();
        assert!(mistakes.contains(expected) && !mistakes.contains("hunter2"), "{call}: {mistakes}");
    }
}
