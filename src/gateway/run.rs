//! From a snapshot to a gateway that serves.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{
    Echo,
    access_log::{AccessLog, Reopener},
    admin, descriptors,
    drain::Phase,
    metrics::{Gauges, WorkerMetrics},
    reload::{Ask, Origin, Reloader},
    snapshot::Snapshot,
    sockets::{Inherited, Sockets},
    spread, tls,
    worker::Worker,
};
use crate::config;

/// What is fixed while the gateway runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests come in. Port 0: the system chooses.
    pub address: SocketAddr,
    /// Threads that serve; 0: one a core.
    pub workers: usize,
    /// Where the admin listener stands, if there is one.
    pub admin: Option<SocketAddr>,
    /// How long it serves on after it has said that it is not ready any more.
    pub drain_delay: Duration,
    /// How long requests that are under way may take to finish at the end.
    pub drain_deadline: Duration,
    /// Where a line for each request is written, if anywhere.
    pub access_log: Option<config::AccessLog>,
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
    /// The access log can't be opened.
    #[error("cannot open the access log: {0}")]
    AccessLog(io::Error),
    /// A thread, a runtime or a signal handler can't be had.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// A worker ended by itself.
    #[error("a worker failed: {0}")]
    Worker(String),
}

/// A gateway that serves. Dropping it stops it at once.
pub struct Running {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    admin: Option<JoinHandle<io::Result<()>>>,
    certificates: Option<JoinHandle<io::Result<()>>>,
    access_log: Option<AccessLog>,
    gauges: Arc<Gauges>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    swapped: watch::Sender<()>,
    /// Where a reload is asked for, and the other end until somebody reloads.
    reloads: (Sender<Ask>, Option<Receiver<Ask>>),
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

    /// Opens the access log's file anew, if there is one: somebody has moved it away.
    pub fn reopen_access_log(&self) {
        if let Some(access_log) = &self.access_log {
            access_log.reopener().reopen();
        }
    }

    /// What reloads from `origin`, and what it is asked by. `None`: that is done already.
    pub(super) fn reloader(&mut self, origin: Origin, echo: Option<Echo>) -> Option<(Reloader, Receiver<Ask>)> {
        let asks = self.reloads.1.take()?;
        let reloader = Reloader {
            origin,
            snapshot: Arc::clone(&self.snapshot),
            echo,
            gauges: Arc::clone(&self.gauges),
            swapped: self.swapped.clone(),
            workers: self.workers.len(),
            phase: self.phase.subscribe(),
            retired: Vec::new(),
        };
        Some((reloader, asks))
    }

    /// Where a reload is asked for.
    pub(super) fn asker(&self) -> Sender<Ask> {
        self.reloads.0.clone()
    }

    pub(super) fn phase(&self) -> watch::Sender<Phase> {
        self.phase.clone()
    }

    pub(super) fn reopener(&self) -> Option<Reopener> {
        self.access_log.as_ref().map(|access_log| access_log.reopener().clone())
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
        if let Some(access_log) = &self.access_log {
            access_log.finish();
        }
        self.stop();
        if let Some(certificates) = self.certificates.take() {
            // Whoever serves no more needs none.
            let _ = join(certificates);
        }
        if let Some(admin) = self.admin.take()
            && let Err(error) = join(admin)
        {
            outcome = outcome.and(Err(RunError::Worker(error)));
        }
        outcome
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Running");
        shown.field("address", &self.address).field("admin_address", &self.admin_address).finish_non_exhaustive()
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
    start_on(Sockets::open(settings, Inherited::default())?, settings, snapshot)
}

/// As [`start`], with these sockets.
pub(super) fn start_on(
    sockets: Sockets,
    settings: &Settings,
    snapshot: Arc<ArcSwap<Snapshot>>,
) -> Result<Running, RunError> {
    let Sockets { main: listeners, admin, .. } = sockets;
    let count = listeners.len();
    let address =
        listeners.first().map_or(Ok(settings.address), |socket| socket.local_addr()).map_err(RunError::Start)?;
    let admin_address = admin.as_ref().map(|socket| socket.local_addr()).transpose().map_err(RunError::Start)?;

    descriptors::ceiling(snapshot.load().limits.connections, count);
    let connections = descriptors::borne(count);
    let gauges = Arc::new(Gauges::default());
    gauges.reloads.begin(snapshot.load().clock.now());
    let metrics: Vec<_> = listeners.iter().map(|_| Arc::new(WorkerMetrics::default())).collect();
    let (access_log, recorders) = match &settings.access_log {
        Some(wanted) => AccessLog::start(wanted, count, &gauges, &snapshot.load().clock)
            .map(|(access_log, recorders)| (Some(access_log), recorders))
            .map_err(RunError::AccessLog)?,
        None => (None, Vec::new()),
    };
    let mut recorders = recorders.into_iter();
    let (phase, seen) = watch::channel(Phase::Serving);
    let spreads = spread::spreads(count);
    let load = spreads.first().map(|(spread, _)| spread.load()).unwrap_or_default();
    // From here on a failure drops `running`, which stops the threads that were started.
    let (ask, asks) = mpsc::channel();
    let mut running = Running {
        address,
        admin_address,
        phase,
        workers: Vec::with_capacity(count),
        admin: None,
        certificates: None,
        access_log,
        gauges: Arc::clone(&gauges),
        snapshot: Arc::clone(&snapshot),
        swapped: watch::channel(()).0,
        reloads: (ask, Some(asks)),
    };
    for (index, ((listener, metrics), (spread, queue))) in listeners.into_iter().zip(&metrics).zip(spreads).enumerate()
    {
        let worker = Worker {
            index,
            listener,
            snapshot: Arc::clone(&snapshot),
            metrics: Arc::clone(metrics),
            gauges: Arc::clone(&gauges),
            access_log: recorders.next(),
            connections,
            swapped: running.swapped.subscribe(),
            spread,
            queue,
            phase: seen.clone(),
            drain_deadline: settings.drain_deadline,
        };
        running.workers.push(spawn(format!("worker-{index}"), move || worker.run())?);
    }
    let watched = (Arc::clone(&snapshot), seen.clone());
    running.certificates = Some(spawn("certificates".to_owned(), move || tls::watch::run(&watched.0, watched.1))?);
    if let Some(listener) = admin {
        let reload = running.reloads.0.clone();
        let admin = admin::Admin { snapshot, workers: metrics, load, gauges, phase: seen, reload };
        running.admin = Some(spawn("admin".to_owned(), move || admin.run(listener))?);
    }
    Ok(running)
}

pub(super) fn spawn(
    name: String,
    body: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<JoinHandle<io::Result<()>>, RunError> {
    thread::Builder::new().name(name).spawn(body).map_err(RunError::Start)
}
