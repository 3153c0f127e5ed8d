//! Requests that two servers could read in two ways (RFC 9112 §11.2), and heads that are not acceptable.

use bearergate::config::Limits;

use crate::support::{Gateway, Setup, Upstream};

#[test]
fn ambiguous_requests_are_refused_and_nothing_reaches_the_upstream() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for (what, request) in [
        ("two lengths", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ("two equal lengths", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
        (
            "a length and a coding",
            "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("a bare LF", "GET /public/x HTTP/1.1\nHost: a\n\n"),
        ("a signed length", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"),
        ("a hexadecimal length", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx"),
        ("a list of lengths", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"),
        ("an unknown coding", "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("chunked twice", "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("a coding in 1.0", "POST /public/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a space before the colon", "GET /public/x HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("a folded line", "GET /public/x HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"),
        ("a bare CR", "GET /public/x HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n"),
        ("a NUL", "GET /public/x HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n"),
        ("an empty name", "GET /public/x HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"),
        ("no host", "GET /public/x HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET /public/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("userinfo in the host", "GET /public/x HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        ("another host in the target", "GET http://b/public/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ("TRACE", "TRACE /public/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method in small letters", "get /public/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("the asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let response = gateway.connect().send(request).response();
        assert_eq!(response.status, 400, "{what}: {}", response.head);
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_broken_chunk_is_no_end_of_a_body() {
    let upstream = Upstream::start(|mut line| while line.request().is_some() {});
    let gateway = Gateway::before(&upstream);
    for chunks in ["x\r\n", "1\nx\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx", "-1\r\n", "1;a\rb\r\nx\r\n0\r\n\r\n"] {
        let head = "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let response = gateway.connect().send(format!("{head}{chunks}")).response();
        assert_eq!(response.status, 400, "{chunks:?}");
    }
}

#[test]
fn a_head_over_its_limits_is_refused_in_the_words_of_the_contract() {
    let upstream = Upstream::ok();
    let limits = Limits { headers: 10, header_bytes: 1000, ..Limits::default() };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let many = "X: 1\r\n".repeat(10);
    let long = format!("X: {}\r\n", "1".repeat(1000));
    for fields in [many, long] {
        let response = gateway.connect().send(format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).response();
        assert_eq!(response.status, 431);
        assert!(response.header("content-type").is_some_and(|kind| kind.contains("json")), "{}", response.head);
    }
    let mut endless = gateway.connect();
    endless.send("GET /public/x HTTP/1.1\r\nHost: a\r\nX: ");
    while endless.try_send([b'1'; 10_000]) {}
    assert_eq!(upstream.connections(), 0);
}
