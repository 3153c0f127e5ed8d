//! Renewing an issuer's keys: between the requests, which never fetch anything, and whoever does.
//!
//! 1. A token whose `kid` is not known asks for a renewal. The first one that asks starts it; those that ask while it is
//!    awaited wait for the same one.
//! 2. A fetch that was under way before the first one asked, because it was due, is not theirs: what it brings may have
//!    been written before the key was added. They wait for the next one, which begins at once.
//! 3. After that nobody may ask until [`cooldown`](RenewalSettings::cooldown) is over, whatever comes: ten thousand
//!    invented ids are one fetch.
//! 4. A thousand wait at most, and what comes then is answered at once: a slow provider and a flood of invented ids must
//!    not fill the gateway with requests that wait.
//! 5. Whoever waits is released when the renewal has ended, or earlier: that the wait is bounded is the renewer's
//!    promise.
//!
//! No runtime is needed to wait: wakers are kept and woken.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::KeySource;
use crate::{clock::Timestamp, jwt::KeySet};

const MOST_WAITING: usize = 1000;

/// How keys are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalSettings {
    /// The shortest time between two renewals that tokens with an unknown `kid` ask for.
    pub cooldown: Duration,
    /// How long keys are used after they were last fetched.
    pub max_stale: Duration,
}

/// How renewing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// When the keys were last fetched, or found to be unchanged.
    pub renewed_at: Option<Timestamp>,
    /// When they are fetched next, if nobody asks before.
    pub next: Option<Timestamp>,
    /// What went wrong the last time, if it did.
    pub last_error: Option<String>,
    /// How often other keys came.
    pub replaced: u64,
    /// How often the same keys came.
    pub unchanged: u64,
    /// How often none came that could be used.
    pub failed: u64,
}

/// What a source and its renewer share.
#[derive(Debug)]
pub(super) struct Shared {
    settings: RenewalSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests wait: for the fetch that is under way if it is `begun`, else for the next one.
    awaited: bool,
    /// The fetch that requests wait for has begun after the first of them asked.
    begun: bool,
    asked_at: Option<Timestamp>,
    /// How often those who waited were released.
    round: u64,
    waiting: BTreeMap<u64, Waker>,
    last_waiting: u64,
    renewer: Option<Waker>,
    abandoned: bool,
    status: KeyStatus,
}

impl Shared {
    pub(super) fn new(settings: RenewalSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    pub(super) fn status(&self) -> KeyStatus {
        self.state().status.clone()
    }

    /// The renewal under way, or one that begins now; `None` within the cooldown.
    pub(super) fn ask(shared: &Arc<Self>, now: Timestamp) -> Option<Renewal> {
        let mut state = shared.state();
        if state.abandoned || state.waiting.len() >= MOST_WAITING {
            return None;
        }
        if !state.awaited {
            // A clock that was set back must not lock new keys out until it has caught up.
            let cools = |asked: Timestamp| asked <= now && now.since(asked) < shared.settings.cooldown;
            if state.asked_at.is_some_and(cools) {
                return None;
            }
            state.asked_at = Some(now);
            state.awaited = true;
        }
        state.last_waiting += 1;
        let renewal = Renewal { shared: Arc::clone(shared), round: state.round, id: state.last_waiting };
        let renewer = state.renewer.take();
        drop(state);
        renewer.into_iter().for_each(Waker::wake);
        Some(renewal)
    }

    /// Nobody uses the keys any more, or nobody renews them.
    pub(super) fn abandon(&self) {
        let renewer = {
            let mut state = self.state();
            state.abandoned = true;
            state.renewer.take()
        };
        renewer.into_iter().for_each(Waker::wake);
        self.release();
    }

    fn release(&self) {
        let waiting = {
            let mut state = self.state();
            (state.awaited, state.begun) = (false, false);
            state.round += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// What is in it is whole between any two lines that could panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a renewal that is awaited: then it is worth authenticating again, once.
#[derive(Debug)]
pub struct Renewal {
    shared: Arc<Shared>,
    round: u64,
    id: u64,
}

impl Future for Renewal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state();
        if state.round != self.round || state.abandoned {
            return Poll::Ready(());
        }
        let replaced = state.waiting.insert(self.id, context.waker().clone());
        // Not under the lock: a waker may hold the task, and the task this.
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Clone for Renewal {
    fn clone(&self) -> Self {
        let mut state = self.shared.state();
        state.last_waiting += 1;
        Self { shared: Arc::clone(&self.shared), round: self.round, id: state.last_waiting }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        let _waker = self.shared.state().waiting.remove(&self.id);
    }
}

impl PartialEq for Renewal {
    /// Whether it is the same renewal of the same keys.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.round == other.round
    }
}

impl Eq for Renewal {}

/// The end of a [`KeySource`] that fetches.
#[derive(Debug)]
pub struct Renewer {
    source: Weak<KeySource>,
    shared: Arc<Shared>,
}

impl Renewer {
    pub(super) const fn new(source: Weak<KeySource>, shared: Arc<Shared>) -> Self {
        Self { source, shared }
    }

    /// Waits until requests wait for a renewal, or nobody uses the keys any more.
    pub async fn asked(&self) {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if state.awaited || state.abandoned {
                return Poll::Ready(());
            }
            state.renewer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// A fetch begins: whoever waits now waits for this one.
    pub fn begin(&self) {
        let mut state = self.shared.state();
        state.begun = state.awaited;
    }

    /// Whether nobody uses the keys any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.state().abandoned
    }

    /// The keys were fetched at `now`: other ones, or the same as before. From here they are good for
    /// [`max_stale`](RenewalSettings::max_stale).
    pub fn succeeded(&self, keys: Option<KeySet>, now: Timestamp) {
        {
            let mut state = self.shared.state();
            let status = &mut state.status;
            let count = if keys.is_some() { &mut status.replaced } else { &mut status.unchanged };
            *count += 1;
            status.renewed_at = Some(now);
            status.last_error = None;
        }
        if let Some(source) = self.source.upgrade() {
            if let Some(keys) = keys {
                source.replace(keys);
            }
            source.keep_until(now.saturating_add(self.shared.settings.max_stale));
        }
    }

    /// No keys came that can be used. The old ones stay.
    pub fn failed(&self, error: String) {
        let mut state = self.shared.state();
        state.status.failed += 1;
        state.status.last_error = Some(error);
    }

    /// When the next fetch is due, unless somebody asks before.
    pub fn scheduled(&self, next: Timestamp) {
        self.shared.state().status.next = Some(next);
    }

    /// The fetch that [began](Self::begin) last has ended: lets those go who wait for it. Who asked while it was under
    /// way waits on for the next one: whether somebody does.
    pub fn finish(&self) -> bool {
        let waits_on = {
            let state = self.shared.state();
            state.awaited && !state.begun
        };
        if !waits_on {
            self.release();
        }
        waits_on
    }

    /// Lets all those go who wait.
    pub fn release(&self) {
        self.shared.release();
    }
}

impl Drop for Renewer {
    /// Nobody waits for a renewer that is gone.
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn renewed() -> (Arc<KeySource>, Renewer) {
        let settings = RenewalSettings { cooldown: Duration::from_secs(10), max_stale: Duration::from_secs(3600) };
        KeySource::renewed(settings)
    }

    fn waits(renewal: &mut Renewal) -> bool {
        Pin::new(renewal).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn a_thousand_wait_and_no_more_and_all_are_let_go_together() {
        let (source, renewer) = renewed();
        let mut waiting: Vec<Renewal> = (0..MOST_WAITING).map(|_| source.ask(NOW).unwrap()).collect();
        assert!(waiting.iter_mut().all(waits));
        assert!(source.ask(NOW).is_none());
        drop(waiting.pop());
        let mut last = source.ask(NOW).unwrap();
        assert!(waits(&mut last));
        renewer.release();
        assert!(!waiting.iter_mut().any(waits) && !waits(&mut last));
        assert!(source.ask(NOW).is_none(), "the cooldown is not over");
    }

    #[test]
    fn who_asks_while_a_fetch_is_under_way_waits_for_the_next_one_and_who_asks_then_joins() {
        let (source, renewer) = renewed();
        renewer.begin();
        let mut first = source.ask(NOW).unwrap();
        assert!(renewer.finish() && waits(&mut first), "that one began before the question");
        renewer.begin();
        let mut second = source.ask(NOW).unwrap();
        assert!(waits(&mut second));
        assert!(!renewer.finish() && !waits(&mut first) && !waits(&mut second));
        renewer.begin();
        assert!(source.ask(NOW).is_none(), "the cooldown is not over");
    }

    #[test]
    fn nobody_waits_for_a_renewer_that_is_gone() {
        let (source, renewer) = renewed();
        let mut renewal = source.ask(NOW).unwrap();
        assert!(waits(&mut renewal));
        drop(renewer);
        assert!(!waits(&mut renewal));
        assert!(source.ask(NOW.saturating_add(Duration::from_secs(60))).is_none());
    }

    #[test]
    fn how_it_goes_is_told() {
        let (source, renewer) = renewed();
        assert_eq!(source.status(), Some(KeyStatus::default()));
        renewer.failed("down".to_owned());
        renewer.scheduled(NOW);
        renewer.succeeded(None, NOW);
        let expected =
            KeyStatus { renewed_at: Some(NOW), next: Some(NOW), unchanged: 1, failed: 1, ..KeyStatus::default() };
        assert_eq!(source.status(), Some(expected));
        assert!(source.keys(NOW).is_none(), "there never were any");
    }
}
