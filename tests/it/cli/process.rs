//! The process as the system sees it: signals, file descriptors, memory, threads.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{Mutex, mpsc::channel},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::support::{Folder, Gateway, shell};
use crate::support::{Client, Upstream};

/// A gateway before `upstream` with an open area and these further lines.
pub(super) fn folder(upstream: &Upstream, workers: usize, more: &str) -> Folder {
    Folder::with(&format!(
        "preset = \"hungry-machines\"\n[listen]\naddress = \"127.0.0.1:0\"\nworkers = {workers}\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstream.default]\nservers = [\"http://{}\"]\n\
         [[route]]\nmatch = \"* /open/**\"\naccess = \"public\"\n{more}",
        upstream.address
    ))
}

impl Gateway {
    pub(crate) fn address(&self) -> SocketAddr {
        self.banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap().parse().unwrap()
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("admin")).unwrap();
        line.split_once("http://").unwrap().1.split(' ').next().unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        shell(&format!("kill -{name} {}", self.id()));
    }

    /// A line of `/proc/PID/status` that is a number.
    pub(super) fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
    }
}

#[test]
fn a_signal_lets_a_slow_download_finish_and_a_second_one_does_not() {
    for (name, again) in [("TERM", false), ("INT", false), ("TERM", true), ("INT", true)] {
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let upstream = Upstream::start(move |mut line| {
            line.request();
            line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            if wait.lock().unwrap().recv().is_ok() {
                line.send("4\r\nlast\r\n0\r\n\r\n");
            }
        });
        let gateway = Gateway::start(&folder(&upstream, 2, ""), &[]);
        let mut client = Client::connect(gateway.address());
        client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n").head();
        assert_eq!(client.chunk().unwrap(), b"first");
        let mut admin = Client::connect(gateway.admin_address());
        assert_eq!(admin.get("/readyz").status, 200);
        gateway.signal(name);
        while Client::connect(gateway.admin_address()).get("/readyz").status != 503 {
            thread::yield_now();
        }
        if again {
            let signalled = Instant::now();
            gateway.signal(name);
            assert!(client.chunk().is_none(), "{name}: cut off");
            assert_eq!(gateway.wait().code, 0, "{name}");
            assert!(signalled.elapsed() < Duration::from_secs(5), "{name}: at once");
        } else {
            go.send(()).unwrap();
            assert_eq!(client.chunk().unwrap(), b"last", "{name}");
            assert_eq!(client.chunk().unwrap(), b"", "{name}");
            assert_eq!(gateway.wait().code, 0, "{name}");
        }
    }
}

#[test]
fn without_file_descriptors_it_waits_without_spinning_and_recovers() {
    let upstream = Upstream::ok();
    let folder = folder(&upstream, 1, "");
    let gateway = Gateway::start(&folder, &[]);
    let address = gateway.address();
    assert_eq!(Client::connect(address).get("/open/x").status, 200);
    shell(&format!("prlimit --pid {} --nofile=32", gateway.id()));

    // More than there are descriptors for; the system makes the connections, and they wait.
    let crowd: Vec<_> = (0..80).map(|_| Client::connect(address)).collect();
    thread::sleep(Duration::from_millis(200));
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.id())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|n| n.parse().unwrap()).collect();
        fields.iter().sum::<u64>()
    };
    let before = ticks();
    thread::sleep(Duration::from_secs(1));
    assert!(ticks() - before < 20, "hardly a fifth of a second's work in a second (100 ticks)");
    drop(crowd);
    assert_eq!(Client::connect(address).get("/open/x").status, 200);
    let ended = gateway.terminate();
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("no connection can be accepted"), "{}", ended.stderr);
    let warnings = ended.stderr.matches("no connection can be accepted").count();
    assert!(warnings < 20, "{warnings} warnings");
}

#[test]
fn a_crowd_that_could_hold_every_file_descriptor_leaves_some_for_the_upstream() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let folder = folder(&upstream, 1, "");
    let program = folder.command(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 64; exec \"$0\"", program.get_program().to_str().unwrap()]);
    limited.current_dir(folder.path()).stdin(Stdio::null());
    let gateway = Gateway::spawn(limited);
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.get("/open/x").status, 200);
    let crowd: Vec<_> = (0..100).map(|_| Client::connect(gateway.address())).collect();
    for _ in 0..10 {
        assert_eq!(client.get("/open/x").status, 200);
    }
    let mut admin = Client::connect(gateway.admin_address());
    assert_eq!(admin.get("/livez").status, 200);
    assert!(!admin.get("/metrics").text().contains("bearergate_connections_refused_total{reason=\"ceiling\"} 0\n"));
    drop(crowd);
    let ended = gateway.terminate();
    assert!(ended.stderr.contains("the limit of file descriptors lowers that of connections"), "{}", ended.stderr);
}

#[test]
fn long_bodies_take_no_memory_with_them() {
    const CHUNK: usize = 1 << 20;
    const CHUNKS: usize = 64;
    let upstream = Upstream::start(|mut line| {
        let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), vec![b'x'; CHUNK], b"\r\n".to_vec()].concat();
        while let Some(head) = line.head() {
            let mut received = 0;
            while let Some(chunk) = line.chunk().filter(|chunk| !chunk.is_empty()) {
                received += chunk.len();
            }
            assert_eq!(received, CHUNK * CHUNKS, "{head}");
            line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            (0..CHUNKS).for_each(|_| assert!(line.send(&chunk)));
            line.send("0\r\n\r\n");
        }
    });
    let gateway = Gateway::start(&folder(&upstream, 1, ""), &[]);
    let mut client = Client::connect(gateway.address());
    let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), vec![b'x'; CHUNK], b"\r\n".to_vec()].concat();
    let before = gateway.status("VmHWM");
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..CHUNKS {
        client.send(&chunk);
    }
    client.send("0\r\n\r\n").head();
    let mut received = 0;
    while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
        received += chunk.len();
    }
    assert_eq!(received, CHUNK * CHUNKS);
    let grown = gateway.status("VmHWM") - before;
    assert!(grown < 8 * 1024, "{grown} KiB more at the peak");
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
fn ten_thousand_requests_on_one_connection_and_the_work_of_many_on_all_workers() {
    let upstream = Upstream::ok();
    let gateway = Gateway::start(&folder(&upstream, 2, ""), &[]);
    let mut client = Client::connect(gateway.address());
    for _ in 0..100 {
        client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
        for _ in 0..100 {
            let response = client.response();
            assert_eq!((response.status, response.text().as_str()), (200, "ok"));
        }
    }
    let settled = gateway.status("VmRSS");
    for _ in 0..2000 {
        assert_eq!(client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 200);
    }
    assert!(gateway.status("VmRSS") < settled + 1024, "requests leave nothing behind");
    assert_eq!(upstream.connections(), 1);
    for _ in 0..40 {
        let request = "GET /users HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(Client::connect(gateway.address()).send(request).response().status, 401);
    }
    let ended = gateway.terminate();
    let lines = ended.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ids = lines.filter_map(|line| line["request_id"].as_str().map(str::to_owned));
    let workers: BTreeSet<String> = ids.map(|id| id.split('-').nth(1).unwrap().to_owned()).collect();
    assert_eq!(workers.into_iter().collect::<Vec<_>>(), ["0", "1"]);
}
