//! A panic ends the one request that it happens in.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// What comes of a future; `None` if it panics. Its parts are dropped with this, and nothing that outlives a request
    /// is left half-changed: what is shared between requests is cells that are set whole.
    // Not an `async fn`, which would hold the future twice: as it came, and where it is polled.
    pub(super) struct Contained<F> {
        #[pin]
        future: F,
    }
}

/// Contains `future`.
pub(super) const fn contained<F>(future: F) -> Contained<F> {
    Contained { future }
}

impl<F: Future> Future for Contained<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let future = self.project().future;
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    }
}
