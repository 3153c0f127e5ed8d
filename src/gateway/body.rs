//! The body that a client gets: the proxy's, and the request's place among those in flight for as long as it lasts.
//!
//! A client of HTTP/2 that opens no window for an answer (RFC 9113 §5.2) takes nothing of it, and its socket does not
//! show that. So each stream remembers since when it is the client that is waited for, and is reset when that lasts too
//! long; the other streams of the connection go on.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::{task::futures::TaskLocalFuture, time::Instant};

use super::{access_log::Entry, connection::InFlight, expiry::Validity};
use crate::{
    http1::Deadline,
    proxy::{Body, BodyError, upgrade::Upgraded},
};

tokio::task_local! {
    static DELIVERY: Rc<Delivery>;
}

/// How an answer on a stream of HTTP/2 is taken.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Since when the client could take more; `None` while it is the upstream that is waited for.
    offered_since: Cell<Option<Instant>>,
}

pin_project! {
    /// A stream of HTTP/2 until its end, or until its client has taken nothing of the answer for too long. Dropping it
    /// resets the stream.
    pub(super) struct Delivered<F> {
        #[pin]
        stream: TaskLocalFuture<Rc<Delivery>, F>,
        delivery: Rc<Delivery>,
        limit: Duration,
        deadline: Deadline,
    }
}

/// Delivers `stream`.
pub(super) fn deliver<F: Future>(stream: F, limit: Duration) -> Delivered<F> {
    let delivery = Rc::new(Delivery::default());
    let stream = DELIVERY.scope(Rc::clone(&delivery), stream);
    Delivered { stream, delivery, limit, deadline: Deadline::default() }
}

impl<F: Future> Future for Delivered<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(context).is_ready() {
            return Poll::Ready(());
        }
        // While nothing is offered, the client's time has not begun.
        let since = this.delivery.offered_since.get().unwrap_or_else(Instant::now);
        this.deadline.poll(since + *this.limit, context)
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
    /// Lets it last as long as the token.
    validity: Option<Box<Validity>>,
    /// Given up when the body has been taken to its end, or will never be: whoever reads the last byte finds it given up.
    in_flight: Option<InFlight>,
}

impl Answer {
    pub(super) fn new(body: Body, in_flight: InFlight, entry: Entry) -> Self {
        let in_flight = Some(in_flight).filter(|_| !http_body::Body::is_end_stream(&body));
        let delivery = DELIVERY.try_with(Rc::clone).ok();
        let answer = Self { body, delivery, entry, validity: None, in_flight };
        answer.offer(true);
        answer
    }

    /// Goes on sending the rest of the request, while the client takes nothing of the answer.
    pub(super) fn poll_request(&mut self, context: &mut Context<'_>) {
        self.body.poll_request(context);
    }

    /// It is cut off when the token does not count any more.
    pub(super) fn lasts_while(&mut self, validity: Validity) {
        self.validity = Some(Box::new(validity));
    }

    /// The connection to the upstream that this answer has become, and how long it may last.
    pub(super) fn take_upgraded(&mut self) -> Option<(Box<Upgraded>, Option<Box<Validity>>)> {
        match std::mem::take(&mut self.body) {
            Body::Upgraded(upgraded) => Some((upgraded, self.validity.take())),
            other => {
                self.body = other;
                None
            }
        }
    }

    /// The line that is written of it.
    pub(super) const fn entry(&mut self) -> &mut Entry {
        &mut self.entry
    }

    /// Ready when the token has ended, and with it this. It is asked before the body, which may always have more.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(validity) = &mut self.validity else { return Poll::Pending };
        let over = ready!(validity.poll_over(context));
        self.validity = None;
        self.entry.cut();
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.ended_with_token();
        }
        // It closes the connection to the upstream, or resets the stream.
        self.body = Body::Empty;
        Poll::Ready(io::Error::other(over.as_str()))
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
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Some(Err(BodyError::new(over))));
        }
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.body), context);
        self.offer(polled.is_ready());
        self.entry.polled(&polled);
        if http_body::Body::is_end_stream(&self.body) {
            self.in_flight = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
