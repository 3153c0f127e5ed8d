//! A request's body on its way to the upstream: passed on as it comes, counted, and never trusted to end.
//!
//! 1. More bytes than the limit: the body fails, which aborts the request to the upstream.
//! 2. No byte from the client for the stall limit: the body fails.
//! 3. Trailers are left out: they could add fields that were stripped from the head (RFC 9110 §6.5.1 allows it).
//! 4. A little of what nobody wants any more is still read ([`discard`]): a connection that is closed with bytes
//!    unread is reset, and the client may lose the answer.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, timeout};

use super::Incoming;
use crate::http1::Length;

/// How much of an unwanted body is read, in bytes.
pub const DISCARDED_BYTES: usize = 1024 * 1024;
/// And for how long.
pub const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Why a request's body did not get to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// It is longer than the limit.
    #[error("the request's body is longer than allowed")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the request's body stalled")]
    Stalled,
    /// The client broke it off, or its framing is wrong.
    #[error("the request's body broke off")]
    Broken,
}

/// What is known about an upload while it is on its way, for the side that waits for the answer.
#[derive(Debug)]
pub(super) struct Progress {
    moved: Cell<Option<Instant>>,
    waits_for_client: Cell<bool>,
}

impl Progress {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { moved: Cell::new(None), waits_for_client: Cell::new(false) })
    }

    /// It is the upstream's turn from `now` on.
    pub(super) fn begins(&self, now: Instant) {
        self.moved.set(Some(now));
    }

    /// Since when it is the upstream that we wait for.
    pub(super) fn upstream_waited_for_since(&self) -> Instant {
        self.moved.get().filter(|_| !self.waits_for_client.get()).unwrap_or_else(Instant::now)
    }
}

/// The body of a request to the upstream.
#[derive(Debug, Default)]
pub(super) enum Upload {
    #[default]
    Empty,
    Streaming(Streaming),
}

#[derive(Debug)]
pub(super) struct Streaming {
    /// Gone when the body has failed.
    incoming: Option<Incoming>,
    progress: Rc<Progress>,
    remaining: u64,
    stall_limit: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// `incoming`, of which `limit` bytes are passed on at most.
    pub(super) fn new(incoming: Incoming, limit: u64, stall_limit: Duration, progress: Rc<Progress>) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Streaming(Streaming { incoming: Some(incoming), progress, remaining: limit, stall_limit, stall: None })
    }

    /// How long it is on a connection of HTTP/1.1.
    pub(super) fn length(&self) -> Length {
        match self {
            Self::Empty => Length::Exactly(0),
            Self::Streaming(_) => self.size_hint().exact().map_or(Length::Chunked, Length::Exactly),
        }
    }
}

impl Streaming {
    fn fail(&mut self, error: UploadError) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        self.progress.waits_for_client.set(false);
        if let (Some(incoming), UploadError::TooLarge) = (self.incoming.take(), error) {
            discard_body(incoming);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let limit = self.stall_limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.progress.waits_for_client.replace(true) {
            // The time that the upstream took since the last byte is not the client's.
            stall.as_mut().reset(Instant::now() + limit);
        }
        match stall.as_mut().poll(context) {
            Poll::Ready(()) => self.fail(UploadError::Stalled),
            Poll::Pending => Poll::Pending,
        }
    }

    fn moved(&self) {
        self.progress.waits_for_client.set(false);
        self.progress.moved.set(Some(Instant::now()));
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = match Pin::new(incoming).poll_frame(context) {
            Poll::Pending => return self.wait(context),
            Poll::Ready(frame) => frame,
        };
        self.moved();
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None | Some(Ok(Err(_))) => Poll::Ready(None),
            Some(Err(_)) => self.fail(UploadError::Broken),
            Some(Ok(Ok(data))) => match self.remaining.checked_sub(data.len() as u64) {
                Some(remaining) => {
                    self.remaining = remaining;
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                None => self.fail(UploadError::TooLarge),
            },
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(streaming) => streaming.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(streaming) => streaming.incoming.as_ref().is_some_and(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(streaming) => streaming.incoming.as_ref().map(Body::size_hint).unwrap_or_default(),
        }
    }
}

/// Reads a little of the body of a request that was refused: of a stream of HTTP/2, for with HTTP/1 the connection's task
/// does that behind the answer. A client that asked before sending its body is given no leave to send it.
pub fn discard(request: Request<Incoming>) {
    if !request.headers().contains_key(EXPECT) {
        discard_body(request.into_body());
    }
}

fn discard_body(body: Incoming) {
    let Incoming::Http2(mut body) = body else { return };
    let reading = async move {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    tokio::task::spawn_local(timeout(DISCARD_TIME, reading));
}
