//! The table: what the upstream's answers tell.

use std::sync::{
    Mutex,
    mpsc::{Sender, channel},
};

use serde_json::json;

use super::{House, upstream, with_body};
use crate::support::{Upstream, client::header, token, token_with};

const TABLE: &str =
    "table = { learn = { 'POST /plants' = '/data/uuid' }, forget = ['DELETE /plants/{id}'] }\ncache = '0ms'";
const REMEMBERED: &str = "table = { learn = { 'POST /plants' = '/data/uuid' }, forget = ['DELETE /plants/{id}'] }";

fn created(uuid: &str) -> String {
    format!(
        "{{\"image\":\"{}\",\"data\":{{\"list\":[1,{{\"uuid\":0}}],\"uuid\":\"{uuid}\",\"n\":1}},\"rest\":[]}}",
        "x".repeat(99)
    )
}

/// `POST` makes a plant of the name `a`, in chunks of a few bytes; `DELETE` ends it; anything else is a 200.
fn plants() -> Upstream {
    upstream(|method, _, line| {
        let done = match method {
            "POST" => {
                line.send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in created("a").as_bytes().chunks(5) {
                    line.send(format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()));
                }
                "0\r\n\r\n".to_owned()
            }
            "DELETE" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_owned(),
            _ => with_body("200 OK", "ok"),
        };
        line.send(done);
    })
}

#[test]
fn who_creates_a_resource_owns_it_until_it_is_deleted_and_after_a_restart() {
    for table in [TABLE, REMEMBERED] {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), plants());
        let mut house = House::new(table, folder.path(), upstream.address);
        assert_eq!(house.status("GET", "/plants/a", "alice"), 403, "nobody knows it yet");
        let answer = house.ask("POST", "/plants", "alice");
        assert_eq!((answer.status, answer.complete, answer.text()), (201, true, created("a")));
        assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
        assert_eq!(house.status("HEAD", "/plants/a", "alice"), 200);
        assert_eq!(house.status("GET", "/plants/%61/health", "alice"), 200);
        assert_eq!(house.status("GET", "/plants/a", "bob"), 403);
        assert_eq!(house.status("DELETE", "/plants/a", "bob"), 403);
        assert_eq!(house.status("GET", "/plants/A", "alice"), 403);
        assert_eq!(house.learned("kept"), Some(1));
        drop(house);
        let mut house = House::new(table, folder.path(), upstream.address);
        assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
        assert_eq!(house.status("DELETE", "/plants/a", "alice"), 204);
        assert_eq!(house.status("GET", "/plants/a", "alice"), 403);
    }
}

#[test]
fn who_has_a_permission_of_unless_need_not_own_it() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), plants());
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    let admin = token_with(json!({ "sub": "root", "permissions": ["ADMIN"] }));
    assert_eq!(house.client.bear("GET", "/plants/a", &admin).status, 200);
    assert_eq!(house.looked_up("other"), Some(0), "nobody is asked");
}

#[test]
fn the_answer_is_asked_for_as_it_can_be_read() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), plants());
    let house = House::new(TABLE, folder.path(), upstream.address);
    let mut client = house.gateway.connect();
    for (method, expected) in [("POST", "identity"), ("GET", "gzip, br")] {
        let fields = format!("Host: a\r\nAuthorization: Bearer {}\r\nAccept-Encoding: gzip, br\r\n", token("alice"));
        client.send(format!("{method} /plants HTTP/1.1\r\n{fields}\r\n")).response();
        assert_eq!(header(&upstream.received(), "accept-encoding"), Some(expected));
    }
}

/// What a `POST` that is answered so is counted as; the answer goes on as it is.
#[track_caller]
fn counts(answer: String, outcome: &str) {
    let folder = tempfile::tempdir().unwrap();
    let sent = answer.clone();
    let upstream = upstream(move |method, _, line| {
        line.send(if method == "POST" { sent.clone() } else { with_body("200 OK", "ok") });
    });
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    let response = house.ask("POST", "/plants", "alice");
    assert_eq!(response.body, answer.split_once("\r\n\r\n").unwrap().1.as_bytes());
    if outcome.is_empty() {
        for outcome in ["kept", "encoded", "malformed", "absent", "unusable", "broken_off"] {
            assert_eq!(house.learned(outcome), Some(0), "{answer}");
        }
    } else {
        assert_eq!(house.learned(outcome), Some(1), "{answer}");
    }
    let expected = if outcome == "kept" { 200 } else { 403 };
    assert_eq!(house.status("GET", "/plants/a", "alice"), expected, "{answer}");
}

#[test]
fn what_tells_of_no_resource_is_passed_on_and_nothing_is_learned() {
    let a = created("a");
    counts(with_body("201 Created", &a), "kept");
    counts(with_body("201 Created", r#"{"data":{"uuid":"a"}}"#), "kept");
    for status in ["200 OK", "202 Accepted", "400 Bad Request", "409 Conflict", "500 Oh"] {
        counts(with_body(status, &a), "");
    }
    counts(with_body("201 Created\r\nContent-Encoding: gzip", &a), "encoded");
    counts(with_body("201 Created\r\nContent-Encoding: IDENTITY", &a), "kept");
    counts(with_body("201 Created", ""), "malformed");
    counts(with_body("201 Created", "<p>{\"data\":{\"uuid\":\"a\"}}"), "malformed");
    counts(with_body("201 Created", "{\"data\":{\"uuid\":\"a"), "malformed");
    counts(with_body("201 Created", r#"{"uuid":"a"}"#), "absent");
    counts(with_body("201 Created", r#"{"data":{"uuid":["a"]}}"#), "unusable");
    counts(with_body("201 Created", &format!(r#"{{"data":{{"uuid":"a{}"}}}}"#, "a".repeat(256))), "unusable");
}

#[test]
fn a_large_answer_goes_through_whole_and_the_name_at_its_end_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let large = format!("{{\"image\":\"{}\",\"data\":{{\"uuid\":\"a\"}}}}", "y".repeat(10 << 20));
    let sent = with_body("201 Created", &large);
    let upstream = upstream(move |method, _, line| {
        line.send(if method == "POST" { sent.clone() } else { with_body("200 OK", "ok") });
    });
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    let answer = house.ask("POST", "/plants", "alice");
    assert!(answer.complete && answer.body == large.as_bytes());
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
}

#[test]
fn an_error_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = upstream(|method, path, line| {
        line.send(match (method, path) {
            ("POST", _) => with_body("201 Created", &created("a")),
            ("DELETE", path) if path.ends_with("?now") => with_body("200 OK", ""),
            ("DELETE", _) => with_body("409 Conflict", ""),
            _ => with_body("200 OK", "ok"),
        });
    });
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    house.ask("POST", "/plants", "alice");
    assert_eq!(house.status("DELETE", "/plants/a", "alice"), 409);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(house.status("DELETE", "/plants/a?now", "alice"), 200);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 403);
}

/// An upstream that makes a plant in two parts, and goes on when it is told to.
fn in_two_parts(first: String, second: String) -> (Upstream, Sender<()>) {
    let (go, told) = channel();
    let told = Mutex::new(told);
    let upstream = upstream(move |method, _, line| {
        if method == "POST" {
            line.send(&first);
            if told.lock().unwrap().recv().is_ok() {
                line.send(&second);
            } else {
                line.stream.shutdown(std::net::Shutdown::Both).unwrap();
            }
        } else {
            line.send(with_body("200 OK", "ok"));
        }
    });
    (upstream, go)
}

#[test]
fn a_client_that_goes_away_owns_what_it_made() {
    let whole = with_body("201 Created", &created("a"));
    for cut in [0, whole.find("image").unwrap(), whole.find("\"a\"").unwrap()] {
        let folder = tempfile::tempdir().unwrap();
        let (upstream, go) = in_two_parts(whole[..cut].to_owned(), whole[cut..].to_owned());
        let mut house = House::new(TABLE, folder.path(), upstream.address);
        let mut leaving = house.gateway.connect();
        leaving.send(format!("POST /plants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", token("alice")));
        upstream.received();
        if cut > 0 {
            leaving.head();
        }
        drop(leaving);
        let in_flight = "bearergate_requests_in_flight";
        house.comes_true(|house| house.metric(in_flight) == Some(0));
        go.send(()).unwrap();
        house.comes_true(|house| house.learned("kept") == Some(1));
        assert_eq!(house.status("GET", "/plants/a", "alice"), 200, "cut at {cut}");
    }
}

#[test]
fn an_answer_that_breaks_off_teaches_nothing_and_breaks_off_for_the_client() {
    let whole = with_body("201 Created", &created("a"));
    let cut = whole.find("\"a\"").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (upstream, go) = in_two_parts(whole[..cut].to_owned(), String::new());
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    drop(go);
    let answer = house.ask("POST", "/plants", "alice");
    assert!(answer.status == 201 && !answer.complete);
    house.comes_true(|house| house.learned("broken_off") == Some(1));
    house.client = house.gateway.connect();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 403);
}

#[test]
fn a_gateway_ends_while_it_reads_on_for_a_client_that_has_gone() {
    let whole = with_body("201 Created", &created("a"));
    let folder = tempfile::tempdir().unwrap();
    let (upstream, go) = in_two_parts(whole[..whole.len() - 30].to_owned(), String::new());
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    let mut leaving = house.gateway.connect();
    leaving.send(format!("POST /plants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", token("alice")));
    leaving.head();
    drop(leaving);
    house.comes_true(|house| house.metric("bearergate_requests_in_flight") == Some(0));
    let House { gateway, .. } = house;
    gateway.running.stop();
    gateway.running.wait().unwrap();
    drop(go);
}

#[test]
fn without_its_store_a_gateway_goes_by_what_went_through_it_and_by_nothing_else() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), plants());
    let mut house = House::new(TABLE, folder.path(), upstream.address);
    let (file, away) =
        (folder.path().join("bearergate-state/bearergate.db"), folder.path().join("bearergate-state/away.db"));
    house.ask("POST", "/plants", "alice");
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503, "only the store knows");
    let answer = house.ask("GET", "/plants/a", "bob");
    assert!(answer.status == 503 && answer.header("retry-after").is_some(), "{}", answer.head);
    assert_eq!(house.status("GET", "/plants", "bob"), 200, "that needs nobody to know");
    let answer = house.ask("POST", "/plants", "carol");
    assert_eq!((answer.status, answer.text()), (201, created("a")), "it is there, whatever the store says");
    assert_eq!(house.learned("not_yet"), Some(1));
    assert_eq!(house.status("GET", "/plants/a", "carol"), 200);
    assert_eq!(house.status("DELETE", "/plants/a", "carol"), 204);
    for subject in ["alice", "carol"] {
        assert_eq!(house.status("GET", "/plants/a", subject), 403);
    }
    assert_eq!(house.metric("bearergate_ownership_changes_not_kept"), Some(2));
    std::fs::rename(&away, &file).unwrap();
    house.comes_true(|house| house.metric("bearergate_ownership_changes_not_kept") == Some(0));
    assert_eq!(house.status("GET", "/plants/a", "alice"), 403);
}

#[test]
fn many_who_ask_at_once_are_one_question_and_an_answer_has_its_time() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), plants());
    let mut house = House::new(REMEMBERED, folder.path(), upstream.address);
    house.ask("POST", "/plants", "alice");
    let asked = |house: &House| house.looked_up("owner").unwrap() + house.looked_up("other").unwrap();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(asked(&house), 0, "it was just learned");
    house.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(asked(&house), 1);
    assert_eq!(house.status("PUT", "/plants/a", "alice"), 200);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(asked(&house), 2, "a write drops it");
}

#[test]
fn the_homsai_preset_learns_of_plants_and_an_imported_one_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = upstream(|method, _, line| {
        let body = r#"{"uuid":"7c9e6679-7425-40de-944b-e07fc1f90ae7","name":"roof"}"#;
        line.send(with_body(if method == "POST" { "201 Created" } else { "200 OK" }, body));
    });
    let text = "preset = 'homsai'\n[issuer.api]\nalgorithms = ['HS256']\nsecret = { env = 'KEY' }\n";
    let (gateway, _clock) = crate::support::deployment::deploy(text, folder.path(), upstream.address);
    let mut client = gateway.connect();
    let may = json!(["PLANTS READ", "PLANTS CREATE"]);
    let [alice, bob] = ["alice", "bob"].map(|sub| token_with(json!({ "sub": sub, "permissions": may })));
    let plant = "/plants/7c9e6679-7425-40de-944b-e07fc1f90ae7";
    assert_eq!(client.bear("GET", plant, &alice).status, 403);
    assert_eq!(client.bear("POST", "/plants", &alice).status, 201);
    assert_eq!(client.bear("GET", plant, &alice).status, 200);
    let refused = client.bear("GET", plant, &bob);
    assert!(refused.status == 403 && refused.text().contains("Access denied"), "{}", refused.text());
}
