//! What a client of HTTP/2 cannot do to the gateway (RFC 9113 §10.5): each flood ends its own connection, soon and with
//! little memory, and nobody else notices.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    Gateway, Upstream,
    http_2::{Answer, RawHttp2, literal},
};

const ENHANCE_YOUR_CALM: u32 = 11;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a request, before fields of its own.
fn request(method: &str, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [(":method", method), (":scheme", "http"), (":authority", "api"), (":path", path)] {
        literal(&mut block, name, value.as_bytes());
    }
    block
}

/// An upstream that answers when the test is over: what is broken off is broken off in the gateway.
fn slow() -> Upstream {
    Upstream::start(|mut line| {
        line.request();
        line.fill();
    })
}

fn upstream() -> Upstream {
    Upstream::start(|mut line| {
        while line.request().is_some() {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

fn connect(gateway: &Gateway) -> RawHttp2 {
    RawHttp2::connect(gateway.running.address(), 65_535)
}

/// In KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// That this ends the connection within seconds, with this code if one arrives, and that others are still served.
#[track_caller]
fn assert_ends(what: &str, gateway: &Gateway, flood: impl FnOnce(&mut RawHttp2)) {
    let (before, began) = (memory(), Instant::now());
    let mut client = connect(gateway);
    flood(&mut client);
    let code = client.end();
    // A connection that is reset may take the code with it.
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{what}: {code:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{what}");
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{what}: {grown} KiB");
    assert_eq!(connect(gateway).send_and_wait(b"/public/x"), Answer::Success, "{what}");
}

#[test]
fn frames_without_content_end_the_connection_over_a_rate() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    for (number, (what, frame)) in [
        ("PING", frame(6, 0, 0, &[0; 8])),
        ("acknowledged PING", frame(6, 1, 0, &[0; 8])),
        ("SETTINGS", frame(4, 0, 0, &[])),
        ("PRIORITY", frame(2, 0, 3, &[0, 0, 0, 1, 1])),
        ("WINDOW_UPDATE", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xfa, 0, 0, &[0; 3])),
    ]
    .into_iter()
    .enumerate()
    {
        assert_ends(what, &gateway, |client| client.write(&frame.repeat(20_000)));
        let metrics = gateway.admin().get("/metrics").text();
        assert!(metrics.contains(&format!("bearergate_http2_floods_total {}\n", number + 1)), "{what}: {metrics}");
    }
}

#[test]
fn what_a_client_does_at_most_is_let_through() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    let mut client = connect(&gateway);
    for _ in 0..20 {
        client.write(&frame(6, 0, 0, &[0; 8]).repeat(20));
        client.write(&frame(8, 0, 0, &[0, 0, 0, 1]).repeat(20));
        assert_eq!(client.send_and_wait(b"/public/x"), Answer::Success);
    }
    assert!(gateway.admin().get("/metrics").text().contains("bearergate_http2_floods_total 0\n"));
}

#[test]
fn empty_data_ends_the_connection() {
    let upstream = slow();
    let gateway = Gateway::before(&upstream);
    let mut client = connect(&gateway);
    let stream = client.block(END_HEADERS, &request("POST", "/public/x"));
    client.write(&frame(0, 0, stream, &[]).repeat(50_000));
    assert!(client.end().is_none_or(|code| code == ENHANCE_YOUR_CALM));
}

#[test]
fn requests_that_are_reset_at_once_end_the_connection() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    let pairs = |client: &mut RawHttp2, path: &str, together: usize| {
        let block = request("GET", path);
        let mut frames = Vec::new();
        for number in 0..10_000_u32 {
            let stream = 2 * number + 1;
            frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
            frames.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
            if (number as usize).is_multiple_of(together) {
                client.write(&std::mem::take(&mut frames));
                if together == 1 {
                    std::thread::yield_now();
                }
            }
        }
        client.write(&frames);
    };
    // All at once, before a request is taken up; and one by one, so that each has begun.
    assert_ends("all at once", &gateway, |client| pairs(client, "/public/x", 100_000));
    assert_ends("one by one", &gateway, |client| pairs(client, "/public/x", 1));
    assert_ends("refused", &gateway, |client| pairs(client, "/private", 1));
}

#[test]
fn requests_that_the_gateway_itself_resets_end_the_connection() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    assert_ends("bad fields", &gateway, |client| {
        let mut block = request("GET", "/public/x");
        literal(&mut block, "connection", b"close");
        for _ in 0..2_000 {
            client.block(END_HEADERS | END_STREAM, &block);
        }
    });
}

#[test]
fn heads_without_end_end_the_connection() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    for length in [0, 1, 1000, 16_000] {
        assert_ends("CONTINUATION", &gateway, |client| {
            let stream = client.block(END_STREAM, &request("GET", "/public/x"));
            let mut field = Vec::new();
            literal(&mut field, "x", &vec![b'a'; length]);
            let field = if length == 0 { Vec::new() } else { field };
            for _ in 0..50 {
                client.write(&frame(9, 0, stream, &field).repeat(200));
            }
        });
    }
}

#[test]
fn a_field_that_is_remembered_and_repeated_is_counted_each_time() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    let before = memory();
    let mut client = connect(&gateway);
    // 4 KiB in the dynamic table (RFC 7541 §6.2.1), and then the same again by a single byte each (§6.1).
    let mut block = request("GET", "/public/x");
    let mut remembered = Vec::new();
    literal(&mut remembered, "x", &vec![b'a'; 3_900]);
    remembered[0] = 0x40;
    block.extend(remembered);
    block.extend([0xbe; 8_000]);
    for _ in 0..20 {
        client.block(END_HEADERS | END_STREAM, &block);
    }
    assert_ne!(client.answer(), Answer::Success);
    assert!(memory().saturating_sub(before) < 64 * 1024);
    assert_eq!(upstream.connections(), 0);
    assert_eq!(connect(&gateway).send_and_wait(b"/public/x"), Answer::Success);
}

#[test]
fn more_streams_than_are_allowed_are_refused_and_the_others_wait() {
    let upstream = slow();
    let gateway = Gateway::before(&upstream);
    let mut client = connect(&gateway);
    for _ in 0..140 {
        client.block(END_HEADERS | END_STREAM, &request("GET", "/public/x"));
    }
    assert_eq!(client.resets(12), 12);
    let in_flight = || {
        let metrics = gateway.admin().get("/metrics").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("bearergate_requests_in_flight ")).unwrap();
        line.parse::<usize>().unwrap()
    };
    let began = Instant::now();
    while in_flight() < 128 && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(in_flight(), 128);
}

#[test]
fn a_client_promises_nothing() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    let mut client = connect(&gateway);
    let promise = [&[0, 0, 0, 4][..], &request("GET", "/public/x")].concat();
    client.write(&frame(5, END_HEADERS, 1, &promise));
    let code = client.end();
    assert!(code.is_none_or(|code| code == 1), "{code:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn fields_that_belong_to_a_connection_are_refused_and_nothing_is_forwarded() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream);
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("X-Upper", "a"),
        (":path", "/other"),
        (":status", "200"),
        ("a b", "x"),
        ("x", "a\r\nb: c"),
        ("x", " a"),
        ("x", "a\t"),
    ] {
        let mut client = connect(&gateway);
        client.send(b"GET", b"/public/x", &[(name, value)]);
        let answer = client.answer();
        assert!(matches!(answer, Answer::Refused | Answer::Reset), "{name}: {answer:?}");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(connect(&gateway).send_and_wait(b"/public/x"), Answer::Success);
}
