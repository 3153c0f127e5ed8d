//! What a page of another origin gets: with `[cors]`, and without.

use serde_json::Value;

use crate::support::{Client, Gateway, Upstream, client::Response, deployment::deploy};

const APP: &str = "https://app.example.com";

const CONFIGURATION: &str = "
[issuer.main]
algorithms = ['HS256']
secret = { env = 'KEY' }
[[route]]
match = '* /plants/**'
[[route]]
match = 'GET /x/{id}'
allow = '%2F'
[[route]]
match = 'GET /public'
access = 'public'
";

fn gateway(cors: &str, upstream: &Upstream) -> Gateway {
    let text = format!("{CONFIGURATION}\n{cors}\n[limits]\nbody_bytes = '1KiB'\nheaders = 20\n");
    deploy(&text, std::path::Path::new(""), upstream.address).0
}

fn with_cors(upstream: &Upstream) -> Gateway {
    gateway("[cors]\norigins = ['https://app.example.com', 'https://*.dev.example.com']\ncredentials = true", upstream)
}

fn send(client: &mut Client, line: &str, fields: &[(&str, &str)]) -> Response {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.send(format!("{line} HTTP/1.1\r\nHost: api\r\n{fields}\r\n")).response()
}

/// What a browser sends before a page's `fetch` with a token and JSON.
fn preflight(client: &mut Client, path: &str, origin: &str, method: &str) -> Response {
    let fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization,content-type"),
        ("Sec-Fetch-Mode", "cors"),
    ];
    send(client, &format!("OPTIONS {path}"), &fields)
}

fn cors_fields(response: &Response) -> Vec<(String, String)> {
    let mut fields: Vec<_> = response
        .head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| name.starts_with("access-control-") || name == "vary")
        .collect();
    fields.sort();
    fields
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What an answer says that a page of `origin` may read.
fn readable(origin: &str) -> Vec<(String, String)> {
    pairs(&[
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", "www-authenticate, retry-after, ratelimit, ratelimit-policy"),
        ("vary", "Origin"),
    ])
}

#[test]
fn a_preflight_is_answered_before_authentication_and_reaches_no_upstream() {
    let upstream = Upstream::ok();
    let gateway = with_cors(&upstream);
    let mut client = gateway.connect();
    // The answer is the same on every path: it does not tell which routes there are.
    for (path, method) in [("/plants/1?a=b", "DELETE"), ("/nothing", "GET"), ("/x/a%2Fb", "GET")] {
        let answer = preflight(&mut client, path, APP, method);
        assert_eq!(answer.status, 204, "{path}");
        let expected = pairs(&[
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "authorization, content-type"),
            ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("access-control-allow-origin", APP),
            ("access-control-max-age", "600"),
            ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]);
        assert_eq!(cors_fields(&answer), expected, "{path}");
    }
    assert!(upstream.received_nothing_else());
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_preflights_total{outcome=\"allowed\"} 3\n"), "{metrics}");
    assert!(metrics.contains("bearergate_requests_total{outcome=\"answered\"} 3\n"), "{metrics}");
}

#[test]
fn another_origins_preflight_learns_nothing() {
    let upstream = Upstream::ok();
    let gateway = with_cors(&upstream);
    let mut client = gateway.connect();
    for origin in ["https://evil.example", "null", "https://dev.example.com", "https://app.example.com.evil.example"] {
        let answer = preflight(&mut client, "/plants/1", origin, "GET");
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        assert_eq!((answer.status, cors_fields(&answer)), (204, pairs(&[("vary", vary)])), "{origin}");
    }
    assert!(upstream.received_nothing_else());
    assert!(
        gateway.admin().get("/metrics").text().contains("bearergate_preflights_total{outcome=\"other_origin\"} 4\n")
    );
}

#[test]
fn an_options_that_is_no_preflight_needs_a_token_like_any_request() {
    let upstream = Upstream::ok();
    let gateway = with_cors(&upstream);
    let mut client = gateway.connect();
    let method = ("Access-Control-Request-Method", "GET");
    for fields in [
        &[][..],
        &[("Origin", APP)],
        &[method],
        &[("Origin", APP), ("Origin", APP), method],
        &[("Origin", APP), method, method],
        &[("Origin", APP), ("Access-Control-Request-Method", "")],
        &[("Origin", APP), ("Access-Control-Request-Method", "G T")],
    ] {
        assert_eq!(send(&mut client, "OPTIONS /plants/1", fields).status, 401, "{fields:?}");
    }
    for line in ["POST /plants/1", "GET /plants/1"] {
        assert_eq!(send(&mut client, line, &[("Origin", APP), method]).status, 401, "{line}");
    }
    for path in ["/plants/../admin", "/plants//1", "/plants/%2e%2e/1", "/x/a%2Fb;c"] {
        assert_eq!(preflight(&mut client, path, APP, "GET").status, 400, "{path}");
    }
    assert_eq!(preflight(&mut client, "/x/a%2Fb", APP, "DELETE").status, 400, "no rule allows that");
    assert!(upstream.received_nothing_else());
}

#[test]
fn every_refusal_can_be_read_by_the_page_that_asked() {
    let upstream = Upstream::start(drop);
    let gateway = with_cors(&upstream);
    let mut client = gateway.connect();
    let token = format!("Bearer {}", crate::support::token("alice"));
    let authorization = ("Authorization", token.as_str());
    let dev = "https://a.b.dev.example.com";
    let many: Vec<(&str, &str)> = std::iter::repeat_n(("X-Many", "1"), 30).chain([("Origin", APP)]).collect();
    for (line, fields, status, origin) in [
        ("GET /plants/1", &[("Origin", APP)][..], 401, APP),
        ("GET /plants/1", &[("Origin", dev), ("Authorization", "Bearer nonsense")], 401, dev),
        ("GET /nothing", &[("Origin", APP), authorization], 404, APP),
        ("GET /plants/../1", &[("Origin", APP)], 400, APP),
        ("GET /plants/1", &many, 431, APP),
        ("GET /plants/1", &[("Origin", APP), authorization], 502, APP),
        ("POST /plants/1", &[("Origin", APP), authorization, ("Content-Length", "2000")], 413, APP),
    ] {
        let answer = send(&mut client, line, fields);
        assert_eq!((answer.status, cors_fields(&answer)), (status, readable(origin)), "{line} {fields:?}");
    }
    let mut client = gateway.connect();
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let fields: Vec<_> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
        let answer = send(&mut client, "GET /plants/1", &fields);
        assert_eq!((answer.status, cors_fields(&answer)), (401, pairs(&[("vary", "Origin")])), "{origin:?}");
    }
}

#[test]
fn the_upstreams_own_word_is_replaced_and_the_rest_of_its_answer_untouched() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: https://evil.example\r\n\
         access-control-allow-private-network: true\r\nVary: Accept-Encoding\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = with_cors(&upstream);
    let mut client = gateway.connect();
    let answer = send(&mut client, "GET /public", &[("Origin", APP)]);
    let mut expected = readable(APP);
    expected.insert(3, ("vary".to_owned(), "Accept-Encoding".to_owned()));
    assert_eq!((cors_fields(&answer), answer.header("x-kept")), (expected, Some("1")));
    let answer = send(&mut client, "GET /public", &[("Origin", "https://evil.example")]);
    assert_eq!(cors_fields(&answer), pairs(&[("vary", "Accept-Encoding"), ("vary", "Origin")]));
    assert!(upstream.received().contains("origin: https://app.example.com\r\n"), "the upstream still sees it");

    let untouched = gateway_without(&upstream);
    let answer = send(&mut untouched.connect(), "GET /public", &[("Origin", APP)]);
    assert_eq!(answer.head.matches("ccess-").count(), 3, "{}", answer.head);
    assert!(!answer.head.contains("Origin\r\n"), "{}", answer.head);
    assert_eq!(preflight(&mut untouched.connect(), "/plants/1", APP, "GET").status, 401);
}

fn gateway_without(upstream: &Upstream) -> Gateway {
    gateway("", upstream)
}

#[test]
fn a_vary_that_says_so_already_is_left_alone() {
    for vary in ["*", "accept, ORIGIN", "origin"] {
        let answer = format!("HTTP/1.1 200 OK\r\nVary: {vary}\r\nContent-Length: 0\r\n\r\n");
        let upstream = Upstream::answering(answer.leak());
        let answer = send(&mut with_cors(&upstream).connect(), "GET /public", &[]);
        assert_eq!(cors_fields(&answer), pairs(&[("vary", vary)]));
    }
}

#[test]
fn any_origin_and_any_header_are_what_they_say() {
    let upstream = Upstream::ok();
    let gateway =
        gateway("[cors]\norigins = '*'\nheaders = '*'\nmethods = 'GET'\nmax_age = '1h'\nexpose = []", &upstream);
    let mut client = gateway.connect();
    let answer = preflight(&mut client, "/plants/1", "null", "PUT");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    let fields = [("Origin", APP), ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "a b")];
    let answer = send(&mut client, "OPTIONS /plants/1", &fields);
    assert_eq!((answer.status, answer.header("access-control-allow-headers")), (204, None), "no list of names");
    let answer = send(&mut client, "GET /plants/1", &[]);
    assert_eq!((answer.status, cors_fields(&answer)), (401, pairs(&[("access-control-allow-origin", "*")])));
}

#[test]
fn the_published_keys_can_be_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::ok();
    let text = format!("[issuer.main]\nsigning_keys = 'keys'\n[cors]\norigins = '{APP}'\n");
    let gateway = deploy(&text, folder.path(), upstream.address).0;
    let answer = send(&mut gateway.connect(), "GET /.well-known/jwks.json", &[("Origin", APP)]);
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{}", answer.head);
    let keys: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    let preflight = preflight(&mut gateway.connect(), "/.well-known/jwks.json", APP, "GET");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some(APP)));
}
