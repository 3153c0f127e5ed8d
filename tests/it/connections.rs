//! How many clients there may be, and how long each may take.

use std::time::Duration;

use bearergate::{
    config::Limits,
    gateway::{RunError, Settings, start},
};
use tokio::time::Instant;

use crate::support::{
    Client, Gateway, Setup, Upstream,
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
    assert!(
        gateway.admin().get("/metrics").text().contains("bearergate_connections_refused_total{reason=\"ceiling\"} 1\n")
    );
}

#[test]
fn an_address_has_a_ceiling_of_its_own_over_all_workers_and_a_trusted_proxy_has_none() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let limits = Limits { connections_per_address: 3, ..Limits::default() };
    let trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
    let gateway = Setup { workers: 4, trusted_proxies, limits, ..Setup::new(&[upstream.address]) }.start();
    let from = |last: u8| Client::connect_from([127, 0, 0, last].into(), gateway.running.address());

    let mut open: Vec<Client> = (0..3).map(|_| from(3)).collect();
    open.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    assert!(from(3).is_closed());
    assert_eq!(from(4).get("/").status, 200, "another address is not held up");
    let mut trusted: Vec<Client> = (0..10).map(|_| from(2)).collect();
    trusted.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_connections_refused_total{reason=\"address\"} 1\n"), "{metrics}");
    assert!(metrics.contains("bearergate_connections_refused_total{reason=\"ceiling\"} 0\n"), "{metrics}");

    drop(open.pop());
    let free = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let mut client = from(3);
        client.try_send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
        !client.is_closed()
    });
    assert!(free, "a place is free again when its connection has ended");
}

#[test]
fn under_more_load_than_it_takes_it_refuses_quickly_and_still_says_that_it_lives() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            std::thread::sleep(Duration::from_millis(20));
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = Setup::new(&[upstream.address]).limits(Limits { requests: 2, ..Limits::default() }).start();
    let (address, until) = (gateway.running.address(), Instant::now() + Duration::from_secs(2));
    let ask = || {
        let (mut client, mut served, mut shed) = (Client::connect(address), 0_u32, 0_u32);
        while Instant::now() < until {
            let answer = client.get("/");
            match answer.status {
                200 => served += 1,
                503 if answer.header("retry-after") == Some("1") => shed += 1,
                other => panic!("{other}"),
            }
        }
        (served, shed)
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        let mut looked = 0;
        while Instant::now() < until {
            let asked = Instant::now();
            assert_eq!(gateway.admin().get("/livez").status, 200);
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
            looked += 1;
        }
        let answered: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let (served, shed) = answered.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert!(served > 10 && shed > served && looked > 10, "{served} served, {shed} refused, looked {looked} times");
    });
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
    let limits = Limits {
        idle_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
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
