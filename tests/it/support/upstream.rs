//! An upstream whose every connection is a thread that a test wrote.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use super::client::{PATIENCE, header};

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Receiver<String>,
}

/// One connection to an upstream.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    heads: Sender<String>,
    unread: Vec<u8>,
}

impl Upstream {
    /// What a connection does is up to `serve`; it ends when that returns.
    pub(crate) fn start(serve: impl Fn(Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, heads) = channel();
        let (serve, count) = (Arc::new(serve), Arc::clone(&connections));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let line = Line { stream, heads: sender.clone(), unread: Vec::new() };
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(line));
            }
        });
        Self { address, connections, heads }
    }

    /// Answers every request with `answer`, and keeps its connections open.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::start(move |mut line| {
            while line.request().is_some() {
                line.send(answer);
            }
        })
    }

    pub(crate) fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The head of the next request that came in.
    pub(crate) fn received(&self) -> String {
        self.heads.recv_timeout(PATIENCE).unwrap()
    }

    /// No request has come in that was not asked for with [`Upstream::received`].
    pub(crate) fn received_nothing_else(&self) -> bool {
        self.heads.try_recv().is_err()
    }
}

impl Line {
    /// Reads one request whole: its head and body. `None` when the connection ends.
    pub(crate) fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let mut body = Vec::new();
        if header(&head, "transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else if let Some(length) = header(&head, "content-length") {
            body = self.exactly(length.parse().unwrap())?;
        }
        Some((head, body))
    }

    pub(crate) fn head(&mut self) -> Option<String> {
        let end = self.find(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.exactly(end + 4)?).into_owned();
        let _ = self.heads.send(head.clone());
        Some(head)
    }

    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.find(b"\r\n")?;
        let size = self.exactly(end + 2)?;
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim_end(), 16).unwrap();
        let chunk = self.exactly(size)?;
        self.exactly(2)?;
        Some(chunk)
    }

    fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        loop {
            if let Some(found) = self.unread.windows(wanted.len()).position(|bytes| bytes == wanted) {
                return Some(found);
            }
            self.fill()?;
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            self.fill()?;
        }
        Some(self.unread.drain(..length).collect())
    }

    /// Reads on; `None` when the connection has ended.
    pub(crate) fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.unread.extend_from_slice(&buffer[..count]);
                Some(())
            }
            _ => None,
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }
}
