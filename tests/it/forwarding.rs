//! What an upstream gets, and what its answer becomes.

use crate::support::{Gateway, Setup, Upstream, client::header, token};

#[test]
fn path_and_query_arrive_byte_for_byte() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for target in ["/", "/a%20b/%E2%82%AC?x=%2F..%2F&y=a+b&&z", "/trailing/", "/A/b?", "/q?a=//b;c"] {
        assert_eq!(gateway.get(target).status, 200, "{target}");
        assert!(upstream.received().starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{target}");
    }
    assert_eq!(gateway.get("/q?a=b#c").status, 400, "a fragment is no part of a target");
}

#[test]
fn identity_comes_from_the_token_whatever_the_client_says() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let token = token("alice");
    let response = gateway
        .connect()
        .send(format!(
            "GET /me HTTP/1.1\r\nHost: api.example.com\r\nX-User-Id: root\r\nX_User_Id: root\r\nx.user.id: root\r\n\
             Connection: X-User-Id, Authorization, X-Hop\r\nX-Hop: 1\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
             X-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\nUpgrade: h2c\r\nTE: trailers\r\n\
             Proxy-Authorization: Basic x\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .response();
    assert_eq!(response.status, 200);
    let head = upstream.received().to_ascii_lowercase();
    let mut fields: Vec<_> =
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    fields.sort_unstable();
    let expected = ["authorization", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-user-id"];
    assert_eq!(fields, expected);
    assert_eq!(header(&head, "x-user-id"), Some("alice"));
    assert_eq!(header(&head, "host"), Some("api.example.com"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("api.example.com"));
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn identity_headers_are_removed_on_public_routes_too() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let request = "GET /public/x HTTP/1.1\r\nHost: a\r\nX_User-Id: root\r\nAuthorization: Bearer nonsense\r\n\r\n";
    assert_eq!(gateway.connect().send(request).response().status, 200);
    assert!(!upstream.received().to_ascii_lowercase().contains("root"));
}

#[test]
fn a_trusted_proxy_tells_where_a_request_came_from() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let request =
        "GET /public/x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n";
    assert_eq!(setup.start().connect().send(request).response().status, 200);
    let head = upstream.received();
    assert_eq!(header(&head, "x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("https"));
}

#[test]
fn what_is_refused_does_not_reach_the_upstream() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let missing = gateway.connect().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response();
    assert_eq!(missing.status, 401);
    assert!(missing.header("www-authenticate").is_some());
    let bad =
        gateway.connect().send("GET /maybe HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x.y.z\r\n\r\n").response();
    assert_eq!(bad.status, 401);
    for path in ["/public/../secret", "/public/%2e%2e/secret", "//public/x", "/public/x;y", "/public/%00"] {
        let refused = gateway.connect().send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).response();
        assert_eq!(refused.status, 400, "{path}");
    }
    assert_eq!(upstream.connections(), 0);
    let anonymous = gateway.connect().send("GET /maybe HTTP/1.1\r\nHost: a\r\n\r\n").response();
    assert_eq!(anonymous.status, 200);
}

#[test]
fn an_answer_loses_what_was_for_the_upstream_connection_only() {
    let upstream = Upstream::answering(
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: X-Internal\r\nX-Internal: 1\r\nKeep-Alive: timeout=9\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok",
    );
    let response = Gateway::before(&upstream).get("/");
    assert_eq!((response.status, response.text().as_str()), (201, "ok"));
    assert!(response.header("x-internal").is_none() && response.header("keep-alive").is_none());
    assert_eq!(response.head.matches("set-cookie").count(), 2);
}

#[test]
fn answers_without_a_body_keep_their_length_and_the_connection() {
    let upstream = Upstream::start(|mut line| {
        while let Some((head, _)) = line.request() {
            line.send(match head.split(' ').next() {
                Some("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
                Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n",
                _ => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            });
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("HEAD /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(header(&client.head(), "content-length"), Some("5000"));
    assert_eq!(client.send("DELETE /public/x HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 204);
    let unchanged = client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").response();
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some("\"x\"")));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn interim_answers_are_not_taken_for_the_answer() {
    let upstream = Upstream::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(Gateway::before(&upstream).get("/").text(), "ok");
}

#[test]
fn http_1_0_clients_are_served() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let gateway = Gateway::before(&upstream);
    let response = gateway.connect().send("GET /public/x HTTP/1.0\r\n\r\n").response();
    assert!(response.header("transfer-encoding").is_none());
    assert_eq!(response.text(), "ok");
    let head = upstream.received();
    assert!(head.starts_with("GET /public/x HTTP/1.1\r\n"));
    assert_eq!(header(&head, "host"), Some(upstream.address.to_string().as_str()), "HTTP/1.1 needs a host");
    assert_eq!(header(&head, "x-forwarded-host"), None);
}

#[test]
fn a_new_snapshot_serves_the_next_request_on_an_open_connection() {
    let old = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    let new = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew");
    let gateway = Gateway::before(&old);
    let mut client = gateway.connect();
    assert_eq!(client.get("/").text(), "old");
    gateway.snapshot.store(std::sync::Arc::new(Setup::new(&[new.address]).snapshot()));
    assert_eq!(client.get("/").text(), "new");
}
