//! Clients on threads, which ask as fast as they are answered, and count what becomes of every request.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::AddAssign,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::client::{PATIENCE, header};

/// One request without a body. An answer with 200 has to tell its path.
pub(crate) struct Asked {
    /// What it is counted under.
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    /// Bears this, if anything.
    pub(crate) token: Option<String>,
}

impl Asked {
    pub(crate) fn new(kind: &'static str, path: impl Into<String>, token: &str) -> Self {
        Self { kind, path: path.into(), token: Some(token.to_owned()) }
    }

    pub(crate) fn open(kind: &'static str, path: impl Into<String>) -> Self {
        Self { kind, path: path.into(), token: None }
    }
}

/// What became of one kind of requests.
#[derive(Debug, Default)]
pub(crate) struct Came {
    sent: u64,
    /// How many came to what: a status; one that ends in ` cut` is of an answer that broke off visibly.
    outcomes: BTreeMap<String, u64>,
    pub(crate) slowest: Duration,
}

/// Every request that was sent, by its kind.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, Came>);

impl Tally {
    fn count(&mut self, kind: &'static str, outcome: String, took: Duration) {
        let came = self.0.entry(kind).or_default();
        *came.outcomes.entry(outcome).or_default() += 1;
        came.slowest = came.slowest.max(took);
    }

    pub(crate) fn of(&self, kind: &str, outcome: &str) -> u64 {
        self.0.get(kind).and_then(|came| came.outcomes.get(outcome)).copied().unwrap_or(0)
    }

    pub(crate) fn slowest(&self, kind: &str) -> Duration {
        self.0.get(kind).map_or(Duration::ZERO, |came| came.slowest)
    }

    /// Some of this kind were sent, and each of them came to one of these; and of each of these there is one.
    #[track_caller]
    pub(crate) fn assert_each(&self, kind: &str, outcomes: &[&str]) {
        for outcome in outcomes {
            assert!(self.of(kind, outcome) > 0, "no {kind} came to {outcome}: {self:?}");
        }
        self.assert_only(kind, outcomes);
    }

    /// Some of this kind were sent, and each of them came to one of these.
    #[track_caller]
    pub(crate) fn assert_only(&self, kind: &str, outcomes: &[&str]) {
        let came = self.0.get(kind).unwrap_or_else(|| panic!("no {kind} was sent: {self:?}"));
        let defined: u64 = outcomes.iter().map(|outcome| self.of(kind, outcome)).sum();
        assert!(came.sent > 0 && defined == came.sent, "{kind}: not only {outcomes:?}: {self:?}");
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (kind, came) in other.0 {
            let own = self.0.entry(kind).or_default();
            own.sent += came.sent;
            own.slowest = own.slowest.max(came.slowest);
            for (outcome, count) in came.outcomes {
                *own.outcomes.entry(outcome).or_default() += count;
            }
        }
    }
}

/// Ends the load, whatever happens.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// So many clients ask, each on a connection of its own that it keeps as long as it may, until `during` returns. `asked`
/// is given the number of the client and of its request. A client whom nobody lets connect any more goes home.
pub(crate) fn load<T>(
    address: SocketAddr,
    clients: usize,
    asked: impl Fn(usize, u64) -> Asked + Sync,
    during: impl FnOnce() -> T,
) -> (Tally, T) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (over, asked) = (&over, &asked);
        let clients: Vec<_> = (0..clients)
            .map(|client| scope.spawn(move || until_over(address, over, |number| asked(client, number))))
            .collect();
        let done = {
            let _stop = Stop(over);
            during()
        };
        let mut tally = Tally::default();
        clients.into_iter().for_each(|client| tally += client.join().unwrap());
        (tally, done)
    })
}

fn until_over(address: SocketAddr, over: &AtomicBool, asked: impl Fn(u64) -> Asked) -> Tally {
    let (mut tally, mut wire) = (Tally::default(), None);
    for number in 0.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let Ok(mut open) = wire.take().map_or_else(|| Wire::connect(address), Ok) else { break };
        let asked = asked(number);
        tally.0.entry(asked.kind).or_default().sent += 1;
        let began = Instant::now();
        let (outcome, goes_on) = open.ask(&asked);
        tally.count(asked.kind, outcome, began.elapsed());
        wire = goes_on.then_some(open);
    }
    tally
}

/// A connection on which anything may happen.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How an answer ended before its end.
type Broken = String;

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// What becomes of a request, and whether the connection bears another one.
    pub(crate) fn ask(&mut self, asked: &Asked) -> (String, bool) {
        let Asked { path, token, .. } = asked;
        let token = token.as_ref().map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: api\r\n{token}\r\n");
        // One that hangs up may have said something before.
        let _ = self.stream.write_all(request.as_bytes());
        let head = match self.until(b"\r\n\r\n") {
            Ok(head) => String::from_utf8_lossy(&head).into_owned(),
            Err(broken) => return (broken, false),
        };
        let status = head.split(' ').nth(1).unwrap_or("nonsense").to_owned();
        match self.body(&head) {
            Ok(body) if status == "200" && body != path.as_bytes() => {
                (format!("the answer of another: {}", String::from_utf8_lossy(&body)), false)
            }
            Ok(_) if status == "503" && header(&head, "retry-after").is_none() => {
                ("503 without Retry-After".to_owned(), false)
            }
            Ok(_) => (status, header(&head, "connection") != Some("close")),
            Err(_) => (format!("{status} cut"), false),
        }
    }

    fn body(&mut self, head: &str) -> Result<Vec<u8>, Broken> {
        if header(head, "transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let size = String::from_utf8_lossy(&self.until(b"\r\n")?).into_owned();
                let size = usize::from_str_radix(size.trim_end(), 16).map_err(|_| "no chunk".to_owned())?;
                let chunk = self.exactly(size + 2)?;
                if size == 0 {
                    return Ok(body);
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        let length = header(head, "content-length").and_then(|length| length.parse().ok());
        // Nothing else of ours ends with the connection.
        self.exactly(length.ok_or_else(|| "without an end".to_owned())?)
    }

    fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(found) = self.unread.windows(end.len()).position(|bytes| bytes == end) {
                return Ok(self.unread.drain(..found + end.len()).collect());
            }
            self.fill()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        while self.unread.len() < length {
            self.fill()?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn fill(&mut self) -> Result<(), Broken> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(if self.unread.is_empty() { "nothing" } else { "half an answer" }.to_owned()),
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err("not in time".to_owned())
            }
            Err(_) => Err("a reset".to_owned()),
        }
    }
}
