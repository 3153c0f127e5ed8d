//! A panic ends the one request that it happens in.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// What comes of `future`; `None` if it panics. Its parts are dropped by then, and nothing that outlives a request is
/// left half-changed: what is shared between requests is cells that are set whole.
pub(super) async fn contained<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let poll = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    });
    poll.await
}
