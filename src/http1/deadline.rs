//! A time limit that nearly always is kept.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is only ever set anew when it fires, or for an earlier time: most waits end long before, and cost the
/// runtime's timer wheel nothing.
#[derive(Debug, Default)]
pub struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// Ready at `deadline`. It may be another one each time: later ones are noticed when an earlier one is over.
    pub fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    #[tokio::test]
    async fn whichever_deadline_was_named_last_counts() {
        let start = Instant::now();
        let after = |tens: u64| start + Duration::from_millis(10 * tens);
        let mut deadline = Deadline::default();
        for named in [90, 1, 3] {
            let polled = poll_fn(|context| Poll::Ready(deadline.poll(after(named), context))).await;
            assert!(polled.is_pending() || Instant::now() >= after(named));
        }
        for named in [3, 4] {
            poll_fn(|context| deadline.poll(after(named), context)).await;
            assert!(Instant::now() >= after(named));
        }
        let later = poll_fn(|context| Poll::Ready(deadline.poll(after(100_000), context))).await;
        assert!(later.is_pending());
    }
}
