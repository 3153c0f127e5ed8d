//! Answers that take their time: events as they come, and polls that wait.

use std::{
    sync::{Mutex, mpsc::channel},
    thread,
    time::Duration,
};

use bearergate::config::Limits;
use tokio::time::Instant;

use crate::support::{
    Gateway, Setup, Upstream,
    client::PATIENCE,
    http_2_upstream::{DATA, RST_STREAM, raw},
};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn each_event_arrives_when_it_is_sent_and_as_it_is() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send(EVENTS);
        while wait.lock().unwrap().recv().is_ok() {
            // Not what it says it is: nobody but the client looks.
            line.send("3\r\n\x1f\0\n\r\n");
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let head = client.send("GET /public/events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").head();
    assert!(head.to_ascii_lowercase().contains("content-encoding: gzip"), "{head}");
    for _ in 0..20 {
        let sent = Instant::now();
        go.send(()).unwrap();
        assert_eq!(client.chunk().unwrap(), b"\x1f\0\n");
        assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    }
}

#[test]
fn only_the_head_has_to_come_in_time() {
    let upstream = Upstream::start(|mut line| {
        let Some((head, _)) = line.request() else { return };
        let late = head.starts_with("GET /public/late ");
        for part in [EVENTS, "4\r\nlate\r\n"] {
            if late || part != EVENTS {
                thread::sleep(Duration::from_millis(900));
            }
            line.send(part);
        }
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let mut setup = Setup::new(&[upstream.address]).limits(limits);
    setup.upstream.response_timeout = Duration::from_millis(400);
    let gateway = setup.start();
    let mut client = gateway.connect();
    client.send("GET /public/events HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(client.chunk().unwrap(), b"late", "its silence is longer than response_timeout and idle_timeout");
    let late = gateway.connect().send("GET /public/late HTTP/1.1\r\nHost: a\r\n\r\n").response();
    assert_eq!(late.status, 504);
}

#[test]
fn a_poll_that_waits_is_answered_when_there_is_something() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        wait.lock().unwrap().recv().unwrap();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews");
    });
    let limits = Limits { idle_timeout: Duration::from_millis(100), ..Limits::default() };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let mut client = gateway.connect();
    client.send("GET /public/poll HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.received();
    thread::sleep(Duration::from_millis(500));
    go.send(()).unwrap();
    assert_eq!(client.response().text(), "news");
}

#[test]
fn whoever_goes_away_closes_the_stream_at_once() {
    let (gone, left) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        if line.stream.peer_addr().is_ok() {
            line.send(EVENTS);
        }
        // Nothing is sent: only the end of the connection tells.
        while line.fill().is_some() {}
        gone.send(()).unwrap();
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("GET /public/events HTTP/1.1\r\nHost: a\r\n\r\n").head();
    let dropped = Instant::now();
    drop(client);
    left.recv_timeout(PATIENCE).unwrap();
    assert!(dropped.elapsed() < Duration::from_secs(2), "{:?}", dropped.elapsed());
}

#[test]
fn a_call_of_grpc_may_be_silent_once_it_is_answered_and_other_requests_may_not() {
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| {
        while let Some(frame) = upstream.next() {
            match frame.kind {
                DATA | RST_STREAM => tell.send((frame.kind, frame.payload)).unwrap(),
                _ => upstream.begin(frame.stream),
            }
        }
    });
    let limits = Limits { body_timeout: Duration::from_millis(300), ..Limits::default() };
    let gateway = Setup::http_2(&[upstream.address]).limits(limits).start();
    for (kind, goes_on) in [("application/grpc+proto", true), ("application/grpc", true), ("application/json", false)] {
        let mut client = gateway.connect();
        client.send(format!(
            "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        client.head();
        thread::sleep(Duration::from_millis(1000));
        client.try_send("5\r\nagain\r\n");
        let (frame, payload) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((frame == DATA, payload == b"again"), (goes_on, goes_on), "{kind}");
        drop(client);
        if goes_on {
            assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, RST_STREAM, "{kind}: its client has gone");
        }
    }
}
