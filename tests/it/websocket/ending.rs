//! How a WebSocket ends, and a stream that must not outlive its token.

use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use super::*;
use crate::support::http_2::{Answer, RawHttp2};

fn closed(socket: &mut WebSocket<TcpStream>) -> (u16, String) {
    loop {
        match socket.read().unwrap() {
            Message::Close(Some(CloseFrame { code, reason })) => return (code.into(), reason.as_str().to_owned()),
            Message::Close(None) => return (0, String::new()),
            _ => {}
        }
    }
}

/// An upstream that tells how each of its WebSockets was closed.
fn telling() -> (Upstream, std::sync::mpsc::Receiver<Option<(u16, String)>>) {
    let (tell, told) = channel();
    let upstream = Upstream::start(move |line| {
        let Some((mut socket, _)) = granted(line, "") else { return };
        let mut how = None;
        while let Ok(message) = socket.read() {
            match message {
                Message::Close(Some(CloseFrame { code, reason })) => {
                    how = Some((code.into(), reason.as_str().to_owned()))
                }
                message if message.is_text() => socket.send(message).unwrap(),
                _ => {}
            }
        }
        tell.send(how).unwrap();
    });
    (upstream, told)
}

#[test]
fn at_the_end_of_the_token_both_ends_are_told_where_the_route_says_so() {
    let (upstream, told) = telling();
    let (gateway, clock) = gateway_with("", &upstream);
    let (mut bound, mut free) = (open(&gateway, "/ends"), open(&gateway, "/header"));
    clock.advance(Duration::from_secs(59));
    thread::sleep(Duration::from_millis(1500));
    for socket in [&mut bound, &mut free] {
        socket.send(Message::text("still")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still"));
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(closed(&mut bound), (1008, "token expired".to_owned()));
    while bound.read().is_ok() {}
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((1008, "token expired".to_owned())));
    wait_until("it is counted", || metric(&gateway, "streams_ended_with_token_total") == 1);
    free.send(Message::text("and I")).unwrap();
    assert_eq!(free.read().unwrap(), Message::text("and I"), "it was let in, and nobody said that it has to go");
}

#[test]
fn a_token_that_is_revoked_ends_it_too() {
    let (upstream, told) = telling();
    let (gateway, _) = gateway_with("", &upstream);
    let mut socket = open(&gateway, "/ends");
    let body = serde_json::json!({ "issuer": "main", "subject": "alice" }).to_string();
    let head = format!(
        "POST /revocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let revoked = gateway.admin().send(head + &body).response();
    assert!(revoked.status < 300, "{} {}", revoked.head, revoked.text());
    assert_eq!(closed(&mut socket), (1008, "token revoked".to_owned()));
    drop(socket);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((1008, "token revoked".to_owned())));
}

#[test]
fn the_farewell_goes_between_two_frames_and_does_not_wait_for_ever() {
    for finished in [true, false] {
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let upstream = Upstream::start(move |line| {
            let Some((mut socket, _)) = granted(line, "") else { return };
            let stream = socket.get_mut();
            std::io::Write::write_all(stream, b"\x81\x06hal").unwrap();
            let _ = wait.lock().unwrap().recv();
            if finished {
                std::io::Write::write_all(stream, b"ves\x81\x03late").unwrap();
            }
            // A real end would answer the farewell within its own frame.
            while std::io::Read::read(stream, &mut [0; 100]).is_ok_and(|read| read > 0) {}
        });
        let (gateway, clock) = gateway_with("", &upstream);
        let (mut client, response) = shake(&gateway, "/ends", &authorization());
        assert_eq!(response.status, 101);
        let mut read = client.some().unwrap();
        clock.advance(Duration::from_secs(60));
        thread::sleep(Duration::from_millis(1300));
        go.send(()).unwrap();
        while let Some(more) = client.some() {
            read.extend(more);
            if read.ends_with(b"token expired") {
                break;
            }
        }
        let whole: &[u8] = if finished { b"\x81\x06halves\x88\x0f\x03\xf0token expired" } else { b"\x81\x06hal" };
        assert_eq!(read, whole, "{finished}");
    }
}

#[test]
fn a_gateway_that_drains_says_that_it_goes_away() {
    let (upstream, told) = telling();
    let gateway = gateway(&upstream);
    let mut socket = open(&gateway, "/ws");
    gateway.running.shutdown();
    assert_eq!(closed(&mut socket), (1001, "going away".to_owned()));
    while socket.read().is_ok() {}
    gateway.running.wait().unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((1001, "going away".to_owned())));
}

#[test]
fn one_on_which_nothing_happens_is_closed_after_its_own_limit() {
    let (upstream, told) = telling();
    let limits = "[limits]\nidle_timeout = '100ms'\nbody_timeout = '100ms'\ntunnel_idle_timeout = '1s'\n";
    let (gateway, _) = gateway_with(limits, &upstream);
    let mut socket = open(&gateway, "/ws");
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(400));
        socket.send(Message::text("here")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("here"), "longer than idle_timeout, and than its own in all");
    }
    assert_eq!(closed(&mut socket), (1001, "idle for too long".to_owned()));
    drop(socket);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((1001, "idle for too long".to_owned())));
    wait_until("it is counted", || metric(&gateway, "upgrades_idle_total") == 1);
}

#[test]
fn a_close_of_either_end_arrives_as_it_was_said() {
    let (upstream, told) = telling();
    let gateway = gateway(&upstream);
    let mut socket = open(&gateway, "/ws");
    let reason = CloseFrame { code: CloseCode::Library(4001), reason: "enough".into() };
    socket.close(Some(reason)).unwrap();
    assert_eq!(closed(&mut socket), (4001, "enough".to_owned()));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((4001, "enough".to_owned())));
}

#[test]
fn whoever_goes_away_takes_the_other_end_along() {
    let (upstream, told) = telling();
    let gateway = gateway(&upstream);
    drop(open(&gateway, "/ws"));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), None);
    let leaving = Upstream::start(|line| drop(granted(line, "")));
    let gateway = super::gateway(&leaving);
    let mut socket = open(&gateway, "/ws");
    assert!(socket.read().is_err());
    drop(socket);
    wait_until("it is open no more", || metric(&gateway, "upgrades_active") == 0);
}

/// An upstream of events without end, which tells when nobody takes them any more.
fn events() -> (Upstream, std::sync::mpsc::Receiver<()>) {
    let (gone, left) = channel();
    let upstream = Upstream::start(move |mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        while line.send("9\r\ndata: x\n\n\r\n") {
            thread::sleep(Duration::from_millis(20));
        }
        gone.send(()).unwrap();
    });
    (upstream, left)
}

#[test]
fn an_answer_is_cut_off_at_the_end_of_its_token() {
    let (upstream, left) = events();
    let (gateway, clock) = gateway_with("", &upstream);
    let mut client = gateway.connect();
    client.send(format!("GET /events HTTP/1.1\r\nHost: api\r\n{}\r\n", authorization())).head();
    assert_eq!(client.chunk().unwrap(), b"data: x\n\n");
    clock.advance(Duration::from_secs(60));
    while let Some(chunk) = client.chunk() {
        assert!(!chunk.is_empty(), "it never looks complete");
    }
    left.recv_timeout(PATIENCE).unwrap();
    wait_until("it is counted", || metric(&gateway, "streams_ended_with_token_total") == 1);
}

#[test]
fn a_stream_of_http_2_is_reset_at_the_end_of_its_token() {
    let (upstream, left) = events();
    let (gateway, clock) = gateway_with("", &upstream);
    let authorization = format!("Bearer {}", token("alice"));
    let clients = ["text/plain", "application/grpc"].map(|kind| {
        let mut client = RawHttp2::connect(gateway.running.address(), 1 << 20);
        client.send(b"GET", b"/events", &[("authorization", &authorization), ("content-type", kind)]);
        assert_eq!(client.answer(), Answer::Success);
        client
    });
    clock.advance(Duration::from_secs(60));
    for mut client in clients {
        assert_eq!(client.resets(1), 1);
        left.recv_timeout(PATIENCE).unwrap();
    }
}
