//! Where servers can be: behind Unix sockets, and at the addresses that their names mean.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bearergate::proxy::upstream::{Balance, Resolver, Server, UpstreamSettings};

use super::servers::eventually;
use crate::support::{Gateway, Setup, Upstream};

/// Answers every request without a body that comes on a connection.
fn serve(mut stream: impl Read + Write, answer: &str) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        read.extend_from_slice(&buffer[..count]);
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let length = answer.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}");
        }
    }
}

/// A server at this address that answers with it.
fn server_at(ip: &str, port: u16) -> SocketAddr {
    let listener = TcpListener::bind((ip, port)).unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), ip.to_owned());
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer));
        }
    });
    address
}

fn before(server: Server) -> Setup {
    Setup { upstream: UpstreamSettings::new("default", vec![server]), ..Setup::new(&[]) }
}

fn named(name: &str, port: u16) -> Server {
    Server::http1(format!("{name}:{port}").parse().unwrap())
}

fn eventually_answers(gateway: &Gateway, expected: &str) -> bool {
    eventually(|| gateway.get("/").text() == expected)
}

#[test]
fn a_server_may_stand_behind_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let gateway = before(Server::unix(&path)).start();
    assert_eq!(gateway.get("/").status, 502, "nobody listens yet");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(stream, "by unix");
    });
    for _ in 0..3 {
        assert_eq!(gateway.get("/").text(), "by unix", "on one connection");
    }
    let metrics = gateway.admin().get("/metrics").text();
    // The first one was tried twice.
    let counted = format!(
        "bearergate_upstream_server_requests_total{{upstream=\"default\",server=\"unix:{}\"}} 5\n",
        path.display()
    );
    assert!(metrics.contains(&counted), "{metrics}");
}

#[test]
fn localhost_is_served_without_retries_whichever_family_the_server_has() {
    let upstream = Upstream::ok();
    let mut setup = before(named("localhost", upstream.address.port()));
    setup.upstream.retries = 0;
    setup.upstream.balance = Balance::RoundRobin;
    let gateway = setup.start();
    for _ in 0..30 {
        assert_eq!(gateway.get("/").status, 200);
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_name_that_changes_is_followed_and_one_that_nobody_knows_any_more_is_kept() {
    let port = server_at("127.0.0.21", 0).port();
    server_at("127.0.0.22", port);
    let known = Arc::new(Mutex::new(vec!["127.0.0.21"]));
    let told = Arc::clone(&known);
    let resolver: Resolver = Arc::new(move |host: &str, port| {
        assert_eq!(host, "api.internal");
        let known = told.lock().unwrap();
        if known.is_empty() {
            return Err(io::Error::other("the name server is down"));
        }
        Ok(known.iter().map(|ip| SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port)).collect())
    });
    let mut setup = before(named("api.internal", port)).resolver(resolver);
    setup.upstream.resolve = Duration::from_millis(20);
    let gateway = setup.start();
    assert!(eventually_answers(&gateway, "127.0.0.21"));
    *known.lock().unwrap() = vec!["127.0.0.22"];
    assert!(eventually_answers(&gateway, "127.0.0.22"));
    assert!((0..10).all(|_| gateway.get("/").text() == "127.0.0.22"), "its connections too are of the past");
    known.lock().unwrap().clear();
    thread::sleep(Duration::from_millis(100));
    assert!((0..10).all(|_| gateway.get("/").text() == "127.0.0.22"));
    *known.lock().unwrap() = vec!["127.0.0.21", "127.0.0.22"];
    assert!(eventually_answers(&gateway, "127.0.0.21"), "each of them is a server");
    assert!(eventually_answers(&gateway, "127.0.0.22"));
    let metrics = gateway.admin().get("/metrics").text();
    for ip in ["127.0.0.21", "127.0.0.22"] {
        assert!(
            metrics.contains(&format!("server_up{{upstream=\"default\",server=\"http://{ip}:{port}\"}} 1\n")),
            "{metrics}"
        );
    }
}
