//! From a snapshot to a gateway that serves, and to its end.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{
    admin, descriptors,
    drain::{Phase, Signals},
    listener,
    metrics::{Gauges, WorkerMetrics},
    snapshot::Snapshot,
    spread,
    worker::Worker,
};

/// What is fixed while the gateway runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where requests come in. Port 0: the system chooses.
    pub address: SocketAddr,
    /// Threads that serve; 0: one a core.
    pub workers: usize,
    /// Where the admin listener stands, if there is one.
    pub admin: Option<SocketAddr>,
    /// How long requests that are under way may take to finish at the end.
    pub drain_deadline: Duration,
}

impl Settings {
    /// The time for a drain unless another is set.
    pub const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
}

/// Why the gateway did not start, or ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address can't be listened on.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A thread, a runtime or a signal handler can't be had.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// A worker ended by itself.
    #[error("a worker failed: {0}")]
    Worker(String),
}

/// A gateway that serves. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    admin: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Where requests come in.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin listener stands.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Begins to drain. [`Running::wait`] returns when that is done.
    pub fn shutdown(&self) {
        self.advance(Phase::Draining);
    }

    /// Cuts off what is still open.
    pub fn stop(&self) {
        self.advance(Phase::Stopped);
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            *phase = to.max(*phase);
            forward
        });
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// [`RunError::Worker`] if one of them failed or panicked.
    pub fn wait(mut self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        for worker in self.workers.drain(..) {
            if let Err(error) = join(worker) {
                // The others can't make up for it: the supervisor of the process is to start it anew.
                self.phase.send_replace(Phase::Stopped);
                outcome = Err(RunError::Worker(error));
            }
        }
        self.stop();
        if let Some(admin) = self.admin.take()
            && let Err(error) = join(admin)
        {
            outcome = outcome.and(Err(RunError::Worker(error)));
        }
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn join(thread: JoinHandle<io::Result<()>>) -> Result<(), String> {
    match thread.join() {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}

/// Binds every address, then starts the workers and the admin listener.
///
/// # Errors
/// [`RunError::Bind`] for an address that is taken or not ours, [`RunError::Start`] where the system refuses a thread.
pub fn start(settings: &Settings, snapshot: Arc<ArcSwap<Snapshot>>) -> Result<Running, RunError> {
    let count = match settings.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let bind = |address| move |error| RunError::Bind { address, error };
    let listeners = listener::bind_shared(settings.address, count).map_err(bind(settings.address))?;
    let admin = settings.admin.map(|address| listener::bind_alone(address).map_err(bind(address))).transpose()?;
    let address =
        listeners.first().map_or(Ok(settings.address), |socket| socket.local_addr()).map_err(RunError::Start)?;
    let admin_address = admin.as_ref().map(|socket| socket.local_addr()).transpose().map_err(RunError::Start)?;

    let connections = descriptors::ceiling(snapshot.load().limits.connections, count);
    let gauges = Arc::new(Gauges::default());
    let metrics: Vec<_> = listeners.iter().map(|_| Arc::new(WorkerMetrics::default())).collect();
    let (phase, seen) = watch::channel(Phase::Serving);
    // From here on a failure drops `running`, which stops the threads that were started.
    let mut running = Running { address, admin_address, phase, workers: Vec::with_capacity(count), admin: None };
    for (index, ((listener, metrics), (spread, queue))) in
        listeners.into_iter().zip(&metrics).zip(spread::spreads(count)).enumerate()
    {
        let worker = Worker {
            index,
            listener,
            snapshot: Arc::clone(&snapshot),
            metrics: Arc::clone(metrics),
            gauges: Arc::clone(&gauges),
            connections,
            spread,
            queue,
            phase: seen.clone(),
            drain_deadline: settings.drain_deadline,
        };
        running.workers.push(spawn(format!("worker-{index}"), move || worker.run())?);
    }
    if let Some(listener) = admin {
        let admin = admin::Admin { snapshot, workers: metrics, gauges, phase: seen };
        running.admin = Some(spawn("admin".to_owned(), move || admin.run(listener))?);
    }
    Ok(running)
}

fn spawn(
    name: String,
    body: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<JoinHandle<io::Result<()>>, RunError> {
    thread::Builder::new().name(name).spawn(body).map_err(RunError::Start)
}

/// Starts, tells `started` where it listens, and serves until a signal ends it. The second signal ends it at once.
///
/// # Errors
/// Those of [`start`] and [`Running::wait`].
pub fn run(
    settings: &Settings,
    snapshot: Arc<ArcSwap<Snapshot>>,
    started: impl FnOnce(&Running),
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Start)?;
    let mut signals = runtime.block_on(async { Signals::listen() }).map_err(RunError::Start)?;
    let running = start(settings, snapshot)?;
    started(&running);
    let phase = running.phase.clone();
    let (ended, mut end) = tokio::sync::oneshot::channel();
    let waiter = spawn("drain".to_owned(), move || {
        let outcome = running.wait();
        // Nobody waits any more only if this thread is the last one.
        let _ = ended.send(outcome);
        Ok(())
    })?;
    let outcome = runtime.block_on(async {
        for next in [Phase::Draining, Phase::Stopped] {
            tokio::select! {
                outcome = &mut end => return outcome,
                name = signals.next() => {
                    tracing::info!(signal = name, "{}", if next == Phase::Draining { "draining" } else { "stopping" });
                    phase.send_replace(next);
                }
            }
        }
        end.await
    });
    let _ = waiter.join();
    outcome.unwrap_or_else(|_| Err(RunError::Worker("the drain was lost".to_owned())))
}
