use std::time::Duration;

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use super::{assert_mistakes, config, read_in};
use crate::{
    config::{Server, Upstream},
    proxy::upstream::{Balance, Ejection, HealthCheck, Sticky},
};

fn document(keys: &str) -> String {
    format!("[upstream.default]\n{keys}\n[[route]]\nmatch = '* /**'\naccess = 'public'\n")
}

fn upstream(keys: &str) -> Upstream {
    config(&document(&format!("servers = 'http://a'\n{keys}"))).upstreams.remove(0)
}

#[test]
fn what_is_not_said_has_its_default() {
    let upstream = upstream("");
    assert_eq!((upstream.balance, upstream.retry_budget), (Balance::P2c, 20));
    assert_eq!(upstream.ejection, Some(Ejection::default()));
    assert_eq!((upstream.slow_start, upstream.resolve), (Duration::from_secs(10), Duration::from_secs(30)));
    assert!(upstream.sticky.is_none() && upstream.health_check.is_none() && upstream.max_requests.is_none());
    assert!(upstream.tls.is_none());
}

#[test]
fn every_key_is_read() {
    let read = upstream(
        "balance = 'round_robin'\nslow_start = '0s'\nresolve = '1m'\nmax_requests = 7\nretry_budget = 0\n\
         sticky = { header = 'X-Session' }\n\
         ejection = { failures = 2, time = '1s', max_time = '1m', most = 30, server_errors = true }\n\
         health_check = { path = '/health?x', interval = '2s', timeout = '3s', healthy = 4, unhealthy = 5, status = '200-204' }",
    );
    assert_eq!((read.balance, read.retry_budget, read.max_requests), (Balance::RoundRobin, 0, Some(7)));
    assert_eq!((read.slow_start, read.resolve), (Duration::ZERO, Duration::from_secs(60)));
    assert_eq!(read.sticky, Some(Sticky::Header(http::HeaderName::from_static("x-session"))));
    let seconds = Duration::from_secs;
    let ejection = Ejection { failures: 2, time: seconds(1), max_time: seconds(60), most: 30, server_errors: true };
    assert_eq!(read.ejection, Some(ejection));
    let check = HealthCheck {
        path: "/health?x".parse().unwrap(),
        interval: seconds(2),
        timeout: seconds(3),
        healthy: 4,
        unhealthy: 5,
        status: 200..=204,
    };
    assert_eq!(read.health_check, Some(check));
    for (status, codes) in [("204", 204..=204), ("'204'", 204..=204), ("'200-399'", 200..=399)] {
        let read = upstream(&format!("health_check = {{ path = '/', status = {status} }}"));
        assert_eq!(read.health_check.map(|check| check.status), Some(codes));
    }
    assert_eq!(upstream("ejection = false").ejection, None);
    assert_eq!(upstream("ejection = true").ejection, Some(Ejection::default()));
    assert_eq!(upstream("sticky = 'principal'").sticky, Some(Sticky::Principal));
    assert_eq!(upstream("sticky = 'address'").sticky, Some(Sticky::Address));
}

#[test]
fn a_server_may_speak_tls_or_stand_on_a_unix_socket() {
    let read = config(&document("servers = ['https://a', 'h2://b:1', 'unix:/run/api.sock']")).upstreams.remove(0);
    let [a, b] = ["a", "b:1"].map(|authority| authority.parse().unwrap());
    let unix = Server::Unix { path: "/run/api.sock".into() };
    assert_eq!(read.servers, [Server::Https { authority: a }, Server::H2 { authority: b }, unix]);
    assert!(read.tls.is_some(), "by the system's authorities");
    let shown: Vec<_> = read.servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["https://a", "h2://b:1", "unix:/run/api.sock"]);
}

#[test]
fn mistakes_are_all_told() {
    let keys = "servers = 'http://a'\n\
                balance = 'random'\n\
                sticky = 'session'\n\
                ejection = { failures = 0, most = 101, unheard_of = 1 }\n\
                health_check = { interval = '1ms', status = '399-200' }\n\
                slow_start = '2h'\n\
                resolve = '0s'\n\
                max_requests = 0\n\
                retry_budget = 101\n\
                tls = { ca = 'none.pem' }\n";
    assert_mistakes(
        &document(keys),
        &[
            ("`upstream.default.balance` must be \"p2c\" or \"round_robin\", not \"random\"", "gateway.toml:3:11"),
            ("`upstream.default.sticky` must be \"principal\" or \"address\", not \"session\"", "gateway.toml:4:10"),
            ("`upstream.default.ejection.failures` must be between 1 and 1000, not 0", "gateway.toml:5:25"),
            ("`upstream.default.ejection.most` must be between 1 and 100, not 101", "gateway.toml:5:35"),
            ("unknown key `unheard_of` in `upstream.default.ejection`", "gateway.toml:5:40"),
            ("`upstream.default.health_check.path` is missing", "gateway.toml:6:1"),
            ("`upstream.default.health_check.interval` must be at least \"100ms\"", "gateway.toml:6:29"),
            ("`upstream.default.health_check.status` must be status codes from 200 to 599", "gateway.toml:6:45"),
            ("`upstream.default.slow_start` must be at most \"1h\"", "gateway.toml:7:14"),
            ("`upstream.default.resolve` must be more than 0", "gateway.toml:8:11"),
            ("`upstream.default.max_requests` must be between 1 and 10000000, not 0", "gateway.toml:9:16"),
            ("`upstream.default.retry_budget` must be between 0 and 100, not 101", "gateway.toml:10:16"),
            ("`upstream.default.tls` is of no use: no server has `https://` or `h2://`", "gateway.toml:11:1"),
            (
                "`upstream.default.tls.ca` names \"/etc/bearergate/none.pem\", which cannot be read: No such file or directory (os error 2)",
                "gateway.toml:11:14",
            ),
        ],
    );
}

#[test]
fn the_files_of_tls_are_read_and_looked_at() {
    let folder = TempDir::new().unwrap();
    let one = generate_simple_self_signed(["a".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["a".to_owned()]).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", one.cert.pem());
    write("key.pem", one.signing_key.serialize_pem());
    write("other.pem", other.signing_key.serialize_pem());
    write("empty.pem", String::new());
    let read = |tls: &str| {
        let text = document(&format!("servers = 'https://a'\ntls = {{ {tls} }}"));
        read_in(folder.path(), &text).map(|loaded| loaded.config.upstreams[0].tls.is_some())
    };
    for right in ["", "ca = 'ca.pem'", "ca = 'ca.pem', server_name = 'b', cert = 'ca.pem', key = 'key.pem'"] {
        assert_eq!(read(right), Ok(true), "{right}");
    }
    for (wrong, why) in [
        ("ca = 'key.pem'", "`upstream.default.tls.ca` names a file without a certificate in PEM"),
        ("ca = 'empty.pem'", "`upstream.default.tls.ca` names a file without a certificate in PEM"),
        ("cert = 'ca.pem'", "`upstream.default.tls.key` is missing"),
        ("key = 'key.pem'", "`upstream.default.tls.cert` is missing"),
        ("cert = 'ca.pem', key = 'ca.pem'", "`upstream.default.tls.key` names a file without a private key in PEM"),
        ("cert = 'ca.pem', key = 'other.pem'", "`upstream.default.tls.cert` is not right"),
        ("server_name = 'a b'", "must be a host's name or an IP address"),
        ("verify = false", "unknown key `verify` in `upstream.default.tls`"),
    ] {
        let told = read(wrong).unwrap_err();
        assert!(told.contains(why), "{wrong}: {told}");
        assert!(!told.contains("PRIVATE KEY"), "{told}");
    }
}

proptest::proptest! {
    #[test]
    fn a_server_is_shown_so_that_it_reads_the_same(
        text in "(http://|https://|h2c://|h2://|unix:|builtin:)(/?[a-z0-9:.\\[\\]-]{1,12}|127.0.0.1:[0-9]{1,6}|echo)/?",
    ) {
        let read = |text: &str| {
            let text = document(&format!("servers = '{text}'"));
            read_in(std::path::Path::new("/"), &text).ok().map(|loaded| loaded.config.upstreams[0].servers[0].clone())
        };
        if let Some(server) = read(&text) {
            proptest::prop_assert_eq!(read(&server.to_string()), Some(server.clone()));
            let known = server.known();
            proptest::prop_assert_eq!(known.is_none(), server == Server::Echo);
            proptest::prop_assert_eq!(known.is_some_and(|known| known.secure), text.starts_with("https") || text.starts_with("h2:"));
        }
    }

    #[test]
    fn whatever_stands_for_status_codes_is_a_range_of_them_or_a_mistake(text in "[0-9 +-]{0,8}") {
        let text = document(&format!("servers = 'http://a'\nhealth_check = {{ path = '/', status = '{text}' }}"));
        if let Ok(loaded) = read_in(std::path::Path::new("/"), &text) {
            let codes = loaded.config.upstreams[0].health_check.as_ref().unwrap().status.clone();
            proptest::prop_assert!(!codes.is_empty() && *codes.start() >= 200 && *codes.end() <= 599);
        }
    }
}
