//! HTTP over TLS.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use bearergate::config::Limits;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Secure, secured};
use crate::support::{Client, Setup, Upstream, client::header, http_2_upstream::Echo, token};

const MIB: usize = 1 << 20;

/// Answers with the body that it got.
fn mirror() -> Upstream {
    Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            line.send(body);
        }
    })
}

#[test]
fn requests_over_tls_are_answered_and_the_upstream_learns_of_it() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let mut client = secure.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/a").status, 200);
        assert_eq!(header(&upstream.received(), "x-forwarded-proto"), Some("https"));
    }
    assert_eq!(upstream.connections(), 1);
    secure.handshakes("done", 1);
    let absolute = format!("GET https://api/a HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {}\r\n\r\n", token("a"));
    assert_eq!(client.send(&absolute).response().status, 200);
    let other = client.send(absolute.replace("https://", "http://")).response();
    assert_eq!((other.status, other.header("connection")), (400, Some("close")));
    assert!(!client.is_broken(), "a refusal is told to its end");
}

#[test]
fn a_client_certificate_that_a_client_tells_of_is_not_forwarded() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let names =
        ["Client-Cert", "client_cert_chain", "X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "SSL-Client-Cert"];
    let fields: String = names.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let request = format!("GET /public/a HTTP/1.1\r\nHost: api\r\n{fields}\r\n");
    assert_eq!(secure.connect().send(request).response().status, 200);
    assert!(!upstream.received().contains("forged"));
}

#[test]
fn bodies_of_megabytes_are_the_same_on_the_other_side() {
    let upstream = mirror();
    let secure = Secure::before(&upstream);
    let mut client = secure.connect();
    for length in [0, 1, 16 * 1024, 16 * 1024 + 1, 5 * MIB] {
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let head = format!(
            "POST /a HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n",
            token("alice")
        );
        let response = client.send(head).send(&body).response();
        assert!(response.status == 200 && response.body == body, "{length}: {}", response.body.len());
    }
}

#[test]
fn requests_that_come_at_once_are_answered_in_turn() {
    let upstream = mirror();
    let secure = Secure::before(&upstream);
    let mut client = secure.connect();
    let request = |body: &str| {
        let token = token("alice");
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let all: String = (0..20).map(|at| request(&format!("body {at}"))).collect();
    client.send(all);
    for at in 0..20 {
        assert_eq!(client.response().text(), format!("body {at}"));
    }
}

#[test]
fn an_end_is_told_and_a_break_is_not() {
    let upstream = Upstream::start(|mut line| {
        let Some((head, _)) = line.request() else { return };
        line.send("HTTP/1.1 200 OK\r\n\r\npart");
        if head.contains("/breaks") {
            // The rest never comes.
            std::thread::sleep(Duration::from_millis(100));
            socket2::SockRef::from(&line.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    let secure = Secure::before(&upstream);
    for (path, broken) in [("/public/whole", false), ("/public/breaks", true)] {
        let mut client = secure.connect();
        let response = client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).response();
        assert_eq!((response.text().as_str(), client.is_broken()), ("part", broken), "{path}");
    }
}

#[test]
fn each_end_in_order_is_told() {
    let upstream = Upstream::ok();
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let secure = Secure::with(Setup::new(&[upstream.address]).limits(limits), None);
    let mut idle = secure.connect();
    assert_eq!(idle.get("/a").status, 200);
    assert!(!idle.is_broken(), "idleness");
    let mut last = secure.connect();
    assert_eq!(last.send("GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response().status, 200);
    assert!(!last.is_broken(), "the client's wish");
    let mut drained = secure.connect();
    assert_eq!(drained.get("/a").status, 200);
    secure.gateway.running.shutdown();
    assert!(!drained.is_broken(), "a drain");
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB));
            while line.send(vec![b'x'; MIB]) {}
        }
    });
    let limits = Limits { body_timeout: Duration::from_millis(300), ..Limits::default() };
    let secure = Secure::with(Setup::new(&[upstream.address]).limits(limits), None);
    let mut client = secure.connect();
    client.send("GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n").head();
    while secure.metric("bearergate_connections ") != "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!client.response_is_whole(), "it was cut off");
}

#[test]
fn what_is_not_tls_is_closed_and_counted() {
    let upstream = Upstream::ok();
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let secure = Secure::with(Setup::new(&[upstream.address]).limits(limits), None);
    let mut plain = secure.gateway.connect();
    let answer = plain.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").some().unwrap_or_default();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    secure.handshakes("not_tls", 1);
    drop(TcpStream::connect(secure.address()).unwrap());
    secure.handshakes("closed", 1);
    // The beginning of a handshake, and nothing more.
    let mut late = TcpStream::connect(secure.address()).unwrap();
    late.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
    secure.handshakes("late", 1);
    assert!(matches!(late.read(&mut [0]), Ok(0) | Err(_)));
    let alien = secure.authority.client(None, &["spdy/1"]);
    let mut alien = secured(TcpStream::connect(secure.address()).unwrap(), Arc::new(alien), "localhost");
    assert!(alien.write_all(b"GET").is_err());
    secure.handshakes("nothing_in_common", 1);
    assert_eq!(secure.connect().get("/a").status, 200);
}

#[test]
fn the_protocol_is_the_one_that_was_agreed_on() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    for protocols in [&["http/1.1"][..], &[]] {
        let mut client = secure.connect_by(secure.authority.client(None, protocols));
        let refused = client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").response();
        assert_eq!(refused.status, 400, "{protocols:?}");
    }
    let mut client = secure.connect_by(secure.authority.client(None, &["h2"]));
    assert!(client.send("GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n").is_closed());
    assert!(upstream.received_nothing_else());
}

/// A client of HTTP/2, and how its connection ends.
async fn http_2(secure: &Secure) -> (http2::SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let connector = TlsConnector::from(Arc::new(secure.authority.client(None, &["h2", "http/1.1"])));
    let stream = tokio::net::TcpStream::connect(secure.address()).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

#[tokio::test]
async fn a_call_of_grpc_over_tls_has_its_trailers_and_its_refusal_a_status() {
    let upstream = Echo::start(100);
    let secure = Secure::with(Setup::http_2(&[upstream.address]), None);
    let (mut sender, _connection) = http_2(&secure).await;
    let call = |token: &str, body: &Bytes| {
        Request::post("https://api.example.com/t.T/Call")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::<Bytes>::from(body.clone()))
            .unwrap()
    };
    let message = Bytes::from(vec![7; MIB]);
    let refused = sender.send_request(call("no.to.ken", &message)).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["grpc-status"].as_bytes()), (401, &b"16"[..]));
    let answer = sender.send_request(call(&token("alice"), &message)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-trailer"], "end");
    assert!(body.to_bytes() == message);
}

#[tokio::test]
async fn http_2_is_agreed_on_and_spoken() {
    let upstream = mirror();
    let secure = Secure::before(&upstream);
    let (mut sender, connection) = http_2(&secure).await;
    let body: Bytes = (0..3 * MIB).map(|at| (at % 249) as u8).collect();
    let request = Request::post("https://api.example.com/a")
        .header("authorization", format!("Bearer {}", token("alice")))
        .body(Full::<Bytes>::from(body.clone()));
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    assert_eq!(header(&upstream.received(), "x-forwarded-proto"), Some("https"));
    secure.gateway.running.shutdown();
    // Were the connection to break off without a word, this would be an error.
    connection.await.unwrap().unwrap();
}

#[test]
fn a_session_is_resumed() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let config = Arc::new(secure.authority.client(None, &["http/1.1"]));
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = secured(TcpStream::connect(secure.address()).unwrap(), Arc::clone(&config), "localhost");
        stream.write_all(b"GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        kinds.push(format!("{:?}", stream.conn.handshake_kind().unwrap()));
    }
    assert_eq!(kinds, ["Full", "Resumed"]);
}

impl Client {
    /// Whether the rest of an answer of known length comes.
    fn response_is_whole(&mut self) -> bool {
        let mut length = 0;
        while let Some(some) = self.some() {
            length += some.len();
        }
        length == 64 * MIB
    }
}

#[test]
fn a_handshake_may_come_at_once_with_the_header_of_a_balancer() {
    /// Sends the header with the first bytes of TLS.
    struct Behind(TcpStream, Vec<u8>);
    impl Read for Behind {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Behind {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write_all(&[&std::mem::take(&mut self.1), bytes].concat())?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.proxy_protocol = vec!["127.0.0.1/32".parse().unwrap()];
    let secure = Secure::with(setup, None);
    let version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x0f\xa0\0\x50".to_vec();
    for head in [b"PROXY TCP4 203.0.113.9 10.0.0.1 4000 443\r\n".to_vec(), version_2] {
        let stream = TcpStream::connect(secure.address()).unwrap();
        let config = Arc::new(secure.authority.client(None, &["http/1.1"]));
        let name = ServerName::try_from("localhost").unwrap();
        let session = tokio_rustls::rustls::ClientConnection::new(config, name).unwrap();
        let mut client = Client::over(tokio_rustls::rustls::StreamOwned::new(session, Behind(stream, head)));
        assert_eq!(client.get("/a").status, 200);
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some("203.0.113.9"));
    }
    secure.handshakes("done", 2);
}
