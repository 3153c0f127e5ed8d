//! Several servers: those that fail are left alone, and come back.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bearergate::proxy::upstream::{Balance, Ejection, HealthCheck, Sticky};

use super::nobody;
use crate::support::{Gateway, Setup, Upstream, client::PATIENCE, http_2_upstream::Echo};

const ONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2";

/// Whether this becomes true while anybody has patience for it.
pub(super) fn eventually(what: impl Fn() -> bool) -> bool {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    while !what() {
        if waited >= PATIENCE {
            return false;
        }
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
    true
}

/// What the metrics say of a server.
fn metric(gateway: &Gateway, name: &str, server: SocketAddr) -> Option<u64> {
    let line = format!("bearergate_upstream_server_{name}{{upstream=\"default\",server=\"http://{server}\"}} ");
    let metrics = gateway.admin().get("/metrics").text();
    metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok())
}

/// An upstream that hangs up instead of answering while it is `bad`.
fn moody(bad: &Arc<AtomicBool>, answer: &'static str) -> Upstream {
    let bad = Arc::clone(bad);
    Upstream::start(move |mut line| {
        while line.request().is_some() && !bad.load(Ordering::SeqCst) {
            line.send(answer);
        }
    })
}

#[test]
fn a_bad_one_of_three_is_ejected_and_comes_back() {
    let bad = Arc::new(AtomicBool::new(true));
    let (one, two, three) = (Upstream::answering(ONE), Upstream::answering(ONE), moody(&bad, TWO));
    let mut setup = Setup::new(&[one.address, two.address, three.address]);
    setup.upstream.balance = Balance::RoundRobin;
    setup.upstream.ejection = Some(Ejection { failures: 2, time: Duration::from_millis(400), ..Ejection::default() });
    setup.upstream.slow_start = Duration::ZERO;
    let gateway = setup.start();
    let refused = (0..6).filter(|_| gateway.get("/").status == 502).count();
    assert_eq!(refused, 2, "nothing is repeated once it was sent");
    assert_eq!(metric(&gateway, "ejected", three.address), Some(1));
    assert_eq!(metric(&gateway, "up", three.address), Some(0));
    assert_eq!(metric(&gateway, "up", one.address), Some(1));
    assert!((0..10).all(|_| gateway.get("/").text() == "1"), "the others have its requests");
    bad.store(false, Ordering::SeqCst);
    assert!(eventually(|| gateway.get("/").text() == "2"), "a request has probed it");
    assert_eq!(metric(&gateway, "ejected", three.address), Some(0));
    let seen = (0..9).filter(|_| gateway.get("/").text() == "2").count();
    assert_eq!(seen, 3, "it has its turn again");
}

#[test]
fn answers_with_5xx_are_failures_where_that_is_said() {
    const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for (server_errors, ejected) in [(true, 1), (false, 0)] {
        let (good, bad) = (Upstream::answering(ONE), Upstream::answering(BROKEN));
        let mut setup = Setup::new(&[good.address, bad.address]);
        setup.upstream.balance = Balance::RoundRobin;
        setup.upstream.ejection = Some(Ejection { failures: 3, server_errors, ..Ejection::default() });
        let gateway = setup.start();
        let broken = (0..20).filter(|_| gateway.get("/").status == 503).count();
        assert_eq!(broken, if server_errors { 3 } else { 10 });
        assert_eq!(metric(&gateway, "ejected", bad.address), Some(ejected));
    }
}

#[test]
fn a_server_whose_health_checks_fail_is_given_nothing_until_they_succeed() {
    let ill = Arc::new(AtomicBool::new(false));
    let for_upstream = Arc::clone(&ill);
    let one = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            let is_check = head.starts_with("GET /health HTTP/1.1\r\n") && head.contains("host: 127.0.0.1:");
            line.send(match (is_check, for_upstream.load(Ordering::SeqCst)) {
                (true, true) => "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
                _ => ONE,
            });
        }
    });
    let two = Upstream::answering(TWO);
    let mut setup = Setup::new(&[one.address, two.address]);
    let check = HealthCheck::new("/health".parse().unwrap());
    setup.upstream.health_check = Some(HealthCheck { interval: Duration::from_millis(20), timeout: PATIENCE, ..check });
    setup.upstream.slow_start = Duration::ZERO;
    let gateway = setup.start();
    assert!(eventually(|| gateway.get("/").text() == "1"));
    ill.store(true, Ordering::SeqCst);
    assert!(eventually(|| metric(&gateway, "up", one.address) == Some(0)));
    assert!((0..20).all(|_| gateway.get("/").text() == "2"));
    assert_eq!(metric(&gateway, "ejected", one.address), Some(0));
    ill.store(false, Ordering::SeqCst);
    assert!(eventually(|| metric(&gateway, "up", one.address) == Some(1)));
    assert!(eventually(|| gateway.get("/").text() == "1"));
}

#[test]
fn a_server_of_http_2_is_checked_by_http_2() {
    let echo = Echo::start(10);
    let mut setup = Setup::http_2(&[echo.address]);
    let check = HealthCheck::new("/health".parse().unwrap());
    setup.upstream.health_check = Some(HealthCheck { interval: Duration::from_millis(20), timeout: PATIENCE, ..check });
    let gateway = setup.start();
    assert!(eventually(|| echo.connections.load(Ordering::SeqCst) >= 3), "each check has a connection of its own");
    let metrics = gateway.admin().get("/metrics").text();
    let none = "bearergate_upstream_errors_total{upstream=\"default\",kind=\"health_check\"} 0\n";
    assert!(metrics.contains(none), "{metrics}");
}

#[test]
fn health_checks_end_with_the_configuration_that_asked_for_them() {
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    let upstream = Upstream::start(move |mut line| {
        while line.request().is_some() {
            counted.fetch_add(1, Ordering::SeqCst);
            line.send(ONE);
        }
    });
    let mut setup = Setup::new(&[upstream.address]);
    let check = HealthCheck::new("/health".parse().unwrap());
    setup.upstream.health_check = Some(HealthCheck { interval: Duration::from_millis(10), ..check });
    let gateway = setup.start();
    assert!(eventually(|| checks.load(Ordering::SeqCst) > 2));
    drop(gateway);
    let is_quiet = || {
        let before = checks.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(200));
        checks.load(Ordering::SeqCst) == before
    };
    assert!(eventually(is_quiet));
}

#[test]
fn when_all_are_down_they_are_tried_and_that_is_told() {
    let mut setup = Setup::new(&[nobody(), nobody()]);
    let check = HealthCheck::new("/health".parse().unwrap());
    setup.upstream.health_check = Some(HealthCheck { interval: Duration::from_millis(10), unhealthy: 1, ..check });
    let gateway = setup.start();
    let told = "ready\nupstreams without a healthy server: default\n";
    assert!(eventually(|| gateway.admin().get("/readyz").text() == told));
    assert_eq!(gateway.admin().get("/readyz").status, 200);
    assert_eq!(gateway.get("/").status, 502);
    let metrics = gateway.admin().get("/metrics").text();
    let tried = "bearergate_upstream_errors_total{upstream=\"default\",kind=\"connect\"} 2\n";
    assert!(metrics.contains(tried), "one after the other: {metrics}");
}

#[test]
fn a_slow_server_gets_fewer_requests() {
    let slow = Upstream::start(|mut line| {
        while line.request().is_some() {
            thread::sleep(Duration::from_millis(100));
            line.send(ONE);
        }
    });
    let fast = Upstream::answering(TWO);
    let gateway = Setup::new(&[slow.address, fast.address]).start();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = gateway.connect();
            thread::spawn(move || (0..50).filter(|_| client.get("/").text() == "1").count())
        })
        .collect();
    let slow: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(slow < 40, "{slow} of 200");
}

#[test]
fn requests_above_the_ceiling_are_refused_at_once_and_say_when_to_come_again() {
    let (release, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (released, holding) = (Arc::clone(&release), Arc::clone(&held));
    let upstream = Upstream::start(move |mut line| {
        while line.request().is_some() {
            holding.fetch_add(1, Ordering::SeqCst);
            while !released.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            line.send(ONE);
        }
    });
    let mut setup = Setup::new(&[upstream.address]);
    setup.upstream.max_requests = Some(2);
    setup.workers = 2;
    let gateway = setup.start();
    let mut waiting = [gateway.connect(), gateway.connect()];
    for client in &mut waiting {
        client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    assert!(eventually(|| held.load(Ordering::SeqCst) == 2));
    let refused = gateway.get("/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let post = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(gateway.connect().send(post).response().status, 503);
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_upstream_overloaded_total{upstream=\"default\"} 2\n"), "{metrics}");
    assert!(metrics.contains("outcome=\"refused\",reason=\"overloaded\"} 2\n"), "{metrics}");
    assert_eq!(metric(&gateway, "requests_in_flight", upstream.address), Some(2));
    release.store(true, Ordering::SeqCst);
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(gateway.get("/").status, 200);
    assert!(eventually(|| metric(&gateway, "requests_in_flight", upstream.address) == Some(0)));
    assert_eq!(metric(&gateway, "requests_total", upstream.address), Some(3));
}

#[test]
fn a_session_stays_with_its_server_as_long_as_that_is_there() {
    let bad = Arc::new(AtomicBool::new(false));
    let servers = [
        moody(&Arc::default(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0"),
        moody(&Arc::default(), ONE),
        moody(&bad, TWO),
    ];
    let mut setup = Setup::new(&[servers[0].address, servers[1].address, servers[2].address]);
    setup.upstream.sticky = Some(Sticky::Header(http::HeaderName::from_static("x-session")));
    setup.upstream.ejection = Some(Ejection { failures: 1, ..Ejection::default() });
    setup.workers = 2;
    let gateway = setup.start();
    let server_of = |session: usize| {
        let request = format!("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Session: {session}\r\n\r\n");
        gateway.connect().send(request).response().text()
    };
    let before: BTreeMap<usize, String> = (0..30).map(|session| (session, server_of(session))).collect();
    assert!(before.iter().all(|(session, server)| server_of(*session) == *server), "whichever worker has it");
    bad.store(true, Ordering::SeqCst);
    let lost = before.iter().find(|(_, server)| *server == "2").unwrap().0;
    server_of(*lost);
    for (session, server) in &before {
        let now = server_of(*session);
        assert!(if server == "2" { ["0", "1"].contains(&now.as_str()) } else { now == *server }, "{session}: {now}");
    }
}
