//! The body of a client's request, whichever version of HTTP it came by.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version, header::EXPECT};
use http_body::{Body, Frame, SizeHint};

use crate::http1::{self, Length, LengthError, Line};

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
    /// Nobody can tell how long it is. Nothing of it is read.
    Unframed(LengthError),
}

impl Incoming {
    /// The body of a stream of HTTP/2 with these fields. The stream frames it; what they say of it must still be one
    /// thing.
    #[must_use]
    pub fn of_stream(headers: &HeaderMap, body: hyper::body::Incoming) -> Self {
        match Length::of_request(Version::HTTP_11, headers) {
            Err(error) => Self::Unframed(error),
            Ok(_) if body.is_end_stream() => Self::Empty,
            Ok(_) => Self::Http2(body),
        }
    }

    /// The body of a request on this connection of HTTP/1.
    #[must_use]
    pub fn on_line(line: &Rc<Line>, request: &Request<()>) -> Self {
        let waits = || {
            let expected = request.headers().get(EXPECT).map(HeaderValue::as_bytes);
            request.version() == Version::HTTP_11
                && expected.is_some_and(|expected| expected.eq_ignore_ascii_case(b"100-continue"))
        };
        match Length::of_request(request.version(), request.headers()) {
            Err(error) => {
                line.has_no_length();
                Self::Unframed(error)
            }
            Ok(length @ Length::Exactly(0)) => {
                drop(line.body(length, false));
                Self::Empty
            }
            Ok(length) => Self::Http1(line.body(length, waits())),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.get_mut() {
            Self::Empty => None,
            Self::Unframed(error) => Some(Err(io::Error::other(*error))),
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
            Self::Unframed(_) => false,
            Self::Http1(body) => body.is_done(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Unframed(_) => SizeHint::default(),
            Self::Http1(body) => body.remaining().map(SizeHint::with_exact).unwrap_or_default(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
