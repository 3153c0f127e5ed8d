//! The open connections to one upstream server. Each worker has its own pool, so it needs no lock.
//!
//! 1. The connection that was used last is taken first: the others grow old and are closed.
//! 2. One that stood idle for longer than [`IDLE_LIFE`] is closed when the pool is next looked at.
//! 3. One whose other end has hung up, or has sent what nobody asked for, is dropped, and the next one is taken.
//! 4. A connection comes back when the answer's body has been read to its end ([`Lease::give_back`]); it is closed
//!    if that never happens, for what is left in it belongs to no one.

use std::{
    cell::RefCell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, timeout},
};

use super::{
    dial::dial,
    upstream::{Busy, Counter, Endpoint, UpstreamSettings},
};
use crate::http1::{Deadline, Socket};

/// How long a connection may stand idle before it is closed.
const IDLE_LIFE: Duration = Duration::from_secs(30);
/// The other end has hardly hung up unnoticed on a connection that was in use so lately; the look at its socket is saved.
const SURELY_FRESH: Duration = Duration::from_millis(200);
/// More idle connections than this are not kept.
const MOST_IDLE: usize = 1024;
/// A larger buffer is not kept with an idle connection.
const LARGEST_BUFFER: usize = 8 * 1024;

/// The connections of one worker to one server.
#[derive(Debug)]
pub(super) struct Pool {
    endpoint: Arc<Endpoint>,
    settings: Arc<UpstreamSettings>,
    idle: RefCell<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

/// A connection to a server, and what belongs to it from one exchange to the next.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// What has been read and not used.
    pub(super) input: BytesMut,
    /// For the heads that are sent.
    pub(super) buffer: Vec<u8>,
    pub(super) deadline: Deadline,
    /// Whether its last answer may have had a body after all, which would be taken for the next one.
    pub(super) suspect: bool,
}

/// A connection that is in use by one request. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    pool: Rc<Pool>,
    /// The request's place among those that the server has to do with.
    pub(super) busy: Busy,
    /// Whether it has served a request before: then its other end may just be closing it.
    pub(super) reused: bool,
    /// Since when it is in use.
    pub(super) since: Instant,
}

impl Pool {
    pub(super) fn new(endpoint: Arc<Endpoint>, settings: Arc<UpstreamSettings>) -> Self {
        Self { endpoint, settings, idle: RefCell::new(Vec::new()) }
    }

    /// An idle connection that can be used now; or the request's place without one.
    pub(super) fn take(self: &Rc<Self>, busy: Busy) -> Result<Lease, Busy> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return Err(busy);
        }
        let now = Instant::now();
        drop_expired(&mut idle, now);
        while let Some(Idle { mut connection, since }) = idle.pop() {
            if connection.is_quiet(now.duration_since(since) < SURELY_FRESH) {
                return Ok(Lease { connection, pool: Rc::clone(self), busy, reused: true, since: now });
            }
        }
        Err(busy)
    }

    /// A new connection, made within `connect_timeout`.
    ///
    /// # Errors
    /// Why it can't be made, and to which server.
    pub(super) async fn connect(self: &Rc<Self>, busy: Busy) -> Result<Lease, String> {
        let limit = self.settings.connect_timeout;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
        let dialed = timeout(limit, dial(&self.endpoint, &self.settings)).await.map_err(late).flatten();
        let socket = dialed.map_err(|error| {
            busy.failed(Counter::Connect);
            format!("{}: {error}", self.endpoint.place())
        })?;
        let connection = Connection {
            socket,
            input: BytesMut::new(),
            buffer: Vec::new(),
            deadline: Deadline::default(),
            suspect: false,
        };
        let (connection, pool) = (Box::new(connection), Rc::clone(self));
        Ok(Lease { connection, pool, busy, reused: false, since: Instant::now() })
    }
}

impl Connection {
    /// Whether it is open and nothing waits to be read: neither its end nor bytes that nobody asked for. If it is `fresh`
    /// the runtime's word is enough, that nothing has happened on it.
    fn is_quiet(&mut self, fresh: bool) -> bool {
        if self.socket.tls().is_some() {
            return self.is_quiet_in_tls();
        }
        let nothing_known = self.socket.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending();
        if fresh && nothing_known && !self.suspect {
            return true;
        }
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.socket).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, where bytes may have been decrypted already, and where what waits may be TLS's own affair.
    fn is_quiet_in_tls(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.socket).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl Lease {
    /// Where it leads.
    pub(super) fn server(&self) -> &str {
        self.busy.place()
    }

    /// Puts the connection back, for the next request. Every byte that came on it has been used.
    pub(super) fn give_back(mut self) {
        let mut idle = self.pool.idle.borrow_mut();
        let now = Instant::now();
        drop_expired(&mut idle, now);
        if idle.len() < MOST_IDLE && self.connection.input.is_empty() {
            // It may still hold on to the memory of a large answer.
            self.connection.input = BytesMut::new();
            self.connection.buffer.shrink_to(LARGEST_BUFFER);
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

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener};

    use super::*;
    use crate::proxy::upstream::{
        Upstream,
        tests::{alone, busy},
    };

    type Alone = (Rc<Upstream>, Rc<Pool>);

    /// A connection of `pool`'s, used once, on which `said` has come since; the runtime has not heard of it.
    async fn used((upstream, pool): &Alone, listener: &TcpListener, said: &[u8]) -> (Lease, std::net::TcpStream) {
        let lease = pool.connect(busy(upstream)).await.unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(said).unwrap();
        let mut byte = [MaybeUninit::uninit()];
        while !said.is_empty() && SockRef::from(&lease.connection.socket).peek(&mut byte).is_err() {
            std::thread::yield_now();
        }
        (lease, other)
    }

    #[tokio::test]
    async fn a_connection_on_which_something_may_follow_is_looked_at_however_fresh_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alone = alone(&listener.local_addr().unwrap().to_string());
        let (upstream, pool) = &alone;
        for (suspect, said, usable) in [(true, &b"evil"[..], false), (true, b"", true), (false, b"", true)] {
            let (mut lease, _other) = used(&alone, &listener, said).await;
            lease.connection.suspect = suspect;
            lease.give_back();
            assert_eq!(pool.take(busy(upstream)).is_ok(), usable, "{suspect} {said:?}");
        }
    }

    #[tokio::test]
    async fn the_last_one_used_is_taken_first_and_old_ones_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alone = alone(&listener.local_addr().unwrap().to_string());
        let (upstream, pool) = &alone;
        let port =
            |lease: &Lease| SockRef::from(&lease.connection.socket).local_addr().unwrap().as_socket().unwrap().port();
        let ((first, _one), (second, _two)) = (used(&alone, &listener, b"").await, used(&alone, &listener, b"").await);
        let ports = [port(&second), port(&first)];
        first.give_back();
        second.give_back();
        let taken = [(); 2].map(|()| pool.take(busy(upstream)).unwrap());
        assert_eq!([port(&taken[0]), port(&taken[1])], ports);
        taken.into_iter().for_each(Lease::give_back);
        for idle in pool.idle.borrow_mut().iter_mut() {
            idle.since = idle.since.checked_sub(IDLE_LIFE + Duration::from_secs(1)).unwrap();
        }
        assert!(pool.take(busy(upstream)).is_err() && pool.idle.borrow().is_empty());
    }
}
