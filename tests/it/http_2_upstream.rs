//! HTTP/2 to upstreams: streams, their ends, and what an upstream says of its connections.

use std::{
    convert::Infallible,
    io::Read,
    sync::{Mutex, atomic::Ordering, mpsc::channel},
    thread,
    time::Duration,
};

use bearergate::config::Limits;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    body::{Body, Frame},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;

use crate::support::{
    Gateway, Setup, Upstream,
    http_2_upstream::{DATA, END_STREAM, Echo, RST_STREAM, raw},
};

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const SOON: Duration = Duration::from_secs(10);
const POST: &str = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

fn before(upstream: &Upstream) -> Gateway {
    Setup::http_2(&[upstream.address]).start()
}

/// The count of one kind of error.
fn errors(gateway: &Gateway, kind: &str) -> u64 {
    let metrics = gateway.admin().get("/metrics").text();
    let label = format!("=\"{kind}\"");
    let line = metrics.lines().find(|line| line.contains("upstream_errors") && line.contains(&label));
    line.unwrap_or_else(|| panic!("{metrics}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn requests_of_http_1_1_become_requests_of_http_2() {
    let echo = Echo::start(100);
    let gateway = Setup::http_2(&[echo.address]).start();
    let mut client = gateway.connect();
    client.send(
        "POST /public/x?b=c&&d=%7E;%2f HTTP/1.1\r\nHost: Api.example.com:81\r\nTE: gzip, trailers\r\n\
         Connection: keep-alive, x-drop\r\nX-Drop: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\nCookie: a=1; b=2\r\n\
         Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n1\r\n!\r\n0\r\nX-Late: 1\r\n\r\n",
    );
    let response = client.response();
    assert_eq!((response.status, response.text().as_str(), response.complete), (200, "body!", true));
    assert_eq!(response.header("x-target"), Some("http://Api.example.com:81/public/x?b=c&&d=%7E;%2f"));
    assert_eq!(response.header("x-got-te"), Some("trailers"));
    assert_eq!(response.header("x-got-cookie"), Some("a=1; b=2"));
    assert_eq!(response.header("x-got-x-forwarded-host"), Some("Api.example.com:81"));
    let fields = response.header("x-fields").unwrap();
    for gone in
        ["host", "connection", "keep-alive", "upgrade", "x-drop", "transfer-encoding", "content-length", "x-late"]
    {
        assert!(!fields.split(' ').any(|field| field == gone), "{gone} in {fields}");
    }
    assert!(response.header("x-trailer").is_none());

    client.send(POST);
    let second = client.response();
    assert_eq!((second.text().as_str(), second.header("x-got-content-length")), ("body", Some("4")));
    assert_eq!(second.header("x-got-te"), None);
    client.send("HEAD /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200"));
    assert_eq!(client.get("/public/x").status, 200);
    assert_eq!(echo.connections.load(Ordering::SeqCst), 1);
}

async fn connect<B>(gateway: &Gateway) -> http2::SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = tokio::net::TcpStream::connect(gateway.running.address()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn trailers_reach_clients_of_http_2_and_large_bodies_come_back_whole() {
    let echo = Echo::start(100);
    let gateway = Setup::http_2(&[echo.address]).start();
    let mut sender = connect(&gateway).await;
    let body = Bytes::from((0..5_u32 << 20).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let request = Request::post("http://api.example.com/public/x").header("te", "trailers");
    let response = sender.send_request(request.body(Full::from(body.clone())).unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-target"], "http://api.example.com/public/x");
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-trailer"], "end");
    assert!(collected.to_bytes() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_requests_share_a_connection_as_the_upstream_allows() {
    for streams in [1, 10, 1000] {
        let echo = Echo::start(streams);
        let gateway = Setup::http_2(&[echo.address]).start();
        let sender = connect(&gateway).await;
        let calls: Vec<_> = (0..50)
            .map(|number| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    let request = Request::post(format!("http://a/public/slow/{number}"));
                    let request = request.body(Full::from(number.to_string())).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes())
                })
            })
            .collect();
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), (200, Bytes::from(number.to_string())), "{streams}");
        }
        assert!(echo.most.load(Ordering::SeqCst) <= streams as usize, "{streams}");
        let connections = echo.connections.load(Ordering::SeqCst);
        assert!(connections <= 50 && (connections == 1) == (streams == 1000), "{streams}: {connections}");
        assert_eq!(errors(&gateway, "connect") + errors(&gateway, "reset"), 0);
    }
}

#[test]
fn clients_that_take_their_time_over_an_answer_hold_up_no_other_one() {
    let echo = Echo::start(100);
    let gateway = Setup::http_2(&[echo.address]).start();
    let slow: Vec<_> = (0..30)
        .map(|_| {
            let mut client = gateway.connect();
            client.send("GET /public/large HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(client.head().starts_with("HTTP/1.1 200"));
            client
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    let mut client = gateway.connect();
    client.send(POST);
    assert_eq!(client.response().text(), "body");
    assert_eq!(echo.connections.load(Ordering::SeqCst), 1);
    drop(slow);
}

#[test]
fn a_client_that_goes_away_has_its_stream_cancelled() {
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| {
        // The second time the client goes away in the middle of the answer.
        for begins in [false, true] {
            let (stream, _) = upstream.request().unwrap();
            if begins {
                upstream.begin(stream);
            }
            tell.send(0).unwrap();
            tell.send(upstream.reset_by_gateway().unwrap().0).unwrap();
        }
    });
    let gateway = before(&upstream);
    for _ in 0..2 {
        let mut client = gateway.connect();
        client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(told.recv_timeout(SOON), Ok(0));
        drop(client);
        assert_eq!(told.recv_timeout(SOON), Ok(CANCEL));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_stream_that_the_upstream_resets_is_no_answer_and_never_a_whole_one() {
    let upstream = raw(|mut upstream| {
        while let Some((stream, body)) = upstream.request() {
            // Not even the reasons that mean no harm make an end of it.
            match stream {
                1 => upstream.reset(stream, INTERNAL_ERROR),
                3 | 5 | 7 => {
                    upstream.begin(stream);
                    upstream.send(DATA, 0, stream, b"half");
                    upstream.reset(stream, [INTERNAL_ERROR, 0, CANCEL][(stream as usize - 3) / 2]);
                }
                _ => upstream.answer(stream, &body),
            }
        }
    });
    let gateway = before(&upstream);
    let post = || {
        let mut client = gateway.connect();
        client.send(POST);
        client.response()
    };
    assert_eq!(post().status, 502);
    assert_eq!(errors(&gateway, "reset"), 1);
    for _ in 0..3 {
        // The reset may overtake the head.
        let response = post();
        assert!(response.status == 502 || !response.complete, "{}", response.head);
    }
    assert_eq!(errors(&gateway, "reset") + errors(&gateway, "truncated"), 4);
    assert_eq!(post().text(), "body");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_refused_stream_is_tried_again_as_often_as_the_upstreams_retries_allow() {
    let upstream = raw(|mut upstream| {
        while let Some((stream, body)) = upstream.request() {
            if stream == 3 { upstream.answer(stream, &body) } else { upstream.reset(stream, REFUSED_STREAM) }
        }
    });
    let gateway = before(&upstream);
    let mut client = gateway.connect();
    client.send(POST);
    assert_eq!(client.response().text(), "body");
    client.send(POST);
    assert_eq!(client.response().status, 502);
}

#[test]
fn a_request_above_the_last_stream_of_a_goaway_goes_by_another_connection() {
    let upstream = raw(|mut upstream| {
        let (first, body) = upstream.request().unwrap();
        upstream.answer(first, &body);
        // What comes later is not looked at.
        if upstream.request().is_some() {
            upstream.go_away(first);
            while upstream.next().is_some() {}
        }
    });
    let mut setup = Setup::http_2(&[upstream.address]);
    setup.upstream.retries = 0;
    let gateway = setup.start();
    let mut client = gateway.connect();
    // Each answer but the first comes by a new connection, from which the last request has been sent off.
    for connections in 1..=4 {
        client.send(POST);
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "body"));
        assert_eq!(upstream.connections(), connections);
    }
}

#[test]
fn a_goaway_ends_no_request_below_it_and_lets_no_new_one_in() {
    let (tell, told) = channel();
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = raw(move |mut upstream| {
        let (stream, body) = upstream.request().unwrap();
        if body == b"last" {
            upstream.answer(stream, b"by another one");
        } else {
            upstream.go_away(stream);
            tell.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            upstream.answer(stream, b"by the first one");
        }
        while upstream.next().is_some() {}
    });
    let gateway = before(&upstream);
    let (mut first, mut second) = (gateway.connect(), gateway.connect());
    first.send(POST);
    told.recv_timeout(SOON).unwrap();
    second.send(POST.replace("body", "last"));
    assert_eq!(second.response().text(), "by another one");
    go_on.send(()).unwrap();
    assert_eq!(first.response().text(), "by the first one");
}

#[test]
fn an_upstream_that_starts_again_between_requests_fails_none() {
    let upstream = raw(|mut upstream| {
        let (stream, body) = upstream.request().unwrap();
        upstream.answer(stream, &body);
    });
    let gateway = before(&upstream);
    for connections in 1..=3 {
        let mut client = gateway.connect();
        client.send(POST);
        assert_eq!(client.response().text(), "body");
        assert_eq!(upstream.connections(), connections);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_504_and_its_stream_is_cancelled() {
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| tell.send(upstream.reset_by_gateway()).unwrap());
    let mut setup = Setup::http_2(&[upstream.address]);
    setup.upstream.response_timeout = Duration::from_millis(100);
    let gateway = setup.start();
    assert_eq!(gateway.get("/public/x").status, 504);
    assert_eq!(told.recv_timeout(SOON).unwrap(), Some((CANCEL, true)));
    assert_eq!(errors(&gateway, "timeout"), 1);
}

#[test]
fn an_upstream_that_does_not_speak_http_2_is_a_502() {
    let http_1 = Upstream::ok();
    assert_eq!(before(&http_1).get("/public/x").status, 502);
    // Of the request nothing got there.
    assert!(http_1.received().starts_with("PRI * HTTP/2.0"));
    let silent = Upstream::start(|mut line| while line.stream.read(&mut [0; 1000]).is_ok_and(|read| read > 0) {});
    let mut setup = Setup::http_2(&[silent.address]);
    setup.upstream.connect_timeout = Duration::from_millis(100);
    let gateway = setup.start();
    assert_eq!(gateway.get("/public/x").status, 502);
    // Once more for the one retry.
    assert_eq!(errors(&gateway, "connect"), 2);
}

#[test]
fn a_body_that_is_too_long_stalls_or_breaks_off_is_never_a_whole_one_for_the_upstream() {
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| {
        while let Some(reset) = upstream.reset_by_gateway() {
            tell.send(reset).unwrap();
        }
    });
    let limits = Limits {
        body_bytes: 10,
        idle_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let gateway = Setup::http_2(&[upstream.address]).limits(limits).start();
    let chunked = "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n";
    for (rest, status) in [("7\r\ntoolong\r\n0\r\n\r\n", 413), ("", 400), ("x\r\n", 400)] {
        let mut client = gateway.connect();
        client.send(chunked);
        thread::sleep(Duration::from_millis(50));
        client.send(rest);
        assert_eq!(client.response().status, status, "{rest:?}");
        assert_eq!(told.recv_timeout(SOON), Ok((CANCEL, false)), "{rest:?}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn what_a_client_sends_waits_for_the_upstreams_window() {
    // Its windows stay as they were at first: 65,535 bytes.
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| {
        let mut received = 0;
        while let Some(frame) = upstream.next().filter(|frame| frame.kind != RST_STREAM) {
            received += if frame.kind == DATA { frame.payload.len() } else { 0 };
        }
        tell.send(received).unwrap();
    });
    let mut setup = Setup::http_2(&[upstream.address]);
    setup.upstream.response_timeout = Duration::from_millis(500);
    let gateway = setup.start();
    let mut client = gateway.connect();
    let length = 64 << 20;
    client.send(format!("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    let mut sent = 0;
    while sent < length && client.try_send([b'x'; 64 << 10]) {
        sent += 64 << 10;
    }
    assert_eq!(told.recv_timeout(SOON), Ok(65_535));
    assert!(sent < length, "{sent}");
}

#[tokio::test]
async fn an_answer_that_comes_early_ends_the_request() {
    let (tell, told) = channel();
    let upstream = raw(move |mut upstream| {
        let stream = upstream.next().unwrap().stream;
        upstream.begin(stream);
        upstream.send(DATA, 0, stream, b"enough ");
        // The request goes on meanwhile.
        let frame = upstream.next().unwrap();
        upstream.send(DATA, END_STREAM, stream, &frame.payload);
        tell.send(upstream.reset_by_gateway()).unwrap();
    });
    let gateway = before(&upstream);
    let (say, said) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let mut sender = connect(&gateway).await;
    let request = Request::post("http://a/public/x").body(StreamBody::new(ReceiverStream::new(said))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    say.send(Ok(Frame::data(Bytes::from("body")))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "enough body");
    assert_eq!(told.recv_timeout(SOON).unwrap(), Some((CANCEL, false)));
}
