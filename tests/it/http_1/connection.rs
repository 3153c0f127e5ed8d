//! A client's connection: leave to send, what it says of its end, and what becomes of it when a side hangs up.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc::channel,
    time::Duration,
};

use bearergate::config::Limits;

use super::assert_quiet;
use crate::support::{Gateway, Setup, Upstream, client::PATIENCE};

const CLOSE: Option<&str> = Some("close");

/// Answers each request with its body, as it was framed.
fn echo() -> Upstream {
    Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            line.send(body);
        }
    })
}

#[test]
fn a_body_that_comes_without_waiting_for_leave_keeps_the_connection() {
    let upstream = echo();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
        let response = client.response();
        assert_eq!((response.status, response.text().as_str(), response.header("connection")), (200, "body", None));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn leave_is_given_in_the_middle_of_a_body_too() {
    let upstream = echo();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbo");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    assert_eq!(client.send("dy").response().text(), "body");
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    assert_eq!(client.send("1\r\nx\r\n0\r\n\r\n").response().text(), "x");
    let none = "POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.send(none).response().status, 200, "nothing to wait for");
    let old = "POST /public/x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(client.send(old).response().text(), "x", "HTTP/1.0 knows no interim answers");
}

#[test]
fn an_answer_behind_which_the_connection_ends_says_so() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&[upstream.address]).limits(Limits { body_bytes: 5_000_000, ..Limits::default() }).start();
    for (what, request) in [
        ("leave not given", "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
        ("more than is read over", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n"),
        ("more than allowed", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n"),
        ("no length", "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
        ("a broken chunk", "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        ("no head", "GET /public/x HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("as asked for", "GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n"),
        ("as asked for in a second field", "GET /x HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: ,close\r\n\r\n"),
    ] {
        let mut client = gateway.connect();
        let response = client.send(request).response();
        assert_eq!(response.header("connection"), CLOSE, "{what}: {}", response.head);
        assert!(client.is_closed(), "{what}");
    }
    let old = "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = gateway.connect();
    assert_eq!(client.send(old).response().header("connection"), None, "that is what 1.0 means by it");
    assert!(client.is_closed());
}

#[test]
fn a_connection_of_http_1_0_goes_on_only_where_both_say_so() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for options in ["", "Connection: close\r\n", "Connection: keep-alive, close\r\n"] {
        let mut client = gateway.connect();
        let response = client.send(format!("GET /public/x HTTP/1.0\r\n{options}\r\n")).response();
        assert_eq!((response.status, response.header("connection")), (200, None), "{options}");
        assert!(client.is_closed(), "{options}");
    }
    let mut client = gateway.connect();
    for _ in 0..3 {
        let response = client.send("GET /public/x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").response();
        assert_eq!((response.text().as_str(), response.header("connection")), ("ok", Some("keep-alive")));
    }
}

#[test]
fn what_comes_behind_the_last_request_does_not_cost_its_answer() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for _ in 0..20 {
        let mut client = TcpStream::connect(gateway.running.address()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        // More than the gateway reads ahead: what is left unread when a socket is closed resets the connection.
        let request = b"GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.write_all(&[&request[..], &[b'x'; 200_000]].concat()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let (gone, told) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        while line.fill().is_some() {}
        gone.send(()).unwrap();
    });
    let gateway = Gateway::before(&upstream);
    let chunked = "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
    let requests = [
        ("", false),
        ("G", false),
        ("PRI * HTTP/2.0\r\n", false),
        ("GET /public/x HTTP/1.1\r\nHost", false),
        ("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (sized, true),
        (chunked, true),
        (&format!("{chunked}5\r\nab"), true),
        (&format!("{chunked}0\r\n"), true),
        ("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\nGET /public/y HTTP/1.1\r\nHo", true),
    ];
    for (request, reaches) in requests {
        for reset in [false, true] {
            let mut client = TcpStream::connect(gateway.running.address()).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            if reaches {
                client.read_exact(&mut [0; 15]).unwrap();
            }
            if reset {
                socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(client);
            if reaches {
                told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{request:?} {reset}: the upstream is held"));
            }
        }
    }
    assert_quiet(&gateway);
}

#[test]
fn a_client_that_is_done_sending_still_gets_what_needs_no_upstream() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let mut client = TcpStream::connect(gateway.running.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401 ").count(), 2, "{answers}");
    assert_quiet(&gateway);
}
