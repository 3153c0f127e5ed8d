//! Upstreams that a reload replaces while requests to them are under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{configuration, metric, post, replace, start, status, wait_for};
use crate::{
    cli::support::{Folder, Gateway},
    support::{Client, Upstream},
};

/// Takes another configuration over.
fn reload(folder: &Folder, gateway: &Gateway, text: &str) {
    replace(folder, "gateway.toml", text);
    assert_eq!(post(gateway, "/reload", &json!({})).0, 200);
}

/// The configuration of the other tests, with `more` about its upstream.
fn with(upstream: &Upstream, more: &str) -> String {
    let text = configuration(upstream, "x", "");
    assert_eq!(text.matches("[upstream.default]\n").count(), 1, "{text}");
    text.replace("[upstream.default]\n", &format!("[upstream.default]\n{more}\n"))
}

#[test]
fn a_ceiling_holds_although_the_configuration_is_replaced_under_way() {
    let (arrived, arrivals) = mpsc::channel();
    let (go_on, waiting) = mpsc::channel::<()>();
    let waiting = std::sync::Mutex::new(waiting);
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            if head.contains("/x/slow") {
                arrived.send(()).unwrap();
                waiting.lock().unwrap().recv().unwrap();
            }
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let folder = Folder::with(&with(&upstream, "max_requests = 1\nresponse_timeout = '20s'"));
    let gateway = start(&folder);
    let address = gateway.address();
    let slow = thread::spawn(move || {
        let mut client = Client::connect(address);
        client.send("GET /x/slow HTTP/1.1\r\nHost: a\r\n\r\n").response().status
    });
    arrivals.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(status(&gateway, "/x/y"), 503);
    reload(&folder, &gateway, &with(&upstream, "max_requests = 1\nresponse_timeout = '21s'"));
    assert_eq!(status(&gateway, "/x/y"), 503, "the one that is under way counts");
    go_on.send(()).unwrap();
    assert_eq!(slow.join().unwrap(), 200);
    wait_for("room", || status(&gateway, "/x/y") == 200);
}

#[test]
fn health_checks_end_with_their_configuration_although_a_stream_goes_on() {
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_asked);
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            if head.starts_with("GET /wrong ") {
                asked.store(true, Ordering::SeqCst);
                line.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            } else {
                line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
                line.fill();
            }
        }
    });
    let checked = "health_check = { path = '/wrong', interval = '100ms', timeout = '100ms', unhealthy = 1 }";
    let folder = Folder::with(&with(&upstream, checked));
    let gateway = start(&folder);
    let up = || {
        metric(&gateway, &format!("upstream_server_up{{upstream=\"default\",server=\"http://{}\"}}", upstream.address))
    };
    wait_for("a server that is down", || up() == 0.0);
    let mut stream = Client::connect(gateway.address());
    stream.send("GET /x/stream HTTP/1.1\r\nHost: a\r\n\r\n").head();
    reload(&folder, &gateway, &with(&upstream, ""));
    wait_for("a server that nobody checks", || up() == 1.0);
    is_asked.store(false, Ordering::SeqCst);
    // Several intervals, in which nothing must come.
    thread::sleep(Duration::from_millis(700));
    assert_eq!((up(), is_asked.load(Ordering::SeqCst)), (1.0, false));
    assert_eq!(stream.chunk().unwrap(), b"x");
}
