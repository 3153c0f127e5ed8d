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
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::BytesMut;
use http::uri::Authority;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
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
    server: Authority,
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
    /// Whether it has served a request before: then its other end may just be closing it.
    pub(super) reused: bool,
    /// Since when it is in use.
    pub(super) since: Instant,
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
            if connection.is_quiet(now.duration_since(since) < SURELY_FRESH) {
                return Some(Lease { connection, pool: Rc::clone(self), reused: true, since: now });
            }
        }
        None
    }

    /// A new connection, made within `limit`.
    pub(super) async fn connect(self: &Rc<Self>, limit: Duration) -> io::Result<Lease> {
        let socket = timeout(limit, dial(&self.server))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))??;
        socket.set_nodelay(true)?;
        let connection = Connection {
            socket: socket.into(),
            input: BytesMut::new(),
            buffer: Vec::new(),
            deadline: Deadline::default(),
            suspect: false,
        };
        let (connection, pool) = (Box::new(connection), Rc::clone(self));
        Ok(Lease { connection, pool, reused: false, since: Instant::now() })
    }
}

impl Connection {
    /// Whether it is open and nothing waits to be read: neither its end nor bytes that nobody asked for. If it is `fresh`
    /// the runtime's word is enough, that nothing has happened on it.
    fn is_quiet(&self, fresh: bool) -> bool {
        let nothing_known = self.socket.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending();
        if fresh && nothing_known && !self.suspect {
            return true;
        }
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.socket).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Lease {
    /// Where it leads.
    pub(super) fn server(&self) -> &str {
        self.pool.server.as_str()
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

/// A new connection to `server`.
pub(super) async fn dial(server: &Authority) -> io::Result<TcpStream> {
    let host = server.host().trim_start_matches('[').trim_end_matches(']');
    TcpStream::connect((host, server.port_u16().unwrap_or(80))).await
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener};

    use super::*;

    /// A connection of `pool`'s, used once, on which `said` has come since; the runtime has not heard of it.
    async fn used(pool: &Rc<Pool>, listener: &TcpListener, said: &[u8]) -> (Lease, std::net::TcpStream) {
        let lease = pool.connect(Duration::from_secs(5)).await.unwrap();
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
        let pool = Rc::new(Pool::new(listener.local_addr().unwrap().to_string().parse().unwrap()));
        for (suspect, said, usable) in [(true, &b"evil"[..], false), (true, b"", true), (false, b"", true)] {
            let (mut lease, _other) = used(&pool, &listener, said).await;
            lease.connection.suspect = suspect;
            lease.give_back();
            assert_eq!(pool.take().is_some(), usable, "{suspect} {said:?}");
        }
    }

    #[tokio::test]
    async fn the_last_one_used_is_taken_first_and_old_ones_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pool = Rc::new(Pool::new(listener.local_addr().unwrap().to_string().parse().unwrap()));
        let port =
            |lease: &Lease| SockRef::from(&lease.connection.socket).local_addr().unwrap().as_socket().unwrap().port();
        let ((first, _one), (second, _two)) = (used(&pool, &listener, b"").await, used(&pool, &listener, b"").await);
        let ports = [port(&second), port(&first)];
        first.give_back();
        second.give_back();
        let taken = [(); 2].map(|()| pool.take().unwrap());
        assert_eq!([port(&taken[0]), port(&taken[1])], ports);
        taken.into_iter().for_each(Lease::give_back);
        for idle in pool.idle.borrow_mut().iter_mut() {
            idle.since = idle.since.checked_sub(IDLE_LIFE + Duration::from_secs(1)).unwrap();
        }
        assert!(pool.take().is_none() && pool.idle.borrow().is_empty());
    }
}
