//! What becomes of the lines when the file is full, stuck, moved away or not there.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Command,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use bearergate::gateway::{Settings, start};
use serde_json::Value;

use super::{lines, log_to, logging};
use crate::support::{Client, Gateway, Setup, Upstream, client::PATIENCE};

/// How many requests have no line, as the metrics say.
fn dropped(gateway: &Gateway) -> u64 {
    let metrics = gateway.admin().get("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("bearergate_access_log_dropped_total "));
    line.unwrap().parse().unwrap()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

#[test]
fn a_file_that_takes_nothing_costs_lines_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Both ends, so that opening it waits for nobody.
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.access_log = Some(log_to(&pipe, 4));
    let gateway = setup.start();
    let mut client = gateway.connect();
    let mut sent = 0;
    // More than a pipe holds, which is 64 KiB.
    let path = format!("/public/{}", "x".repeat(2000));
    while dropped(&gateway) < 3 {
        for _ in 0..8 {
            assert_eq!(client.get(&path).status, 200);
            sent += 1;
        }
    }
    // The rest comes when somebody reads.
    let (ended, end) = channel();
    let read = thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while !text.ends_with(b"the end\n") {
            let count = reader.read(&mut buffer).unwrap();
            text.extend_from_slice(&buffer[..count]);
        }
        ended.send(()).unwrap();
        String::from_utf8(text).unwrap()
    });
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("# TYPE bearergate_access_log_dropped_total counter\n"));
    drop(client);
    gateway.running.shutdown();
    // The metrics are there until the end; nothing is dropped while it drains.
    let lost = dropped(&gateway);
    gateway.running.wait().unwrap();
    fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(b"the end\n").unwrap();
    end.recv_timeout(PATIENCE).unwrap();
    let text = read.join().unwrap();
    let written = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count() as u64;
    assert!(lost >= 3 && written > 0);
    assert_eq!(written + lost, sent, "each has a line or is counted");
}

#[test]
fn a_full_disk_costs_lines_and_no_answer() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.access_log = Some(log_to("/dev/full", 4));
    let gateway = setup.start();
    let mut client = gateway.connect();
    wait_until("the queue is full", || dropped(&gateway) > 0 || gateway.get("/public/x").status != 200);
    assert_eq!(client.get("/").status, 200);
    assert!(dropped(&gateway) > 0);
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
}

#[test]
fn a_file_that_is_moved_away_is_made_anew_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let upstream = Upstream::ok();
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let has_line = |file: &Path, path: &str| fs::read_to_string(file).is_ok_and(|text| text.contains(path));
    gateway.get("/public/one");
    wait_until("the first line", || has_line(&path, "/public/one"));
    fs::rename(&path, &old).unwrap();
    gateway.get("/public/two");
    wait_until("the second line", || has_line(&old, "/public/two"));
    gateway.running.reopen_access_log();
    wait_until("the file is there", || path.exists());
    gateway.get("/public/three");
    let found = lines(gateway, folder.path());
    assert_eq!(found.iter().map(|line| &line["path"]).collect::<Vec<_>>(), ["/public/three"]);
    assert_eq!(fs::read_to_string(&old).unwrap().lines().count(), 2);
}

#[test]
fn an_access_log_that_cannot_be_opened_is_an_error_of_the_start() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let settings = Settings {
        address: "127.0.0.1:0".parse().unwrap(),
        workers: 1,
        admin: None,
        drain_delay: Duration::ZERO,
        drain_deadline: Duration::ZERO,
        access_log: Some(log_to("/nowhere/access.log", 1)),
    };
    let error = start(&settings, gateway.snapshot.clone()).unwrap_err();
    assert!(error.to_string().starts_with("cannot open the access log: "), "{error}");
}

#[test]
fn nothing_is_lost_when_the_gateway_drains() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.workers = 2;
    let gateway = logging(setup, folder.path());
    let address = gateway.running.address();
    let clients = (0..4).map(|_| {
        thread::spawn(move || {
            let mut client = Client::connect(address);
            for _ in 0..100 {
                assert_eq!(client.get("/").status, 200);
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(lines(gateway, folder.path()).len(), 400);
}
