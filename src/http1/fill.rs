//! Bytes from a socket.

use std::{
    cell::RefCell,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// What is read at once of heads and small bodies, in bytes.
const SCRATCH: usize = 32 * 1024;
/// What is read at once of a large body, in bytes: its buffer is its own, so that nothing is copied.
const LARGE: usize = 128 * 1024;

thread_local! {
    /// One buffer for all connections of a thread: most of them wait, and need none while they do.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Appends to `input` what there is to read, and says how much that is: 0 at the end. `expected` is how much is known to
/// come.
///
/// # Errors
/// The socket's.
pub fn poll_fill<S: AsyncRead + Unpin>(
    socket: &mut S,
    context: &mut Context<'_>,
    input: &mut BytesMut,
    expected: u64,
) -> Poll<io::Result<usize>> {
    if expected >= SCRATCH as u64 {
        input.reserve(usize::try_from(expected).map_or(LARGE, |expected| expected.min(LARGE)));
        return pin!(socket.read_buf(input)).poll(context);
    }
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(socket).poll_read(context, &mut read))?;
        input.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
}
