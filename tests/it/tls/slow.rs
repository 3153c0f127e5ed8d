//! Clients that take what they get slowly, or not at all, and bodies both ways at once.

use std::{net::TcpStream, sync::Arc, thread, time::Duration};

use bearergate::config::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Secure, secured};
use crate::support::{
    Setup, Upstream,
    http_2::{Answer, RawHttp2},
};

const MIB: usize = 1 << 20;
const GET: &str = "GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers without end; says when nobody takes it any more.
fn endless() -> (Upstream, std::sync::mpsc::Receiver<()>) {
    let (tell, told) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |mut line| {
        if line.head().is_none() {
            return;
        }
        line.send("HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![b'x'; 10_000];
        while line.send(&piece) {}
        tell.send(()).unwrap();
    });
    (upstream, told)
}

fn patient(upstream: &Upstream, body_timeout: Duration) -> Secure {
    let limits = Limits { body_timeout, ..Limits::default() };
    Secure::with(Setup::new(&[upstream.address]).limits(limits), None)
}

/// Takes as much as comes.
fn http_2(secure: &Secure) -> RawHttp2 {
    let config = Arc::new(secure.authority.client(None, &["h2"]));
    let stream = secured(TcpStream::connect(secure.address()).unwrap(), config, "localhost");
    let mut client = RawHttp2::over(stream, 1 << 30);
    client.frame(8, 0, 0, &(1_u32 << 30).to_be_bytes());
    client
}

#[test]
fn whoever_takes_nothing_is_cut_off_in_time() {
    let (upstream, told) = endless();
    let secure = patient(&upstream, Duration::from_secs(1));
    // What TLS keeps for the client was not taken by it.
    let in_time = Duration::from_millis(2500);
    let mut client = secure.connect();
    client.send(GET).head();
    told.recv_timeout(in_time).unwrap();
    let mut stalled = http_2(&secure);
    stalled.send(b"GET", b"/public/a", &[]);
    assert_eq!(stalled.answer(), Answer::Success);
    told.recv_timeout(in_time).unwrap();
    drop((client, stalled));
}

#[test]
fn whoever_takes_little_is_not_cut_off() {
    let (upstream, _told) = endless();
    let secure = patient(&upstream, Duration::from_millis(500));
    let mut client = secure.connect();
    client.send(GET).head();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert!(client.some().is_some(), "it takes something all the time");
        thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn bodies_of_megabytes_go_both_ways_at_once() {
    const LENGTH: usize = 32 * MIB;
    let upstream = Upstream::start(|mut line| {
        if line.head().is_none() {
            return;
        }
        line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
        let mut left = LENGTH;
        while left > 0 {
            let piece = left.min(10_007);
            let Some(piece) = line.exactly(piece) else { return };
            left -= piece.len();
            if !line.send(piece) {
                return;
            }
        }
    });
    let secure = Secure::before(&upstream);
    let connector = TlsConnector::from(Arc::new(secure.authority.client(None, &["http/1.1"])));
    let stream = tokio::net::TcpStream::connect(secure.address()).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent: Arc<[u8]> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    let sending = Arc::clone(&sent);
    let upload = tokio::spawn(async move {
        let head =
            format!("POST /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LENGTH}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&sending).await.unwrap();
        writer.flush().await.unwrap();
        writer
    });
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    upload.await.unwrap();
    let body = read.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(read[body..] == *sent, "{} of {LENGTH}", read.len() - body);
}
