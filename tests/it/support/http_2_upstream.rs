//! Upstreams of HTTP/2: one that sends back what it received, and one that a test wrote frame by frame.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::upstream::{Line, Upstream};

pub(crate) const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, from HPACK's static table.
const OK: &[u8] = &[0x88];

/// An upstream that sends back what it received.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// The most requests at once on any connection.
    pub(crate) most: Arc<AtomicUsize>,
}

impl Echo {
    /// One that allows so many streams on a connection.
    pub(crate) fn start(streams: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let echo = Self { address, connections: Arc::clone(&connections), most: Arc::clone(&most) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        thread::spawn(move || {
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::clone(&most));
                    let service = service_fn(move |request| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let now = Arc::clone(&now);
                        async move {
                            let answer = echo_of(request).await;
                            now.fetch_sub(1, Ordering::SeqCst);
                            Ok::<_, Infallible>(answer)
                        }
                    });
                    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    server.max_concurrent_streams(streams);
                    tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
                }
            });
        });
        echo
    }
}

async fn echo_of(request: Request<Incoming>) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path.contains("slow") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut response = Response::builder()
        .header("x-target", head.uri.to_string())
        .header("x-fields", head.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>().join(" "));
    for name in ["te", "content-length", "cookie", "x-forwarded-host"] {
        for value in head.headers.get_all(name) {
            response = response.header(format!("x-got-{name}"), value);
        }
    }
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = if path == "/public/large" { Bytes::from(vec![b'x'; 20 << 20]) } else { body };
    let end = (HeaderName::from_static("x-trailer"), HeaderValue::from_static("end"));
    let trailers = head.headers.contains_key("te").then(|| Ok(HeaderMap::from_iter([end])));
    response.body(Full::new(body).with_trailers(std::future::ready(trailers))).unwrap()
}

/// The server's side of a connection, frame by frame.
pub(crate) struct Raw(Line);

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    /// Reads the preface, and says nothing of how many streams are welcome.
    pub(crate) fn greet(mut line: Line) -> Self {
        let mut preface = [0; 24];
        line.stream.read_exact(&mut preface).unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut raw = Self(line);
        raw.send(SETTINGS, 0, 0, &[]);
        raw
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // A gateway that has hung up is for the test to notice.
        let _ = self.0.stream.write_all(&frame);
    }

    /// The next frame, but for those that only keep the connection going.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.stream.read_exact(&mut head).ok()?;
            let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            let mut payload = vec![0; number(&head[..3]) as usize];
            self.0.stream.read_exact(&mut payload).ok()?;
            let frame = Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
                PING if frame.flags & ACK == 0 => self.send(PING, ACK, 0, &frame.payload),
                DATA | HEADERS | RST_STREAM => return Some(frame),
                _ => {}
            }
        }
    }

    /// The stream of the next request, when it is there whole, and its body.
    pub(crate) fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let frame = self.next()?;
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
            if frame.kind != RST_STREAM && frame.flags & END_STREAM != 0 {
                return Some((frame.stream, body));
            }
        }
    }

    pub(crate) fn begin(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, OK);
    }

    pub(crate) fn answer(&mut self, stream: u32, body: &[u8]) {
        self.begin(stream);
        self.send(DATA, END_STREAM, stream, body);
    }

    pub(crate) fn reset(&mut self, stream: u32, reason: u32) {
        self.send(RST_STREAM, 0, stream, &reason.to_be_bytes());
    }

    pub(crate) fn go_away(&mut self, last: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat());
    }

    /// Waits for the gateway to reset a stream. Why, and whether it had ended it.
    pub(crate) fn reset_by_gateway(&mut self) -> Option<(u32, bool)> {
        let mut ended = false;
        loop {
            let frame = self.next()?;
            if frame.kind == RST_STREAM {
                return Some((u32::from_be_bytes(frame.payload.try_into().unwrap()), ended));
            }
            ended |= frame.flags & END_STREAM != 0;
        }
    }
}

/// An upstream whose every connection is served so, when it has been greeted.
pub(crate) fn raw(serve: impl Fn(Raw) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |line| serve(Raw::greet(line)))
}
