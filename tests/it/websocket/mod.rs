//! WebSocket through the gateway: real ends, whose frames nobody changes, and raw ones for what they would not do.

mod attacks;
mod ending;

use std::{
    net::TcpStream,
    path::Path,
    sync::{Mutex, mpsc::channel},
    thread,
    time::Duration,
};

use bearergate::clock::Clock;
use tungstenite::{
    Message, WebSocket,
    client::IntoClientRequest,
    handshake::{client::Request, derive_accept_key},
    http::HeaderValue,
    protocol::Role,
};

use crate::support::{
    Client, Gateway, Upstream,
    client::{PATIENCE, Response, header},
    deployment::deploy,
    token, token_with,
    upstream::Line,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const CONFIGURATION: &str = "
[identity_headers]
'X-User-Id' = 'sub'
[issuer.main]
algorithms = ['HS256']
secret = { env = 'KEY' }
[[route]]
match = '* /ws'
upgrade = ['websocket']
websocket_token = 'subprotocol'
[[route]]
match = 'GET /header'
upgrade = ['websocket']
[[route]]
match = 'GET /admin'
permissions = ['ADMIN']
upgrade = ['websocket']
[[route]]
match = 'GET /open'
access = 'public'
upgrade = ['websocket']
[[route]]
match = 'GET /ends'
upgrade = ['websocket']
close_at_exp = true
[[route]]
match = 'GET /events'
close_at_exp = true
[[route]]
match = 'GET /plain'
";

fn gateway(upstream: &Upstream) -> Gateway {
    gateway_with("", upstream).0
}

fn gateway_with(more: &str, upstream: &Upstream) -> (Gateway, Clock) {
    deploy(&format!("{CONFIGURATION}\n{more}"), Path::new(""), upstream.address)
}

/// Reads a handshake and grants it, with these fields besides; the connection and the request's head.
fn granted(mut line: Line, more: &str) -> Option<(WebSocket<TcpStream>, String)> {
    let head = line.head()?;
    let accept = derive_accept_key(header(&head, "sec-websocket-key")?.as_bytes());
    line.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    ));
    Some((WebSocket::from_raw_socket(line.stream, Role::Server, None), head))
}

/// An upstream that grants every handshake with these fields, and sends every message back.
fn echo(more: &'static str) -> Upstream {
    Upstream::start(move |line| {
        let Some((mut socket, _)) = granted(line, more) else { return };
        while let Ok(message) = socket.read() {
            if !message.is_close() && !message.is_ping() && socket.send(message).is_err() {
                break;
            }
        }
    })
}

/// The request of a real client, with a token of alice's.
fn request(path: &str) -> Request {
    let mut request = format!("ws://api{path}").into_client_request().unwrap();
    let authorization = HeaderValue::try_from(format!("Bearer {}", token("alice"))).unwrap();
    request.headers_mut().insert("authorization", authorization);
    request
}

fn stream(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.running.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A real client on a path.
fn open(gateway: &Gateway, path: &str) -> WebSocket<TcpStream> {
    tungstenite::client(request(path), stream(gateway)).unwrap().0
}

/// A handshake as bytes, with these fields besides.
fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: api\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

fn authorization() -> String {
    format!("Authorization: Bearer {}\r\n", token("alice"))
}

fn shake(gateway: &Gateway, path: &str, more: &str) -> (Client, Response) {
    let mut client = gateway.connect();
    let response = client.send(handshake(path, more)).response();
    (client, response)
}

/// The number that a metric shows.
fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.admin().get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("bearergate_{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is() {
            return;
        }
        thread::sleep(Duration::from_millis(25));
    }
    panic!("{what}");
}

#[test]
fn messages_go_both_ways_between_real_ends() {
    let upstream = Upstream::start(|line| {
        let mut socket = tungstenite::accept(line.stream).unwrap();
        while let Ok(message) = socket.read() {
            if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                break;
            }
        }
    });
    let gateway = gateway(&upstream);
    let mut socket = open(&gateway, "/ws");
    let large: Vec<u8> = (0..1_500_000_u32).map(|index| (index % 251) as u8).collect();
    for message in [Message::text("hello"), Message::binary(large), Message::text(""), Message::text("grüße")] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.send(Message::Ping("here?".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("here?".into()));
    assert_eq!((metric(&gateway, "upgrades_active"), metric(&gateway, "requests_in_flight")), (1, 1));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    wait_until("it is open no more", || metric(&gateway, "upgrades_active") == 0);
    assert_eq!((metric(&gateway, "upgrades_total"), metric(&gateway, "requests_in_flight")), (1, 0));
    let again = open(&gateway, "/ws");
    assert_eq!(upstream.connections(), 2, "a connection that was a WebSocket is none of the pool's");
    drop(again);
}

#[test]
fn the_upstream_is_told_who_it_is_and_gets_the_handshake() {
    let upstream = echo("Sec-WebSocket-Extensions: permessage-deflate\r\nX-Of-Upstream: 1\r\n");
    let gateway = gateway(&upstream);
    let more = format!("{}X-User-Id: root\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", authorization());
    let (_client, response) = shake(&gateway, "/header?a=b", &more);
    assert_eq!(response.status, 101, "{}", response.head);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("x-of-upstream", "1"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!(response.header("sec-websocket-protocol"), None);
    let seen = upstream.received();
    assert!(seen.starts_with("GET /header?a=b HTTP/1.1\r\n"), "{seen}");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("x-user-id", "alice"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(header(&seen, name), Some(value), "{name}: {seen}");
    }
}

#[test]
fn the_token_may_stand_among_the_subprotocols_where_the_route_says_so() {
    let token = token("alice");
    let (plain, choosing) = (echo(""), echo("Sec-WebSocket-Protocol: app.v1\r\n"));
    let (before_plain, before_choosing) = (gateway(&plain), gateway(&choosing));
    for (gateway, upstream, offered, forwarded, answered) in [
        (&before_plain, &plain, format!("bearer, {token}"), None, "bearer"),
        (&before_plain, &plain, format!("app.v1, bearer,{token},app.v2"), Some("app.v1, app.v2"), "bearer"),
        (&before_choosing, &choosing, format!("bearer,{token},app.v1"), Some("app.v1"), "app.v1"),
        (&before_choosing, &choosing, format!("app.v2, app.v1, bearer, {token}"), Some("app.v2, app.v1"), "app.v1"),
    ] {
        let (_client, response) = shake(gateway, "/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n"));
        assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, Some(answered)), "{offered}");
        let seen = upstream.received();
        assert_eq!(header(&seen, "sec-websocket-protocol"), forwarded, "{offered}");
        assert_eq!(header(&seen, "authorization"), Some(&*format!("Bearer {token}")), "as of every other request");
        assert_eq!((seen.matches(&token).count(), header(&seen, "x-user-id")), (1, Some("alice")));
    }
    let (_, elsewhere) = shake(&before_plain, "/header", &format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"));
    assert_eq!(elsewhere.status, 401, "this route takes no token from there");
    let query = shake(&before_plain, &format!("/ws?access_token={token}"), "").1;
    assert_eq!(query.status, 401, "a token in the query is none");
    assert!(plain.received_nothing_else());
}

#[test]
fn who_may_not_pass_gets_no_further_than_with_any_request() {
    let upstream = echo("");
    let gateway = gateway(&upstream);
    for (path, more, status) in [
        ("/ws", String::new(), 401),
        ("/ws", "Sec-WebSocket-Protocol: bearer\r\n".to_owned(), 401),
        ("/ws", "Sec-WebSocket-Protocol: bearer, x.y.z\r\n".to_owned(), 401),
        ("/ws", format!("Sec-WebSocket-Protocol: Bearer, {}\r\n", token("alice")), 401),
        ("/admin", authorization(), 403),
        ("/nowhere", authorization(), 404),
    ] {
        let (_, response) = shake(&gateway, path, &more);
        assert_eq!(response.status, status, "{path} {more}");
    }
    assert_eq!(upstream.connections(), 0);
    let admin = token_with(serde_json::json!({ "sub": "root", "permissions": ["ADMIN"] }));
    assert_eq!(shake(&gateway, "/admin", &format!("Authorization: Bearer {admin}\r\n")).1.status, 101);
    assert_eq!(shake(&gateway, "/open", "").1.status, 101);
}

#[test]
fn whoever_does_not_read_is_not_read_for() {
    let (counted, taken) = channel();
    let upstream = Upstream::start(move |line| {
        let Some((mut socket, _)) = granted(line, "") else { return };
        socket.get_ref().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        // Until nothing more fits in what lies between.
        let sent = (0..10_000).take_while(|_| socket.send(Message::binary(vec![7; 64 << 10])).is_ok()).count();
        counted.send(sent).unwrap();
        thread::sleep(PATIENCE);
    });
    let gateway = gateway(&upstream);
    let _client = shake(&gateway, "/ws", &authorization());
    let sent = taken.recv_timeout(PATIENCE).unwrap();
    assert!(sent < 1000, "{sent} messages of 64 KiB");
}

#[test]
fn what_the_upstream_says_with_its_answer_arrives() {
    let upstream = Upstream::start(|mut line| {
        let Some(_) = line.head() else { return };
        let accept = derive_accept_key(KEY.as_bytes());
        line.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\x01\x02hi"
        ));
        line.fill();
    });
    let gateway = gateway(&upstream);
    let (mut client, response) = shake(&gateway, "/ws", &authorization());
    assert_eq!(response.status, 101);
    assert_eq!(client.some().unwrap(), b"\x01\x02hi");
}

#[test]
fn a_line_in_the_access_log_has_the_bytes_of_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = echo("");
    let more = "[access_log]\npath = 'access.log'\n";
    let (gateway, _) = deploy(&format!("{more}{CONFIGURATION}"), folder.path(), upstream.address);
    let offered = format!("bearer, {}", token("alice"));
    let (mut client, response) = shake(&gateway, "/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n"));
    assert_eq!(response.status, 101);
    client.send(b"\x81\x82\0\0\0\0hi");
    assert_eq!(client.some().unwrap(), b"\x81\x02hi");
    client.send(b"\x88\x80\0\0\0\0");
    while client.some().is_some() {}
    drop(client);
    wait_until("it is open no more", || metric(&gateway, "upgrades_active") == 0);
    gateway.running.shutdown();
    gateway.running.wait().unwrap();
    let text = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
    assert!(!text.contains(&token("alice")), "{text}");
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let said =
        ["status", "outcome", "path", "subject", "bytes", "received", "broke_off"].map(|name| line[name].clone());
    assert_eq!(serde_json::json!(said), serde_json::json!([101, "forwarded", "/ws", "alice", 6, 14, null]), "{text}");
}
