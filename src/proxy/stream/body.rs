//! The body of an answer on a stream, and its trailers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};

use super::{Place, Stopped, hop_by_hop, poll_send};
use crate::proxy::{BodyError, upload::Upload, upstream::Counter};

/// A body that comes on a stream of an upstream's connection.
#[derive(Debug)]
pub struct StreamBody {
    /// Gone when the body has ended or broken off.
    open: Option<Open>,
    /// How many bytes are still to come, if that is known.
    remaining: Option<u64>,
}

#[derive(Debug)]
struct Open {
    receiving: RecvStream,
    rest: Option<Box<Rest>>,
    place: Place,
}

/// The rest of a request whose answer has begun.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) sending: SendStream<Bytes>,
    pub(super) upload: Upload,
}

impl StreamBody {
    pub(super) const fn new(
        receiving: RecvStream,
        rest: Option<Box<Rest>>,
        place: Place,
        remaining: Option<u64>,
    ) -> Self {
        Self { open: Some(Open { receiving, rest, place }), remaining }
    }

    /// The server that sends it, while it does.
    pub(in crate::proxy) fn server(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.place.server())
    }
}

impl Open {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_rest(context)?;
        while let Some(piece) = ready!(self.receiving.poll_data(context)).transpose().map_err(io::Error::other)? {
            // If there is no stream any more, there is nobody to tell.
            let _ = self.receiving.flow_control().release_capacity(piece.len());
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        let trailers = ready!(self.receiving.poll_trailers(context)).map_err(io::Error::other)?;
        Poll::Ready(trailers.map(|mut trailers| {
            hop_by_hop::strip_response(&mut trailers);
            Ok(Frame::trailers(trailers))
        }))
    }

    /// Goes on sending the request.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(Rest { sending, upload }) = self.rest.as_deref_mut() else { return Ok(()) };
        match poll_send(sending, upload, context) {
            Poll::Pending => Ok(()),
            // An upstream that wants no more of the request may still answer.
            Poll::Ready(Ok(()) | Err(Stopped::Stream)) => {
                self.rest = None;
                Ok(())
            }
            Poll::Ready(Err(error @ Stopped::Upload(_))) => Err(io::Error::other(error)),
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        let polled = ready!(open.poll_frame(context));
        match &polled {
            None => self.open = None,
            Some(Err(_)) => {
                if let Some(open) = self.open.take() {
                    open.place.count(Counter::Truncated);
                }
            }
            Some(Ok(frame)) => match frame.data_ref() {
                Some(piece) => {
                    let length = piece.len() as u64;
                    self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(length));
                }
                None => self.open = None,
            },
        }
        Poll::Ready(polled.map(|frame| frame.map_err(BodyError::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.receiving.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map(SizeHint::with_exact).unwrap_or_default()
    }
}
