//! What a connection of HTTP/2 needs beside its requests: somebody who reads and writes it, and looks at it now and then.
//!
//! 1. A connection without requests is closed after a while ([`Times`]), with a GOAWAY.
//! 2. While it has requests, its other end is sent a PING now and then (RFC 9113 §6.7), and has some time to answer. Servers of gRPC end connections with more than a PING in five minutes; a machine that is gone is noticed
//!    sooner, by the system's own keep-alive.
//! 3. A connection that nobody can use any more, because a new configuration has taken the place of its own, ends with its
//!    last request.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Weak,
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, client};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{Connection, Connections};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How often a connection is looked at.
    tick: Duration,
    /// How long it may stand without requests.
    idle_life: Duration,
    /// From one PING to the next.
    ping_interval: Duration,
    /// From a PING to its answer.
    ping_timeout: Duration,
}

impl Times {
    pub(super) const USUAL: Self = Self {
        tick: Duration::from_secs(10),
        idle_life: Duration::from_secs(30),
        ping_interval: Duration::from_secs(310),
        ping_timeout: Duration::from_secs(20),
    };
}

/// Keeps `driven` going until it has ended.
pub(super) async fn drive(
    mut driven: client::Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    connection: Weak<Connection>,
    connections: Weak<Connections>,
    times: Times,
) {
    let mut pings = driven.ping_pong();
    // The PING that is not answered yet, or the last one.
    let (mut unanswered, mut pinged) = (false, Instant::now());
    let mut ticks = interval_at(pinged + times.tick, times.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let retire = || {
        if let (Some(connection), Some(connections)) = (connection.upgrade(), connections.upgrade()) {
            connections.remove(&connection);
        }
    };
    poll_fn(|context| {
        loop {
            if Pin::new(&mut driven).poll(context).is_ready() {
                return Poll::Ready(());
            }
            if unanswered && pings.as_mut().is_some_and(|pings| pings.poll_pong(context).is_ready()) {
                unanswered = false;
            }
            let now = ready!(ticks.poll_tick(context));
            if unanswered && now.duration_since(pinged) >= times.ping_timeout {
                return Poll::Ready(());
            }
            let Some(connection) = connection.upgrade() else { continue };
            let is_idle = connection.requests.get() == 0;
            if is_idle && now.duration_since(connection.idle_since.get()) >= times.idle_life {
                retire();
            } else if !is_idle && !unanswered && now.duration_since(pinged) >= times.ping_interval {
                pinged = now;
                unanswered = pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
            }
        }
    })
    .await;
    retire();
}

#[cfg(test)]
mod tests {
    use std::{
        rc::Rc,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::{io::duplex, task::LocalSet, time::sleep};

    use super::*;
    use crate::proxy::upstream::{Endpoint, Server, UpstreamSettings};

    const TIMES: Times = Times {
        tick: Duration::from_millis(10),
        idle_life: Duration::from_millis(300),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(300),
    };
    /// Less than any of them.
    const SHORT: Duration = Duration::from_millis(100);
    /// More than any two of them.
    const LONG: Duration = Duration::from_secs(2);

    /// A connection with so many requests to a server that `answers`, or falls silent; and how often that saw its end.
    async fn driven(requests: usize, answers: bool) -> (Rc<Connections>, Rc<AtomicUsize>, tokio::task::JoinHandle<()>) {
        let (client, server) = duplex(64 * 1024);
        let closed = Rc::new(AtomicUsize::new(0));
        let counted = Rc::clone(&closed);
        tokio::task::spawn_local(async move {
            let mut server = h2::server::handshake(server).await.unwrap();
            if answers {
                while server.accept().await.is_some() {}
                counted.fetch_add(1, Ordering::SeqCst);
            } else {
                let _ = tokio::time::timeout(Duration::from_millis(50), server.accept()).await;
                std::future::pending::<()>().await;
            }
        });
        let (sender, driven) = client::Builder::new().handshake::<_, Bytes>(client).await.unwrap();
        let server = Server::http2(http::uri::Authority::from_static("a:1"));
        let endpoint = Endpoint::new(&server, None);
        let connections = Connections::new(endpoint, Arc::new(UpstreamSettings::new("default", vec![server])));
        let connection = connections.add(sender, 100);
        connection.requests.set(requests);
        let (weak, owner) = (Rc::downgrade(&connection), Rc::downgrade(&connections));
        let driving = tokio::task::spawn_local(drive(driven, weak, owner, TIMES));
        (connections, closed, driving)
    }

    #[tokio::test]
    async fn a_connection_without_requests_is_closed_after_a_while() {
        LocalSet::new()
            .run_until(async {
                let (connections, closed, driving) = driven(0, true).await;
                sleep(SHORT).await;
                assert!(!driving.is_finished() && connections.has_open());
                sleep(LONG).await;
                assert!(driving.is_finished() && !connections.has_open());
                assert_eq!(closed.load(Ordering::SeqCst), 1);
            })
            .await;
    }

    #[tokio::test]
    async fn a_connection_with_requests_stays_as_long_as_its_pings_are_answered() {
        LocalSet::new()
            .run_until(async {
                let (answering, _, answered) = driven(1, true).await;
                let (silent, _, unanswered) = driven(1, false).await;
                sleep(SHORT).await;
                assert!(!unanswered.is_finished() && silent.has_open());
                sleep(LONG).await;
                assert!(unanswered.is_finished() && !silent.has_open());
                assert!(!answered.is_finished() && answering.has_open());
            })
            .await;
    }

    #[tokio::test]
    async fn a_connection_that_nobody_can_use_any_more_ends() {
        LocalSet::new()
            .run_until(async {
                let (connections, closed, driving) = driven(0, true).await;
                sleep(SHORT / 2).await;
                drop(connections);
                sleep(SHORT).await;
                assert!(driving.is_finished());
                assert_eq!(closed.load(Ordering::SeqCst), 1);
            })
            .await;
    }
}
