//! What looks like a WebSocket and is none, and what hides behind one.

use super::*;
use crate::support::http_2::{Answer, RawHttp2};

/// What is refused without a word to the upstream.
#[track_caller]
fn assert_refused(gateway: &Gateway, upstream: &Upstream, what: &str, bytes: impl AsRef<[u8]>, status: u16) {
    let mut client = gateway.connect();
    let response = client.send(bytes).response();
    assert_eq!(response.status, status, "{what}: {}", response.head);
    if status == 400 {
        assert_eq!(response.header("sec-websocket-version"), Some("13"), "{what}");
        assert!(client.is_closed(), "{what}");
    }
    assert!(upstream.received_nothing_else(), "{what}");
}

#[test]
fn a_handshake_that_is_not_right_in_every_part_is_refused() {
    let upstream = echo("");
    let gateway = gateway(&upstream);
    let right = handshake("/ws", &authorization());
    let without = |field: &str| {
        let lines: Vec<&str> = right.split_inclusive("\r\n").filter(|line| !line.starts_with(field)).collect();
        lines.concat()
    };
    let with = |more: &str| handshake("/ws", &format!("{}{more}", authorization()));
    let twice = |field: &str| {
        let line = right.lines().find(|line| line.starts_with(field)).unwrap();
        with(&format!("{line}\r\n"))
    };
    for (what, bytes) in [
        ("no Connection", without("Connection")),
        ("no key", without("Sec-WebSocket-Key")),
        ("no version", without("Sec-WebSocket-Version")),
        ("two Upgrades", twice("Upgrade")),
        ("an Upgrade of h2c too", with("Upgrade: h2c\r\n")),
        ("two keys", twice("Sec-WebSocket-Key")),
        ("two versions", twice("Sec-WebSocket-Version")),
        ("a list", right.replace("Upgrade: websocket", "Upgrade: websocket, h2c")),
        ("a list the other way", right.replace("Upgrade: websocket", "Upgrade: h2c, WebSocket")),
        ("another version", right.replace("Version: 13", "Version: 8")),
        ("a short key", right.replace(KEY, "dGhlIHNhbXBsZQ==")),
        ("no key at all", right.replace(KEY, "")),
        ("a connection that closes", right.replace("keep-alive, Upgrade", "close")),
        ("another method", right.replace("GET /ws", "POST /ws")),
        ("HEAD", right.replace("GET /ws", "PUT /ws")),
        ("a body", with("Content-Length: 5\r\n") + "hello"),
        ("a body in chunks", with("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"),
        ("an empty entry", with("Sec-WebSocket-Protocol: a,,b\r\n")),
        ("an empty list", with("Sec-WebSocket-Protocol:\r\n")),
        ("the same name twice", with("Sec-WebSocket-Protocol: a, b, a\r\n")),
        ("what is no name", with("Sec-WebSocket-Protocol: a b\r\n")),
    ] {
        assert_refused(&gateway, &upstream, what, bytes, 400);
    }
    for spelling in ["WebSocket", "WEBSOCKET"] {
        let other = right.replace("Upgrade: websocket", &format!("UPGRADE: {spelling}"));
        assert_eq!(gateway.connect().send(other.replace(", Upgrade", ",uPGRADE")).response().status, 101);
        upstream.received();
    }
}

#[test]
fn two_tokens_are_none() {
    let upstream = echo("");
    let gateway = gateway(&upstream);
    let token = token("alice");
    let longer = "x".repeat(8193);
    for (what, more) in [
        ("both places", format!("{}Sec-WebSocket-Protocol: bearer, {token}\r\n", authorization())),
        ("one list", format!("Sec-WebSocket-Protocol: bearer, {token}, bearer, {token}\r\n")),
        (
            "two lists",
            format!("Sec-WebSocket-Protocol: bearer, {token}\r\nSec-WebSocket-Protocol: bearer, {token}\r\n"),
        ),
        ("behind an empty one", format!("Sec-WebSocket-Protocol: bearer, , bearer, {token}\r\n")),
        ("behind a marker", format!("Sec-WebSocket-Protocol: bearer, bearer, bearer, {token}\r\n")),
        ("too long", format!("Sec-WebSocket-Protocol: bearer, {longer}\r\n")),
        ("two words", format!("Sec-WebSocket-Protocol: bearer, {token} x\r\n")),
    ] {
        assert_refused(&gateway, &upstream, what, handshake("/ws", &more), 401);
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn bytes_that_come_before_the_answer_are_not_forwarded() {
    let upstream = Upstream::start(|line| {
        let Some((mut socket, _)) = granted(line, "") else { return };
        let read = socket.read();
        assert!(read.is_err(), "{read:?}");
    });
    let gateway = gateway(&upstream);
    let mut client = gateway.connect();
    let smuggled = "GET /admin HTTP/1.1\r\nHost: api\r\n\r\n";
    client.send(handshake("/ws", &authorization()) + smuggled);
    let response = client.response();
    assert_eq!(response.status, 400, "{}", response.head);
    assert!(client.is_closed());
    assert!(upstream.received().starts_with("GET /ws "));
    assert!(upstream.received_nothing_else());
    assert_eq!(metric(&gateway, "upgrades_total"), 0);
}

#[test]
fn behind_an_upgrade_that_was_not_granted_nothing_is_read() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    for (path, more) in [("/ws", authorization()), ("/plain", authorization())] {
        let mut client = gateway.connect();
        client.send(handshake(path, &more) + &format!("GET /plain HTTP/1.1\r\nHost: api\r\n{more}\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (200, Some("close")), "{path}");
        assert!(client.is_closed(), "{path}");
        let seen = upstream.received();
        assert!(seen.starts_with(&format!("GET {path} ")), "{seen}");
        assert_eq!(header(&seen, "upgrade").is_some(), path == "/ws", "only where the route allows it: {seen}");
        assert!(upstream.received_nothing_else());
    }
}

#[test]
fn other_upgrades_are_stripped_and_http_1_0_has_none() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream);
    let right = handshake("/ws", &authorization());
    for request in [
        right.replace("Upgrade: websocket", "Upgrade: h2c"),
        right.replace("Upgrade: websocket", "Upgrade: websocket2"),
        right.replace("HTTP/1.1", "HTTP/1.0"),
    ] {
        assert_eq!(gateway.connect().send(request).response().status, 200);
        let seen = upstream.received();
        assert_eq!((header(&seen, "upgrade"), header(&seen, "connection")), (None, None), "{seen}");
    }
}

#[test]
fn an_answer_that_does_not_answer_the_handshake_is_none() {
    let accept = derive_accept_key(KEY.as_bytes());
    let right = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    for (what, answer) in [
        ("another key's", right.replace(&accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("no accept", right.replace("Sec-WebSocket-Accept", "X-Accept")),
        ("two accepts", format!("{right}Sec-WebSocket-Accept: {accept}\r\n")),
        ("another protocol", right.replace("websocket", "h2c")),
        ("two protocols", right.replace("websocket", "websocket, h2c")),
        ("no upgrade", right.replace("Upgrade: websocket", "X: y")),
        ("no connection", right.replace("Connection: Upgrade", "X: y")),
        ("HTTP/1.0", right.replace("HTTP/1.1", "HTTP/1.0")),
        ("a subprotocol of its own", format!("{right}Sec-WebSocket-Protocol: mine\r\n")),
        ("the marker, which it has not seen", format!("{right}Sec-WebSocket-Protocol: bearer\r\n")),
        ("two subprotocols", format!("{right}Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n")),
    ] {
        let upstream = Upstream::start(move |mut line| {
            line.head();
            line.send(format!("{answer}\r\nsecret"));
            line.fill();
        });
        let gateway = gateway(&upstream);
        let offered = format!("Sec-WebSocket-Protocol: a, b, bearer, {}\r\n", token("alice"));
        let (_, response) = shake(&gateway, "/ws", &offered);
        assert_eq!(response.status, 502, "{what}");
        assert!(!response.text().contains("secret"), "{what}");
    }
}

#[test]
fn what_the_upstream_answers_instead_is_an_answer() {
    let upstream = Upstream::answering(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno",
    );
    let gateway = gateway(&upstream);
    let (_, response) = shake(&gateway, "/ws", &authorization());
    assert_eq!((response.status, response.text().as_str()), (426, "no"));
    assert_eq!((response.header("sec-websocket-version"), response.header("upgrade")), (Some("13"), None));
}

#[test]
fn a_page_of_another_origin_is_refused_unless_it_shows_a_token() {
    let upstream = echo("");
    let (gateway, _) = gateway_with("[cors]\norigins = ['https://app.example.com']\n", &upstream);
    let by_list = format!("Sec-WebSocket-Protocol: bearer, {}\r\n", token("alice"));
    for (path, more, status) in [
        ("/open", "", 101),
        ("/open", "Origin: https://app.example.com\r\n", 101),
        ("/open", "Origin: http://api\r\n", 101),
        ("/open", "Origin: https://evil.example\r\n", 400),
        ("/open", "Origin: null\r\n", 400),
        ("/open", "Origin: https://app.example.com.evil.example\r\n", 400),
        ("/open", "Origin: https://app.example.com\r\nOrigin: https://evil.example\r\n", 400),
        ("/ws", &format!("Origin: https://evil.example\r\n{by_list}"), 101),
        ("/ws", &format!("Origin: https://evil.example\r\n{}", authorization()), 400),
    ] {
        let (_, response) = shake(&gateway, path, more);
        assert_eq!(response.status, status, "{more}");
    }
    let (before_nobody, _) = gateway_with("", &upstream);
    let (_, response) = shake(&before_nobody, "/open", "Origin: https://evil.example\r\n");
    assert_eq!(response.status, 101, "without [cors] it is the upstream's to look");
}

#[test]
fn a_switch_that_nobody_asked_for_is_no_answer() {
    let accept = derive_accept_key(KEY.as_bytes());
    let upstream = Upstream::start(move |mut line| {
        line.head();
        line.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\nsecret"
        ));
        line.fill();
    });
    let gateway = gateway(&upstream);
    let plain = format!("GET /ws HTTP/1.1\r\nHost: api\r\n{}\r\n", authorization());
    for request in [plain, handshake("/plain", &authorization())] {
        let response = gateway.connect().send(&request).response();
        assert_eq!(response.status, 502, "{request}");
        assert!(!response.text().contains("secret"));
    }
    let mut client = RawHttp2::connect(gateway.running.address(), 65_535);
    client.send(b"GET", b"/ws", &[("authorization", &format!("Bearer {}", token("alice")))]);
    assert_eq!(client.answer(), Answer::Overloaded, "502 by HTTP/2 too");
    assert_eq!(metric(&gateway, "upgrades_total"), 0);
}
