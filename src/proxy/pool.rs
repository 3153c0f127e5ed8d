//! The open connections to one upstream server. Each worker has its own pool, so it needs no lock.
//!
//! 1. The connection that was used last is taken first: the others grow old and are closed.
//! 2. One that stood idle for longer than [`IDLE_LIFE`] is closed when the pool is next looked at.
//! 3. One that is not ready for a request, or whose other end has hung up, is dropped, and the next one is taken.
//! 4. A connection comes back when the answer's body has been read to its end ([`Lease::give_back`]); it is closed
//!    if that never happens, for what is left in it belongs to no one.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use http::uri::Authority;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{line::Line, upload::Upload};

/// How long a connection may stand idle before it is closed.
const IDLE_LIFE: Duration = Duration::from_secs(30);
/// The other end has hardly hung up on a connection that was in use so lately; the look at its socket is saved.
const SURELY_FRESH: Duration = Duration::from_millis(200);
/// More idle connections than this are not kept.
const MOST_IDLE: usize = 1024;
/// What one connection reads at once at most, in bytes.
const READ_BUFFER: usize = 128 * 1024;

/// The connections of one worker to one server.
#[derive(Debug)]
pub(super) struct Pool {
    server: Authority,
    idle: RefCell<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Upload>,
    line: Line,
}

/// A connection that is in use by one request. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    /// Whether it has served a request before: then its other end may just be closing it.
    pub(super) reused: bool,
}

impl Pool {
    pub(super) fn new(server: Authority) -> Self {
        Self { server, idle: RefCell::new(Vec::new()) }
    }

    pub(super) const fn server(&self) -> &Authority {
        &self.server
    }

    /// An idle connection that can be used now.
    pub(super) fn take(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return None;
        }
        let now = Instant::now();
        drop_expired(&mut idle, now);
        while let Some(Idle { connection, since }) = idle.pop() {
            let fresh = now.duration_since(since) < SURELY_FRESH;
            if connection.sender.is_ready() && (fresh || connection.line.is_quiet()) {
                return Some(Lease { connection, pool: Rc::clone(self), reused: true });
            }
        }
        None
    }

    /// A new connection, made within `limit`.
    pub(super) async fn connect(self: &Rc<Self>, limit: Duration) -> io::Result<Lease> {
        let stream = timeout(limit, dial(&self.server))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))??;
        stream.set_nodelay(true)?;
        let line = Line::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake(TokioIo::new(line.clone()))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer on this connection is told what went wrong there.
            if let Err(error) = driver.await {
                tracing::trace!(%error, "upstream connection ended");
            }
        });
        Ok(Lease { connection: Connection { sender, line }, pool: Rc::clone(self), reused: false })
    }
}

impl Lease {
    pub(super) const fn sender(&mut self) -> &mut SendRequest<Upload> {
        &mut self.connection.sender
    }

    /// Where it leads.
    pub(super) fn server(&self) -> &str {
        self.pool.server.as_str()
    }

    /// Puts the connection back, for the next request.
    pub(super) fn give_back(self) {
        let mut idle = self.pool.idle.borrow_mut();
        let now = Instant::now();
        drop_expired(&mut idle, now);
        if idle.len() < MOST_IDLE && !self.connection.sender.is_closed() {
            idle.push(Idle { connection: self.connection, since: now });
        }
    }
}

fn drop_expired(idle: &mut Vec<Idle>, now: Instant) {
    // The longest idle stand first.
    let expired = idle.iter().take_while(|idle| now.duration_since(idle.since) > IDLE_LIFE).count();
    if expired > 0 {
        idle.drain(..expired);
    }
}

async fn dial(server: &Authority) -> io::Result<TcpStream> {
    let host = server.host().trim_start_matches('[').trim_end_matches(']');
    TcpStream::connect((host, server.port_u16().unwrap_or(80))).await
}
