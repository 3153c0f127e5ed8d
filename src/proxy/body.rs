//! An answer's body: streamed from the upstream, ready at hand, or none.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{pool::Lease, stream::StreamBody, upgrade::Upgraded, upload::Upload, upstream::Counter};
use crate::http1::{Decoder, SendError, Writer, fill::poll_fill};

/// A body that broke off, or was cut off: the connection to the client is broken off too, so that it never looks complete.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BodyError(#[source] io::Error);

impl BodyError {
    /// For this cause.
    #[must_use]
    pub const fn new(cause: io::Error) -> Self {
        Self(cause)
    }
}

/// The body of an answer to the client.
#[derive(Debug, Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// These bytes.
    Ready(Bytes),
    /// What the upstream sends, as it sends it, by HTTP/1.1.
    Upstream(UpstreamBody),
    /// The same by HTTP/2, with its trailers.
    Stream(StreamBody),
    /// The same, looked at on its way.
    Watched(WatchedBody),
    /// None: the connection has become another one.
    Upgraded(Box<Upgraded>),
}

/// A body inside another one that looks at it.
pub struct WatchedBody(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError>>>);

/// A body that comes from an upstream. At its end the connection goes back to its pool.
#[derive(Debug)]
pub struct UpstreamBody {
    decoder: Decoder,
    /// Gone when the body has ended or broken off.
    lease: Option<Lease>,
    /// Whether the connection is good for another request.
    lasts: bool,
    rest: Option<Box<Rest>>,
    /// Why the rest of the request can't be sent.
    broken: Option<io::Error>,
}

/// The rest of a request whose answer has begun.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) writer: Writer,
    pub(super) upload: Upload,
}

impl Body {
    /// The body that `decoder` reads from the leased connection, which `lasts` or does not.
    pub(super) fn from_upstream(decoder: Decoder, (lease, lasts): (Lease, bool), rest: Option<Box<Rest>>) -> Self {
        let mut body = UpstreamBody { decoder, lease: Some(lease), lasts, rest, broken: None };
        if !body.decoder.is_done() {
            return Self::Upstream(body);
        }
        body.end();
        Self::Empty
    }

    /// The upstream's server that sends it, while it does.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Upstream(body) => body.lease.as_ref().map(Lease::server),
            Self::Stream(body) => body.server(),
            Self::Upgraded(upgraded) => Some(upgraded.server()),
            Self::Empty | Self::Ready(_) | Self::Watched(_) => None,
        }
    }

    /// Goes on sending the rest of the request, while nobody can take the answer.
    pub fn poll_request(&mut self, context: &mut Context<'_>) {
        if let Self::Upstream(body) = self
            && let Err(error) = body.poll_rest(context)
        {
            (body.rest, body.broken) = (None, Some(error));
        }
    }

    /// What `body` makes of one of these.
    #[must_use]
    pub fn watched(body: impl HttpBody<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self::Watched(WatchedBody(Box::pin(body)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Ready(bytes) }
    }
}

impl UpstreamBody {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_piece(context);
        if let Poll::Ready(Some(Err(_))) = polled
            && let Some(lease) = self.lease.take()
        {
            lease.busy.count(Counter::Truncated);
        }
        polled.map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(BodyError)))
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        self.poll_rest(context)?;
        loop {
            let Some(Lease { connection, .. }) = &mut self.lease else { return Poll::Ready(None) };
            let piece = self.decoder.decode(&mut connection.input).map_err(io::Error::other)?;
            // Whoever reads a body with a known length may stop asking after its last byte.
            if self.decoder.is_done() {
                self.end();
            }
            if let Some(piece) = piece {
                return Poll::Ready(Some(Ok(piece)));
            }
            let Some(Lease { connection, .. }) = &mut self.lease else { return Poll::Ready(None) };
            let expected = self.decoder.expected();
            if ready!(poll_fill(&mut connection.socket, context, &mut connection.input, expected))? == 0 {
                self.decoder.end().map_err(io::Error::other)?;
                self.end();
            }
        }
    }

    /// Goes on sending the request.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let (Some(Rest { writer, upload }), Some(lease)) = (self.rest.as_deref_mut(), &mut self.lease) else {
            return Ok(());
        };
        match writer.poll_send(&mut lease.connection.socket, upload, context) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.rest = None;
                Ok(())
            }
            // An upstream that wants no more of the request may still answer.
            Poll::Ready(Err(SendError::Socket(_))) => {
                (self.rest, self.lasts) = (None, false);
                Ok(())
            }
            Poll::Ready(Err(error @ (SendError::Body(_) | SendError::Length))) => Err(io::Error::other(error)),
        }
    }

    /// The answer has been read to its end.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take()
            && self.lasts
            && self.rest.is_none()
        {
            lease.give_back();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty | Self::Upgraded(_) => Poll::Ready(None),
            ready @ Self::Ready(_) => match std::mem::take(ready) {
                Self::Ready(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Self::Empty | Self::Upstream(_) | Self::Stream(_) | Self::Watched(_) | Self::Upgraded(_) => {
                    Poll::Ready(None)
                }
            },
            Self::Upstream(body) => body.poll_frame(context),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
            Self::Watched(body) => body.0.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Ready(_) | Self::Upgraded(_) => false,
            Self::Upstream(body) => body.decoder.is_done(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Watched(body) => body.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(body) => body.decoder.remaining().map(SizeHint::with_exact).unwrap_or_default(),
            Self::Stream(body) => body.size_hint(),
            Self::Watched(body) => body.0.size_hint(),
            Self::Upgraded(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for WatchedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WatchedBody").finish_non_exhaustive()
    }
}
