//! An answer's body: streamed from the upstream, ready at hand, or none.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    pool::Lease,
    upstream::{Counter, Upstream},
};

/// A body that broke off: the connection to the client is broken off too, so that it never looks complete.
#[derive(Debug, thiserror::Error)]
#[error("the upstream broke off its answer")]
pub struct BodyError(#[source] hyper::Error);

/// The body of an answer to the client.
#[derive(Debug, Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// These bytes.
    Ready(Bytes),
    /// What the upstream sends, as it sends it.
    Upstream(UpstreamBody),
    /// The same, looked at on its way.
    Watched(WatchedBody),
}

/// A body inside another one that looks at it.
pub struct WatchedBody(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError>>>);

/// A body that comes from an upstream. At its end the connection goes back to its pool.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    lease: Option<Lease>,
    upstream: Rc<Upstream>,
}

impl Body {
    pub(super) fn from_upstream(incoming: Incoming, lease: Lease, upstream: Rc<Upstream>) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::Empty;
        }
        Self::Upstream(UpstreamBody { incoming, lease: Some(lease), upstream })
    }

    /// The upstream's server that sends it, while it does.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Upstream(body) => body.lease.as_ref().map(Lease::server),
            Self::Empty | Self::Ready(_) | Self::Watched(_) => None,
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
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Err(_))) => {
                self.lease = None;
                self.upstream.count(Counter::Truncated);
            }
            // Whoever reads a body with a known length may stop asking after its last byte.
            Poll::Ready(end) => {
                if (end.is_none() || self.incoming.is_end_stream())
                    && let Some(lease) = self.lease.take()
                {
                    lease.give_back();
                }
            }
        }
        polled.map_err(BodyError)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            ready @ Self::Ready(_) => match std::mem::take(ready) {
                Self::Ready(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Self::Empty | Self::Upstream(_) | Self::Watched(_) => Poll::Ready(None),
            },
            Self::Upstream(body) => body.poll_frame(context),
            Self::Watched(body) => body.0.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Ready(_) => false,
            Self::Upstream(body) => body.incoming.is_end_stream(),
            Self::Watched(body) => body.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::Watched(body) => body.0.size_hint(),
        }
    }
}

impl fmt::Debug for WatchedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WatchedBody").finish_non_exhaustive()
    }
}
