//! A client that sends exactly the bytes that it is given.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    /// Whether the connection ended without saying so.
    broken: bool,
}

/// What a client speaks over.
pub(super) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing said.
    pub(crate) complete: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The value of the first field of this name.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).unwrap())
    }

    /// From another address of this machine's own.
    pub(crate) fn connect_from(source: std::net::IpAddr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(source, 0)).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self::on(stream)
    }

    fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Over a stream that is ready.
    pub(crate) fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new(), broken: false }
    }

    /// Whether the connection ended without saying so: by TLS, or with a reset.
    pub(crate) fn is_broken(&mut self) -> bool {
        assert!(!self.fill(), "there is more to read");
        self.broken
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Like [`Client::send`], for a server that may hang up meanwhile.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        let token = super::token("alice");
        self.send(format!("GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n")).response()
    }

    /// Reads one answer.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head:?}"));
        let (body, complete) = self.body(&head, status);
        Response { status, head, body, complete }
    }

    /// Reads the answer's head.
    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill(), "the connection ended before a head: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    fn body(&mut self, head: &str, status: u16) -> (Vec<u8>, bool) {
        if status < 200 || status == 204 || status == 304 {
            return (Vec::new(), true);
        }
        if header(head, "transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        let length = header(head, "content-length").map(|length| length.parse::<usize>().unwrap());
        while length.is_none_or(|length| self.unread.len() < length) {
            if !self.fill() {
                return (std::mem::take(&mut self.unread), length.is_none());
            }
        }
        (self.unread.drain(..length.unwrap_or(0)).collect(), true)
    }

    fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            match self.chunk() {
                Some(chunk) if chunk.is_empty() => return (body, true),
                Some(chunk) => body.extend(chunk),
                None => return (body, false),
            }
        }
    }

    /// Reads one chunk; an empty one is the last.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            match self.unread.windows(2).position(|bytes| bytes == b"\r\n") {
                Some(end) => break end,
                None if self.fill() => {}
                None => return None,
            }
        };
        let size = usize::from_str_radix(std::str::from_utf8(&self.unread[..end]).unwrap(), 16).unwrap();
        while self.unread.len() < end + 2 + size + 2 {
            if !self.fill() {
                return None;
            }
        }
        let chunk = self.unread[end + 2..end + 2 + size].to_vec();
        self.unread.drain(..end + 4 + size);
        Some(chunk)
    }

    /// Whether the other side has ended the connection, and nothing is left to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.fill()
    }

    /// What there is to read, whatever it is; `None` at the end.
    pub(crate) fn some(&mut self) -> Option<Vec<u8>> {
        (!self.unread.is_empty() || self.fill()).then(|| std::mem::take(&mut self.unread))
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
                ) =>
            {
                self.broken = true;
                false
            }
            Err(error) => panic!("nothing was read: {error}"),
        }
    }
}
