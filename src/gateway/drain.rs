//! How the gateway ends.
//!
//! 1. The first SIGTERM or SIGINT: `/readyz` turns 503. Everything is served on for `drain_delay`.
//! 2. The listeners accept what already waits and close, connections end after the answers that are under way (HTTP/1.1:
//!    `Connection: close`, HTTP/2: GOAWAY).
//! 3. A second signal, or the deadline: what is still open is cut off.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// What the gateway is doing. The order is the only one that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serves.
    Serving,
    /// Serves, and says that it is not ready any more: whoever sends requests here is to find another.
    Leaving,
    /// Finishes what it has begun.
    Draining,
    /// So does this, and another process serves: whoever looks is to look there.
    Replaced,
    /// Is to end now.
    Stopped,
}

/// Waits until `phase` is at least `wanted`; whoever could tell being gone means [`Phase::Stopped`].
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end; with the signal's name.
    End(&'static str),
    /// To open the access log anew.
    Reopen,
    /// To read the configuration again.
    Reload,
    /// To have another process take over.
    HandOver,
}

/// The signals that the gateway does something about.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
    hand_over: Signal,
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// What the next one asks for.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.reopen.recv() => Asked::Reopen,
            _ = self.reload.recv() => Asked::Reload,
            _ = self.hand_over.recv() => Asked::HandOver,
        }
    }
}
