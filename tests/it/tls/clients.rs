//! Certificates of clients, and tokens that are bound to them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use bearergate::authn::ClientCertificate;
use rcgen::date_time_ymd;
use serde_json::json;
use tokio_rustls::rustls::ClientConfig;

use super::{Authority, Secure, secured};
use crate::support::{
    Client, Upstream,
    deployment::deploy,
    http_2::{Answer, RawHttp2},
    token, token_with,
};

impl Client {
    fn bearing(&mut self, token: &str) -> u16 {
        self.send(format!("GET /a HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n")).response().status
    }
}

/// Whether a client that is made of this is answered.
fn is_answered(secure: &Secure, config: ClientConfig) -> bool {
    let mut stream = secured(TcpStream::connect(secure.address()).unwrap(), Arc::new(config), "localhost");
    let request = b"GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    stream.write_all(request).and_then(|()| stream.read_to_end(&mut answer)).is_ok() && answer.starts_with(b"HTTP")
}

#[test]
fn without_an_acceptable_certificate_no_client_comes_in() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, true);
    let own = &secure.authority;
    let good = own.issue(&["client"]);
    // The gateway's clock says December 2025.
    let expired = own.issue_with(&["client"], |params| params.not_after = date_time_ymd(2025, 12, 1));
    let early = own.issue_with(&["client"], |params| params.not_before = date_time_ymd(2026, 12, 1));
    let foreign = Authority::new().issue(&["client"]);
    assert!(is_answered(&secure, own.client(Some(&good), &[])));
    for (client, outcome) in [
        (None, "no_client_certificate"),
        (Some(&expired), "client_certificate_expired"),
        (Some(&foreign), "client_certificate_issuer"),
        (Some(&early), "client_certificate"),
    ] {
        assert!(!is_answered(&secure, own.client(client, &[])), "{outcome}");
        secure.handshakes(outcome, 1);
    }
    secure.handshakes("done", 1);
}

#[test]
fn a_certificate_may_be_optional_but_not_wrong() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, false);
    let own = &secure.authority;
    assert!(is_answered(&secure, own.client(None, &[])));
    assert!(is_answered(&secure, own.client(Some(&own.issue(&["client"])), &[])));
    assert!(!is_answered(&secure, own.client(Some(&Authority::new().issue(&["client"])), &[])));
}

#[test]
fn a_bound_token_is_good_over_its_certificate_alone() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, false);
    let own = &secure.authority;
    let (mine, other) = (own.issue(&["mine"]), own.issue(&["other"]));
    let thumbprint = ClientCertificate::of_der(&mine.der).thumbprint();
    let bound = token_with(json!({ "sub": "alice", "cnf": { "x5t#S256": thumbprint } }));
    let mut with_mine = secure.connect_by(own.client(Some(&mine), &[]));
    let mut with_other = secure.connect_by(own.client(Some(&other), &[]));
    let mut with_none = secure.connect_by(own.client(None, &[]));
    for _ in 0..2 {
        assert_eq!(with_other.bearing(&bound), 401);
        assert_eq!(with_none.bearing(&bound), 401);
        assert_eq!(with_mine.bearing(&bound), 200);
        assert_eq!(with_mine.bearing(&token("alice")), 200);
    }
    let dpop = token_with(json!({ "sub": "alice", "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }));
    assert_eq!(with_mine.bearing(&dpop), 401);
    for (cause, count) in [("certificate_missing", 2), ("wrong_certificate", 2), ("unsupported_binding", 1)] {
        let line = format!("bearergate_invalid_tokens_total{{cause=\"{cause}\"}}");
        assert_eq!(secure.metric(&line), count.to_string(), "{cause}");
    }
}

#[test]
fn a_bound_token_is_refused_over_clear_text() {
    let upstream = Upstream::ok();
    let gateway = crate::support::Gateway::before(&upstream);
    let thumbprint = ClientCertificate::of_der(b"any").thumbprint();
    let bound = token_with(json!({ "sub": "alice", "cnf": { "x5t#S256": thumbprint } }));
    assert_eq!(gateway.connect().bearing(&bound), 401);
    assert!(upstream.received_nothing_else());
}

#[test]
fn where_certificates_are_asked_for_each_connection_shows_its_own() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, true);
    let own = &secure.authority;
    let config = Arc::new(own.client(Some(&own.issue(&["client"])), &[]));
    for _ in 0..3 {
        let mut stream = secured(TcpStream::connect(secure.address()).unwrap(), Arc::clone(&config), "localhost");
        stream.write_all(b"GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(format!("{:?}", stream.conn.handshake_kind().unwrap()), "Full");
    }
}

#[test]
fn a_bound_token_is_bound_by_http_2_and_on_public_routes_no_certificate_is_asked_for() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, false);
    let own = &secure.authority;
    let (mine, other) = (own.issue(&["mine"]), own.issue(&["other"]));
    let thumbprint = ClientCertificate::of_der(&mine.der).thumbprint();
    let bound = format!("Bearer {}", token_with(json!({ "sub": "alice", "cnf": { "x5t#S256": thumbprint } })));
    let connect = |certificate| {
        let config = Arc::new(own.client(certificate, &["h2"]));
        RawHttp2::over(secured(TcpStream::connect(secure.address()).unwrap(), config, "localhost"), 65_535)
    };
    let (mut with_mine, mut with_other, mut with_none) = (connect(Some(&mine)), connect(Some(&other)), connect(None));
    // The first is verified, the second is known already.
    for _ in 0..2 {
        for (client, answer) in
            [(&mut with_mine, Answer::Success), (&mut with_other, Answer::Refused), (&mut with_none, Answer::Refused)]
        {
            client.send(b"GET", b"/a", &[("authorization", &bound)]);
            assert_eq!(client.answer(), answer);
            client.send(b"GET", b"/public/a", &[("authorization", &bound)]);
            assert_eq!(client.answer(), Answer::Success);
        }
    }
}

#[test]
fn the_configuration_says_what_is_asked_of_an_issuers_tokens() {
    let upstream = Upstream::ok();
    let thumbprint = ClientCertificate::of_der(b"any").thumbprint();
    let (bound, free) = (json!({ "sub": "a", "cnf": { "x5t#S256": thumbprint } }), json!({ "sub": "a" }));
    for (binding, of_bound, of_free) in [
        ("", 401, 200),
        ("binding = 'checked'", 401, 200),
        ("binding = 'required'", 401, 401),
        ("binding = 'ignored'", 200, 200),
    ] {
        let text = format!("[issuer.main]\nalgorithms = ['HS256']\nsecret = {{ env = 'KEY' }}\n{binding}\n");
        let (gateway, _) = deploy(&text, Path::new(""), upstream.address);
        assert_eq!(gateway.connect().bearing(&token_with(bound.clone())), of_bound, "{binding}");
        assert_eq!(gateway.connect().bearing(&token_with(free.clone())), of_free, "{binding}");
    }
}
