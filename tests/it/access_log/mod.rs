//! The access log: one line for each request, whatever becomes of it and of the file.

mod file;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc::channel},
    time::Duration,
};

use bearergate::config::{AccessLog, AccessLogFormat, AccessLogTarget, Limits};
use serde_json::{Value, json};

use crate::support::{
    Gateway, Setup, Upstream,
    deployment::deploy,
    http_2::{Answer, RawHttp2},
    token_with,
};

const CONFIGURATION: &str = "
[access_log]
path = 'access.log'
[issuer.main]
algorithms = ['HS256']
secret = { env = 'KEY' }
[issuer.own]
issuer = 'own'
signing_keys = 'keys'
[cors]
origins = ['https://app.example.com']
[[route]]
match = 'GET|POST /plants/{id}'
permissions = ['READ']
issuers = ['main']
[[route]]
match = 'GET /reported'
mode = 'report'
[[route]]
match = '* /public/**'
access = 'public'
";

/// A log of `queue` requests a worker.
fn log_to(path: impl Into<PathBuf>, queue: usize) -> AccessLog {
    AccessLog { target: AccessLogTarget::File(path.into()), format: AccessLogFormat::Json, queue }
}

/// A gateway that logs to a file in `folder`.
fn logging(mut setup: Setup, folder: &Path) -> Gateway {
    setup.access_log = Some(log_to(folder.join("access.log"), AccessLog::QUEUE));
    setup.start()
}

/// Ends the gateway. The lines of its log, which is complete then.
fn lines(gateway: Gateway, folder: &Path) -> Vec<Value> {
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
    let text = fs::read_to_string(folder.join("access.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The log's only line.
#[track_caller]
fn only_line(gateway: Gateway, folder: &Path) -> Value {
    let mut lines = lines(gateway, folder);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// That `line` says all of `expected`; null: that it says nothing of it.
#[track_caller]
fn assert_says(line: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name}: {line}");
    }
}

#[test]
fn every_outcome_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let (gateway, _) = deploy(CONFIGURATION, folder.path(), upstream.address);
    let mut client = gateway.connect();
    let reader = token_with(json!({ "sub": "alice", "permissions": ["READ"] }));
    let stranger = token_with(json!({ "sub": "bob" }));
    assert_eq!(client.bear("GET", "/plants/7?code=s3cr3t", &reader).status, 200);
    assert_eq!(client.ask("GET", "/plants/7", None).status, 401);
    assert_eq!(client.bear("POST", "/plants/8", &stranger).status, 403);
    assert_eq!(client.bear("GET", "/nothing", &stranger).status, 404);
    assert_eq!(client.bear("GET", "/a/../b", &stranger).status, 400);
    assert_eq!(client.ask("GET", "/reported", None).status, 200);
    assert_eq!(client.ask("GET", "/public/x", None).status, 200);
    let keys = client.ask("GET", "/.well-known/jwks.json", None);
    assert_eq!(keys.status, 200);
    assert_eq!(client.ask("HEAD", "/.well-known/jwks.json", None).status, 200);
    let preflight = "OPTIONS /plants/7 HTTP/1.1\r\nHost: api\r\nOrigin: https://app.example.com\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
    let preflight = client.send(preflight).response().status;
    assert_eq!(client.ask("GET", "/plants/7", Some(b"Bearer hunter2")).status, 401);

    let found = lines(gateway, folder.path());
    let (server, plant) = (upstream.address.to_string(), "GET|POST /plants/{id}");
    let expected = [
        json!({
            "time": found[0]["time"], "client": "127.0.0.1", "method": "GET", "path": "/plants/7", "version": "HTTP/1.1",
            "status": 200, "bytes": 2, "duration_us": found[0]["duration_us"], "outcome": "forwarded", "rule": plant,
            "issuer": "main", "subject": "alice", "upstream": "default", "server": server,
            "request_id": found[0]["request_id"],
        }),
        json!({ "status": 401, "outcome": "refused", "reason": "not_authenticated", "rule": plant, "subject": null }),
        json!({
            "method": "POST", "path": "/plants/8", "status": 403, "outcome": "refused", "reason": "permission_missing",
            "rule": plant, "issuer": "main", "subject": "bob", "upstream": null,
        }),
        json!({ "status": 404, "outcome": "refused", "reason": "no_route", "rule": null, "subject": "bob" }),
        json!({ "status": 400, "outcome": "refused", "reason": "bad_request", "path": "/a/../b", "issuer": null }),
        json!({ "status": 200, "outcome": "forwarded", "would_refuse": "not_authenticated", "rule": "GET /reported" }),
        json!({ "status": 200, "outcome": "forwarded", "would_refuse": null, "rule": "* /public/**", "issuer": null }),
        json!({ "status": 200, "outcome": "answered", "bytes": keys.body.len(), "broke_off": null, "rule": null }),
        json!({ "method": "HEAD", "status": 200, "outcome": "answered", "bytes": 0, "broke_off": null }),
        json!({ "method": "OPTIONS", "status": preflight, "outcome": "preflight", "bytes": 0, "broke_off": null }),
        json!({ "status": 401, "outcome": "refused", "reason": "invalid_token", "rule": plant }),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert_eq!(found[0], expected[0]);
    for (line, expected) in found.iter().zip(&expected) {
        assert_says(line, expected);
        // The clock of the test stands; how long ago a request ended is real.
        assert!(line["time"].as_str().unwrap().starts_with("2025-12-12T10:45:2"), "{line}");
        assert!(line["duration_us"].as_u64().unwrap() < 20_000_000, "{line}");
    }
    let mut ids: Vec<_> = found.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), found.len(), "each has a name of its own");
    let text = fs::read_to_string(folder.path().join("access.log")).unwrap();
    for secret in ["s3cr3t", "hunter2", &reader, &stranger] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn the_combined_format_has_what_its_readers_expect() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let text = CONFIGURATION.replace("'access.log'", "'access.log'\nformat = 'combined'");
    let (gateway, _) = deploy(&text, folder.path(), upstream.address);
    let token = token_with(json!({ "sub": "alice \"", "permissions": ["READ"] }));
    let request = format!(
        "GET /plants/\"7\"?q=1 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\nUser-Agent: a \"b\"\r\n\
         Referer: https://example.com/x?code=s3cr3t\r\n\r\n"
    );
    let status = gateway.connect().send(request).response().status;
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
    let text = fs::read_to_string(folder.path().join("access.log")).unwrap();
    let (start, rest) = text.split_once(" [12/Dec/2025:10:45:2").unwrap();
    let end = rest.split_once(" +0000] ").unwrap().1;
    assert_eq!(start, "127.0.0.1 - alice\\x20\\x22");
    let expected =
        format!("\"GET /plants/\\x227\\x22 HTTP/1.1\" {status} 2 \"https://example.com/x\" \"a \\x22b\\x22\"\n");
    assert_eq!((status, end), (200, expected.as_str()));
}

#[test]
fn a_trusted_proxy_names_the_request_and_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    for (trusted, client, id) in [("", "127.0.0.1", None), ("'127.0.0.1'", "203.0.113.9", Some("abc-1"))] {
        let listen = "[listen]\naddress = '127.0.0.1:0'\nworkers = 1\n";
        let text = format!("{CONFIGURATION}\n{listen}trusted_proxies = [{trusted}]\n");
        let (gateway, _) = deploy(&text, folder.path(), upstream.address);
        let fields = "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Request-Id: abc-1\r\n";
        gateway.connect().send(format!("GET /public/x HTTP/1.1\r\nHost: api\r\n{fields}\r\n")).response();
        let line = lines(gateway, folder.path()).pop().unwrap();
        assert_says(&line, &json!({ "client": client }));
        assert_eq!(line["request_id"] == "abc-1", id.is_some(), "{line}");
    }
}

#[test]
fn http_2_has_its_lines_too() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let mut client = RawHttp2::connect(gateway.running.address(), 65_535);
    assert_eq!(client.send_and_wait(b"/public/x?q"), Answer::Success);
    assert_eq!(client.send_and_wait(b"/x"), Answer::Refused);
    drop(client);
    let found = lines(gateway, folder.path());
    let forwarded = json!({ "version": "HTTP/2.0", "path": "/public/x", "status": 200, "outcome": "forwarded" });
    let refused = json!({ "version": "HTTP/2.0", "path": "/x", "status": 401, "outcome": "refused" });
    for expected in [forwarded, refused] {
        let line = found.iter().find(|line| line["path"] == expected["path"]).unwrap();
        assert_says(line, &expected);
    }
    assert_eq!(found.len(), 2);
}

#[test]
fn a_panic_an_overload_and_an_upstream_that_is_away_have_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.upstream.response_timeout = Duration::MAX;
    let gateway = logging(setup, folder.path());
    assert_eq!(gateway.get("/").status, 500);
    let panicked = json!({ "status": 500, "outcome": "panicked", "bytes": 0, "subject": "alice", "rule": "* /**" });
    assert_says(&only_line(gateway, folder.path()), &panicked);

    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { requests: 0, ..Limits::default() };
    let gateway = logging(Setup::new(&[upstream.address]).limits(limits), folder.path());
    let length = gateway.get("/").body.len();
    let overloaded = json!({ "status": 503, "outcome": "refused", "reason": "overloaded", "bytes": length });
    assert_says(&only_line(gateway, folder.path()), &overloaded);

    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = logging(Setup::new(&[away]), folder.path());
    assert_eq!(gateway.get("/").status, 502);
    let away = json!({
        "status": 502, "outcome": "refused", "reason": "upstream_unreachable", "subject": "alice", "rule": "* /**",
        "upstream": "default", "server": away.to_string(),
    });
    assert_says(&only_line(gateway, folder.path()), &away);
}

#[test]
fn a_body_that_breaks_off_has_its_line_with_what_was_sent_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n12345");
    });
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let response = gateway.get("/");
    assert!(!response.complete && response.body == b"12345");
    let broken = json!({ "status": 200, "outcome": "forwarded", "bytes": 5, "broke_off": "upstream" });
    assert_says(&only_line(gateway, folder.path()), &broken);

    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
        while line.send([&b"1000\r\n"[..], &[b'x'; 0x1000], b"\r\n"].concat()) {}
    });
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: api\r\n\r\n").head();
    drop(client);
    let line = only_line(gateway, folder.path());
    assert_says(&line, &json!({ "status": 200, "outcome": "forwarded", "broke_off": "client" }));
    assert!(line["bytes"].as_u64().unwrap() >= 5, "{line}");
    assert_says(&line, &json!({ "server": upstream.address.to_string() }));
}

#[test]
fn a_body_is_counted_to_its_end_however_it_is_framed() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|mut line| {
        let answers = [
            "200 OK\r\nContent-Length: 5\r\n\r\n12345",
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
            "204 No Content\r\n\r\n",
            "304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ];
        for answer in answers {
            line.request();
            line.send(format!("HTTP/1.1 {answer}"));
        }
        line.request();
        line.send("HTTP/1.1 200 OK\r\n\r\n123456");
    });
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let mut client = gateway.connect();
    for (status, length) in [(200, 5), (200, 5), (204, 0), (304, 0), (200, 6)] {
        let response = client.get("/");
        assert_eq!((response.status, response.body.len()), (status, length));
    }
    let found = lines(gateway, folder.path());
    let bytes: Vec<_> = found.iter().map(|line| line["bytes"].as_u64().unwrap()).collect();
    assert_eq!(bytes, [5, 5, 0, 0, 6]);
    for line in &found {
        assert_says(
            line,
            &json!({ "broke_off": null, "outcome": "forwarded", "server": upstream.address.to_string() }),
        );
    }
}

#[test]
fn a_client_that_goes_before_the_answer_leaves_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        line.request();
        let _ = wait.lock().unwrap().recv();
    });
    let gateway = logging(Setup::new(&[upstream.address]), folder.path());
    let mut client = gateway.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: api\r\n\r\n");
    upstream.received();
    drop(client);
    let gone = json!({
        "status": 499, "outcome": "abandoned", "path": "/public/x", "rule": "* /public/**", "bytes": 0, "broke_off": null,
    });
    assert_says(&only_line(gateway, folder.path()), &gone);
    drop(go);
}
