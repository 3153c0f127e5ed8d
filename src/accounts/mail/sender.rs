//! Sends what is in the outbox.
//!
//! 1. Whoever has written mail [wakes](Waker::wake) the sender. It looks once a second too, for what other processes have
//!    written and for what is due again.
//! 2. Mail is taken for two minutes (the *lease*), longer than sending it may take: nobody else sends it meanwhile. Who is
//!    killed in the middle leaves it to whoever looks when the lease is over. So each mail is sent at least once, and
//!    twice if the crash came between the server's answer and the store's.
//! 3. A mail that could not be sent is due again after some 12 seconds, then after twice as long each time, up to an hour;
//!    up to a quarter less, by chance, so that not all that failed together come together.
//! 4. It is given up when the server refuses the recipient for good, when the link in it has ended, or three days after
//!    it was written. The log tells its number and its template then, not whom it was for.
//! 5. A mail that cannot be rendered is one that could not be sent: another version of the program may know how.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::rand::SecureRandom;
use tokio::{
    select,
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, warn};

use super::{MailKind, Mailer, SendError};
use crate::{
    accounts::{model::TakenMail, store::OutboxStore},
    clock::{Clock, Timestamp},
};

/// How often the outbox is looked into without being asked.
const POLL: Duration = Duration::from_secs(1);
/// How many mails are sent at once. Servers take few connections from one client.
const AT_ONCE: usize = 4;
/// How long nobody else sends a mail that was taken.
const LEASE: Duration = Duration::from_secs(120);
/// How long sending one may take; then there is still time to forget it.
const LONGEST: Duration = Duration::from_secs(90);
/// How long after it was written a mail is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);
/// The time before the second try.
const FIRST_PAUSE: Duration = Duration::from_secs(12);
/// The longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How often a mail that was sent is tried to be forgotten, a second apart.
const FORGET_TRIES: u32 = 3;
/// What is under way when the sender has to stop may take so long.
const STOPPING: Duration = Duration::from_secs(5);

/// Sends what is in an outbox.
pub struct Sender {
    shared: Arc<Shared>,
    wake: Arc<Notify>,
}

struct Shared {
    mailer: Mailer,
    outbox: Arc<dyn OutboxStore>,
    clock: Clock,
    random: Arc<dyn SecureRandom + Send + Sync>,
    figures: Arc<MailFigures>,
}

/// Tells a [`Sender`] that there is mail. Clones wake the same one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Notify>);

/// What has become of the mail of this process.
#[derive(Debug, Default)]
pub struct MailFigures {
    sent: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    last_error: Mutex<Option<(Timestamp, String)>>,
}

impl Waker {
    /// There is mail. Never waits; when there is none, nothing happens.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

impl MailFigures {
    /// How many mails a server has taken.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many tries have failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many mails were given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// When and why the last try failed that is worth another, if none has gone well since. Names no recipient.
    #[must_use]
    pub fn last_error(&self) -> Option<(Timestamp, String)> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: Option<(Timestamp, String)>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

impl Sender {
    /// Sends what is in `outbox` by `mailer`. Times are those of `clock`; pauses between tries and the names of messages
    /// come from `random`.
    #[must_use]
    pub fn new(
        mailer: Mailer,
        outbox: Arc<dyn OutboxStore>,
        clock: Clock,
        random: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Self {
        let shared = Shared { mailer, outbox, clock, random, figures: Arc::default() };
        Self { shared: Arc::new(shared), wake: Arc::default() }
    }

    /// Goes on counting where another sender has begun.
    #[must_use]
    pub fn counting(mut self, figures: Arc<MailFigures>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.figures = figures;
        }
        self
    }

    /// Wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.wake))
    }

    /// What becomes of the mail.
    #[must_use]
    pub fn figures(&self) -> Arc<MailFigures> {
        Arc::clone(&self.shared.figures)
    }

    /// Sends mail until `stop` is done. What is under way then has five seconds more; what is not done by then is sent
    /// when its lease is over, by whoever runs then, and perhaps twice. To be spawned on a Tokio runtime with time and
    /// I/O.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        loop {
            select! {
                biased;
                () = &mut stop => break,
                // There is room for the next one.
                Some(_) = under_way.join_next() => {}
                () = self.wake.notified() => {}
                _ = poll.tick() => {}
            }
            for mail in self.shared.take(AT_ONCE.saturating_sub(under_way.len())).await {
                under_way.spawn(Arc::clone(&self.shared).deliver(mail));
            }
        }
        let finish = async { while under_way.join_next().await.is_some() {} };
        if timeout(STOPPING, finish).await.is_err() {
            warn!("stopping in the middle of sending mail; it will be sent again");
        }
    }
}

impl Shared {
    /// At most so many mails that are due.
    async fn take(&self, most: usize) -> Vec<TakenMail> {
        if most == 0 {
            return Vec::new();
        }
        let now = self.clock.now();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        self.outbox.take_mail(now, now.saturating_add(LEASE), most).await.unwrap_or_else(|error| {
            // Once a second; the store's own status tells it.
            debug!("mail cannot be taken from the outbox: {error}");
            Vec::new()
        })
    }

    async fn deliver(self: Arc<Self>, taken: TakenMail) {
        let send = self.mailer.send(&taken.mail, taken.written, self.clock.now(), &*self.random);
        match timeout(LONGEST, send).await.unwrap_or(Err(SendError::Late)) {
            Ok(()) => {
                self.figures.sent.fetch_add(1, Ordering::Relaxed);
                self.figures.note(None);
                self.forget(taken.number).await;
            }
            Err(error) => self.fail(&taken, &error).await,
        }
    }

    async fn fail(&self, taken: &TakenMail, error: &SendError) {
        let now = self.clock.now();
        // What is wrong with one mail for good says nothing about the next.
        if !error.is_permanent() {
            self.figures.note(Some((now, error.to_string())));
        }
        self.figures.failed.fetch_add(1, Ordering::Relaxed);
        let TakenMail { number, attempt, written, .. } = *taken;
        // Anything may stand there.
        let template = taken.mail.template.parse().map_or("unknown", MailKind::as_str);
        if error.is_permanent() || now.since(written) >= GIVEN_UP_AFTER {
            self.figures.given_up.fetch_add(1, Ordering::Relaxed);
            warn!(number, template, attempt, "mail is given up: {error}");
            return self.forget(number).await;
        }
        let next = now.saturating_add(pause(attempt, &*self.random));
        warn!(number, template, attempt, %next, "mail could not be sent, and will be tried again: {error}");
        self.retry(number, attempt, next).await;
    }

    async fn retry(&self, number: u64, attempt: u32, next: Timestamp) {
        if let Err(error) = self.outbox.retry_mail(number, attempt, next).await {
            warn!(number, "mail will be tried again only when its lease is over: {error}");
        }
    }

    /// What has been sent must not be sent again because the store was busy for a moment.
    async fn forget(&self, number: u64) {
        let mut tries = 0;
        while let Err(error) = self.outbox.forget_mail(number).await {
            tries += 1;
            if tries == FORGET_TRIES {
                warn!(number, "mail cannot be taken out of the outbox, and will be sent again: {error}");
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// How long to wait after this attempt, counted from 1.
fn pause(attempt: u32, random: &dyn SecureRandom) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let longest = doubled.min(LONGEST_PAUSE);
    let mut chance = [0];
    // Without randomness it is the longest: later is never wrong.
    let less = random.fill(&mut chance).map_or(0, |()| u32::from(chance[0]));
    longest - longest / 4 * less / 255
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").field("figures", &self.shared.figures).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_the_first_is_within_fifteen_seconds() {
        let random = SystemRandom::new();
        for attempt in 0_u32..200 {
            let longest = (12_u64 << attempt.saturating_sub(1).min(20)).min(3600);
            for _ in 0..20 {
                let pause = pause(attempt, &random).as_secs_f64();
                let longest = longest as f64;
                assert!((longest * 0.75 - 0.1..=longest).contains(&pause), "{attempt}: {pause}");
            }
        }
        assert!(FIRST_PAUSE + POLL < Duration::from_secs(15));
        assert!(LONGEST + (Duration::from_secs(6) * FORGET_TRIES) < LEASE);
    }

    #[test]
    fn pauses_are_not_all_the_same() {
        let random = SystemRandom::new();
        let pauses: std::collections::BTreeSet<_> = (0..50).map(|_| pause(3, &random)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
