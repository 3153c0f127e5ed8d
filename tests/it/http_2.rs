//! HTTP/2 with prior knowledge in, HTTP/1.1 out.

use std::time::Duration;

use bearergate::config::Limits;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{
    Gateway, Setup, Upstream,
    client::header,
    http_2::{Answer, RawHttp2},
    token,
};

type Sender = http2::SendRequest<Full<Bytes>>;

async fn connect(gateway: &Gateway) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = tokio::net::TcpStream::connect(gateway.running.address()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn send(sender: &mut Sender, request: http::request::Builder, body: &'static str) -> Response<Incoming> {
    sender.send_request(request.body(Full::from(body)).unwrap()).await.unwrap()
}

async fn text(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn requests_of_http_2_become_requests_of_http_1_1() {
    let upstream = Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            line.send(format!("HTTP/1.1 200 OK\r\nKeep-Alive: x\r\nContent-Length: {}\r\n\r\n", body.len()));
            line.send(body);
        }
    });
    let gateway = Gateway::before(&upstream);
    let (mut sender, _connection) = connect(&gateway).await;
    let request = Request::post("http://api.example.com/a?b=c")
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("te", "trailers")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x_user_id", "root");
    let response = send(&mut sender, request, "body").await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(text(response).await, "body");
    let head = upstream.received();
    assert!(head.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some("api.example.com"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("api.example.com"));
    assert_eq!(header(&head, "cookie"), Some("a=1; b=2"));
    assert_eq!(header(&head, "x-user-id"), Some("alice"));
    assert!(header(&head, "te").is_none() && !head.contains("root"));

    let refused = send(&mut sender, Request::get("http://api.example.com/a"), "").await;
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn authority_and_host_must_agree() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let (mut sender, _connection) = connect(&gateway).await;
    let two_hosts = Request::get("http://api.example.com/public/x").header("host", "evil.example");
    assert_eq!(send(&mut sender, two_hosts, "").await.status(), 400);
    let userinfo = Request::get("http://root@api.example.com/public/x");
    let answered = sender.send_request(userinfo.body(Full::default()).unwrap()).await;
    assert!(answered.is_err() || answered.is_ok_and(|response| response.status() == 400));
    assert_eq!(upstream.connections(), 0);
    let good = Request::get("http://api.example.com/public/x").header("host", "api.example.com");
    assert_eq!(text(send(&mut sender, good, "").await).await, "ok");
}

#[tokio::test]
async fn streams_of_one_connection_are_served_side_by_side() {
    let upstream = Upstream::start(|mut line| {
        let (head, _) = line.request().unwrap();
        // The first waits until its connection is closed; it never holds the second up.
        if head.contains("/slow") {
            line.fill();
        } else {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::before(&upstream);
    let (mut sender, _connection) = connect(&gateway).await;
    let slow = sender.send_request(Request::get("http://a/public/slow").body(Full::default()).unwrap());
    let fast = send(&mut sender, Request::get("http://a/public/fast"), "").await;
    assert_eq!(text(fast).await, "ok");
    drop(slow);
}

#[tokio::test]
async fn a_truncated_answer_resets_the_stream() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let gateway = Gateway::before(&upstream);
    let (mut sender, _connection) = connect(&gateway).await;
    // The reset may overtake the head.
    let request = Request::get("http://a/public/x").body(Full::default()).unwrap();
    if let Ok(response) = sender.send_request(request).await {
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_refused_and_spoils_no_upstream_connection() {
    let upstream = Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::before(&upstream);
    for length in [2, 10] {
        let (mut sender, _connection) = connect(&gateway).await;
        let request = Request::post("http://a/public/x").header("content-length", length);
        let answered = sender.send_request(request.body(Full::from("body")).unwrap()).await;
        assert!(answered.is_err() || answered.is_ok_and(|response| response.status() == 400), "{length}");
    }
    let (mut sender, _connection) = connect(&gateway).await;
    assert_eq!(text(send(&mut sender, Request::get("http://a/public/x"), "").await).await, "ok");
}

#[tokio::test]
async fn a_drain_says_goaway() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let (mut sender, connection) = connect(&gateway).await;
    assert_eq!(text(send(&mut sender, Request::get("http://a/public/x"), "").await).await, "ok");
    gateway.running.shutdown();
    connection.await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[test]
fn a_stream_whose_window_stays_shut_is_reset_and_the_others_go_on() {
    let (gone, told) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while line.send([b'x'; 10_000]) {}
        gone.send(()).unwrap();
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    for (window, path) in [(0, &b"/public/large"[..]), (1000, b"/public/large"), (0, b"/refused")] {
        let mut client = RawHttp2::connect(gateway.running.address(), window);
        for _ in 0..3 {
            client.send(b"GET", path, &[]);
        }
        assert_eq!(client.resets(3), 3, "{window}");
    }
    for _ in 0..6 {
        told.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert!(gateway.admin().get("/metrics").text().contains("bearergate_requests_in_flight 0\n"));
}

#[test]
fn an_upstream_that_takes_its_time_over_its_answer_is_not_taken_for_a_shut_window() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        std::thread::sleep(Duration::from_millis(500));
        line.send("1\r\nb\r\n");
        std::thread::sleep(Duration::from_millis(500));
        line.send("0\r\n\r\n");
    });
    let limits = Limits {
        idle_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let gateway = Setup::new(&[upstream.address]).limits(limits).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut sender, _connection) = connect(&gateway).await;
        assert_eq!(text(send(&mut sender, Request::get("http://a/public/x"), "").await).await, "ab");
    });
}

/// RFC 9113 §8.1.1 to §8.3.1: a request with any of them is malformed.
const MALFORMED: [(&str, &str); 26] = [
    ("connection", "close"),
    ("connection", "x-user-id"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("te", "gzip"),
    ("x", "a\r\nx-user-id: root"),
    ("x", "a\nx-user-id: root"),
    ("x", "a\rb"),
    ("x", "a\0b"),
    ("x\r\nx-user-id", "root"),
    ("x:y", "1"),
    ("x y", "1"),
    ("x\0", "1"),
    ("X-Upper", "1"),
    ("", "1"),
    (":status", "200"),
    (":unknown", "1"),
    (":path", "/public/y"),
    (":method", "POST"),
    (":authority", "evil"),
    ("host", "evil"),
    ("content-length", "5"),
    ("content-length", "+0"),
    ("content-length", "0x0"),
];

#[test]
fn a_field_that_a_request_of_http_2_cannot_have_costs_its_stream_and_reaches_no_upstream() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    for field in MALFORMED {
        let mut client = RawHttp2::connect(gateway.running.address(), 65_535);
        client.send(b"GET", b"/public/malformed", &[field]);
        let answer = client.answer();
        assert!(matches!(answer, Answer::Refused | Answer::Reset), "{field:?}: {answer:?}");
        // Neither what it shares with others, nor what is asked next, takes any harm.
        let mut other = RawHttp2::connect(gateway.running.address(), 65_535);
        assert_eq!(other.send_and_wait(b"/public/good"), Answer::Success, "{field:?}");
        let received = upstream.received();
        assert!(received.starts_with("GET /public/good HTTP/1.1\r\n") && !received.contains("root"), "{received}");
    }
    assert!(upstream.received_nothing_else());
    assert_eq!(upstream.connections(), 1, "and the connection to the upstream is the one that it was");
}
