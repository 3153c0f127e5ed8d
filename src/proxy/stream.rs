//! One request and its answer on one stream of HTTP/2.
//!
//! 1. The request is sent and the answer read at the same time, by the request's own task: an upstream may answer before it
//!    has read everything, and then the rest goes on being sent while the answer is passed on.
//! 2. A request that the upstream says it has not processed may be sent again (RFC 9113 §8.7): its stream was refused, or
//!    is above the last one of a GOAWAY. What was sent of its body is [kept](Upload::keep) as long as it is little.
//! 3. Whoever drops a stream before its end resets it with CANCEL: so does a client that goes away, a body that breaks off
//!    and an answer that does not come in time.
//! 4. Interim answers (1xx, RFC 9110 §15.2) are read over.
//! 5. Both sides take only what the other one has room for: a piece of the request is asked for when the stream's window is
//!    open, and room for more of the answer is made when a piece of it is passed on.
//!
//! The connections are looked after by tasks of their own ([`connections`]); a request needs none.

mod body;
mod connections;
mod head;
mod sending;

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{Method, Request, Response, Version};
use tokio::time::Instant;

use super::{
    Body,
    forward::Outcome,
    hop_by_hop,
    upload::{Upload, UploadError},
    upstream::Counter,
};
use crate::rejection::Rejection;
use body::Rest;
pub(super) use body::StreamBody;
pub(super) use connections::{Connections, Place};
pub use head::is_grpc;
pub(super) use head::{request, wants_trailers};
use sending::{Stopped, poll_send};

/// Why there is no answer.
enum Failure {
    /// The upstream has processed nothing of the request.
    Unprocessed {
        cause: String,
        /// By the connection's end, not by the upstream's refusal.
        gone: bool,
    },
    Upload(UploadError),
    Invalid(String),
    Late,
}

/// Sends the `request` and its body `upload` on a new stream.
pub(super) async fn exchange(
    mut place: Place,
    request: Request<()>,
    upload: &mut Upload,
    limit: Duration,
) -> Result<Outcome, Rejection> {
    let asked = Asked { method: request.method().clone(), by_grpc: is_grpc(request.headers()) };
    upload.keep();
    let is_whole = http_body::Body::is_end_stream(upload);
    let mut exchange = match place.send(request, is_whole) {
        Ok((response, sending)) => Exchange { response, sending: (!is_whole).then_some(sending) },
        Err(error) => return Ok(Outcome::Unsent { cause: error.to_string(), stale: place.leave() }),
    };
    let began = Instant::now();
    let received = poll_fn(|context| {
        if let Poll::Ready(received) = exchange.poll(upload, context) {
            return Poll::Ready(received);
        }
        ready!(upload.poll_late(began, limit, place.timer(), context));
        Poll::Ready(Err(Failure::Late))
    });
    match received.await {
        Ok(response) => {
            exchange.answer(response, place, &asked, upload, is_whole.then_some(began)).map(Outcome::Answer)
        }
        Err(Failure::Unprocessed { cause, gone }) if upload.rewind() => {
            Ok(Outcome::Unsent { cause, stale: gone && place.leave() })
        }
        Err(Failure::Upload(error)) => Err(error.into()),
        Err(Failure::Invalid(cause) | Failure::Unprocessed { cause, .. }) => {
            place.failed(Counter::Reset);
            Err(Rejection::UpstreamUnreachable(cause))
        }
        Err(Failure::Late) => {
            place.failed(Counter::Timeout);
            Err(Rejection::UpstreamTimeout(format!("no answer within {limit:?}")))
        }
    }
}

/// What an answer has to know of its request.
struct Asked {
    method: Method,
    by_grpc: bool,
}

struct Exchange {
    response: ResponseFuture,
    /// Until the request is sent, or nobody wants more of it.
    sending: Option<SendStream<Bytes>>,
}

impl Exchange {
    fn poll(&mut self, upload: &mut Upload, context: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Failure>> {
        if let Some(sending) = &mut self.sending
            && let Poll::Ready(sent) = poll_send(sending, upload, context)
        {
            if let Err(Stopped::Upload(error)) = sent {
                return Poll::Ready(Err(Failure::Upload(error)));
            }
            // An upstream that has stopped it may have answered before.
            self.sending = None;
        }
        Pin::new(&mut self.response).poll(context).map_err(|error| Failure::of(&error))
    }

    fn answer(
        self,
        response: Response<RecvStream>,
        mut place: Place,
        asked: &Asked,
        upload: &mut Upload,
        measured: Option<Instant>,
    ) -> Result<Response<Body>, Rejection> {
        let (mut parts, receiving) = response.into_parts();
        if parts.status.is_informational() {
            place.failed(Counter::Reset);
            return Err(Rejection::UpstreamUnreachable(format!("it answered with {}", parts.status.as_u16())));
        }
        place.has_served(parts.status, measured);
        upload.forget();
        hop_by_hop::strip_response(&mut parts.headers);
        let remaining = head::length(&asked.method, &mut parts);
        // The server's side writes the version that the client speaks.
        parts.version = Version::HTTP_11;
        if receiving.is_end_stream() {
            return Ok(Response::from_parts(parts, Body::Empty));
        }
        if asked.by_grpc {
            upload.take_your_time();
        }
        let rest = self.sending.map(|sending| Box::new(Rest { sending, upload: std::mem::take(upload) }));
        let body = StreamBody::new(receiving, rest, place, remaining);
        Ok(Response::from_parts(parts, Body::Stream(body)))
    }
}

impl Failure {
    fn of(error: &h2::Error) -> Self {
        let cause = format!("it did not answer: {error}");
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        // To a stream below its last one a GOAWAY does nothing.
        let gone = error.is_go_away();
        if error.is_remote() && (refused || gone) { Self::Unprocessed { cause, gone } } else { Self::Invalid(cause) }
    }
}
