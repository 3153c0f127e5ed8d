//! Another configuration for a gateway that runs: all of it or nothing.
//!
//! 1. SIGHUP, `POST /reload` on the admin listener, or another content in one of the files that the configuration was read
//!    from ([`Watch`]). It happens on a thread of its own: no worker works for it, or waits.
//! 2. Everything is read and built anew as at a start. A mistake anywhere leaves what runs as it is; the log has every
//!    mistake, as `check` prints them.
//! 3. What is bound to the process cannot be changed: such a configuration is refused, with what it would change.
//! 4. So is one with which keys that are known would be known no more: the tokens of that issuer would be answered with
//!    503. And one without keys that it requires itself.
//! 5. Requests that have begun end with the snapshot that they began with. When the last of them has, it is dropped here,
//!    and the threads that worked for it end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use super::{
    Echo, PrepareError, Prepared, Snapshot, before::Before, descriptors, drain::Phase, metrics::Gauges,
    prepare::prepare_after, supervisor, watch::Watch,
};
use crate::{
    authz::Mode,
    clock::Timestamp,
    config::{Config, Files},
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Reads the configuration again, and notes which files it was read from. A failure is every mistake, as a person reads
/// it.
pub type ReadAgain = Box<dyn Fn(&Files) -> Result<Config, String> + Send>;

/// Where a gateway's configuration comes from.
pub struct Origin {
    /// What it runs with.
    pub config: Config,
    /// The files that this was read from.
    pub watch: Watch,
    /// Reads it again.
    pub read: ReadAgain,
}

/// Why a configuration was not taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It has mistakes, here as a person reads them.
    #[error("{0}")]
    Mistakes(String),
    /// It would change what is bound to the process.
    #[error(
        "these cannot be changed while the gateway runs: {}. Start it anew, or send it SIGUSR2",
        .0.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
    )]
    Fixed(Vec<&'static str>),
    /// It cannot be run.
    #[error("{0}")]
    Prepare(#[from] PrepareError),
    /// The gateway drains.
    #[error("the gateway is about to end")]
    Ending,
    /// Keys that are known, or required, would not be.
    #[error("the keys of these issuers cannot be had: {}", .0.join(", "))]
    Keys(Vec<String>),
}

/// Somebody asks for a reload, and wants to know what comes of it.
pub(super) struct Ask {
    pub(super) outcome: oneshot::Sender<Result<(), String>>,
}

/// What a reload works on.
pub(super) struct Reloader {
    pub(super) origin: Origin,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) echo: Option<Echo>,
    pub(super) gauges: Arc<Gauges>,
    /// Wakes the workers, so that none keeps an old snapshot because nobody asks it anything.
    pub(super) swapped: watch::Sender<()>,
    pub(super) workers: usize,
    /// A gateway that ends takes nothing over.
    pub(super) phase: watch::Receiver<Phase>,
    /// Replaced, and still used by requests.
    pub(super) retired: Vec<Arc<Snapshot>>,
}

impl Reloader {
    /// Until nobody can ask any more.
    pub(super) fn run(mut self, asks: &Receiver<Ask>) {
        loop {
            match asks.recv_timeout(LOOK) {
                Ok(Ask { outcome }) => {
                    self.origin.watch.look_anew();
                    // Who does not wait finds it in the log.
                    let _ = outcome.send(self.reload().map_err(|error| error.to_string()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.origin.watch.has_changed() {
                        tracing::info!("a file of the configuration has changed");
                        let _ = self.reload();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        }
    }

    fn reload(&mut self) -> Result<(), ReloadError> {
        if *self.phase.borrow() != Phase::Serving {
            return Err(ReloadError::Ending);
        }
        supervisor::reloading();
        let files = Files::default();
        let read = (self.origin.read)(&files);
        self.origin.watch.go_on(&files.list());
        let outcome = read.map_err(ReloadError::Mistakes).and_then(|config| self.take_over(config));
        self.gauges.reloads.note(outcome.is_ok(), self.snapshot.load().clock.now());
        match &outcome {
            Ok(()) => {
                tracing::info!("the configuration is taken over");
                supervisor::ready("serving");
            }
            Err(error) => {
                tracing::error!("the configuration is not taken over, the one before stays: {error}");
                supervisor::ready("serving; the last reload failed, the log says why");
            }
        }
        outcome
    }

    fn take_over(&mut self, config: Config) -> Result<(), ReloadError> {
        let fixed = fixed(&self.origin.config, &config);
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let old = self.snapshot.load_full();
        let before = Before { config: &self.origin.config, snapshot: &old, echo: self.echo.as_ref() };
        let Prepared { snapshot, echo, .. } = prepare_after(Some(&before), &config, &old.clock)?;
        let missing = missing_keys(&before, &snapshot);
        if !missing.is_empty() {
            return Err(ReloadError::Keys(missing));
        }
        descriptors::ceiling(snapshot.limits.connections, self.workers);
        for issuer in before.revocations_without_issuer(&config) {
            tracing::warn!(
                issuer,
                "there are revocations of this issuer, which is gone: they are in force for no other"
            );
        }
        if config.mode == Mode::Report {
            tracing::warn!("report mode: what would be refused is let through");
        }
        // Before the first request asks the new owners: from here on they hear of what is written by the old ones' requests.
        before.hand_over_owners((&config, &snapshot));
        before.hand_over_upstreams(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        self.swapped.send_replace(());
        self.echo = echo.or(self.echo.take());
        self.origin.config = config;
        self.retired.push(old);
        Ok(())
    }
}

/// What a configuration changes although it is bound to the process.
fn fixed(before: &Config, after: &Config) -> Vec<&'static str> {
    let admin = |config: &Config| config.admin.as_ref().map(|admin| admin.address);
    let same = [
        ("listen.address", before.listen.address == after.listen.address),
        ("listen.workers", before.listen.workers == after.listen.workers),
        ("listen.drain_delay", before.listen.drain_delay == after.listen.drain_delay),
        ("listen.drain_deadline", before.listen.drain_deadline == after.listen.drain_deadline),
        ("admin", admin(before) == admin(after)),
        ("store", before.store == after.store),
        ("access_log", before.access_log == after.access_log),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// Issuers whose tokens were judged and would not be, and those without whose keys the gateway would not be ready.
fn missing_keys(before: &Before<'_>, after: &Snapshot) -> Vec<String> {
    let mut missing = before.keys_lost(after);
    let now = after.clock.now();
    let is_missing = |name: &&String| after.authenticator.keys(name).is_none_or(|keys| !keys.is_available(now));
    missing.extend(after.required_keys.iter().filter(is_missing).cloned());
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// What came of reloads, for the metrics.
#[derive(Debug, Default)]
pub struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// When the configuration that counts was taken over, in milliseconds since the epoch.
    since: AtomicU64,
}

impl Reloads {
    fn note(&self, is_success: bool, now: Timestamp) {
        if is_success {
            self.succeeded.fetch_add(1, Ordering::Relaxed);
            self.begin(now);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The configuration counts since `now`.
    pub(super) fn begin(&self, now: Timestamp) {
        self.since.store(now.as_millis(), Ordering::Relaxed);
    }

    /// How many were taken over, how many were not, and since when the one that counts does, in milliseconds.
    pub(super) fn figures(&self) -> (u64, u64, u64) {
        let [succeeded, failed, since] =
            [&self.succeeded, &self.failed, &self.since].map(|cell| cell.load(Ordering::Relaxed));
        (succeeded, failed, since)
    }
}
