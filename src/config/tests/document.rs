use std::{net::SocketAddr, path::Path, time::Duration};

use super::{OPEN, assert_mistakes, config, environment, mistakes, read};
use crate::{
    authn::SchemeMatch,
    config::{Server, parse},
    jwt::ClaimPath,
};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn http(authority: &'static str) -> Server {
    Server::Http { authority: authority.parse().unwrap() }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = config(OPEN);
    assert_eq!(config.listen.address, address("127.0.0.1:8080"));
    assert_eq!((config.listen.trusted_proxies.len(), config.listen.workers), (0, 0));
    let limits = &config.limits;
    assert_eq!((limits.connections, limits.requests, limits.headers), (20_000, 4096, 100));
    assert_eq!((limits.header_bytes, limits.token_bytes, limits.body_bytes), (32 << 10, 8 << 10, 64 << 20));
    assert_eq!((limits.header_timeout, limits.idle_timeout), (Duration::from_secs(10), Duration::from_secs(75)));
    assert_eq!(limits.tunnel_idle_timeout, Duration::from_secs(3600));
    assert_eq!(config.admin.unwrap().address, address("127.0.0.1:9901"));
    assert_eq!((config.cache.entries, config.cache.max_ttl), (50_000, Duration::from_secs(600)));
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.name.as_str(), upstream.servers.as_slice()), ("default", &[Server::Echo][..]));
    assert_eq!(upstream.connect_timeout, Duration::from_secs(1));
    assert_eq!((upstream.response_timeout, upstream.retries), (Duration::from_secs(30), 1));
    assert!(config.identity_headers.headers.is_empty() && !config.identity_headers.strip_authorization);
    assert_eq!(config.dialect.scheme(), SchemeMatch::CaseInsensitive);
    assert_eq!(config.state_folder, Path::new("/etc/bearergate/bearergate-state"));
    assert!(config.preset.is_none() && config.issuers.is_empty());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_store_is_a_file_beside_the_one_that_names_it() {
    assert!(config(OPEN).store.is_none());
    for (written, path) in [("sqlite:a b.db", "/etc/bearergate/a b.db"), ("sqlite:///var/x.db", "/var/x.db")] {
        let store = config(&format!("store = \"{written}\"\n{OPEN}")).store;
        assert!(matches!(&store, Some(crate::store::Location::Sqlite(found)) if found == Path::new(path)), "{store:?}");
    }
}

#[test]
fn everything_that_is_set_arrives() {
    let config = config(
        r#"
mode = "enforce"
[listen]
address = "[::1]:${PORT}"
trusted_proxies = ["10.0.0.7", "10.0.0.0/8", "fd00::/8"]
workers = 3
drain_delay = "5s"
drain_deadline = "2m"
[limits]
connections = 1
connections_per_address = 9
requests = 2
headers = 3
header_bytes = "4KiB"
token_bytes = "512B"
body_bytes = "2GiB"
header_timeout = "250ms"
body_timeout = "20s"
idle_timeout = "2m"
tunnel_idle_timeout = "2h"
[admin]
address = "127.0.0.1:0"
[cache]
entries = 7
max_ttl = "1h"
[identity_headers]
"X-User-Id" = "sub"
X-Roles = ["realm_access", "roles"]
authorization = "strip"
[dialect]
scheme = "exact"
[upstream.default]
servers = ["http://127.0.0.1:8000", "http://b.example/", "http://[::1]:1", "h2c://grpc:50051"]
connect_timeout = "3s"
response_timeout = "4s"
retries = 5
[[route]]
match = "* /**"
access = "public"
"#,
    );
    assert_eq!((config.listen.address, config.listen.workers), (address("[::1]:9000"), 3));
    let drain = (config.listen.drain_delay, config.listen.drain_deadline);
    assert_eq!(drain, (Duration::from_secs(5), Duration::from_secs(120)));
    let proxies: Vec<String> = config.listen.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.7/32", "10.0.0.0/8", "fd00::/8"]);
    let limits = &config.limits;
    assert_eq!((limits.connections, limits.requests, limits.headers), (1, 2, 3));
    assert_eq!((limits.connections_per_address, limits.body_timeout), (9, Duration::from_secs(20)));
    assert_eq!((limits.header_bytes, limits.token_bytes, limits.body_bytes), (4096, 512, 2 << 30));
    assert_eq!((limits.header_timeout, limits.idle_timeout), (Duration::from_millis(250), Duration::from_secs(120)));
    assert_eq!(limits.tunnel_idle_timeout, Duration::from_secs(7200));
    assert_eq!(config.admin.unwrap().address, address("127.0.0.1:0"));
    assert_eq!((config.cache.entries, config.cache.max_ttl), (7, Duration::from_secs(3600)));
    let headers = config.identity_headers.headers;
    assert_eq!((headers[0].name.as_str(), &headers[0].claim), ("x-user-id", &ClaimPath::from("sub")));
    assert_eq!(headers[1].claim, ClaimPath::nested(["realm_access", "roles"]).unwrap());
    assert!(config.identity_headers.strip_authorization);
    assert_eq!(config.dialect.scheme(), SchemeMatch::Exact);
    let upstream = &config.upstreams[0];
    let h2c = Server::H2c { authority: "grpc:50051".parse().unwrap() };
    assert_eq!(upstream.servers, [http("127.0.0.1:8000"), http("b.example"), http("[::1]:1"), h2c]);
    assert_eq!((upstream.connect_timeout, upstream.response_timeout), (Duration::from_secs(3), Duration::from_secs(4)));
    assert_eq!(upstream.retries, 5);
}

#[test]
fn the_admin_listener_can_be_switched_off_and_must_not_share_a_port() {
    assert!(config(&format!("admin.enabled = false\n{OPEN}")).admin.is_none());
    let rendered = mistakes(&format!("admin.address = \"0.0.0.0:8080\"\n{OPEN}"));
    assert!(rendered.contains("(127.0.0.1:8080) and `admin.address` (0.0.0.0:8080)"), "{rendered}");
    config(&format!("listen.address = \"127.0.0.1:0\"\nadmin.address = \"127.0.0.1:0\"\n{OPEN}"));
}

#[test]
fn the_state_folder_is_that_of_the_service_manager() {
    let environment = |name: &str| (name == "STATE_DIRECTORY").then(|| "/var/lib/bearergate:/other".to_owned());
    let loaded = parse(OPEN, "gateway.toml", Path::new("/etc"), &environment).unwrap();
    assert_eq!(loaded.config.state_folder, Path::new("/var/lib/bearergate"));
    assert_eq!(
        parse(OPEN, "x", Path::new("a"), &|_| None).unwrap().config.state_folder,
        Path::new("a/bearergate-state")
    );
    assert!(parse(OPEN, "x", Path::new("a"), &super::environment).is_ok());
    assert!(environment("HOME").is_none());
}

#[test]
fn durations_and_sizes_are_strict() {
    for wrong in ["10", "10 s", "1.5s", "-1s", "+1s", "1h30m", "s", "", "1S", "10min", "99999999999999999999d"] {
        let rendered = mistakes(&format!("limits.idle_timeout = \"{wrong}\"\n{OPEN}"));
        assert!(rendered.contains("must be a duration"), "{rendered}");
        assert!(rendered.contains("a duration is a whole number and its unit"), "{rendered}");
    }
    for wrong in ["10", "10 KiB", "1.5KiB", "-1B", "1KB", "1K", "1kib", "B", "", "99999999TiB"] {
        let rendered = mistakes(&format!("limits.body_bytes = \"{wrong}\"\n{OPEN}"));
        assert!(rendered.contains("must be a size"), "{rendered}");
    }
    assert_mistakes(
        &format!("limits.body_bytes = 65536\nlimits.idle_timeout = 75\nlimits.header_bytes = \"1B\"\n{OPEN}"),
        &[
            ("`limits.body_bytes` must be a size, not an integer", "gateway.toml:1:21"),
            ("`limits.idle_timeout` must be a duration, not an integer", "gateway.toml:2:23"),
            ("`limits.header_bytes` must be between \"1KiB\" and \"1MiB\"", "gateway.toml:3:23"),
        ],
    );
}

#[test]
fn servers_are_plain_http_hosts() {
    let refused = |server: &str| {
        let text = format!("[upstream.default]\nservers = '{server}'\n[[route]]\nmatch = '* /**'\naccess = 'public'");
        mistakes(&text)
    };
    for (server, why) in [
        ("ftp://a", "must be an `http://` URL"),
        ("127.0.0.1:80", "must be an `http://` URL"),
        ("HTTP://a", "must be an `http://` URL"),
        ("https://", "has no host and port"),
        ("h2://a/b", "must not have a path"),
        ("unix:api.sock", "by an absolute path"),
        ("unix://run/@x", "must not have a user or password"),
        ("h2c://", "has no host and port"),
        ("h2c://a/b", "must not have a path"),
        ("h2c://u@a", "must not have a user or password"),
        ("http://", "has no host and port"),
        ("http://:80", "has no host and port"),
        ("http://a:", "has no host and port"),
        ("http://a:0", "has no host and port"),
        ("http://a:65536", "has no host and port"),
        ("http://a b", "has no host and port"),
        ("http://[::1", "has no host and port"),
        ("http://a//", "must not have a path"),
        ("http://a?x", "must not have a query"),
        ("http://a#x", "must not have a fragment"),
        ("", "is empty"),
    ] {
        assert!(refused(server).contains(why), "{server}: {}", refused(server));
    }
    let rendered = refused("http://user:hunter2@a");
    assert!(rendered.contains("must not have a user or password") && !rendered.contains("hunter2"), "{rendered}");
}

#[test]
fn an_upstream_needs_servers_and_a_fitting_name() {
    assert_mistakes(
        "[upstream.default]\n[upstream.other]\nservers = []\n[upstream.'a/b']\nservers = 'builtin:echo'\n\
         [[route]]\nmatch = '* /**'\naccess = 'public'",
        &[
            ("`upstream.default.servers` is missing", "gateway.toml:1:11"),
            ("`upstream.other.servers` is an empty list", "gateway.toml:3:11"),
            ("`upstream.a/b`: a name is 1 to 64 letters, digits, `-` and `_`", "gateway.toml:4:11"),
        ],
    );
}

#[test]
fn variables_are_put_into_every_string() {
    let config =
        config(&format!("listen.address = \"127.0.0.1:${{PORT}}\"\nadmin.address = '${{A:-127.0.0.1:1}}'\n{OPEN}"));
    assert_eq!(config.listen.address, address("127.0.0.1:9000"));
    assert_eq!(config.admin.unwrap().address, address("127.0.0.1:1"));
    assert_mistakes(
        &format!("listen.address = \"${{NOWHERE}}:1\"\nroles.a = [\"${{\", \"${{NOWHERE}}\"]\n{OPEN}"),
        &[
            ("the environment variable `NOWHERE` is not set", "gateway.toml:1:18"),
            ("`${` is not closed by `}`; write `$${` for `${` itself", "gateway.toml:2:12"),
            ("the environment variable `NOWHERE` is not set", "gateway.toml:2:18"),
        ],
    );
}

#[test]
fn to_trust_every_proxy_is_warned_about() {
    let loaded = read(&format!("listen.trusted_proxies = \"0.0.0.0/0\"\n{OPEN}")).unwrap();
    assert!(loaded.warnings.render(false).starts_with("warning: `0.0.0.0/0` lets every client say"));
    assert!(environment("PORT").is_some());
}
