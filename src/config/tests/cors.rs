use std::time::Duration;

use http::{HeaderName, Method};

use super::{OPEN, assert_mistakes, config, mistakes};
use crate::config::{Cors, Origins};

fn cors(lines: &str) -> Cors {
    config(&format!("[cors]\n{lines}\n{OPEN}")).cors.unwrap()
}

#[test]
fn without_the_table_there_is_none_and_its_defaults_are_enough_for_a_bearer_token() {
    assert!(config(OPEN).cors.is_none());
    let cors = cors("origins = 'https://app.example.com'");
    assert!(!cors.credentials);
    assert_eq!(cors.methods.len(), 6);
    assert_eq!(
        cors.headers,
        Some(vec![HeaderName::from_static("authorization"), HeaderName::from_static("content-type")])
    );
    assert_eq!(
        cors.expose,
        ["www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"].map(HeaderName::from_static)
    );
    assert_eq!(cors.max_age, Duration::from_secs(600));
}

#[test]
fn everything_that_is_set_arrives() {
    let cors = cors(
        "origins = ['https://a.example']\nmethods = ['GET', 'PROPFIND']\nheaders = '*'\nexpose = ['X-Total', 'ETag']\n\
         credentials = true\nmax_age = '0s'",
    );
    assert_eq!(cors.methods, [Method::GET, Method::from_bytes(b"PROPFIND").unwrap()]);
    assert_eq!((cors.headers, cors.credentials, cors.max_age), (None, true, Duration::ZERO));
    assert_eq!(cors.expose, ["x-total", "etag"].map(HeaderName::from_static));
}

#[test]
fn an_origin_is_compared_byte_for_byte() {
    let origins =
        cors("origins = ['https://app.example.com', 'http://localhost:3000', 'capacitor://localhost']").origins;
    for origin in ["https://app.example.com", "http://localhost:3000", "capacitor://localhost"] {
        assert!(origins.contain(origin), "{origin}");
    }
    for origin in [
        "",
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com:443",
        "https://app.example.com/",
        "https://app.example.com.evil.com",
        "https://evil-app.example.com",
        "https://APP.example.com",
        "https://app.example.com https://evil.com",
        "http://localhost",
        "http://localhost:30000",
        "https://example.com",
    ] {
        assert!(!origins.contain(origin), "{origin}");
    }
    assert!(matches!(cors("origins = '*'").origins, Origins::Any));
}

#[test]
fn a_star_is_one_subdomain_or_several_and_never_the_domain_or_another_host() {
    let origins = cors("origins = ['https://*.example.com', 'http://*.localhost:8080']").origins;
    for origin in ["https://a.example.com", "https://a.b-c.example.com", "http://x.localhost:8080"] {
        assert!(origins.contain(origin), "{origin}");
    }
    for origin in [
        "https://example.com",
        "https://.example.com",
        "https://a..example.com",
        "http://a.example.com",
        "https://evilexample.com",
        "https://a.example.com:8443",
        "https://evil.com/.example.com",
        "https://evil.com:80.example.com",
        "https://u@evil.example.com",
        "https://evil.com#.example.com",
        "https://evil.com%2f.example.com",
        "http://x.localhost",
        "https://a.example.com.",
        "https://é.example.com",
    ] {
        assert!(!origins.contain(origin), "{origin}");
    }
}

#[test]
fn what_no_browser_sends_and_what_is_dangerous_is_a_mistake() {
    for (written, told) in [
        ("null", "names the origin `null`"),
        ("app.example.com", "write its scheme: \"https://app.example.com\""),
        ("https://app.example.com/", "write \"https://app.example.com\""),
        ("https://app.example.com/login?x", "write \"https://app.example.com\""),
        ("https://App.example.com", "write \"https://app.example.com\""),
        ("https://app.example.com:443", "write \"https://app.example.com\""),
        ("http://app.example.com:80", "write \"http://app.example.com\""),
        ("https://*.com", "names every site below a top-level domain"),
        ("https://*", "is not an origin"),
        ("https://a.*.example.com", "is not an origin"),
        ("https://u@example.com", "is not an origin"),
        ("https://example.com:port", "is not an origin"),
        ("https://example.com:99999", "is not an origin"),
        ("https://[::g]", "is not an origin"),
        ("https://", "is not an origin"),
        ("1://a", "is not an origin"),
    ] {
        let rendered = mistakes(&format!("[cors]\norigins = ['{written}']\n{OPEN}"));
        assert!(rendered.contains(told) && rendered.contains("gateway.toml:2:12"), "{written}: {rendered}");
    }
    assert_mistakes(
        &format!(
            "[cors]\norigins = '*'\ncredentials = true\nmethods = ['get', '*']\nheaders = ['a b', '*']\nexpose = '*'\n\
             max_age = '2d'\nmax_aeg = 1\n{OPEN}"
        ),
        &[
            (
                "`cors.origins` = \"*\" with `credentials` would let any page act as whoever visits it",
                "gateway.toml:2:11",
            ),
            ("`cors.methods` must be methods in capitals, not \"get\"", "gateway.toml:4:12"),
            ("`cors.methods` must be methods in capitals, not \"*\"", "gateway.toml:4:19"),
            ("`cors.headers` must be names of header fields, not \"a b\"", "gateway.toml:5:12"),
            ("`cors.headers` must be names of header fields, not \"*\"", "gateway.toml:5:19"),
            ("`cors.expose` must be names of header fields, not \"*\"", "gateway.toml:6:10"),
            ("`cors.max_age` must be at most \"1d\"", "gateway.toml:7:11"),
            ("unknown key `max_aeg` in `cors`", "gateway.toml:8:1"),
        ],
    );
    assert_mistakes(&format!("[cors]\n{OPEN}"), &[("`cors.origins` is missing", "gateway.toml:1:2")]);
    assert_mistakes(
        &format!("[cors]\norigins = []\n{OPEN}"),
        &[("`cors.origins` is an empty list", "gateway.toml:2:11")],
    );
    assert!(mistakes(&format!("[cors]\norigins = ['*', 'https://a.example']\n{OPEN}")).contains("beside which"));
}
