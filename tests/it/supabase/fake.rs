//! A Supabase Auth server that does as it is told, and keeps what it was sent.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

/// What becomes of one request.
pub(super) enum Act {
    /// These bytes; the connection stays.
    Send(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// These bytes after a while; the connection stays.
    Late(Duration, Vec<u8>),
    /// These bytes and then one more every ten milliseconds, as long as somebody reads them.
    Drip(Vec<u8>),
    /// Nothing, as long as the other end keeps the connection.
    Hang,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Received {
    /// Connections are counted from zero on.
    pub(super) connection: usize,
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Value,
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    received: Vec<Received>,
    connections: usize,
    ended: usize,
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// One that does these, a request each, and then hangs.
    pub(super) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { acts: acts.into_iter().collect(), ..State::default() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let state = Arc::clone(&shared);
                state.lock().unwrap().connections += 1;
                thread::spawn(move || {
                    serve(stream.unwrap(), number, &state);
                    state.lock().unwrap().ended += 1;
                });
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// How many connections have ended.
    pub(super) fn ended(&self) -> usize {
        self.state.lock().unwrap().ended
    }
}

/// An answer with a length.
pub(super) fn answer(status: u16, headers: &str, body: impl ToString) -> Vec<u8> {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(mut stream: TcpStream, connection: usize, state: &Mutex<State>) {
    stream.set_nodelay(true).unwrap();
    let mut unread = Vec::new();
    while let Some((line, headers, body)) = read_request(&mut stream, &mut unread) {
        let act = {
            let mut state = state.lock().unwrap();
            state.received.push(Received { connection, line, headers, body });
            state.acts.pop_front().unwrap_or(Act::Hang)
        };
        let _ = match act {
            Act::Send(bytes) => stream.write_all(&bytes),
            Act::Last(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Act::Late(wait, bytes) => {
                thread::sleep(wait);
                stream.write_all(&bytes)
            }
            Act::Drip(bytes) => {
                let mut alive = stream.write_all(&bytes);
                while alive.is_ok() {
                    thread::sleep(Duration::from_millis(10));
                    alive = stream.write_all(b" ");
                }
                return;
            }
            Act::Hang => Ok(()),
        };
    }
}

/// `None`: there is no more.
fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(String, BTreeMap<String, String>, Value)> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        read_more(stream, unread)?;
    };
    let head = String::from_utf8(unread.drain(..end + 4).collect()).unwrap();
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().to_owned();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let headers: BTreeMap<String, String> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while unread.len() < length {
        read_more(stream, unread)?;
    }
    let body = serde_json::from_slice(&unread.drain(..length).collect::<Vec<u8>>()).unwrap();
    Some((line, headers, body))
}

fn read_more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
    unread.extend_from_slice(&buffer[..count]);
    Some(())
}
