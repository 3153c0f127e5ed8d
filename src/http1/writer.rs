//! A head and a body to a socket.
//!
//! 1. What is ready is sent together: the head waits for the first bytes of the body if those are there.
//! 2. Small pieces are copied behind each other; large ones are handed to the system as they are.
//! 3. No more is taken from a body than one piece beyond what the socket has accepted: that is the back-pressure.
//! 4. A body is neither longer nor shorter than its length says: else it fails.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::{Length, encode};

/// Pieces up to this many bytes are copied.
const SMALL: usize = 4 * 1024;
/// So many bytes are gathered before they are sent.
const ENOUGH: usize = 16 * 1024;

/// Why a message was not sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum SendError<E> {
    /// The socket takes no more.
    #[error("the connection broke off: {0}")]
    Socket(io::Error),
    /// There is no more of the body.
    #[error("{0}")]
    Body(E),
    /// The body is not as long as was said.
    #[error("the body is not as long as its length says")]
    Length,
}

/// A message on its way to a socket.
#[derive(Debug)]
pub struct Writer {
    /// The head, lines of chunks, and small pieces.
    buffer: Vec<u8>,
    /// How much of `buffer` is sent.
    sent: usize,
    /// A large piece, behind `buffer`.
    piece: Bytes,
    /// Behind the piece.
    tail: &'static [u8],
    length: Length,
    /// Whether the body has been taken to its end.
    ended: bool,
    /// The bytes that the socket has taken.
    total: u64,
    /// Whether some of them may still be held back: TLS gathers records.
    unflushed: bool,
}

impl Writer {
    /// A message with this head, its empty line included, and a body of `length`.
    #[must_use]
    pub fn new(head: Vec<u8>, length: Length) -> Self {
        let ended = matches!(length, Length::Exactly(0));
        Self { buffer: head, sent: 0, piece: Bytes::new(), tail: b"", length, ended, total: 0, unflushed: false }
    }

    /// Whether any byte has been sent.
    #[must_use]
    pub const fn began(&self) -> bool {
        self.total > 0
    }

    /// How many bytes the socket has taken.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether bytes wait for the socket.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.has_unsent() || self.unflushed
    }

    const fn has_unsent(&self) -> bool {
        self.sent < self.buffer.len() || !self.piece.is_empty() || !self.tail.is_empty()
    }

    /// Whether everything is sent.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.ended && !self.is_blocked()
    }

    /// The buffer of a message that has been sent, for the next one.
    #[must_use]
    pub fn into_buffer(mut self) -> Vec<u8> {
        self.buffer.clear();
        self.buffer
    }

    /// Sends as much as the body has and the socket takes; ready when that is all.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn poll_send<S, B>(
        &mut self,
        socket: &mut S,
        body: &mut B,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<B::Error>>>
    where
        S: AsyncWrite + Unpin,
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            // What TLS keeps is not sent: no more is taken meanwhile, or it would look as if the socket took some.
            if self.unflushed && !self.has_unsent() {
                ready!(self.poll_flush(socket, context)).map_err(SendError::Socket)?;
            }
            let gathered = match self.gather(body, context) {
                Ok(gathered) => gathered,
                Err(error) => {
                    // What came before it is sent as far as the socket takes it now.
                    let _ = self.poll_flush(socket, context);
                    return Poll::Ready(Err(error));
                }
            };
            ready!(self.poll_flush(socket, context)).map_err(SendError::Socket)?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(gathered);
        }
    }

    /// Takes what the body has ready; pending when it has no more now.
    fn gather<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        body: &mut B,
        context: &mut Context<'_>,
    ) -> Result<Poll<()>, SendError<B::Error>> {
        while !self.ended && self.piece.is_empty() && self.tail.is_empty() && self.buffer.len() < ENOUGH {
            match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(None) => self.end().map_err(|()| SendError::Length)?,
                Poll::Ready(Some(Err(error))) => return Err(SendError::Body(error)),
                // Trailers are left out: HTTP/1 clients seldom look at them, and fields that were stripped could come back.
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.push(data).map_err(|()| SendError::Length)?;
                    }
                }
            }
        }
        Ok(Poll::Ready(()))
    }

    fn push(&mut self, data: Bytes) -> Result<(), ()> {
        if data.is_empty() {
            return Ok(());
        }
        let mut tail: &'static [u8] = b"";
        match &mut self.length {
            Length::Exactly(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(())?;
                self.ended = *left == 0;
            }
            Length::Chunked => {
                encode::chunk_size(&mut self.buffer, data.len());
                tail = b"\r\n";
            }
            Length::UntilClose => {}
        }
        if data.len() <= SMALL {
            self.buffer.extend_from_slice(&data);
            self.buffer.extend_from_slice(tail);
        } else {
            (self.piece, self.tail) = (data, tail);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ()> {
        match self.length {
            Length::Exactly(0) | Length::UntilClose => {}
            Length::Exactly(_) => return Err(()),
            Length::Chunked => self.buffer.extend_from_slice(b"0\r\n\r\n"),
        }
        self.ended = true;
        Ok(())
    }

    /// Sends what is gathered.
    fn poll_flush<S: AsyncWrite + Unpin>(&mut self, socket: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_unsent() {
            let unsent = self.buffer.get(self.sent..).unwrap_or_default();
            let written = if self.piece.is_empty() && self.tail.is_empty() {
                ready!(Pin::new(&mut *socket).poll_write(context, unsent))?
            } else {
                let slices = [IoSlice::new(unsent), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
                ready!(Pin::new(&mut *socket).poll_write_vectored(context, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.total += written as u64;
            self.unflushed = true;
            self.advance(written);
        }
        self.buffer.clear();
        self.sent = 0;
        if self.unflushed {
            ready!(Pin::new(socket).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let of_buffer = written.min(self.buffer.len() - self.sent);
        self.sent += of_buffer;
        let of_piece = (written - of_buffer).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = self.tail.get(written - of_buffer - of_piece..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible, task::Waker};

    use http_body::Frame;
    use proptest::prelude::*;

    use super::*;
    use crate::http1::Decoder;

    /// A socket that takes so many bytes at a time, and now and then none.
    struct Slow {
        taken: Vec<u8>,
        at_once: usize,
        ready: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.ready = !self.ready;
            if !self.ready {
                return Poll::Pending;
            }
            let length = bytes.len().min(self.at_once);
            self.taken.extend_from_slice(&bytes[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let most = self.at_once;
            let some: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
            self.poll_write(context, &some)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Pieces, with a pause before each.
    struct Pieces(VecDeque<Bytes>, bool);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.1 = !self.1;
            if self.1 { Poll::Pending } else { Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece)))) }
        }
    }

    fn send(length: Length, pieces: &[Vec<u8>], at_once: usize) -> Result<Vec<u8>, SendError<Infallible>> {
        let mut body = Pieces(pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect(), false);
        let mut socket = Slow { taken: Vec::new(), at_once, ready: false };
        let mut writer = Writer::new(b"head\r\n\r\n".to_vec(), length);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(sent) = writer.poll_send(&mut socket, &mut body, &mut context) {
                assert!(sent.is_err() || (writer.is_done() && writer.began()));
                return sent.map(|()| socket.taken);
            }
        }
    }

    #[test]
    fn a_body_is_as_long_as_it_says() {
        let pieces = [b"abc".to_vec()];
        assert!(matches!(send(Length::Exactly(4), &pieces, 9), Err(SendError::Length)));
        assert!(matches!(send(Length::Exactly(2), &pieces, 9), Err(SendError::Length)));
        assert_eq!(send(Length::Exactly(3), &pieces, 9).unwrap(), b"head\r\n\r\nabc");
        assert_eq!(send(Length::UntilClose, &pieces, 9).unwrap(), b"head\r\n\r\nabc");
        assert_eq!(send(Length::Chunked, &pieces, 9).unwrap(), b"head\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    }

    /// A socket that takes everything and keeps it, as TLS does before a peer that reads nothing.
    struct Keeps;

    impl AsyncWrite for Keeps {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_kept_and_not_sent_is_no_progress() {
        let piece = Bytes::from(vec![0; 5000]);
        let mut body = Pieces(std::iter::repeat_n(piece, 10).collect(), true);
        let mut writer = Writer::new(b"head\r\n\r\n".to_vec(), Length::UntilClose);
        for _ in 0..10 {
            assert!(writer.poll_send(&mut Keeps, &mut body, &mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!((writer.total(), writer.is_blocked()), (5008, true));
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read(
            sizes in proptest::collection::vec(prop_oneof![0usize..100, 4000usize..9000], 0..4),
            at_once in prop_oneof![10usize..50, 1000usize..30_000],
            chunked: bool,
        ) {
            let pieces: Vec<Vec<u8>> = sizes.iter().map(|size| (0..*size).map(|at| at as u8).collect()).collect();
            let whole = pieces.concat();
            let length = if chunked { Length::Chunked } else { Length::Exactly(whole.len() as u64) };
            let sent = send(length, &pieces, at_once).unwrap();
            let body = sent.strip_prefix(b"head\r\n\r\n").unwrap();
            let (mut decoder, mut input, mut read) = (Decoder::from(length), bytes::BytesMut::from(body), Vec::new());
            while let Some(data) = decoder.decode(&mut input).unwrap() {
                read.extend_from_slice(&data);
            }
            prop_assert!(decoder.is_done() && input.is_empty());
            prop_assert_eq!(read, whole);
        }
    }
}
