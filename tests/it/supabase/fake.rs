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
pub(crate) enum Act {
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
pub(crate) struct Received {
    /// Connections are counted from zero on.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    received: Vec<Received>,
    connections: usize,
    ended: usize,
    /// What it answers to whoever asks for its keys.
    keys: Option<String>,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// One that does these, a request each, and then hangs.
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is what it answers to whoever asks for its keys.
    pub(crate) fn publish(&self, keys: &Value) {
        self.state.lock().unwrap().keys = Some(keys.to_string());
    }

    /// What it does with the next request, after those that it has been told before.
    pub(crate) fn then(&self, act: Act) {
        self.state.lock().unwrap().acts.push_back(act);
    }

    /// What it was sent, but for those who asked for its keys.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// How many connections have ended.
    pub(crate) fn ended(&self) -> usize {
        self.state.lock().unwrap().ended
    }
}

/// An answer with a length.
pub(crate) fn answer(status: u16, headers: &str, body: impl ToString) -> Vec<u8> {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(mut stream: TcpStream, connection: usize, state: &Mutex<State>) {
    stream.set_nodelay(true).unwrap();
    let mut unread = Vec::new();
    while let Some((line, headers, body)) = read_request(&mut stream, &mut unread) {
        let act = {
            let mut state = state.lock().unwrap();
            if line == "GET /auth/v1/.well-known/jwks.json HTTP/1.1" {
                let keys = state.keys.as_ref();
                let bytes = keys.map_or_else(|| answer(503, "", ""), |keys| answer(200, "", keys));
                drop(state);
                if stream.write_all(&bytes).is_err() {
                    return;
                }
                continue;
            }
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
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while unread.len() < length {
        read_more(stream, unread)?;
    }
    let body = unread.drain(..length).collect::<Vec<u8>>();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some((line, headers, body))
}

fn read_more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
    unread.extend_from_slice(&buffer[..count]);
    Some(())
}
