//! A connection that has become a WebSocket (RFC 6455): bytes both ways, until one of these ends it.
//!
//! 1. One end is done: that is passed on, and the other end has [`CLOSING`] to be done too. If a connection breaks off, so does
//!    the other.
//! 2. No byte for `tunnel_idle_timeout` either way; or an end takes no byte of what is ready for it for `body_timeout`.
//! 3. The gateway drains.
//! 4. The token does not count any more, where the route says `close_at_exp`.
//!
//! In 2 to 4 both ends are told by a Close frame, which goes between two of their own: what is left of a frame that has
//! begun goes first, and may take as long as [`CLOSING`]. After that the connection is cut off.
//!
//! Nothing is read of one side while the other one has not taken what was read before, and nobody who waits holds a buffer.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use tokio::{
    io::AsyncWrite,
    sync::watch,
    time::{Instant, timeout},
};

use super::{After, Asked, End, Http1, answer};
use crate::{
    config::Limits,
    gateway::{
        body::Answer,
        expiry::{Over, Validity},
        metrics::Gauges,
    },
    http1::{
        Deadline, Socket,
        fill::poll_fill,
        websocket::{Farewell, Frames},
    },
    rejection::{BadRequest, Rejection},
};

/// How long both ends may take to come to theirs.
const CLOSING: Duration = Duration::from_secs(3);

/// Why it is the gateway that ends a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Drained,
    Idle,
    Over(Over),
}

impl Cause {
    /// What both ends are told (RFC 6455 §7.4.1).
    const fn farewell(self) -> Farewell {
        match self {
            Self::Drained => Farewell { code: 1001, reason: "going away" },
            Self::Idle => Farewell { code: 1001, reason: "idle for too long" },
            Self::Over(over) => Farewell { code: 1008, reason: over.as_str() },
        }
    }
}

impl Http1 {
    /// Answers with 101, and lets both ends talk.
    pub(super) async fn switch(mut self, response: Response<Answer>, draining: watch::Receiver<bool>) -> End {
        let (head, mut answer) = {
            let (parts, answer) = response.into_parts();
            (answer::switching(&parts.headers), answer)
        };
        let Some((mut upstream, validity)) = answer.take_upgraded() else { return End::Closed };
        // What came before it was allowed is not forwarded: a request may be hidden in it.
        let hung_up = poll_fn(|context| Poll::Ready(self.line.poll_hung_up(context).is_ready())).await;
        if hung_up || self.line.with_input(|input| !input.is_empty()) {
            answer.entry().withdraw();
            drop((answer, upstream));
            if !hung_up {
                let early = Rejection::BadRequest(BadRequest::Upgrade("bytes came before it was allowed"));
                let asked = Asked { version: http::Version::HTTP_11, is_head: false, persistent: false };
                let response = self.stack.refuse(&early, &self.connection);
                if self.send(response, asked).await != After::Broken {
                    self.linger().await;
                }
            }
            return End::Closed;
        }
        let Some((client, _)) = self.line.into_parts() else { return End::Closed };
        let mut tunnel = Tunnel::new(head, &upstream.take_read(), self.limits);
        let open = Open::new(self.connection.gauges());
        let ended = tunnel.run(client, upstream.socket(), validity, draining).await;
        open.ended(ended);
        if ended.is_some_and(|cause| cause != Cause::Drained) {
            answer.entry().cut();
        }
        answer.entry().tunnelled(tunnel.down.bytes, tunnel.up.bytes);
        End::Closed
    }
}

/// Counts as open until it is dropped.
struct Open(Arc<Gauges>);

impl Open {
    fn new(gauges: &Arc<Gauges>) -> Self {
        gauges.upgrades_active.fetch_add(1, Ordering::Relaxed);
        gauges.upgrades.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(gauges))
    }

    fn ended(&self, cause: Option<Cause>) {
        match cause {
            Some(Cause::Over(_)) => self.0.ended_with_token.fetch_add(1, Ordering::Relaxed),
            Some(Cause::Idle) => self.0.upgrades_idle.fetch_add(1, Ordering::Relaxed),
            Some(Cause::Drained) | None => 0,
        };
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.upgrades_active.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Tunnel {
    /// From the upstream to the client.
    down: Half,
    up: Half,
    limits: Limits,
    timer: Deadline,
    /// When everything has to be at its end.
    end: Option<Instant>,
}

impl Tunnel {
    /// What begins with this head, and behind it what was `read` from the upstream.
    fn new(head: BytesMut, read: &Bytes, limits: Limits) -> Self {
        let mut down = Half::new(false);
        down.buffer = head;
        down.buffer.extend_from_slice(read);
        down.took(read.len());
        Self { down, up: Half::new(true), limits, timer: Deadline::default(), end: None }
    }

    /// Until it ends. Why, if that was not one of the ends' own doing.
    async fn run(
        &mut self,
        mut client: Socket,
        upstream: &mut Socket,
        mut validity: Option<Box<Validity>>,
        mut draining: watch::Receiver<bool>,
    ) -> Option<Cause> {
        let cause = {
            let mut drained = std::pin::pin!(async {
                let _ = draining.wait_for(|draining| *draining).await;
            });
            poll_fn(|context| {
                if self.poll_both(&mut client, upstream, context).is_ready() {
                    return Poll::Ready(None);
                }
                if let Some(validity) = &mut validity
                    && let Poll::Ready(over) = validity.poll_over(context)
                {
                    return Poll::Ready(Some(Cause::Over(over)));
                }
                if drained.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(Cause::Drained));
                }
                self.poll_idle(context)
            })
            .await
        };
        if let Some(cause) = cause {
            let both = poll_fn(|context| self.poll_farewell(cause.farewell(), &mut client, upstream, context));
            let _ = timeout(CLOSING, both).await;
        }
        cause
    }

    /// Ready when both ways are at their end, or one has broken off, or the second takes too long behind the first.
    fn poll_both(&mut self, client: &mut Socket, upstream: &mut Socket, context: &mut Context<'_>) -> Poll<()> {
        let (down, up) = (self.down.poll(upstream, client, context), self.up.poll(client, upstream, context));
        match (down, up) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) | (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                Poll::Ready(())
            }
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            (Poll::Ready(Ok(())), Poll::Pending) | (Poll::Pending, Poll::Ready(Ok(()))) => {
                let end = *self.end.get_or_insert_with(|| Instant::now() + CLOSING);
                self.timer.poll(end, context)
            }
        }
    }

    /// Ready when nothing has happened for too long.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Option<Cause>> {
        let stalled = [&self.down, &self.up].into_iter().filter(|half| half.is_blocked());
        if let Some(since) = stalled.map(|half| half.moved).min() {
            return self.timer.poll(since + self.limits.body_timeout, context).map(|()| None);
        }
        let idle = self.down.moved.max(self.up.moved) + self.limits.tunnel_idle_timeout;
        self.timer.poll(idle, context).map(|()| Some(Cause::Idle))
    }

    /// Says farewell to both, and waits for them to be done: what is closed with bytes unread is reset, and the farewell may be
    /// lost.
    fn poll_farewell(
        &mut self,
        farewell: Farewell,
        client: &mut Socket,
        upstream: &mut Socket,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        self.down.close(farewell);
        self.up.close(farewell);
        let down = self.down.poll(upstream, client, context).map(|sent| sent.is_ok());
        let up = self.up.poll(client, upstream, context).map(|sent| sent.is_ok());
        // Nothing of what they say is passed on any more. Each side is read by the half that it goes by until then.
        let client_done = up.is_ready() && poll_over(client, context).is_ready();
        let upstream_done = down.is_ready() && poll_over(upstream, context).is_ready();
        if client_done && upstream_done && down.is_ready() && up.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Reads over what comes, to its end.
fn poll_over(socket: &mut Socket, context: &mut Context<'_>) -> Poll<()> {
    let mut unwanted = BytesMut::new();
    while ready!(poll_fill(socket, context, &mut unwanted, 0)).is_ok_and(|read| read > 0) {
        unwanted.clear();
    }
    Poll::Ready(())
}

/// One way.
struct Half {
    frames: Frames,
    buffer: BytesMut,
    /// How many have been read.
    bytes: u64,
    moved: Instant,
    /// Whether what goes this way is masked.
    masked: bool,
    /// What is said behind the frame that has begun.
    farewell: Option<Farewell>,
    /// Nothing more is read.
    ended: bool,
    flushed: bool,
    shut: bool,
}

impl Half {
    fn new(masked: bool) -> Self {
        Self {
            frames: Frames::default(),
            buffer: BytesMut::new(),
            bytes: 0,
            moved: Instant::now(),
            masked,
            farewell: None,
            ended: false,
            flushed: true,
            shut: false,
        }
    }

    /// Ready when everything has been passed on to the end, and that it is the end.
    fn poll(&mut self, from: &mut Socket, to: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_write(to, context))?;
            if self.ended {
                if !self.shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(context))?;
                    self.shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            match poll_fill(from, context, &mut self.buffer, 0) {
                Poll::Ready(Ok(0)) => (self.ended, self.moved) = (true, Instant::now()),
                Poll::Ready(Ok(read)) => self.took(read),
                // Many end TLS without a word. Behind a Close frame nothing can be missing.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof && self.frames.has_closed() => {
                    (self.ended, self.moved) = (true, Instant::now());
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.buffer = BytesMut::new();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, to: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(context, &self.buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.buffer.advance(written);
            (self.moved, self.flushed) = (Instant::now(), false);
        }
        if !self.flushed {
            ready!(Pin::new(to).poll_flush(context))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether something waits for the end that it goes to. What TLS has taken is not sent yet.
    fn is_blocked(&self) -> bool {
        !self.buffer.is_empty() || !self.flushed || self.ended && !self.shut
    }

    /// The last so many bytes of the buffer have just come.
    fn took(&mut self, read: usize) {
        (self.bytes, self.moved) = (self.bytes.saturating_add(read as u64), Instant::now());
        let start = self.buffer.len().saturating_sub(read);
        let bytes = self.buffer.get(start..).unwrap_or_default();
        let Some(farewell) = self.farewell else { return self.frames.pass(bytes) };
        let passed = self.frames.pass_frame(bytes);
        self.buffer.truncate(start + passed);
        if self.frames.is_between() {
            self.say(farewell);
        }
    }

    /// Nothing follows the frame that has begun but this.
    fn close(&mut self, farewell: Farewell) {
        if self.ended || self.farewell.is_some() {
            return;
        }
        self.farewell = Some(farewell);
        if self.frames.is_between() {
            self.say(farewell);
        }
    }

    fn say(&mut self, farewell: Farewell) {
        // Nothing follows a Close frame.
        if !self.frames.has_closed() {
            self.buffer.extend_from_slice(&farewell.frame(self.masked));
        }
        self.ended = true;
    }
}
