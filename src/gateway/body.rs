//! The body that a client gets: the proxy's, and the request's place among those in flight for as long as it lasts.
//!
//! A client of HTTP/2 that opens no window for an answer (RFC 9113 §5.2) takes nothing of it, and its socket does not
//! show that. So each stream remembers since when it is the client that is waited for, and is reset when that lasts too
//! long; the other streams of the connection go on.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::{access_log::Entry, connection::InFlight};
use crate::proxy::{Body, BodyError};

tokio::task_local! {
    static DELIVERY: Rc<Delivery>;
}

/// How an answer on a stream of HTTP/2 is taken.
#[derive(Debug, Default)]
struct Delivery {
    /// Since when the client could take more; `None` while it is the upstream that is waited for.
    offered_since: Cell<Option<Instant>>,
}

impl Delivery {
    /// Waits until the client has taken nothing for `limit`.
    async fn stalled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let deadline = self.offered_since.get().unwrap_or(now) + limit;
            if deadline <= now {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// Runs a stream of HTTP/2 to its end, or until its client has taken nothing of the answer for `limit`. Dropping it
/// resets it.
pub(super) async fn deliver(stream: impl Future, limit: Duration) {
    let delivery = Rc::new(Delivery::default());
    tokio::select! {
        _ = DELIVERY.scope(Rc::clone(&delivery), stream) => {}
        () = delivery.stalled(limit) => {}
    }
}

/// An answer's body.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// That of the stream; `None` with HTTP/1, where the socket tells enough.
    delivery: Option<Rc<Delivery>>,
    /// Its request's line in the access log, written when this is dropped.
    entry: Entry,
    /// Given up when the body has been sent, or will never be.
    _in_flight: InFlight,
}

impl Answer {
    pub(super) fn new(body: Body, in_flight: InFlight, entry: Entry) -> Self {
        let answer = Self { body, delivery: DELIVERY.try_with(Rc::clone).ok(), entry, _in_flight: in_flight };
        answer.offer(true);
        answer
    }

    /// Goes on sending the rest of the request, while the client takes nothing of the answer.
    pub(super) fn poll_request(&mut self, context: &mut Context<'_>) {
        self.body.poll_request(context);
    }

    fn offer(&self, offered: bool) {
        if let Some(delivery) = &self.delivery {
            delivery.offered_since.set(offered.then(Instant::now));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.entry.ended(!http_body::Body::is_end_stream(&self.body));
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.body), context);
        self.offer(polled.is_ready());
        self.entry.polled(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
