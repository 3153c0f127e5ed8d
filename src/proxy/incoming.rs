//! The body of a client's request, whichever version of HTTP it came by.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::http1;

/// The body of a client's request.
#[derive(Debug, Default)]
pub enum Incoming {
    /// There is none.
    #[default]
    Empty,
    /// By HTTP/1.
    Http1(http1::Incoming),
    /// By HTTP/2: a stream.
    Http2(hyper::body::Incoming),
}

impl Incoming {
    /// The body of a stream of HTTP/2.
    #[must_use]
    pub fn of_stream(body: hyper::body::Incoming) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Http2(body) }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.get_mut() {
            Self::Empty => None,
            Self::Http1(body) => {
                ready!(body.poll_piece(context)).map(|piece| piece.map(Frame::data).map_err(io::Error::other))
            }
            Self::Http2(body) => {
                ready!(Pin::new(body).poll_frame(context)).map(|frame| frame.map_err(io::Error::other))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_done(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.remaining().map(SizeHint::with_exact).unwrap_or_default(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
