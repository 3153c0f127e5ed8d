//! The body that a client gets: the proxy's, and the request's place among those in flight for as long as it lasts.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::connection::InFlight;
use crate::proxy::{Body, BodyError};

/// An answer's body.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// Given up when the body has been sent, or will never be.
    _in_flight: InFlight,
}

impl Answer {
    pub(super) const fn new(body: Body, in_flight: InFlight) -> Self {
        Self { body, _in_flight: in_flight }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        http_body::Body::poll_frame(Pin::new(&mut self.body), context)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
