//! How the gateway ends: what was begun is finished, nothing new is begun, and it doesn't take for ever.

use std::{
    net::TcpStream,
    sync::{Mutex, mpsc::channel},
    thread,
    time::Duration,
};

use crate::support::{Gateway, Setup, Upstream};

/// The worker has seen that it is to drain.
fn wait_until_nobody_listens(gateway: &Gateway) {
    while TcpStream::connect(gateway.running.address()).is_ok() {
        thread::yield_now();
    }
}

#[test]
fn a_download_is_finished_and_its_connection_closed() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        wait.lock().unwrap().recv().unwrap();
        line.send("4\r\nlast\r\n0\r\n\r\n");
    });
    let gateway = Gateway::before(&upstream);
    let mut idle = gateway.connect();
    assert_eq!(idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401);
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(client.chunk().unwrap(), b"first");

    gateway.running.shutdown();
    let ready = gateway.admin().get("/readyz");
    assert_eq!((ready.status, ready.text().as_str()), (503, "draining\n"));
    assert!(idle.is_closed());
    wait_until_nobody_listens(&gateway);
    go.send(()).unwrap();
    assert_eq!(client.chunk().unwrap(), b"last");
    assert_eq!(client.chunk().unwrap(), b"");
    assert!(client.is_closed());
    gateway.running.wait().unwrap();
}

#[test]
fn a_request_that_is_under_way_is_answered_and_told_that_it_was_the_last() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        wait.lock().unwrap().recv().unwrap();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.received();
    let mut late = gateway.connect();
    gateway.running.shutdown();
    assert_eq!(late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401, "it was on its way");
    wait_until_nobody_listens(&gateway);
    go.send(()).unwrap();
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    gateway.running.wait().unwrap();
}

#[test]
fn a_drain_has_a_deadline_and_a_stop_has_none() {
    for stop in [false, true] {
        let upstream = Upstream::start(|mut line| {
            line.request();
            line.fill();
        });
        let mut setup = Setup::new(&[upstream.address]);
        setup.drain_deadline = if stop { Duration::from_secs(600) } else { Duration::from_millis(400) };
        let gateway = setup.start();
        let mut client = gateway.connect();
        client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
        upstream.received();
        gateway.running.shutdown();
        if stop {
            gateway.running.stop();
        }
        gateway.running.wait().unwrap();
        assert!(client.is_closed());
    }
}

#[test]
fn no_request_fails_when_the_gateway_drains_under_load() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gateway.connect();
            thread::spawn(move || {
                for answered in 0_usize.. {
                    let response = client.get("/");
                    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
                    if response.header("connection") == Some("close") {
                        return answered;
                    }
                }
                unreachable!("the gateway drains before that")
            })
        })
        .collect();
    for _ in 0..500 {
        upstream.received();
    }
    gateway.running.shutdown();
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    gateway.running.wait().unwrap();
}
