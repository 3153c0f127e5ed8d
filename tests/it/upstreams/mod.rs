//! Upstreams that fail, and the connections to those that don't.

mod places;
mod servers;
mod tls;

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use bearergate::proxy::upstream::Balance;

use crate::support::{Gateway, Setup, Upstream};

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn an_upstream_that_refuses_resets_or_talks_nonsense_is_unreachable() {
    assert_eq!(Setup::new(&[nobody()]).start().get("/").status, 502);
    for (what, answer) in [
        ("closes", ""),
        ("breaks off in the head", "HTTP/1.1 200 OK\r\nContent-"),
        ("speaks something else", "SSH-2.0-OpenSSH_9.2\r\n"),
        ("has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ("switches protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    ] {
        let upstream = Upstream::start(move |mut line| {
            line.request();
            line.send(answer);
        });
        let gateway = Gateway::before(&upstream);
        assert_eq!(gateway.get("/").status, 502, "{what}");
        assert_eq!(upstream.connections(), 1, "{what}: nothing is repeated once it was sent");
        let metrics = gateway.admin().get("/metrics").text();
        let counted = "bearergate_upstream_errors_total{upstream=\"default\",kind=\"reset\"} 1\n";
        assert!(metrics.contains(counted), "{what}");
        assert!(metrics.contains("outcome=\"refused\",reason=\"upstream_unreachable\"} 1\n"), "{what}");
    }
}

#[test]
fn an_upstream_that_does_not_answer_in_time_is_late() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.fill();
    });
    let mut setup = Setup::new(&[upstream.address]);
    setup.upstream.response_timeout = Duration::from_millis(100);
    let gateway = setup.start();
    assert_eq!(gateway.get("/").status, 504);
    // A body on its way doesn't hold the answer up for ever, nor does the time for it count.
    let request = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(gateway.connect().send(request).response().status, 504);
}

#[test]
fn requests_share_a_connection() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "ok");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_the_upstream_closed_meanwhile_is_not_used_even_for_a_post() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for number in 0..20 {
        let response = client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").response();
        assert_eq!((number, response.status), (number, 200));
        // As idle connections are: closed some time after the answer, not in the same instant.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(upstream.connections(), 20);
}

#[test]
fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while line.send([b'x'; 10_000]) {}
    });
    let gateway = Gateway::before(&upstream);
    for connections in 1..=3 {
        let mut client = gateway.connect();
        client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").head();
        assert_eq!(upstream.connections(), connections);
    }
}

#[test]
fn the_next_server_is_tried_when_one_cannot_be_reached() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[nobody(), upstream.address]);
    setup.upstream.balance = Balance::RoundRobin;
    let gateway = setup.start();
    for _ in 0..4 {
        assert_eq!(gateway.get("/").status, 200);
    }
    let mut without_retries = Setup::new(&[nobody(), upstream.address]);
    without_retries.upstream.retries = 0;
    without_retries.upstream.balance = Balance::RoundRobin;
    let gateway = without_retries.start();
    let statuses: Vec<_> = (0..4).map(|_| gateway.get("/").status).collect();
    assert_eq!(statuses, [502, 200, 502, 200]);
}

#[test]
fn servers_take_turns() {
    let one = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    let two = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
    let mut setup = Setup::new(&[one.address, two.address]);
    setup.upstream.balance = Balance::RoundRobin;
    let gateway = setup.start();
    let answers: String = (0..4).map(|_| gateway.get("/").text()).collect();
    assert_eq!(answers, "1212");
}

#[test]
fn no_post_is_lost_to_an_upstream_that_closes_after_every_answer_and_says_so() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = Gateway::before(&upstream);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gateway.connect();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    let post = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
                    assert_eq!(client.send(post).response().status, 200);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(upstream.connections(), 400, "and none came twice");
}
