//! WebSockets over TLS: to the client, to the server, and both.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::Arc,
    thread,
    time::Duration,
};

use bearergate::{
    authz::{RouteSpec, WebSocketToken},
    config::Limits,
    proxy::upstream::{Server, Tls},
};
use tokio::time::Instant;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs::default_provider, pki_types::PrivateKeyDer,
};
use tungstenite::{Message, client::IntoClientRequest, handshake::derive_accept_key, http::HeaderValue};

use super::{Authority, Secure, secured};
use crate::support::{Setup, Upstream, client::header, token};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Lets any request become a WebSocket.
fn with_websockets(mut setup: Setup) -> Setup {
    for route in &mut setup.routes {
        *route = RouteSpec { websocket: Some(WebSocketToken::Header), ..route.clone() };
    }
    setup
}

/// Sends every message back.
fn echo(stream: impl Read + Write) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            break;
        }
    }
}

/// An echo behind TLS.
fn over_tls(authority: &Authority) -> Server {
    let issued = authority.issue(&["127.0.0.1"]);
    let key = PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.der], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            echo(StreamOwned::new(session, stream.unwrap()));
        }
    });
    Server::http1(address.to_string().parse().unwrap()).over_tls()
}

fn handshake(more: &str) -> String {
    format!(
        "GET /public/ws HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n{more}"
    )
}

/// An upstream that grants a handshake and goes on with `then`.
fn granting(then: impl Fn(crate::support::upstream::Line) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |mut line| {
        let Some(head) = line.head() else { return };
        let accept = derive_accept_key(header(&head, "sec-websocket-key").unwrap().as_bytes());
        line.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ));
        then(line);
    })
}

#[test]
fn messages_go_both_ways_over_tls_to_any_server_of_http_1() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let plain = Upstream::start(|line| echo(line.stream));
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| echo(stream.unwrap())));
    let plain = Server::http1(plain.address.to_string().parse().unwrap());
    for server in [plain, Server::unix(&path), over_tls(&authority)] {
        let mut setup = with_websockets(Setup::new(&[]));
        setup.upstream.servers = vec![server.clone()];
        setup.upstream.tls = Some(Tls::new(Some(&[authority.0.der().clone()]), None, None).unwrap());
        let secure = Secure::with(setup, None);
        let mut request = "ws://api/ws".into_client_request().unwrap();
        let authorization = HeaderValue::try_from(format!("Bearer {}", token("alice"))).unwrap();
        request.headers_mut().insert("authorization", authorization);
        let config = Arc::new(secure.authority.client(None, &["http/1.1"]));
        let stream = secured(TcpStream::connect(secure.address()).unwrap(), config, "localhost");
        let (mut socket, _) = tungstenite::client(request, stream).unwrap();
        for length in [0, 1, 125, 126, 16_384, 65_535, 65_536, 3 << 20] {
            let message = Message::binary((0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>());
            socket.send(message.clone()).unwrap();
            assert!(socket.read().unwrap() == message, "{server}: {length}");
        }
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        assert!(matches!(socket.get_mut().read(&mut [0]), Ok(0)), "{server}: its end is told");
    }
}

#[test]
fn a_client_that_takes_nothing_of_a_websocket_is_cut_off() {
    let (tell, told) = std::sync::mpsc::channel();
    let upstream = granting(move |mut line| {
        let frame = [&[0x82, 126, 0x40, 0][..], &[0; 0x4000]].concat();
        while line.send(&frame) {}
        tell.send(()).unwrap();
    });
    let limits = Limits { body_timeout: Duration::from_millis(500), ..Limits::default() };
    let secure = Secure::with(with_websockets(Setup::new(&[upstream.address]).limits(limits)), None);
    let mut client = secure.connect();
    assert!(client.send(handshake("")).head().contains(" 101 "));
    told.recv_timeout(Duration::from_secs(5)).unwrap();
    drop(client);
}

#[test]
fn a_client_that_takes_little_of_a_websocket_goes_on() {
    let upstream = granting(|mut line| {
        let frame = [&[0x82, 126, 0x40, 0][..], &[0; 0x4000]].concat();
        while line.send(&frame) {}
    });
    let limits = Limits { body_timeout: Duration::from_millis(500), ..Limits::default() };
    let secure = Secure::with(with_websockets(Setup::new(&[upstream.address]).limits(limits)), None);
    let mut client = secure.connect();
    client.send(handshake("")).head();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert!(client.some().is_some(), "it takes something all the time");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_comes_in_the_same_record_as_the_handshake_is_not_forwarded() {
    let upstream = granting(|mut line| assert!(line.fill().is_none()));
    let secure = Secure::with(with_websockets(Setup::new(&[upstream.address])), None);
    let mut client = secure.connect();
    let response = client.send(handshake("GET /admin HTTP/1.1\r\nHost: api\r\n\r\n")).response();
    assert_eq!(response.status, 400);
    assert!(!client.is_broken(), "a refusal is told to its end");
    assert_eq!(secure.metric("bearergate_upgrades_total "), "0");
    upstream.received();
    assert!(upstream.received_nothing_else());
}

#[test]
fn a_farewell_is_said_over_tls() {
    let upstream = granting(|mut line| while line.fill().is_some() {});
    let secure = Secure::with(with_websockets(Setup::new(&[upstream.address])), None);
    let mut client = secure.connect();
    client.send(handshake("")).head();
    secure.gateway.running.shutdown();
    assert_eq!(client.some().unwrap(), b"\x88\x0c\x03\xe9going away");
    assert!(!client.is_broken(), "its end is told");
}
