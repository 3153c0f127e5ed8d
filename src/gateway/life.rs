//! The life of a gateway's process: it starts, does what signals ask for, and ends.
//!
//! 1. SIGTERM and SIGINT have it [drain](super::drain), the second one at once.
//! 2. SIGHUP: the configuration is read again ([`reload`](super::reload)).
//! 3. SIGUSR1: the access log is opened anew.

use std::{
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Echo, RunError, Running, Settings, Snapshot,
    access_log::Reopener,
    drain::{Asked, Phase, Signals},
    reload::{Ask, Origin},
    run::{spawn, start},
};

/// What a gateway has beside what it serves from.
#[derive(Default)]
pub struct Life {
    /// Where its configuration comes from; `None`: it cannot be reloaded.
    pub origin: Option<Origin>,
    /// The embedded upstream, if one is configured.
    pub echo: Option<Echo>,
}

/// Starts, tells `started` where it listens, and serves until a signal ends it. The second signal ends it at once.
///
/// # Errors
/// Those of [`start`] and [`Running::wait`].
pub fn run(
    settings: &Settings,
    snapshot: Arc<ArcSwap<Snapshot>>,
    life: Life,
    started: impl FnOnce(&Running),
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let signals = runtime.block_on(async { Signals::listen() }).map_err(RunError::Start)?;
    let mut running = start(settings, snapshot)?;
    let Life { origin, echo } = life;
    let (reloading, echo) = match origin {
        // From here on the embedded upstream is the reloader's.
        Some(origin) => (running.reloader(origin, echo), None),
        None => (None, echo),
    };
    let reloading = reloading.map(|(reloader, asks)| {
        spawn("reload".to_owned(), move || {
            reloader.run(&asks);
            Ok(())
        })
    });
    let reloading = reloading.transpose()?;
    started(&running);
    let listening = Listening {
        phase: running.phase(),
        reopener: running.reopener(),
        reload: running.asker(),
        delay: settings.drain_delay,
    };
    let (ended, end) = oneshot::channel();
    let waiter = spawn("drain".to_owned(), move || {
        let outcome = running.wait();
        // Nobody waits any more only if this thread is the last one.
        let _ = ended.send(outcome);
        Ok(())
    })?;
    let outcome = runtime.block_on(listening.until(signals, end));
    for thread in [Some(waiter), reloading].into_iter().flatten() {
        // Neither can fail, and whatever it held is let go of by now.
        let _ = thread.join();
    }
    drop(echo);
    outcome
}

/// Does what signals ask for.
struct Listening {
    phase: watch::Sender<Phase>,
    reopener: Option<Reopener>,
    reload: Sender<Ask>,
    delay: Duration,
}

impl Listening {
    async fn until(
        self,
        mut signals: Signals,
        mut end: oneshot::Receiver<Result<(), RunError>>,
    ) -> Result<(), RunError> {
        let mut leaving: Option<Instant> = None;
        loop {
            let drain = async {
                match leaving {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outcome = &mut end => {
                    return outcome.unwrap_or_else(|_| Err(RunError::Worker("the drain was lost".to_owned())));
                }
                () = drain => {
                    leaving = None;
                    self.advance(Phase::Draining);
                }
                asked = signals.next() => match asked {
                    Asked::End(signal) if *self.phase.borrow() == Phase::Serving => {
                        tracing::info!(signal, "draining");
                        self.advance(Phase::Leaving);
                        leaving = Some(Instant::now() + self.delay);
                    }
                    Asked::End(signal) => {
                        tracing::info!(signal, "stopping");
                        self.advance(Phase::Stopped);
                    }
                    Asked::Reopen => self.reopener.iter().for_each(Reopener::reopen),
                    Asked::Reload => self.reload(),
                },
            }
        }
    }

    fn reload(&self) {
        tracing::info!(signal = "SIGHUP", "reading the configuration again");
        // Nobody waits for the outcome; it is in the log.
        if self.reload.send(Ask { outcome: oneshot::channel().0 }).is_err() {
            tracing::warn!("this gateway has no configuration to read again");
        }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            *phase = to.max(*phase);
            forward
        });
    }
}
