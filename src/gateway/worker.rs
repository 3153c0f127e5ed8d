//! A worker: one thread, one runtime, one listening socket, one pool of upstream connections. What it serves never
//! leaves its thread.
//!
//! 1. Above the ceiling of connections a new one is closed at once: an answer would cost more than it tells. The count
//!    is in the metrics.
//!    The same above the ceiling for one address ([`addresses`](super::addresses)), unless it is a trusted proxy's.
//! 2. When the process has no file descriptors left, accepting pauses, longer each time, so that the worker doesn't
//!    spin.
//! 3. A connection that another worker has more room for is handed on to it ([`spread`](super::spread)).
//! 4. HTTP/1.1 and HTTP/2 come in on the same port: the first bytes tell which it is, or with TLS what was agreed on
//!    ([`entrance`](super::entrance)). The one is served by [`http1`](super::http1), the other by hyper.

use std::{
    cell::RefCell,
    future::Future,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Request;
use hyper::{rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc::UnboundedReceiver, watch},
    task::LocalSet,
    time::sleep,
};

use super::{
    access_log::Recorder,
    addresses::Seat,
    body::deliver,
    connection::{Connection, Open, Watched, supervise},
    drain::{Phase, reached},
    entrance::{self, Entered, Entrance},
    grpc,
    http1::{End, Http1},
    metrics::{Gauges, WorkerMetrics},
    snapshot::Snapshot,
    spread::{Accepted, Place, Spread},
    stack::Stack,
};
use crate::{
    config::Limits,
    proxy::{Incoming, Peer},
};

/// The pauses of an acceptor that finds no file descriptor free: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What hyper may read of a head of HTTP/2 beyond what we allow, in bytes, so that it is us who refuse.
const HEAD_ROOM: usize = 32 * 1024;
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 128;
/// How often a connection of HTTP/2 that has requests in flight is asked whether it is still there, and for how long.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a worker is given.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) listener: StdListener,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) gauges: Arc<Gauges>,
    /// Where it tells of its requests, if there is an access log.
    pub(super) access_log: Option<Recorder>,
    /// The most connections that the system bears, whatever the limits say.
    pub(super) connections: usize,
    /// Tells that there is another snapshot.
    pub(super) swapped: watch::Receiver<()>,
    /// The other workers, and what they hand on.
    pub(super) spread: Spread,
    pub(super) queue: UnboundedReceiver<Accepted>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) drain_deadline: Duration,
}

impl Worker {
    /// Serves until the gateway has drained or is stopped.
    pub(super) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.serve())
    }

    async fn serve(self) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        let stack = Stack::new(Arc::clone(&self.snapshot), Arc::clone(&self.metrics), self.access_log, self.index);
        let (draining, drain) = watch::channel(false);
        let acceptor = Acceptor {
            stack,
            connections: self.connections,
            server: RefCell::default(),
            snapshot: self.snapshot,
            gauges: self.gauges,
            spread: self.spread,
            drain,
        };
        let (mut phase, mut queue) = (self.phase, self.queue);

        tokio::select! {
            never = acceptor.accept_all(&listener) => match never {},
            () = acceptor.take_all(&mut queue) => {}
            () = acceptor.stack.follow(self.swapped) => {}
            () = reached(&mut phase, Phase::Draining) => {}
        }
        // Connections that the system has made already would be reset with the listener.
        // The socket itself is asked: the runtime may not have heard of them yet.
        while let Ok((stream, address)) = self.listener.accept() {
            acceptor.take(Accepted { stream, address, place: acceptor.spread.own() });
        }
        queue.close();
        acceptor.take_all(&mut queue).await;
        drop((listener, self.listener));
        let _ = draining.send(true);
        drop(acceptor);
        tokio::select! {
            // Each connection's task holds a receiver until it ends.
            () = draining.closed() => {}
            () = sleep(self.drain_deadline) => {}
            () = reached(&mut phase, Phase::Stopped) => {}
        }
        Ok(())
    }
}

struct Acceptor {
    stack: Rc<Stack>,
    connections: usize,
    /// For connections of HTTP/2, and the limits that it is made for.
    server: RefCell<Option<(Limits, Server)>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    gauges: Arc<Gauges>,
    spread: Spread,
    drain: watch::Receiver<bool>,
}

impl Acceptor {
    async fn accept_all(&self, listener: &TcpListener) -> std::convert::Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    pause = FIRST_PAUSE;
                    self.spread(stream, address);
                }
                // The client is gone again: its own affair.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, ?pause, "no connection can be accepted");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Serves a connection that was accepted here, or has the worker serve it that has the fewest.
    fn spread(&self, stream: TcpStream, address: SocketAddr) {
        let place = self.spread.place();
        if self.spread.is_own(&place) {
            return self.spawn(stream, address, place);
        }
        // A socket that this runtime can't let go of is broken.
        let Ok(stream) = stream.into_std() else { return };
        if let Err(back) = self.spread.hand_on(Accepted { stream, address, place }) {
            self.take(Accepted { place: self.spread.own(), ..back });
        }
    }

    /// Serves what other workers hand on, as long as they may.
    async fn take_all(&self, queue: &mut UnboundedReceiver<Accepted>) {
        while let Some(accepted) = queue.recv().await {
            self.take(accepted);
        }
    }

    fn take(&self, Accepted { stream, address, place }: Accepted) {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            self.spawn(stream, address, place);
        }
    }

    fn spawn(&self, stream: TcpStream, address: SocketAddr, place: Place) {
        let limits = self.limits();
        if self.gauges.connections.load(Ordering::Relaxed) >= limits.connections {
            self.gauges.connections_refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let snapshot = self.snapshot.load_full();
        let is_passed_on = entrance::is_passed_on(&snapshot, address);
        // What a balancer passes on is counted for its client, once that is known.
        let Some(seat) = Some(Seat::default())
            .filter(|_| is_passed_on)
            .or_else(|| entrance::seat(&self.gauges, &Peer::new(address, &snapshot.trusted_proxies), &limits))
        else {
            return;
        };
        // A socket that can't be told so is closed already; reading from it will show it.
        let _ = stream.set_nodelay(true);
        let open = Open::new(&self.gauges);
        let (stack, server, mut drain) = (Rc::clone(&self.stack), self.server(&limits), self.drain.clone());
        tokio::task::spawn_local(async move {
            let _place = place;
            let entrance = Entrance { snapshot, gauges: open.gauges(), limits, is_passed_on, seat };
            let Some(entered) = entrance.enter(stream, address, &mut drain).await else { return };
            let Entered { socket, peer, certificate, protocol, seat: _seat } = entered;
            let connection = Connection::new(peer, certificate, open);
            let http1 = Http1::new(socket, protocol, Rc::clone(&connection), Rc::clone(&stack), limits);
            let End::Http2(stream, read) = http1.run(&mut drain).await else { return };
            connection.speaks_http_2();
            let io = TokioIo::new(Watched::new(read, stream, Rc::clone(&connection)));
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let (stack, connection) = (Rc::clone(&stack), Rc::clone(&connection));
                let (head, body) = request.into_parts();
                let body = Incoming::of_stream(&head.headers, body);
                let request = Request::from_parts(head, body);
                let asks_by_grpc = grpc::asks(request.headers());
                async move {
                    let mut response = stack.serve(request, &connection).await;
                    if asks_by_grpc {
                        grpc::tell(&mut response);
                    }
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            supervise(server.serve_connection(io, service), Rc::clone(&connection), limits, drain).await;
        });
    }

    /// What a connection that is made now may do.
    fn limits(&self) -> Limits {
        let limits = self.snapshot.load().limits;
        Limits { connections: limits.connections.min(self.connections), ..limits }
    }

    fn server(&self, limits: &Limits) -> Server {
        let mut known = self.server.borrow_mut();
        match &*known {
            Some((of, server)) if of == limits => Rc::clone(server),
            _ => Rc::clone(&known.insert((*limits, server(limits))).1),
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

type Server = Rc<http2::Builder<Streams>>;

fn server(limits: &Limits) -> Server {
    let head = limits.header_bytes.saturating_add(HEAD_ROOM);
    let mut server = http2::Builder::new(Streams { stall_limit: limits.body_timeout });
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    Rc::new(server)
}

/// The streams of HTTP/2 are tasks of the same thread.
#[derive(Clone, Copy, Debug)]
struct Streams {
    stall_limit: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + 'static,
{
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(deliver(stream, self.stall_limit));
    }
}
