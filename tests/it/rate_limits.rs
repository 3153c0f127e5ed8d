//! How often somebody may come, by the configuration that an operator writes.

use std::{path::Path, time::Duration};

use bearergate::{
    config::{Limits, RateLimit},
    gateway::RateLimits,
};

use crate::support::{
    Client, Gateway, Setup, Upstream,
    client::Response,
    deployment::{deploy, read},
    token,
};

const ISSUER: &str = "[issuer.main]\nsecret = { env = 'KEY' }\nalgorithms = ['HS256']\n";

/// A gateway with these lines in its configuration.
fn gateway(lines: &str, upstream: &Upstream) -> Gateway {
    deploy(&format!("{lines}\n{ISSUER}"), Path::new("/nowhere"), upstream.address).0
}

fn upstream() -> Upstream {
    Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

fn send(client: &mut Client, path: &str, fields: &str) -> Response {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: api\r\n{fields}\r\n")).response()
}

fn statuses(client: &mut Client, path: &str, fields: &[&str]) -> Vec<u16> {
    fields.iter().map(|fields| send(client, path, fields).status).collect()
}

fn bearer(subject: &str) -> String {
    format!("Authorization: Bearer {}\r\n", token(subject))
}

#[test]
fn a_limit_by_principal_counts_each_caller_and_says_how_they_stand() {
    let upstream = upstream();
    let lines = "[[route]]\nmatch = 'GET /a'\nrate_limit = { requests = '2/1h' }\n[[route]]\nmatch = 'GET /b'\n";
    let gateway = gateway(lines, &upstream);
    let mut client = gateway.connect();
    let (alice, bob) = (bearer("alice"), bearer("bob"));

    let first = send(&mut client, "/a", &alice);
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"default\";q=2;w=3600"));
    assert_eq!(first.header("ratelimit"), Some("\"default\";r=1;t=1800"));
    assert_eq!(send(&mut client, "/a", &alice).header("ratelimit"), Some("\"default\";r=0;t=1800"));
    let refused = send(&mut client, "/a", &alice);
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"default\";r=0;t={wait}")));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"default\";q=2;w=3600"));

    assert_eq!(send(&mut client, "/a", &bob).status, 200, "somebody else is not held up");
    let unlimited = send(&mut client, "/b", &alice);
    assert_eq!((unlimited.status, unlimited.header("ratelimit")), (200, None));
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_rate_limited_total{limit=\"GET /a\"} 1\n"), "{metrics}");
    assert!(metrics.contains("reason=\"rate_limited\"} 1\n"), "{metrics}");
}

#[test]
fn a_limit_by_address_counts_bad_tokens_before_they_are_looked_at() {
    let upstream = upstream();
    let lines = "[rate_limit.guess]\nrequests = '3/1h'\nby = 'address'\n[[route]]\nmatch = 'GET /a'\nrate_limit = 'guess'\n\
                 [[route]]\nmatch = 'GET /b'\nrate_limit = 'guess'\n[[route]]\nmatch = 'GET /c'\n";
    let gateway = gateway(lines, &upstream);
    let mut client = gateway.connect();
    let refused = send(&mut client, "/a", "Authorization: Bearer x.y.z\r\n");
    assert_eq!((refused.status, refused.header("ratelimit")), (401, Some("\"guess\";r=2;t=1200")));
    let (good, bad) = (bearer("alice"), "Authorization: Bearer x.y.z\r\n");
    // Both routes share the limit.
    assert_eq!(statuses(&mut client, "/b", &["", bad, bad, &good]), [401, 401, 429, 429]);
    assert_eq!(statuses(&mut client, "/c", &[&good]), [200]);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn behind_a_trusted_proxy_the_clients_are_told_apart_and_others_cannot_pretend() {
    let upstream = upstream();
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    let (one, two) = (from("203.0.113.1"), from("203.0.113.2"));
    let (v6, neighbour) = (from("2001:db8::1"), from("2001:db8::2:1"));
    let deployed = |trusted: &str| {
        let lines = "[rate_limit.a]\nrequests = '1/1h'\nby = 'address'\n[[route]]\nmatch = 'GET /a'\naccess = 'public'\n\
                     rate_limit = 'a'\n[listen]\naddress = '127.0.0.1:0'\nworkers = 1\n";
        gateway(&format!("{lines}trusted_proxies = [{trusted}]"), &upstream)
    };
    let trusting = deployed("'127.0.0.1'");
    assert_eq!(
        statuses(&mut trusting.connect(), "/a", &[&one, &two, &one, &v6, &neighbour]),
        [200, 200, 429, 200, 429]
    );
    let plain = deployed("");
    assert_eq!(statuses(&mut plain.connect(), "/a", &[&one, &two]), [200, 429]);
}

#[test]
fn a_limit_by_a_header_counts_each_value_and_falls_back_to_the_address() {
    let upstream = upstream();
    let lines = "[[route]]\nmatch = 'GET /a'\naccess = 'public'\nrate_limit = { requests = '1/1h', by = { header = 'X-Api-Key' } }\n";
    let gateway = gateway(lines, &upstream);
    let fields =
        ["X-Api-Key: a\r\n", "X-Api-Key: b\r\n", "x-api-key: a\r\n", "", "", "X-Api-Key: a\r\nX-Api-Key: c\r\n"];
    assert_eq!(statuses(&mut gateway.connect(), "/a", &fields), [200, 200, 429, 200, 429, 200]);
}

#[test]
fn without_a_token_a_caller_is_known_by_the_address() {
    let upstream = upstream();
    let lines = "[[route]]\nmatch = 'GET /a'\naccess = 'optional'\nrate_limit = { requests = '1/1h' }\n";
    let gateway = gateway(lines, &upstream);
    let alice = bearer("alice");
    assert_eq!(statuses(&mut gateway.connect(), "/a", &["", "", &alice, &alice]), [200, 429, 200, 429]);
}

#[test]
fn a_default_limit_counts_where_there_is_no_route_and_report_mode_lets_nobody_by() {
    let upstream = upstream();
    let lines = "mode = 'report'\n[rate_limit.all]\nrequests = '2/1h'\nby = 'address'\ndefault = true\n\
                 [[route]]\nmatch = 'GET /a'\n[[route]]\nmatch = 'GET /b'\nrate_limit = []\n";
    let gateway = gateway(lines, &upstream);
    let mut client = gateway.connect();
    let paths = ["/b", "/a", "/nowhere", "/nowhere", "/a", "/b"];
    let statuses = paths.map(|path| send(&mut client, path, "").status);
    assert_eq!(statuses, [200, 200, 200, 429, 429, 200]);
}

#[test]
fn a_limit_is_shared_by_all_workers_and_outlives_a_snapshot_with_the_same_settings() {
    let upstream = upstream();
    let text = format!(
        "[[route]]\nmatch = 'GET /public/x'\naccess = 'public'\nrate_limit = {{ requests = '20/1h', by = 'address' }}\n{ISSUER}"
    );
    let config = read(&text, Path::new("/nowhere"), upstream.address).unwrap();
    let setup = |limits: &[RateLimit]| {
        let setup = Setup { routes: config.routes.clone(), workers: 4, ..Setup::new(&[upstream.address]) };
        Setup { rate_limits: limits.to_vec(), limits: Limits::default(), ..setup }
    };
    let gateway = setup(&config.rate_limits).start();
    let passed = |count| (0..count).filter(|_| gateway.get("/public/x").status == 200).count();
    assert_eq!(passed(15), 15);

    let mut next = setup(&config.rate_limits).snapshot();
    next.rate_limits = RateLimits::new(&config.rate_limits, Some(&gateway.snapshot.load().rate_limits)).into();
    gateway.snapshot.store(next.into());
    assert_eq!(passed(10), 5, "what was counted before counts on");

    gateway.snapshot.store(setup(&config.rate_limits).snapshot().into());
    assert_eq!(passed(1), 1);
}

#[test]
fn waiting_as_long_as_was_said_is_enough() {
    let upstream = upstream();
    let lines = "[[route]]\nmatch = 'GET /a'\naccess = 'public'\nrate_limit = { requests = '1/1s', by = 'address' }\n";
    let gateway = gateway(lines, &upstream);
    let mut client = gateway.connect();
    assert_eq!(statuses(&mut client, "/a", &["", ""]), [200, 429]);
    let refused = send(&mut client, "/a", "");
    assert_eq!(refused.header("retry-after"), Some("1"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(statuses(&mut client, "/a", &[""]), [200]);
}
