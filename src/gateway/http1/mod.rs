//! A client's connection of HTTP/1: one request after the other, all by one task.
//!
//! 1. A head is read, and refused in the contract's words if it is none; then the connection ends.
//! 2. The request goes through the [`Stack`]. A client that hangs up meanwhile takes its request with it.
//! 3. The answer is sent, its first bytes with its head.
//! 4. What the request's body still has is read over, up to [`DISCARDED_BYTES`] and [`DISCARD_TIME`]: a connection that
//!    is closed with bytes unread is reset, and the client may lose the answer.
//! 5. The connection goes on, unless one side means it to end (RFC 9112 §9.3) or the body was not read to its end. Behind an
//!    answer with 101 it goes on as a WebSocket ([`tunnel`]).
//!
//! Between two requests a connection holds no buffer. How long each of these may take is said in [`connection`].
//!
//! [`connection`]: super::connection

mod answer;
mod tunnel;

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, StatusCode, Version};
use socket2::SockRef;
use tokio::{io::AsyncWrite, sync::watch, time::Instant};

use super::{
    body::Answer,
    connection::{Connection, LINGER},
    stack::Stack,
};
use crate::{
    config::Limits,
    http1::{Deadline, Head, HeadError, HeadLimits, Length, Line, SendError, Socket, Writer, is_persistent, websocket},
    proxy::{
        Incoming,
        upload::{DISCARD_TIME, DISCARDED_BYTES},
    },
    rejection::{BadRequest, Rejection, TooLarge},
};

/// What a client of HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A head may have so many bytes beyond the limit before it is no request at all: until then it is the stack that refuses
/// it, and knows its path.
const HEAD_ROOM: usize = 32 * 1024;
/// The same in header fields.
const FIELD_ROOM: usize = 28;

/// One client's connection, as long as it speaks HTTP/1.
pub(super) struct Http1 {
    line: Rc<Line>,
    protocol: Protocol,
    connection: Rc<Connection>,
    stack: Rc<Stack>,
    limits: Limits,
    deadline: Deadline,
}

/// What a connection may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1, or HTTP/2 with prior knowledge (RFC 9113 §3.3).
    Either,
    Http1,
    /// Nothing but the preface of HTTP/2.
    Http2,
}

/// How a connection ended.
pub(super) enum End {
    Closed,
    /// Its client speaks HTTP/2; these bytes have been read.
    Http2(Socket, bytes::Bytes),
}

/// How serving ended.
enum Served {
    /// Every answer that was begun was sent to its end.
    Orderly,
    /// Whoever reads what was sent must see that it broke off.
    Broken,
    Http2,
    /// This answer ends HTTP: what follows is the upgrade's.
    Switches(Box<Response<Answer>>),
}

enum Next {
    Request(Request<()>),
    Refused(Rejection),
    Http2,
    Closed,
}

/// What an answer has to know of its request.
#[derive(Clone, Copy)]
struct Asked {
    version: Version,
    is_head: bool,
    /// Whether the client means the connection to go on.
    persistent: bool,
}

/// What becomes of a connection behind an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    GoesOn,
    Ends,
    Broken,
}

impl Http1 {
    pub(super) fn new(
        socket: Socket,
        protocol: Protocol,
        connection: Rc<Connection>,
        stack: Rc<Stack>,
        limits: Limits,
    ) -> Self {
        Self { line: Line::new(socket), protocol, connection, stack, limits, deadline: Deadline::default() }
    }

    /// Serves until the connection ends or turns out to be one of HTTP/2.
    pub(super) async fn run(mut self, draining: &mut watch::Receiver<bool>) -> End {
        match self.serve(draining).await {
            Served::Http2 => self.line.into_parts().map_or(End::Closed, |(socket, read)| End::Http2(socket, read)),
            Served::Orderly => {
                self.say_goodbye().await;
                End::Closed
            }
            Served::Broken => End::Closed,
            // Apart, so that connections that never do it have no room for it.
            Served::Switches(response) => Box::pin(self.switch(*response, draining.clone())).await,
        }
    }

    async fn serve(&mut self, draining: &mut watch::Receiver<bool>) -> Served {
        // Whoever drains waits for the last receiver to go: this one stays until the connection has ended.
        let drain = draining.clone();
        let mut drained = pin!(async {
            let _ = draining.wait_for(|draining| *draining).await;
        });
        let mut head = Head::default();
        let mut first = true;
        loop {
            let (response, asked) = match self.next(&mut head, first, drained.as_mut()).await {
                Next::Closed => return Served::Orderly,
                Next::Http2 => return Served::Http2,
                Next::Refused(rejection) => {
                    let response = self.stack.refuse(&rejection, &self.connection);
                    let asked = Asked { version: Version::HTTP_11, is_head: false, persistent: false };
                    if self.send(response, asked).await == After::Broken {
                        return Served::Broken;
                    }
                    self.linger().await;
                    return Served::Orderly;
                }
                Next::Request(request) => {
                    let asked = Asked::new(&request);
                    match self.answer(request).await {
                        Some(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                            return Served::Switches(Box::new(response));
                        }
                        Some(response) => (response, asked),
                        None => return Served::Broken,
                    }
                }
            };
            // What more of the body comes than is read over would be taken for a request.
            let readable = self.line.may_end_within(DISCARDED_BYTES) && !self.connection.is_doubtful();
            let persistent = asked.persistent && !*drain.borrow() && readable;
            let after = self.send(response, Asked { persistent, ..asked }).await;
            if after == After::Broken {
                return Served::Broken;
            }
            if !self.finish(after).await {
                return Served::Orderly;
            }
            first = false;
        }
    }

    /// The next request's head. Whoever waits for it holds no buffer.
    async fn next(&mut self, head: &mut Head, first: bool, mut drained: Pin<&mut impl Future<Output = ()>>) -> Next {
        let limits = HeadLimits {
            bytes: self.limits.header_bytes.saturating_add(HEAD_ROOM),
            fields: self.limits.headers.saturating_add(FIELD_ROOM),
        };
        let protocol = if first { self.protocol } else { Protocol::Http1 };
        let mut lingering = None;
        let mut has_drained = false;
        poll_fn(|context| {
            loop {
                let next = self.line.with_input(|input| read(head, input, protocol, limits));
                if let Some(next) = next {
                    return Poll::Ready(next);
                }
                if self.line.with_input(|input| !input.is_empty()) {
                    self.connection.head_begins();
                }
                match self.line.poll_read(context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Closed),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => break,
                }
            }
            self.line.release();
            if !has_drained && drained.as_mut().poll(context).is_ready() {
                has_drained = true;
                lingering = Some(Instant::now() + LINGER);
            }
            let Some((deadline, _)) = self.connection.deadline(&self.limits) else { return Poll::Pending };
            let deadline = lingering.map_or(deadline, |end| end.min(deadline));
            ready!(self.deadline.poll(deadline, context));
            Poll::Ready(Next::Closed)
        })
        .await
    }

    /// The answer to a request; `None` if its client has hung up.
    async fn answer(&mut self, request: Request<()>) -> Option<Response<Answer>> {
        let body = Incoming::on_line(&self.line, &request);
        let request = request.map(|()| body);
        let mut serving = pin!(self.stack.serve(request, &self.connection));
        poll_fn(|context| {
            if let Poll::Ready(response) = serving.as_mut().poll(context) {
                return Poll::Ready(Some(response));
            }
            self.line.poll_hung_up(context).map(|()| None)
        })
        .await
    }

    async fn send(&mut self, response: Response<Answer>, asked: Asked) -> After {
        let (parts, mut body) = response.into_parts();
        let mut head = Vec::with_capacity(1024);
        head.extend_from_slice(self.line.take_rest_of_leave());
        let (length, goes_on) = answer::head(&mut head, &parts, &body, asked, || self.stack.date());
        let mut writer = Writer::new(head, length);
        let mut blocked: Option<Instant> = None;
        let sent = poll_fn(|context| {
            // Asked only of one that was full: hardly any is.
            let takes =
                blocked.is_some() && self.line.with_socket(|socket| socket.poll_write_ready(context).is_ready());
            let polled = writer.poll_send(&mut &*self.line, &mut body, context);
            if polled.is_ready() {
                return polled;
            }
            if self.line.poll_hung_up(context).is_ready() {
                return Poll::Ready(Err(SendError::Socket(io::ErrorKind::ConnectionAborted.into())));
            }
            if !writer.is_blocked() {
                blocked = None;
                return Poll::Pending;
            }
            body.poll_request(context);
            let since = blocked.filter(|_| !takes).unwrap_or_else(Instant::now);
            blocked = Some(since);
            ready!(self.deadline.poll(since + self.limits.body_timeout, context));
            Poll::Ready(Err(SendError::Socket(io::ErrorKind::TimedOut.into())))
        });
        match sent.await {
            Ok(()) if goes_on => After::GoesOn,
            Ok(()) => After::Ends,
            Err(_) => {
                if length == Length::UntilClose {
                    // Else what was sent would look like all of it.
                    self.line.with_socket(|socket| {
                        let _ = SockRef::from(&*socket).set_linger(Some(std::time::Duration::ZERO));
                    });
                }
                After::Broken
            }
        }
    }

    /// Reads over what is left of the request. Whether the connection goes on.
    async fn finish(&mut self, after: After) -> bool {
        if !self.line.is_body_readable() {
            self.linger().await;
            return false;
        }
        let read_over = self.line.is_body_read()
            || self
                .read_over(|line, context| line.poll_body(context).map(|piece| piece.map_or(Some(0), length_of)))
                .await;
        if read_over && after == After::Ends && self.has_more().await {
            self.linger().await;
        }
        read_over && after == After::GoesOn
    }

    /// Whether the client has sent more than what was answered.
    async fn has_more(&self) -> bool {
        self.line.with_input(|input| !input.is_empty())
            || poll_fn(|context| Poll::Ready(matches!(self.line.poll_read(context), Poll::Ready(Ok(1..))))).await
    }

    /// Says that nothing more comes, and reads over what still does. What it would mean is not asked.
    async fn linger(&mut self) {
        self.shut_down().await;
        self.line.with_input(bytes::BytesMut::clear);
        self.read_over(|line, context| {
            let read = ready!(line.poll_read(context));
            line.with_input(bytes::BytesMut::clear);
            Poll::Ready(read.ok())
        })
        .await;
    }

    /// With TLS a client can tell an end from a break only if it is told (`close_notify`, RFC 8446 §6.1).
    async fn say_goodbye(&self) {
        if self.line.with_socket(|socket| socket.tls().is_some()) {
            self.shut_down().await;
        }
    }

    /// Ends what is sent, as far as the socket takes that now.
    async fn shut_down(&self) {
        poll_fn(|context| {
            let _ = self.line.with_socket(|socket| Pin::new(socket).poll_shutdown(context));
            Poll::Ready(())
        })
        .await;
    }

    /// Whether `read` came to an end, which it shows by 0, within the limits of what is read over. `None` is no end.
    async fn read_over(&mut self, mut read: impl FnMut(&Line, &mut Context<'_>) -> Poll<Option<usize>>) -> bool {
        let end = Instant::now() + DISCARD_TIME;
        let mut left = DISCARDED_BYTES;
        poll_fn(|context| {
            loop {
                match read(&self.line, context) {
                    Poll::Ready(Some(0)) => return Poll::Ready(true),
                    Poll::Ready(Some(length)) if length <= left => left -= length,
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => break,
                }
            }
            self.deadline.poll(end, context).map(|()| false)
        })
        .await
    }
}

/// A piece is not empty.
fn length_of<E>(piece: Result<bytes::Bytes, E>) -> Option<usize> {
    piece.ok().map(|piece| piece.len())
}

impl Asked {
    fn new(request: &Request<()>) -> Self {
        let version = request.version();
        Self {
            version,
            is_head: request.method() == Method::HEAD,
            // A client that means to talk WebSocket may have begun to: what it says is never read as a request.
            persistent: is_persistent(version, request.headers())
                && !websocket::is_asked_for(version, request.headers()),
        }
    }
}

/// What has come of a request's head.
fn read(head: &mut Head, input: &mut bytes::BytesMut, protocol: Protocol, limits: HeadLimits) -> Option<Next> {
    if protocol != Protocol::Http1 && !input.is_empty() {
        if input.starts_with(PREFACE) {
            return Some(Next::Http2);
        }
        if PREFACE.starts_with(input) {
            return None;
        }
        if protocol == Protocol::Http2 {
            return Some(Next::Closed);
        }
    }
    if input.is_empty() {
        return None;
    }
    match head.request(input, limits) {
        Ok(request) => request.map(Next::Request),
        Err(HeadError::TooLarge) => Some(Next::Refused(Rejection::TooLarge(TooLarge::Head))),
        Err(error) => Some(Next::Refused(Rejection::BadRequest(BadRequest::Head(error.to_string())))),
    }
}
