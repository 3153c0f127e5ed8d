//! Requests that two servers could read in two ways, and such as are never served: each is refused in the contract's words,
//! the connection ends behind it, and the upstream hears of none.

use std::{io::Write, net::Shutdown};

use crate::support::{Gateway, Upstream};

/// Sends the bytes, with a request behind them, and looks at all that comes back.
#[track_caller]
fn assert_refused(gateway: &Gateway, what: &str, request: &[u8]) {
    let mut stream = std::net::TcpStream::connect(gateway.running.address()).unwrap();
    stream.set_read_timeout(Some(crate::support::client::PATIENCE)).unwrap();
    let _ = stream.write_all(&[request, b"GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap_or_else(|error| panic!("{what}: {error}"));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{what}: {head}");
    assert!(head.contains("\r\ncontent-type: application/problem+json"), "{what}: {head}");
    // To a client of HTTP/1.0 that need not be said.
    let is_old = request.windows(9).any(|bytes| bytes == b" HTTP/1.0");
    assert_ne!(head.contains("\r\nconnection: close"), is_old, "{what}: {head}");
    let problem: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{what}: {error}: {body}"));
    assert_eq!(problem["status"], 400, "{what}: one answer, and nothing behind it");
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

fn get(fields: &str) -> String {
    format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn a_body_with_more_than_one_length() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5e0\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: \r\n",
        "Content-Length: ,\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: \u{665}\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: chunked\u{a0}\r\n",
    ] {
        for body in ["", "5\r\nhello\r\n0\r\n\r\n", "hello"] {
            assert_refused(&gateway, fields, post(fields, body).as_bytes());
        }
    }
    for old in ["", "Connection: keep-alive\r\n"] {
        let request = format!("POST /public/x HTTP/1.0\r\n{old}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        assert_refused(&gateway, "a coding in HTTP/1.0", request.as_bytes());
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn chunks_that_are_none() {
    // It gets the beginning of the request, and never an end.
    let upstream = Upstream::start(|mut line| assert!(line.request().is_none()));
    let gateway = Gateway::before(&upstream);
    for chunks in [
        "\r\n",
        "x\r\n",
        "+1\r\nx\r\n",
        "-1\r\nx\r\n",
        "0x1\r\nx\r\n",
        "1h\r\nx\r\n",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1\t\r\nx\r\n",
        "1,1\r\nx\r\n",
        "10000000000000001\r\nx\r\n",
        "1\nx\r\n",
        "1\rx\r\n",
        "1\r\nx\n",
        "1\r\nx\r",
        "1\r\nxy\r\n",
        "1\r\n\r\nx",
        "2\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "1;\0\r\nx\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\n X: 1\r\n\r\n",
        "0\r\n: 1\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\nX: 1\r2\r\n\r\n",
    ] {
        let request = post("Transfer-Encoding: chunked\r\n", chunks);
        assert_refused(&gateway, chunks, request.as_bytes());
    }
}

#[test]
fn lines_that_are_none() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let fields = [
        "X : 1\r\n",
        "X\t: 1\r\n",
        " X: 1\r\n",
        "\tX: 1\r\n",
        "X: 1\r\n 2\r\n",
        "X: 1\r\n\t2\r\n",
        "X: 1\r\n \r\n",
        ": 1\r\n",
        ":\r\n",
        "X\r\n",
        "X Y: 1\r\n",
        "X\0: 1\r\n",
        "X\u{e9}: 1\r\n",
        "\"X\": 1\r\n",
        "X(: 1\r\n",
        "X: 1\n",
        "X: 1\r",
        "X: 1\r2\r\n",
        "X: 1\n2\r\n",
        "X: 1\0\r\n",
        "X: \u{1}\r\n",
        "X: \u{7f}\r\n",
        "\r",
        "\n",
        "\0",
    ];
    for field in fields {
        for request in [get(field), get(&format!("Accept: */*\r\n{field}")), get(&format!("{field}Accept: */*\r\n"))] {
            assert_refused(&gateway, field, request.as_bytes());
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn first_lines_that_are_none() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for line in [
        "GET /public/x",
        "GET /public/x ",
        "GET  /public/x HTTP/1.1",
        "GET /public/x  HTTP/1.1",
        "GET\t/public/x HTTP/1.1",
        "GET /public/x\tHTTP/1.1",
        "GET /public/x HTTP/1.1 ",
        " GET /public/x HTTP/1.1",
        "\0GET /public/x HTTP/1.1",
        "GET /public/x HTTP/1.2",
        "GET /public/x HTTP/1.10",
        "GET /public/x HTTP/2.0",
        "GET /public/x HTTP/0.9",
        "GET /public/x http/1.1",
        "GET /public/x HTTPS/1.1",
        "GET /public/ x HTTP/1.1",
        "GET /public/\0x HTTP/1.1",
        "GET /public/\rx HTTP/1.1",
        "GET /public/\u{1}x HTTP/1.1",
        "G(T /public/x HTTP/1.1",
        "G\u{e9}T /public/x HTTP/1.1",
        "GET HTTP/1.1",
    ] {
        assert_refused(&gateway, line, format!("{line}\r\nHost: a\r\n\r\n").as_bytes());
        assert_refused(&gateway, line, format!("\r\n{line}\r\nHost: a\r\n\r\n").as_bytes());
    }
    assert_refused(&gateway, "two empty lines", b"\r\n\r\nGET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refused(&gateway, "a bare LF before it", b"\nGET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refused(&gateway, "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn hosts_targets_and_methods_that_are_not_served() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\n",
        "Host: u@a\r\n",
        "Host: u:p@a\r\n",
        "Host: a@\r\n",
        "Host: a/\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a:b\r\n",
        "Host: a:99999\r\n",
        "Host: http://a\r\n",
        "Host: a#b\r\n",
        "Host: [::1\r\n",
        "Host: \u{e9}\r\n",
    ] {
        assert_refused(&gateway, fields, format!("GET /public/x HTTP/1.1\r\n{fields}\r\n").as_bytes());
    }
    assert_refused(&gateway, "two hosts in HTTP/1.0", b"GET /public/x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    for line in [
        "GET http://b/public/x",
        "GET http://a:81/public/x",
        "GET http://u@a/public/x",
        "GET https://a/public/x",
        "GET ftp://a/public/x",
        "CONNECT a:443",
        "CONNECT /public/x",
        "CONNECT a",
        "GET a:443",
        "TRACE /public/x",
        "get /public/x",
        "Get /public/x",
        "gET /public/x",
    ] {
        assert_refused(&gateway, line, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn nothing_is_upgraded_and_no_byte_reaches_the_upstream_as_if_it_were() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nfirst bytes",
            );
        }
    });
    let gateway = Gateway::before(&upstream);
    for (upgrade, more) in
        [("websocket", "Sec-WebSocket-Key: x\r\n"), ("h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")]
    {
        let mut client = gateway.connect();
        client.send(get(&format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n{more}")));
        client.send("early bytes");
        let response = client.response();
        assert_eq!(response.status, 502, "an upgrade that nobody asked for is no answer");
        assert!(!response.text().contains("first bytes"));
        let seen = upstream.received().to_ascii_lowercase();
        for gone in ["upgrade", "http2-settings", "connection"] {
            assert!(!seen.contains(gone), "{gone}: {seen}");
        }
        assert!(upstream.received_nothing_else());
    }
}

#[test]
fn what_connection_names_goes_first_and_what_is_ours_is_set_after() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let token = crate::support::token("alice");
    let mut client = gateway.connect();
    client.send(format!(
        "POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nX-User-Id: root\r\nX_User_Id: root\r\nX-Drop: 1\r\n\
         Connection: x-drop, X-User-Id, authorization, host, content-length\r\nConnection: transfer-encoding, x-forwarded-for\r\n\
         Transfer-Encoding: chunked\r\nTrailer: Authorization, X-User-Id\r\n\r\n\
         1\r\nx\r\n0\r\nAuthorization: Bearer forged\r\nX-User-Id: root\r\nHost: evil\r\n\r\n"
    ));
    assert_eq!(client.response().text(), "ok");
    let seen = upstream.received().to_ascii_lowercase();
    let values =
        |name: &str| seen.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect::<Vec<_>>();
    assert_eq!(values("x-user-id:"), ["alice"], "{seen}");
    assert_eq!(values("host:"), ["a"]);
    assert_eq!(values("authorization:"), [format!("bearer {}", token.to_ascii_lowercase())]);
    assert_eq!(values("transfer-encoding:"), ["chunked"]);
    assert_eq!(values("x-forwarded-for:"), ["127.0.0.1"]);
    for gone in ["x-drop", "x_user_id", "connection:", "trailer:", "root", "forged", "evil"] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
    assert!(upstream.received_nothing_else());
}

#[test]
fn the_body_behind_a_refusal_is_no_request() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for size in [smuggled.len(), 900_000, 3_000_000] {
        let mut client = gateway.connect();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
        let body = smuggled.repeat(size / smuggled.len() + 1);
        let sent = client.try_send(&body[..size]);
        let refused = client.response();
        assert_eq!(refused.status, 401);
        let ends = refused.header("connection") == Some("close");
        assert_eq!(ends, size > 1024 * 1024, "{size}");
        if !ends {
            assert!(sent);
            assert_eq!(
                client.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n").response().status,
                401,
                "the next answer is the next request's"
            );
        }
    }
    assert_eq!(upstream.connections(), 0);
}
