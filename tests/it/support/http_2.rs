//! A client of HTTP/2 that sends any bytes as a pseudo-header field, which no well-behaved client lets one do.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::client::{PATIENCE, Stream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Success,
    /// 4xx.
    Refused,
    /// 500.
    Failed,
    /// 5xx, and not 500.
    Overloaded,
    /// The stream or the connection was reset.
    Reset,
}

pub(crate) struct RawHttp2 {
    stream: Box<dyn Stream>,
    next: u32,
}

impl RawHttp2 {
    /// A connection whose streams may carry `window` bytes at first.
    pub(crate) fn connect(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream, window)
    }

    /// [`RawHttp2::connect`] over a stream that is ready.
    pub(crate) fn over(stream: impl Read + Write + Send + 'static, window: u32) -> Self {
        let mut connection = Self { stream: Box::new(stream), next: 1 };
        connection.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let initial_window_size = [&[0, 4], &window.to_be_bytes()[..]].concat();
        connection.frame(SETTINGS, 0, 0, &initial_window_size);
        connection
    }

    /// Sends a request without a body on a new stream, whose number is returned.
    pub(crate) fn send(&mut self, method: &[u8], path: &[u8], fields: &[(&str, &str)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        let mut block = Vec::new();
        for (name, value) in [(":method", method), (":scheme", b"http"), (":authority", b"api"), (":path", path)] {
            literal(&mut block, name, value);
        }
        for (name, value) in fields {
            literal(&mut block, name, value.as_bytes());
        }
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
        stream
    }

    /// [`RawHttp2::send`] and [`RawHttp2::answer`].
    pub(crate) fn send_and_wait(&mut self, path: &[u8]) -> Answer {
        self.send(b"GET", path, &[]);
        self.answer()
    }

    /// Waits for the head of the answer to the last request.
    pub(crate) fn answer(&mut self) -> Answer {
        loop {
            let Some((kind, stream, payload)) = self.read() else { return Answer::Reset };
            match kind {
                // The server may have ended what it knew already, and nothing else.
                GOAWAY => return Answer::Reset,
                RST_STREAM if stream + 2 == self.next => return Answer::Reset,
                HEADERS if stream + 2 == self.next => return status(&payload),
                SETTINGS | PING | WINDOW_UPDATE | DATA | HEADERS | RST_STREAM => {}
                other => panic!("a frame of kind {other}"),
            }
        }
    }

    /// The numbers of the streams that are reset, until the connection ends or `count` are.
    pub(crate) fn resets(&mut self, count: usize) -> usize {
        let mut resets = 0;
        while resets < count {
            match self.read() {
                Some((RST_STREAM, ..)) => resets += 1,
                Some(_) => {}
                None => break,
            }
        }
        resets
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        // A server that has hung up is found out when its answer is read.
        let _ = self.stream.write_all(&frame);
    }

    /// Sends frames as they are, as far as they are taken.
    pub(crate) fn write(&mut self, frames: &[u8]) {
        let _ = self.stream.write_all(frames);
    }

    /// Sends a block of header fields on a new stream, whose number is returned; `flags` may lack END_HEADERS.
    pub(crate) fn block(&mut self, flags: u8, block: &[u8]) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.frame(HEADERS, flags, stream, block);
        stream
    }

    /// Reads until the connection ends: the code that the server gave for it, if it gave one.
    pub(crate) fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some((kind, _, payload)) = self.read() {
            if let (GOAWAY, [_, _, _, _, a, b, c, d, ..]) = (kind, payload.as_slice()) {
                code = Some(u32::from_be_bytes([*a, *b, *c, *d]));
            }
        }
        code
    }

    fn read(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        if head[3] == SETTINGS && head[4] & ACK == 0 {
            self.frame(SETTINGS, ACK, 0, &[]);
        }
        Some((head[3], stream, payload))
    }
}

/// A field that is neither indexed nor Huffman-coded (RFC 7541 §6.2.2).
pub(crate) fn literal(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0);
    for text in [name.as_bytes(), value] {
        match u8::try_from(text.len()) {
            Ok(length @ ..127) => block.push(length),
            _ => {
                // The rest of the length, seven bits at a time (RFC 7541 §5.1).
                let rest = text.len() - 127;
                assert!(rest < 128 * 128, "long enough for the tests");
                block.extend([127, 128 | u8::try_from(rest % 128).unwrap(), u8::try_from(rest / 128).unwrap()]);
            }
        }
        block.extend_from_slice(text);
    }
}

/// `:status` is always the first field: indexed (RFC 7541 appendix A), or Huffman-coded under the index 8, where a `4`
/// is `011010` and a `5` is `011011` (appendix B).
fn status(block: &[u8]) -> Answer {
    match *block {
        [0x88..=0x8a, ..] => Answer::Success,
        [0x8c | 0x8d, ..] => Answer::Refused,
        [0x8e, ..] => Answer::Failed,
        [0x48 | 0x58 | 0x08, _, first, ..] if first >> 2 == 0b01_1010 => Answer::Refused,
        [0x48 | 0x58 | 0x08, _, first, ..] if first >> 2 == 0b01_1011 => Answer::Overloaded,
        _ => panic!("the answer has no status that is looked for: {block:02x?}"),
    }
}
