//! The connections of HTTP/2 to one upstream server. Each worker has its own, so they need no lock of ours.
//!
//! 1. The requests of a worker share a connection, as many at once as its server allows
//!    (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §5.1.2) and [`MOST_STREAMS`] at most; then another one is made. The oldest
//!    with room is taken first: the others grow idle and are closed.
//! 2. A connection is made when the server's SETTINGS have come: before, nobody knows how many requests it takes, nor
//!    whether it speaks HTTP/2 at all. Requests that need one wait for it together, within `connect_timeout`; one that goes
//!    away meanwhile takes nothing from the others.
//! 3. More connections are made at once only where the requests that wait would not all have room on those under way.
//! 4. One that stood idle is looked at by its own task first, which sees if its other end has hung up.
//! 5. One that is going away (GOAWAY) or broken takes no new request.

mod drive;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{Request, StatusCode};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    sync::Notify,
    task::{spawn_local, yield_now},
    time::{Instant, timeout},
};

use crate::{
    http1::{Deadline, Socket},
    proxy::{
        dial::dial,
        upstream::{Busy, Counter, Endpoint, UpstreamSettings},
    },
};

/// So many requests at once go over one connection, even if its server allows more.
const MOST_STREAMS: usize = 1000;
/// What an upstream may send on a stream before the client has taken it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same on a connection: enough for all of its streams, so that no client that takes its time holds up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 1024;
/// What is taken from a client before the upstream has made room for it, on a stream, in bytes.
const SEND_BUFFER: usize = 128 * 1024;
/// What the head of an answer may have, in bytes.
const HEAD_BYTES: u32 = 128 * 1024;
/// The other end has hardly hung up unnoticed on a connection that was in use so lately.
const SURELY_FRESH: Duration = Duration::from_millis(200);
/// How long a connection may be silent before the other system is asked whether it is still there, and how often.
const TCP_KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(5)).with_retries(4);

type Handshaken = (SendRequest<Bytes>, client::Connection<Socket, Bytes>);

/// The connections of one worker to one server.
#[derive(Debug)]
pub(in crate::proxy) struct Connections {
    endpoint: Arc<Endpoint>,
    settings: Arc<UpstreamSettings>,
    /// Those that take requests, the oldest first.
    open: RefCell<Vec<Rc<Connection>>>,
    connecting: Cell<usize>,
    waiting: Cell<usize>,
    /// How many requests at once the server allowed on the last connection.
    expected: Cell<usize>,
    failures: Cell<usize>,
    last_failure: RefCell<String>,
    changed: Notify,
}

/// A connection that requests share.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Bytes>,
    requests: Cell<usize>,
    idle_since: Cell<Instant>,
    /// Whether it has brought an answer: then its other end may just be closing it.
    has_served: Cell<bool>,
    /// Whether it takes new requests.
    is_fit: Cell<bool>,
    /// Timers that requests have left, for the next ones.
    timers: RefCell<Vec<Deadline>>,
}

/// A request's place on a connection. Dropping it makes room for another one.
#[derive(Debug)]
pub(in crate::proxy) struct Place {
    connection: Rc<Connection>,
    connections: Rc<Connections>,
    timer: Deadline,
    /// The request's place among those that the server has to do with: taken with the place, and kept as long.
    busy: Option<Busy>,
}

impl Connections {
    pub(in crate::proxy) fn new(endpoint: Arc<Endpoint>, settings: Arc<UpstreamSettings>) -> Rc<Self> {
        Rc::new(Self {
            endpoint,
            settings,
            open: RefCell::default(),
            connecting: Cell::new(0),
            waiting: Cell::new(0),
            expected: Cell::new(MOST_STREAMS),
            failures: Cell::new(0),
            last_failure: RefCell::default(),
            changed: Notify::new(),
        })
    }

    #[cfg(test)]
    fn has_open(&self) -> bool {
        !self.open.borrow().is_empty()
    }

    /// A place on a connection, on a new one if need be.
    ///
    /// # Errors
    /// Why no connection could be made.
    pub(in crate::proxy) async fn take(self: &Rc<Self>, busy: Busy) -> Result<Place, String> {
        let mut place = self.any_place().await?;
        place.busy = Some(busy);
        Ok(place)
    }

    async fn any_place(self: &Rc<Self>) -> Result<Place, String> {
        if let Some(place) = self.place() {
            if place.connection.requests.get() > 1 || place.connection.idle_since.get().elapsed() < SURELY_FRESH {
                return Ok(place);
            }
            // The connection's task comes first, if anything has happened on it.
            yield_now().await;
            if place.connection.is_fit.get() {
                return Ok(place);
            }
        }
        self.wait().await
    }

    fn place(self: &Rc<Self>) -> Option<Place> {
        let connection = self.open.borrow().iter().find(|connection| connection.has_room()).map(Rc::clone)?;
        connection.requests.set(connection.requests.get() + 1);
        let timer = connection.timers.borrow_mut().pop().unwrap_or_default();
        Some(Place { connection, connections: Rc::clone(self), timer, busy: None })
    }

    async fn wait(self: &Rc<Self>) -> Result<Place, String> {
        let _waiting = Counted::new(&self.waiting);
        let (failures, mut attempts) = (self.failures.get(), None);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(place) = self.place() {
                return Ok(place);
            }
            let failed = self.failures.get().wrapping_sub(failures);
            if attempts.is_some_and(|attempts| failed >= attempts) {
                return Err(self.last_failure.borrow().clone());
            }
            if self.waiting.get() > self.connecting.get().saturating_mul(self.expected.get()) {
                self.connect();
            }
            attempts = attempts.or(Some(self.connecting.get()));
            changed.await;
        }
    }

    /// Makes a connection, by a task that looks after it as long as it lasts.
    fn connect(self: &Rc<Self>) {
        let connections = Rc::clone(self);
        self.connecting.set(self.connecting.get() + 1);
        spawn_local(async move {
            let limit = connections.settings.connect_timeout;
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
            let made =
                timeout(limit, establish(&connections.endpoint, &connections.settings)).await.map_err(late).flatten();
            connections.connecting.set(connections.connecting.get().saturating_sub(1));
            match made {
                Ok((sender, driven)) => {
                    let connection = connections.add(sender, driven.max_concurrent_send_streams());
                    let (connection, connections) = (Rc::downgrade(&connection), Rc::downgrade(&connections));
                    drive::drive(driven, connection, connections, drive::Times::USUAL).await;
                }
                Err(error) => {
                    connections.settings.failed(&connections.endpoint, Counter::Connect);
                    let place = connections.endpoint.place();
                    *connections.last_failure.borrow_mut() = format!("{place}: {error}");
                    connections.failures.set(connections.failures.get().wrapping_add(1));
                    connections.changed.notify_waiters();
                }
            }
        });
    }

    fn add(&self, sender: SendRequest<Bytes>, allowed: usize) -> Rc<Connection> {
        self.expected.set(allowed.min(MOST_STREAMS));
        let connection = Rc::new(Connection {
            sender,
            requests: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            has_served: Cell::new(false),
            is_fit: Cell::new(true),
            timers: RefCell::default(),
        });
        self.open.borrow_mut().push(Rc::clone(&connection));
        self.changed.notify_waiters();
        connection
    }

    /// The connection takes no new requests.
    fn remove(&self, connection: &Rc<Connection>) {
        connection.is_fit.set(false);
        self.open.borrow_mut().retain(|open| !Rc::ptr_eq(open, connection));
        // Whoever waits for a place on it needs another one.
        self.changed.notify_waiters();
    }
}

impl Connection {
    fn has_room(&self) -> bool {
        let requests = self.requests.get();
        self.is_fit.get() && requests < MOST_STREAMS && requests < self.sender.current_max_send_streams()
    }
}

impl Place {
    /// Opens a stream; `is_whole` if the request has no body.
    ///
    /// # Errors
    /// The connection takes no more streams.
    pub(super) fn send(
        &self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.connection.sender.clone().send_request(request, is_whole)
    }

    /// Where it leads.
    pub(super) fn server(&self) -> &str {
        self.connections.endpoint.place()
    }

    pub(super) const fn timer(&mut self) -> &mut Deadline {
        &mut self.timer
    }

    /// The connection has brought an answer with this status; `measured` is when the request began, if it was sent at once.
    pub(super) fn has_served(&mut self, status: StatusCode, measured: Option<Instant>) {
        self.connection.has_served.set(true);
        if let Some(busy) = &self.busy {
            busy.answered(status, measured);
        }
    }

    /// The request went wrong, and that is the server's fault.
    pub(super) fn failed(&self, counter: Counter) {
        if let Some(busy) = &self.busy {
            busy.failed(counter);
        }
    }

    /// The answer went wrong after its beginning.
    pub(super) fn count(&self, counter: Counter) {
        if let Some(busy) = &self.busy {
            busy.count(counter);
        }
    }

    /// The connection takes no more requests. Whether it has served any.
    pub(super) fn leave(&self) -> bool {
        self.connections.remove(&self.connection);
        self.connection.has_served.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.requests.set(connection.requests.get().saturating_sub(1));
        if connection.requests.get() == 0 {
            connection.idle_since.set(Instant::now());
        }
        connection.timers.borrow_mut().push(std::mem::take(&mut self.timer));
        if self.connections.waiting.get() > 0 {
            self.connections.changed.notify_one();
        }
    }
}

/// One more, as long as it lives.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A connection whose server has said what it allows.
async fn establish(endpoint: &Endpoint, settings: &UpstreamSettings) -> io::Result<Handshaken> {
    let socket = dial(endpoint, settings).await?;
    if !matches!(socket, Socket::Unix(_)) {
        SockRef::from(&socket).set_tcp_keepalive(&TCP_KEEPALIVE)?;
    }
    let (sender, mut connection) = client::Builder::new()
        .enable_push(false)
        // Until the server has said how many it takes.
        .initial_max_send_streams(0)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEAD_BYTES)
        .handshake(socket)
        .await
        .map_err(io::Error::other)?;
    poll_fn(|context| match Pin::new(&mut connection).poll(context) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(format!("it does not speak HTTP/2: {error}")))),
        Poll::Ready(Ok(())) => Poll::Ready(Err(io::Error::other("it closed the connection"))),
        Poll::Pending if connection.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok((sender, connection))
}
