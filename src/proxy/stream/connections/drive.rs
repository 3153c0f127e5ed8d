//! What a connection of HTTP/2 needs beside its requests: somebody who reads and writes it, and looks at it now and then.
//!
//! 1. A connection without requests is closed after [`IDLE_LIFE`], with a GOAWAY.
//! 2. While it has requests, its other end is sent a PING each [`PING_INTERVAL`] (RFC 9113 §6.7), and has [`PING_TIMEOUT`] to
//!    answer. Servers of gRPC end connections with more than a PING in five minutes; a machine that is gone is noticed
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

/// How often it is looked at.
const TICK: Duration = Duration::from_secs(10);
/// How long a connection may stand without requests.
const IDLE_LIFE: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_secs(310);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Keeps `driven` going until it has ended.
pub(super) async fn drive(
    mut driven: client::Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    connection: Weak<Connection>,
    connections: Weak<Connections>,
) {
    let mut pings = driven.ping_pong();
    // The PING that is not answered yet, or the last one.
    let (mut unanswered, mut pinged) = (false, Instant::now());
    let mut ticks = interval_at(pinged + TICK, TICK);
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
            if unanswered && now.duration_since(pinged) >= PING_TIMEOUT {
                return Poll::Ready(());
            }
            let Some(connection) = connection.upgrade() else { continue };
            let is_idle = connection.requests.get() == 0;
            if is_idle && now.duration_since(connection.idle_since.get()) >= IDLE_LIFE {
                retire();
            } else if !is_idle && !unanswered && now.duration_since(pinged) >= PING_INTERVAL {
                pinged = now;
                unanswered = pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
            }
        }
    })
    .await;
    retire();
}
