//! How many clients there may be, and how long each may take.

use std::time::Duration;

use bearergate::{
    config::Limits,
    gateway::{RunError, Settings, start},
};

use crate::support::{
    Gateway, Setup, Upstream,
    http_2::{Answer, RawHttp2},
};

#[test]
fn one_connection_too_many_is_closed_and_the_others_go_on() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&[upstream.address]).limits(Limits { connections: 2, ..Limits::default() }).start();
    let (mut one, mut two) = (gateway.connect(), gateway.connect());
    assert_eq!((one.get("/").status, two.get("/").status), (200, 200));
    assert!(gateway.connect().is_closed());
    assert_eq!(one.get("/").status, 200);
    assert!(gateway.admin().get("/metrics").text().contains("bearergate_connections_refused_total 1\n"));
}

#[test]
fn one_request_too_many_is_told_to_come_again() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.fill();
    });
    let gateway = Setup::new(&[upstream.address]).limits(Limits { requests: 1, ..Limits::default() }).start();
    let mut waiting = gateway.connect();
    waiting.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.received();
    let refused = gateway.get("/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let late = RawHttp2::connect(gateway.running.address(), 65_535).send_and_wait(b"/public/x");
    assert_eq!(late, Answer::Overloaded);
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.admin().get(path).status, 200, "the admin listener still answers");
    }
}

#[test]
fn a_place_is_free_again_when_the_answer_was_sent() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&[upstream.address]).limits(Limits { requests: 1, ..Limits::default() }).start();
    for _ in 0..10 {
        assert_eq!(gateway.get("/").status, 200);
        assert_eq!(gateway.connect().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401);
    }
    assert!(gateway.admin().get("/metrics").text().contains("bearergate_requests_in_flight 0\n"));
}

#[test]
fn a_head_that_takes_too_long_is_cut_off_and_silence_too() {
    let upstream = Upstream::ok();
    let limits = Limits { header_timeout: Duration::from_millis(100), ..Limits::default() };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    assert!(gateway.connect().is_closed(), "silence");
    assert!(gateway.connect().send("GET / HT").is_closed(), "a slow head");
    assert!(gateway.connect().send("PRI * HTTP/2.0\r\n").is_closed(), "a slow preface");
    let mut second = gateway.connect();
    assert_eq!(second.get("/").status, 200);
    assert!(second.send("GET / HT").is_closed(), "a slow second head");
}

#[test]
fn an_idle_connection_lives_as_long_as_the_idle_timeout_and_not_the_head_timeout() {
    let upstream = Upstream::ok();
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(600),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let mut client = gateway.connect();
    assert_eq!(client.get("/").status, 200);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.get("/").status, 200, "still open after three head timeouts");
    assert!(client.is_closed(), "and closed after the idle timeout");
}

#[test]
fn an_upstream_that_takes_its_time_is_not_taken_for_idleness() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        std::thread::sleep(Duration::from_millis(300));
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        std::thread::sleep(Duration::from_millis(300));
        line.send("k");
    });
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    assert_eq!(Setup::new(&[upstream.address]).limits(limits).start().get("/").text(), "ok");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let (gone, told) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while line.send([b'x'; 100_000]) {}
        gone.send(()).unwrap();
    });
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").head();
    told.recv_timeout(Duration::from_secs(15)).unwrap();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|mut line| {
        while let Some((head, _)) = line.request() {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /public/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().text(), "/public/1");
    assert_eq!(client.response().text(), "/public/2");
}

#[test]
fn workers_share_the_port_and_the_ceilings() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.fill();
    });
    let mut setup = Setup::new(&[upstream.address]).limits(Limits { requests: 3, ..Limits::default() });
    setup.workers = 4;
    let gateway = setup.start();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut client = gateway.connect();
            client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
            upstream.received();
            client
        })
        .collect();
    for _ in 0..8 {
        assert_eq!(gateway.get("/").status, 503);
    }
    drop(waiting);
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
}

#[test]
fn a_port_that_is_taken_is_an_error_of_the_start() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let taken = gateway.running.address();
    for (address, admin) in [(taken, None), ("127.0.0.1:0".parse().unwrap(), Some(taken))] {
        let settings = Settings {
            address,
            workers: 2,
            admin,
            drain_delay: Duration::ZERO,
            drain_deadline: Duration::from_secs(60),
            access_log: None,
        };
        let refused = start(&settings, gateway.snapshot.clone()).unwrap_err();
        assert!(matches!(refused, RunError::Bind { address, .. } if address == taken), "{refused}");
    }
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn a_panic_ends_the_request_that_it_happens_in_and_nothing_else() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    // No configuration can say so: the sum of the time and this limit is beyond all time.
    setup.upstream.response_timeout = Duration::MAX;
    let gateway = setup.start();
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 500);
        assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401, "the connection is good");
    }
    let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
    http_2.send(b"GET", b"/public/x", &[]);
    assert_eq!(http_2.answer(), Answer::Failed);
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_panics_total 4\n"), "{metrics}");
    assert!(metrics.contains("bearergate_requests_in_flight 0\n"), "{metrics}");
    gateway.snapshot.store(std::sync::Arc::new(Setup::new(&[upstream.address]).snapshot()));
    assert_eq!(client.get("/").status, 200);
    drop((client, http_2));
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
}
