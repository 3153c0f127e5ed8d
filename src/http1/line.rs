//! A client's connection: its socket, what has been read and not used, and where in a request's body one is.
//!
//! It is shared by the one that answers and by the [`Incoming`] body of the request that is being answered, both on the
//! same thread. The body is read only when somebody asks for it, and a client that waits for leave to send it
//! (`Expect: 100-continue`, RFC 9110 §10.1.1) gets it then.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{DecodeError, Decoder, Length, Socket, fill::poll_fill};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// More than this many bytes of further requests are not read while one is answered.
const MOST_PIPELINED: usize = 64 * 1024;
/// A buffer that was filled with more than this many bytes at once is not kept while nothing comes.
const LARGEST_KEPT: usize = 4 * 1024;

/// One client's connection.
#[derive(Debug)]
pub struct Line {
    socket: RefCell<Socket>,
    input: RefCell<BytesMut>,
    body: Cell<Decoder>,
    /// Leave to send the body, as far as it is still to be given.
    leave: Cell<&'static [u8]>,
    broken: Cell<bool>,
    /// Whether `input` may hold on to more memory than a connection that waits is to have.
    large: Cell<bool>,
}

/// Why no more of a request's body can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncomingError {
    /// What came is no body.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// The connection broke off.
    #[error("the connection broke off")]
    Broken,
}

/// The body of the request that is being answered.
#[derive(Debug)]
pub struct Incoming(Rc<Line>);

impl Line {
    /// The connection over this socket.
    #[must_use]
    pub fn new(socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            input: RefCell::default(),
            body: Cell::new(Length::Exactly(0).into()),
            leave: Cell::new(b""),
            broken: Cell::new(false),
            large: Cell::new(false),
        })
    }

    /// The socket and what was read from it, if nobody else has the line.
    #[must_use]
    pub fn into_parts(self: Rc<Self>) -> Option<(Socket, Bytes)> {
        let line = Rc::into_inner(self)?;
        Some((line.socket.into_inner(), line.input.into_inner().freeze()))
    }

    /// What `work` makes of the socket.
    pub fn with_socket<T>(&self, work: impl FnOnce(&mut Socket) -> T) -> T {
        work(&mut self.socket.borrow_mut())
    }

    /// What `work` makes of the bytes that have been read and not used.
    pub fn with_input<T>(&self, work: impl FnOnce(&mut BytesMut) -> T) -> T {
        work(&mut self.input.borrow_mut())
    }

    /// Reads more; 0 at the end.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let expected = self.body.get().expected();
        let read = ready!(poll_fill(&mut *self.socket.borrow_mut(), context, &mut self.input.borrow_mut(), expected))?;
        if expected > LARGEST_KEPT as u64 || read > LARGEST_KEPT {
            self.large.set(true);
        }
        Poll::Ready(Ok(read))
    }

    /// Lets go of the memory of a large body or head, if nothing more is in it.
    pub fn release(&self) {
        if self.large.get() && self.input.borrow().is_empty() {
            self.large.set(false);
            *self.input.borrow_mut() = BytesMut::new();
        }
    }

    /// The body of a request, which begins with the next byte. A client that `waits` is given leave when it is asked for.
    #[must_use]
    pub fn body(self: &Rc<Self>, length: Length, waits: bool) -> Incoming {
        self.body.set(length.into());
        self.leave.set(if waits { CONTINUE } else { b"" });
        Incoming(Rc::clone(self))
    }

    /// Whether the request's body has been read to its end.
    #[must_use]
    pub fn is_body_read(&self) -> bool {
        self.body.get().is_done()
    }

    /// The next request's body can't be told from what follows it.
    pub fn has_no_length(&self) {
        self.broken.set(true);
    }

    /// Whether the rest of the request's body can still be read: nothing in it was wrong, and its client does not wait for
    /// leave to send it.
    #[must_use]
    pub fn is_body_readable(&self) -> bool {
        !self.broken.get() && (self.is_body_read() || self.leave.get().len() != CONTINUE.len())
    }

    /// Whether the rest of the request's body may turn out to have no more bytes than these.
    #[must_use]
    pub fn may_end_within(&self, bytes: usize) -> bool {
        self.is_body_readable() && self.body.get().remaining().is_none_or(|left| left <= bytes as u64)
    }

    /// The rest of a leave that was given in part: it comes before everything else.
    #[must_use]
    pub fn take_rest_of_leave(&self) -> &'static [u8] {
        let rest = self.leave.get();
        if rest.len() == CONTINUE.len() {
            return b"";
        }
        self.leave.set(b"");
        rest
    }

    /// Ready when the client has hung up while its request is answered. What else it sends is kept.
    pub fn poll_hung_up(&self, context: &mut Context<'_>) -> Poll<()> {
        while self.is_body_read() && self.input.borrow().len() < MOST_PIPELINED {
            match ready!(self.poll_read(context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// The next piece of the request's body.
    pub fn poll_body(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, IncomingError>>> {
        let polled = self.poll_piece(context);
        if let Poll::Ready(Some(Err(_))) = polled {
            self.broken.set(true);
        }
        polled
    }

    fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, IncomingError>>> {
        loop {
            let mut body = self.body.get();
            let piece = body.decode(&mut self.input.borrow_mut());
            self.body.set(body);
            if let Some(piece) = piece? {
                return Poll::Ready(Some(Ok(piece)));
            }
            if body.is_done() {
                return Poll::Ready(None);
            }
            ready!(self.poll_give_leave(context)).map_err(|_| IncomingError::Broken)?;
            match ready!(self.poll_read(context)) {
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(IncomingError::Broken))),
                Ok(_) => {}
            }
        }
    }

    fn poll_give_leave(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let left @ [_, ..] = self.leave.get() {
            let written = ready!(Pin::new(&mut *self.socket.borrow_mut()).poll_write(context, left))?;
            self.leave.set(left.get(written..).unwrap_or_default());
            if self.leave.get().is_empty() {
                // What a full socket holds back goes with the answer.
                let _ = Pin::new(&mut *self.socket.borrow_mut()).poll_flush(context)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The socket is held for no longer than a call: the body of an answer that is being sent may read the request's from it.
impl AsyncWrite for &Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(context)
    }
}

impl Incoming {
    /// The next piece.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, IncomingError>>> {
        self.0.poll_body(context)
    }

    /// Whether there is no more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_body_read()
    }

    /// How many bytes are still to come, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.0.body.get().remaining()
    }
}
