//! How the gateway ends.
//!
//! 1. The first SIGTERM or SIGINT: `/readyz` turns 503, the listeners accept what already waits and close, connections
//!    end after the answers that are under way (HTTP/1.1: `Connection: close`, HTTP/2: GOAWAY).
//! 2. A second signal, or the deadline: what is still open is cut off.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// What the gateway is doing. The order is the only one that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serves.
    Serving,
    /// Finishes what it has begun.
    Draining,
    /// Is to end now.
    Stopped,
}

/// Waits until `phase` is at least `wanted`; whoever could tell being gone means [`Phase::Stopped`].
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// The signals that end the gateway.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Ends nothing: the access log is opened anew.
    reopen: Signal,
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    /// The name of the next one that ends the gateway. What reopens is called for each SIGUSR1 until then.
    pub(super) async fn next(&mut self, reopen: impl Fn()) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.reopen.recv() => reopen(),
            }
        }
    }
}
