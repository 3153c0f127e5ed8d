//! The life of a gateway's process: it starts, does what signals ask for, and ends. What it does it tells its
//! supervisor.
//!
//! 1. SIGTERM and SIGINT have it [drain](super::drain), the second one at once.
//! 2. SIGHUP: the configuration is read again ([`reload`](super::reload)).
//! 3. SIGUSR1: the access log is opened anew.
//! 4. SIGUSR2: another process takes over ([`handover`](super::handover)).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread::JoinHandle,
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
    drain::{Asked, Early, Phase, Signals},
    handover::{HandoverError, Predecessor, Program, hand_over},
    reload::{Ask, Origin},
    run::{spawn, start_on},
    sockets::{Inherited, Sockets},
    supervisor,
};

/// What a gateway has beside what it serves from.
#[derive(Default)]
pub struct Life {
    /// Where its configuration comes from; `None`: it cannot be reloaded.
    pub origin: Option<Origin>,
    /// The embedded upstream, if one is configured.
    pub echo: Option<Echo>,
    /// The sockets that were there before this process.
    pub inherited: Inherited,
    /// The process that serves until this one does.
    pub predecessor: Option<Predecessor>,
    /// What takes over; `None`: nothing can.
    pub program: Option<Program>,
    /// What signals have asked for since the process began, if somebody has listened.
    pub early: Option<Early>,
}

/// Starts, tells `started` where it listens, and serves until a signal ends it. The second signal ends it at once.
///
/// # Errors
/// Those of [`start`](super::start) and [`Running::wait`], and [`RunError::Start`] if this process cannot take over.
pub fn run(
    settings: &Settings,
    snapshot: Arc<ArcSwap<Snapshot>>,
    life: Life,
    started: impl FnOnce(&Running),
) -> Result<(), RunError> {
    let Life { origin, echo, inherited, mut predecessor, program, early } = life;
    let early = early.map_or_else(Early::listen, Ok).map_err(RunError::Start)?;
    let (runtime, signals) = Signals::listen(early).map_err(RunError::Start)?;
    let sockets = Sockets::open(settings, inherited)?;
    let kept = sockets.try_clone().map_err(RunError::Start)?;
    if let Some(predecessor) = &mut predecessor {
        predecessor.prepare(&snapshot.load()).map_err(RunError::Start)?;
    }
    let mut running = start_on(sockets, settings, Arc::clone(&snapshot))?;
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
    if let Some(predecessor) = predecessor {
        predecessor.ready();
    }
    supervisor::ready(&format!("serving on {}", running.address()));
    let listening = Listening {
        phase: running.phase(),
        reopener: running.reopener(),
        reload: running.asker(),
        delay: settings.drain_delay,
        sockets: Some(Arc::new(kept)),
        snapshot,
        program,
        handover: None,
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
    /// To be handed over. Gone before the workers close theirs, so that nobody connects to what nobody accepts.
    sockets: Option<Arc<Sockets>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    program: Option<Program>,
    handover: Option<Handover>,
}

/// Another process is to take over.
struct Handover {
    cancelled: Arc<AtomicBool>,
    outcome: oneshot::Receiver<Result<u32, HandoverError>>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Listening {
    async fn until(
        mut self,
        mut signals: Signals,
        mut end: oneshot::Receiver<Result<(), RunError>>,
    ) -> Result<(), RunError> {
        let mut leaving: Option<Instant> = None;
        let watchdog = supervisor::watchdog();
        let mut alive = watchdog.map(|every| Instant::now() + every);
        loop {
            tokio::select! {
                outcome = &mut end => {
                    return outcome.unwrap_or_else(|_| Err(RunError::Worker("the drain was lost".to_owned())));
                }
                () = at(leaving) => {
                    leaving = None;
                    self.sockets = None;
                    self.advance(Phase::Draining);
                }
                () = at(alive) => {
                    supervisor::alive();
                    alive = watchdog.map(|every| Instant::now() + every);
                }
                outcome = handed_over(&mut self.handover) => self.conclude(outcome),
                asked = signals.next() => match asked {
                    Asked::End(signal) if *self.phase.borrow() == Phase::Serving => {
                        tracing::info!(signal, "draining");
                        supervisor::stopping();
                        self.keep_serving_alone();
                        self.advance(Phase::Leaving);
                        leaving = Some(Instant::now() + self.delay);
                    }
                    Asked::End(signal) => {
                        tracing::info!(signal, "stopping");
                        self.sockets = None;
                        self.advance(Phase::Stopped);
                    }
                    Asked::Reopen => self.reopener.iter().for_each(Reopener::reopen),
                    Asked::Reload => self.reload(),
                    Asked::HandOver => self.hand_over(),
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

    fn hand_over(&mut self) {
        let is_serving = *self.phase.borrow() == Phase::Serving;
        let (Some(program), Some(sockets), true, None) =
            (self.program.clone(), self.sockets.clone(), is_serving, &self.handover)
        else {
            return tracing::warn!(signal = "SIGUSR2", "nobody can take over now");
        };
        tracing::info!(signal = "SIGUSR2", program = %program.path().display(), "another process is to take over");
        let cancelled = Arc::new(AtomicBool::new(false));
        let (is_cancelled, snapshot) = (Arc::clone(&cancelled), self.snapshot.load_full());
        let (tell, outcome) = oneshot::channel();
        let handing_over = spawn("handover".to_owned(), move || {
            // If nobody listens any more, the gateway has ended.
            let _ = tell.send(hand_over(&program, &sockets, &snapshot, &is_cancelled));
            Ok(())
        });
        match handing_over {
            Ok(thread) => self.handover = Some(Handover { cancelled, outcome, thread }),
            Err(error) => tracing::error!(%error, "nobody has taken over"),
        }
    }

    /// What came of it, once the thread is over: the sockets are this one's alone again.
    fn conclude(&mut self, outcome: Result<u32, HandoverError>) {
        if let Some(handover) = self.handover.take() {
            let _ = handover.thread.join();
        }
        match outcome {
            Ok(process) => {
                tracing::info!(process, "another process has taken over: draining");
                supervisor::handed_over(process);
                self.sockets = None;
                self.advance(Phase::Replaced);
            }
            Err(error) => tracing::error!(%error, "nobody has taken over, this process serves on"),
        }
    }

    /// If the gateway is to end, so is a process that was to take over.
    fn keep_serving_alone(&mut self) {
        if let Some(handover) = self.handover.take() {
            handover.cancelled.store(true, Ordering::Relaxed);
            let _ = handover.thread.join();
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

/// Never, if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What came of it; never, if there is none.
async fn handed_over(handover: &mut Option<Handover>) -> Result<u32, HandoverError> {
    match handover {
        Some(handover) => (&mut handover.outcome).await.unwrap_or(Err(HandoverError::Cancelled)),
        None => std::future::pending().await,
    }
}
