//! A request's body on a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::SendStream;
use http_body::Body;

use crate::proxy::upload::{Upload, UploadError};

/// Why no more of a body is sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The upstream has reset the stream, or the connection has ended.
    #[error("the upstream takes no more of the request")]
    Stream,
}

/// Sends the upload to its end, piece by piece, as the windows of stream and connection allow.
pub(super) fn poll_send(
    stream: &mut SendStream<Bytes>,
    upload: &mut Upload,
    context: &mut Context<'_>,
) -> Poll<Result<(), Stopped>> {
    loop {
        ready!(poll_room(stream, context))?;
        let Some(frame) = ready!(Pin::new(&mut *upload).poll_frame(context)) else {
            return Poll::Ready(stream.send_data(Bytes::new(), true).map_err(|_| Stopped::Stream));
        };
        let Ok(piece) = frame?.into_data() else { continue };
        let is_last = upload.is_end_stream();
        if piece.is_empty() && !is_last {
            continue;
        }
        stream.send_data(piece, is_last).map_err(|_| Stopped::Stream)?;
        if is_last {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Room for a byte is enough: h2 takes a piece as a whole, and sends it as far as the windows are open.
fn poll_room(stream: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
    stream.reserve_capacity(1);
    if stream.capacity() > 0 {
        // While the client is waited for, it is the reset that has to be noticed.
        let is_reset = stream.poll_reset(context).is_ready();
        return Poll::Ready(if is_reset { Err(Stopped::Stream) } else { Ok(()) });
    }
    loop {
        match ready!(stream.poll_capacity(context)) {
            Some(Ok(0)) => {}
            Some(Ok(_)) => return Poll::Ready(Ok(())),
            Some(Err(_)) | None => return Poll::Ready(Err(Stopped::Stream)),
        }
    }
}
