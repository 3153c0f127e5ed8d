//! Bodies: streamed both ways, limited, and never ended when they broke off.

use std::{sync::mpsc::channel, time::Duration};

use bearergate::config::Limits;

use crate::support::{Gateway, Setup, Upstream};

#[test]
fn a_request_body_is_passed_on_as_it_comes() {
    let (seen, arrived) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.head();
        while let Some(chunk) = line.chunk() {
            let last = chunk.is_empty();
            seen.send(chunk).unwrap();
            if last {
                line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("POST /public/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in ["first", "second"] {
        client.send(format!("{:x}\r\n{part}\r\n", part.len()));
        assert_eq!(arrived.recv_timeout(Duration::from_secs(10)).unwrap(), part.as_bytes());
    }
    assert_eq!(client.send("0\r\n\r\n").response().text(), "ok");
}

#[test]
fn an_answer_is_passed_on_as_it_comes() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        wait.lock().unwrap().recv().unwrap();
        line.send("4\r\nlast\r\n0\r\n\r\n");
        line.fill();
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("GET /public/down HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(client.chunk().unwrap(), b"first");
    go.send(()).unwrap();
    assert_eq!(client.chunk().unwrap(), b"last");
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn a_large_body_goes_through_whole_both_ways() {
    let upstream = Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            line.send(body);
        }
    });
    let gateway = Gateway::before(&upstream);
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send(format!("PUT /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).send(&body);
        assert!(client.response().body == body);
    }
    assert_eq!(upstream.connections(), 1, "the connection is pooled after a long body too");
}

#[test]
fn an_answer_that_breaks_off_is_never_ended_cleanly() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ] {
        let upstream = Upstream::start(move |mut line| {
            line.request();
            line.send(broken);
        });
        let gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        let response = client.get("/");
        assert_eq!((response.status, response.complete), (200, false), "{broken:?}");
        assert!(client.is_closed(), "{broken:?}");
        let metrics = gateway.admin().get("/metrics").text();
        assert!(metrics.contains("bearergate_upstream_errors_total{upstream=\"default\",kind=\"truncated\"} 1\n"));
    }
}

#[test]
fn a_body_over_the_limit_is_too_large_by_its_length_or_by_count() {
    let upstream = Upstream::start(|mut line| while line.request().is_some() {});
    let gateway = Setup::new(&[upstream.address]).limits(Limits { body_bytes: 10, ..Limits::default() }).start();
    let by_length =
        gateway.connect().send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").response();
    assert_eq!(by_length.status, 413);
    assert_eq!(upstream.connections(), 0);
    let by_count = gateway
        .connect()
        .send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n")
        .response();
    assert_eq!(by_count.status, 413);
}

#[test]
fn a_client_that_sends_too_much_without_a_length_still_sees_why_it_was_refused() {
    let upstream = Upstream::start(|mut line| while line.request().is_some() {});
    let gateway = Setup::new(&[upstream.address]).limits(Limits { body_bytes: 100_000, ..Limits::default() }).start();
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..30 {
        client.send(format!("2710\r\n{}\r\n", "x".repeat(10_000)));
    }
    assert_eq!(client.response().status, 413);
}

#[test]
fn a_body_of_a_get_is_passed_on_and_one_without_length_too() {
    let upstream = Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            line.send(body);
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let chunked = "GET /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_eq!(client.send(chunked).response().text(), "body");
    let sized = "GET /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(client.send(sized).response().text(), "body");
}

#[test]
fn trailers_of_a_request_add_no_fields() {
    let upstream = Upstream::start(|mut line| {
        line.head();
        while line.chunk().is_some_and(|chunk| !chunk.is_empty()) {}
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        // A trailer would stand before the last empty line, and be taken for the head of another request.
        line.head();
    });
    let gateway = Gateway::before(&upstream);
    let request = "POST /public/x HTTP/1.1\r\nHost: a\r\nTrailer: X-User-Id\r\nTransfer-Encoding: chunked\r\n\r\n\
                   1\r\nx\r\n0\r\nX-User-Id: root\r\n\r\n";
    assert_eq!(gateway.connect().send(request).response().text(), "ok");
    assert!(!upstream.received().to_ascii_lowercase().contains("trailer"));
    assert!(upstream.received_nothing_else());
}

#[test]
fn a_client_that_stalls_in_its_body_is_refused_and_the_upstream_let_go() {
    let (gone, told) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        gone.send(()).unwrap();
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(100),
        body_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let request = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    assert_eq!(gateway.connect().send(request).response().status, 400);
    told.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn an_upstream_is_let_go_when_the_client_goes_away() {
    let (gone, told) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        while line.fill().is_some() {}
        gone.send(()).unwrap();
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.received();
    drop(client);
    told.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn leave_to_send_a_body_is_given_only_to_who_may() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::before(&upstream);
    let stranger = "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    assert_eq!(gateway.connect().send(stranger).response().status, 401);
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    assert_eq!(client.send("body").response().text(), "ok");
    assert!(!upstream.received().to_ascii_lowercase().contains("expect"));
}

#[test]
fn a_refusal_is_seen_by_a_client_that_is_still_sending() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let body = vec![b'x'; 500_000];
    let mut client = gateway.connect();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).send(&body);
    assert_eq!(client.response().status, 401);
    assert_eq!(client.get("/").status, 200, "the connection is still good");
}

#[test]
fn an_upstream_that_takes_its_time_over_a_body_is_not_taken_for_a_client_that_stalls() {
    let upstream = Upstream::start(|mut line| {
        line.head();
        for _ in 0..2 {
            // A little, so that the body moves, and then nothing for longer than a client may pause.
            line.exactly(100_000);
            std::thread::sleep(Duration::from_millis(300));
        }
        line.exactly(19_800_000);
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(100),
        body_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    for _ in 0..200 {
        client.send(vec![b'x'; 100_000]);
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_body_that_was_not_asked_for_is_no_request() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [
        format!("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        format!("GET /public/../x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        format!("TRACE /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            smuggled.len()
        ),
    ] {
        let mut client = gateway.connect();
        client.send(&head);
        let refused = client.response();
        assert!([400, 401].contains(&refused.status), "{head}");
        client.try_send(smuggled);
        // Either the connection has ended, or the body was taken for a body.
        client.try_send("\r\n0\r\n\r\n");
        drop(client);
    }
    assert_eq!(gateway.get("/last").status, 200);
    assert!(upstream.received().starts_with("GET /last "), "nothing else came before it");
    assert!(upstream.received_nothing_else());
}

#[test]
fn a_body_that_trickles_is_borne_only_while_it_moves() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(50));
        client.send("x");
    }
    assert_eq!(client.response().status, 200, "longer in all than one pause may be");
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1");
    assert_eq!(client.response().status, 400, "in the middle of a chunk's size");
}
