//! One client's connection: what goes on there, and when it has to end.
//!
//! It is ended when
//!
//! 1. a head takes longer than `header_timeout` from its first byte, or the first one from the connection's start;
//! 2. nothing is in flight for `idle_timeout` (with HTTP/2 a GOAWAY is sent first; a PING doesn't count as work);
//! 3. the client takes no byte of what is ready for it for `body_timeout`;
//! 4. a client of HTTP/2 sends too many [frames](super::frames) without content;
//! 5. the gateway drains, and nothing is in flight. A request that was on its way when the drain began is given
//!    [`LINGER`] to arrive.
//!
//! One of [HTTP/1](super::http1) looks at this itself. hyper, which serves HTTP/2, has no such limits, so there the
//! connection is watched from outside ([`supervise`]).
//!
//! A pause in a request's body is the [upload's](crate::proxy::upload) matter, and a stream of HTTP/2 whose window stays
//! shut the [answer's](super::body). An upstream that takes its time over
//! its answer's body is waited for: it may be a stream of events.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper_util::server::graceful::GracefulConnection;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::Instant,
};

use super::{
    frames::{Fault, FrameLimit},
    metrics::Gauges,
};
use crate::{
    authn::ClientCertificate,
    config::Limits,
    http1::{Deadline, Socket},
    proxy::Peer,
    rejection::{BadRequest, Rejection},
};

/// How long an idle connection may still bring a request after the drain began.
pub(super) const LINGER: Duration = Duration::from_millis(300);

/// What is known about a connection, for its task and the requests on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Peer,
    /// What its client has proven to have.
    pub(super) certificate: Option<ClientCertificate>,
    open: Open,
    in_flight: Cell<usize>,
    idle_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    write_blocked_since: Cell<Option<Instant>>,
    http_2: Cell<bool>,
    /// Whether a request on it could be read in two ways: what follows is not trusted to be what it looks like.
    doubtful: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new(peer: Peer, certificate: Option<ClientCertificate>, open: Open) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            peer,
            certificate,
            open,
            in_flight: Cell::new(0),
            idle_since: Cell::new(now),
            head_since: Cell::new(Some(now)),
            write_blocked_since: Cell::new(None),
            http_2: Cell::new(false),
            doubtful: Cell::new(false),
            task: RefCell::new(None),
        })
    }

    /// A request's head is complete. Its place, and whether no more than `limit` are in flight over all connections.
    pub(super) fn begin(self: &Rc<Self>, limit: usize) -> (InFlight, bool) {
        self.head_since.set(None);
        self.in_flight.set(self.in_flight.get() + 1);
        let admitted = self.open.0.in_flight.fetch_add(1, Ordering::Relaxed) < limit;
        (InFlight(Rc::clone(self)), admitted)
    }

    fn end(&self) {
        self.open.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if self.in_flight.get() == 0 {
            self.idle_since.set(Instant::now());
            // The streams of HTTP/2 are tasks of their own; the connection's has to look at its timer.
            if self.http_2.get()
                && let Some(task) = &*self.task.borrow()
            {
                task.wake_by_ref();
            }
        }
    }

    /// The first bytes of a head are there; it may not take longer than one from now on.
    pub(super) fn head_begins(&self) {
        if self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// What the connection is counted among.
    pub(super) const fn gauges(&self) -> &Arc<Gauges> {
        self.open.gauges()
    }

    /// A request on it was refused for this reason.
    pub(super) fn refused(&self, rejection: &Rejection) {
        use BadRequest::{Body, Head, Host, Method, Target, Upgrade};
        if matches!(rejection, Rejection::BadRequest(Head(_) | Method | Host(_) | Target(_) | Body(_) | Upgrade(_))) {
            self.doubtful.set(true);
        }
    }

    /// Whether no further request is to come on it. With HTTP/2 it may in any case: its frames leave no doubt.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.get()
    }

    /// It is one of HTTP/2. Its preface is there: that was its head.
    pub(super) fn speaks_http_2(&self) {
        self.http_2.set(true);
        self.head_since.set(None);
    }

    /// When to end the connection, and whether that is for idleness, if nothing happens until then.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, bool)> {
        let stalled = self.write_blocked_since.get().map(|since| (since + limits.body_timeout, false));
        if self.in_flight.get() > 0 {
            return stalled;
        }
        let waiting = match self.head_since.get() {
            Some(since) => (since + limits.header_timeout, false),
            None => (self.idle_since.get() + limits.idle_timeout, true),
        };
        Some(stalled.map_or(waiting, |stalled| stalled.min(waiting)))
    }
}

/// A connection's place among those that are open. Dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Open(Arc<Gauges>);

impl Open {
    pub(super) fn new(gauges: &Arc<Gauges>) -> Self {
        gauges.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(gauges))
    }

    pub(super) const fn gauges(&self) -> &Arc<Gauges> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request's place among those in flight. Dropping it gives the place up.
#[derive(Debug)]
pub(super) struct InFlight(Rc<Connection>);

impl InFlight {
    /// The answer was cut off.
    pub(super) fn ended_with_token(&self) {
        self.0.gauges().ended_with_token.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs `serving` until it is done, or until one of the module's rules ends it.
pub(super) async fn supervise(
    serving: impl GracefulConnection,
    connection: Rc<Connection>,
    limits: Limits,
    mut draining: watch::Receiver<bool>,
) {
    let mut serving = pin!(serving);
    let mut timer = Deadline::default();
    // Whoever drains waits for the last receiver to go: this one stays until the connection has ended.
    let _open = draining.clone();
    let mut drain = pin!(async {
        let _ = draining.wait_for(|draining| *draining).await;
    });
    let mut phase = Phase::Serving;
    poll_fn(|context| {
        remember(&connection.task, context);
        loop {
            if matches!(phase, Phase::Serving) && drain.as_mut().poll(context).is_ready() {
                phase = Phase::Lingering(Instant::now() + LINGER);
            }
            if serving.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let deadline = match phase {
                Phase::Lingering(end) if connection.in_flight.get() > 0 || end <= Instant::now() => {
                    serving.as_mut().graceful_shutdown();
                    phase = Phase::Closing;
                    continue;
                }
                Phase::Lingering(end) => Some((end, true)),
                Phase::Serving | Phase::Closing => connection.deadline(&limits),
            };
            let Some((deadline, idle)) = deadline else { return Poll::Pending };
            ready!(timer.poll(deadline, context));
            match phase {
                Phase::Lingering(_) => {}
                Phase::Serving if idle => {
                    serving.as_mut().graceful_shutdown();
                    phase = Phase::Closing;
                    // What the other side does not take within another idle timeout is cut off.
                    connection.idle_since.set(Instant::now());
                }
                Phase::Serving | Phase::Closing => return Poll::Ready(()),
            }
        }
    })
    .await;
}

#[derive(Clone, Copy)]
enum Phase {
    Serving,
    Lingering(Instant),
    Closing,
}

fn remember(task: &RefCell<Option<Waker>>, context: &Context<'_>) {
    let mut task = task.borrow_mut();
    match &mut *task {
        Some(waker) => waker.clone_from(context.waker()),
        None => *task = Some(context.waker().clone()),
    }
}

/// The socket of a connection of HTTP/2: what was read from it already comes first, and it is seen whether the client
/// takes what is written.
#[derive(Debug)]
pub(super) struct Watched {
    read: Bytes,
    stream: Socket,
    connection: Rc<Connection>,
    frames: FrameLimit,
}

impl Watched {
    pub(super) fn new(read: Bytes, stream: Socket, connection: Rc<Connection>) -> Self {
        Self { read, stream, connection, frames: FrameLimit::new() }
    }

    /// These bytes were read. A client that is at fault is told so, and read no further.
    fn has_read(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Err(fault) = self.frames.received(bytes) else { return Poll::Ready(Ok(())) };
        if fault == Fault::Flood {
            self.connection.open.0.http2_floods.fetch_add(1, Ordering::Relaxed);
        }
        tracing::info!(cause = %fault, "a connection of HTTP/2 is ended");
        if let Some(goaway) = self.frames.goaway(fault) {
            // Whoever doesn't take it learns it from the connection's end.
            let _ = Pin::new(&mut self.stream).poll_write(context, &goaway);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)))
    }

    /// Whether the system takes bytes now: else TLS keeps what it is given, and the client has got none of it.
    fn takes(&self, context: &mut Context<'_>) -> bool {
        self.stream.poll_write_ready(context).is_ready()
    }

    /// The client has got some of what was ready for it if the socket `took` bytes.
    fn has_written<T>(&self, took: bool, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let since = &self.connection.write_blocked_since;
        if took {
            since.set(None);
        }
        if polled.is_pending() && since.get().is_none() {
            since.set(Some(Instant::now()));
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.read.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let length = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read.split_to(length));
        }
        self.has_read(buffer.filled().get(before..).unwrap_or_default(), context)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let takes = self.takes(context);
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.frames.sent(bytes.get(..written).unwrap_or_default());
        }
        self.has_written(takes, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let takes = self.takes(context);
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(mut written)) = polled {
            for slice in slices {
                let taken = written.min(slice.len());
                self.frames.sent(slice.get(..taken).unwrap_or_default());
                written -= taken;
            }
        }
        self.has_written(takes, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What TLS has taken is not sent yet.
        let takes = self.takes(context);
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if self.stream.tls().is_some() { self.has_written(takes || polled.is_ready(), polled) } else { polled }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
