//! Another process takes over, and nobody notices.

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{configuration, replace, wait_for};
use crate::{
    cli::support::{Folder, shell},
    support::{Client, Upstream},
};

/// A gateway and those that take over from it. Their output is in a file.
struct Line {
    folder: Folder,
    first: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Line {
    fn start(configuration: &str) -> Self {
        let folder = Folder::with(configuration);
        folder.write("secret", "the first secret has thirty-two bytes");
        let output = File::create(folder.path().join("out")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let first = folder.command(&[]).stdout(output).stderr(Stdio::from(log)).spawn().unwrap();
        let banner = || fs::read_to_string(folder.path().join("out")).unwrap();
        wait_for("the banner", || banner().contains("Try:\n"));
        let banner = banner();
        let address = banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let admin = banner.lines().find_map(|line| line.trim().strip_prefix("admin")).unwrap();
        let admin = admin.split_once("http://").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        Self { folder, first, address, admin }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The processes that have taken over, in their order.
    fn successors(&self) -> Vec<u64> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line["process"].as_u64()).collect()
    }

    /// The one that serves.
    fn newest(&self) -> u64 {
        self.successors().last().copied().unwrap_or_else(|| self.first.id().into())
    }

    fn signal(&self, name: &str) {
        shell(&format!("kill -{name} {}", self.newest()));
    }

    fn hand_over(&self) {
        let before = self.successors().len();
        self.signal("USR2");
        wait_for("a successor", || self.successors().len() > before);
    }

    fn get(&self, path: &str) -> u16 {
        Client::connect(self.address).get(path).status
    }
}

impl Drop for Line {
    /// A test that failed leaves no process behind.
    fn drop(&mut self) {
        for process in self.successors() {
            shell(&format!("kill -KILL {process} 2>/dev/null || true"));
        }
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn lines(upstream: &Upstream, workers: usize, area: &str) -> String {
    configuration(upstream, area, "")
        .replace("preset = \"hungry-machines\"\n", "")
        .replace("workers = 1", &format!("workers = {workers}"))
        + "[issuer.main]\nalgorithms = [\"HS256\"]\nsecret = { file = \"secret\" }\n[[route]]\nmatch = \"* /mine\"\n"
}

#[test]
fn no_connection_is_refused_and_no_request_fails_while_others_take_over() {
    let upstream = Upstream::ok();
    let mut line = Line::start(&lines(&upstream, 2, "x"));
    let address = line.address;
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || {
                let mut kept = Client::connect(address);
                while !over.load(Ordering::Relaxed) {
                    let response = kept.get("/x/1");
                    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
                    if response.header("connection") == Some("close") {
                        kept = Client::connect(address);
                    }
                    assert_eq!(Client::connect(address).get("/x/1").status, 200);
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        line.hand_over();
        let before = answered.load(Ordering::Relaxed);
        wait_for("requests", || answered.load(Ordering::Relaxed) > before + 20);
    }
    assert_eq!(line.first.wait().unwrap().code(), Some(0), "{}", line.log());
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(line.successors().len(), 3);
}

#[test]
fn what_takes_over_has_new_settings_and_knows_what_is_revoked() {
    let upstream = Upstream::ok();
    let mut line = Line::start(&lines(&upstream, 1, "x"));
    let token = line.folder.mint(&["--claim", "jti=bad"]);
    let with_token = |address| {
        let request = format!("GET /mine HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        Client::connect(address).send(request).response().status
    };
    assert_eq!(with_token(line.address), 200);
    let body = json!({ "issuer": "main", "jti": "bad" }).to_string();
    let length = body.len();
    let request = format!(
        "POST /revocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    assert_eq!(Client::connect(line.admin).send(request).response().status, 200);
    assert_eq!(with_token(line.address), 401);
    let mut slow = Client::connect(line.address);
    assert_eq!(slow.get("/x/1").status, 200);
    replace(&line.folder, "gateway.toml", &lines(&upstream, 3, "y"));
    line.hand_over();
    assert_eq!((line.get("/x/1"), line.get("/y/1"), with_token(line.address)), (401, 200, 401));
    let metrics = Client::connect(line.admin).get("/metrics").text();
    assert!(metrics.contains("bearergate_worker_requests_total{worker=\"2\"}"), "{metrics}");
    assert!(metrics.contains("bearergate_revocations 1\n"), "{metrics}");
    assert_eq!(line.first.wait().unwrap().code(), Some(0));
    assert!(slow.is_closed());
    line.signal("TERM");
    wait_for("nobody listens", || std::net::TcpStream::connect(line.address).is_err());
}

#[test]
fn who_cannot_take_over_does_not_and_the_old_one_serves_on() {
    let upstream = Upstream::ok();
    let line = Line::start(&lines(&upstream, 1, "x"));
    line.folder.write("gateway.toml", "nonsense");
    line.signal("USR2");
    wait_for("a failure", || line.log().contains("nobody has taken over, this process serves on"));
    let log = line.log();
    assert!(log.contains("the new process ended (exit status: 78); its own messages say why"), "{log}");
    assert_eq!((line.get("/x/1"), line.successors().len()), (200, 0));
    assert_eq!(Client::connect(line.admin).get("/readyz").status, 200);
    replace(&line.folder, "gateway.toml", &lines(&upstream, 1, "y"));
    line.hand_over();
    assert_eq!((line.get("/x/1"), line.get("/y/1")), (401, 200));
}

#[test]
fn keys_that_are_required_are_waited_for_and_a_signal_to_end_ends_that() {
    let upstream = Upstream::ok();
    let mut line = Line::start(&lines(&upstream, 1, "x"));
    let more = "[issuer.other]\nissuer = \"https://id.example.com\"\njwks_url = \"http://127.0.0.1:1/keys\"\nalgorithms = [\"ES256\"]\nrequire_keys = true\n";
    let text = lines(&upstream, 1, "x").replace("[issuer.main]\n", "[issuer.main]\nissuer = \"main\"\n") + more;
    line.folder.write("gateway.toml", text);
    line.signal("USR2");
    thread::sleep(Duration::from_secs(4));
    assert_eq!((line.get("/x/1"), line.successors().len()), (200, 0));
    line.signal("TERM");
    assert_eq!(line.first.wait().unwrap().code(), Some(0), "{}", line.log());
    assert!(std::net::TcpStream::connect(line.address).is_err(), "nobody else listens");
}
