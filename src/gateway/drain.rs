//! How the gateway ends.
//!
//! 1. The first SIGTERM or SIGINT: `/readyz` turns 503. Everything is served on for `drain_delay`.
//! 2. The listeners accept what already waits and close, connections end after the answers that are under way (HTTP/1.1:
//!    `Connection: close`, HTTP/2: GOAWAY).
//! 3. A second signal, or the deadline: what is still open is cut off.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
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

/// The signals that ask for something else than the end, noted while the gateway starts: by themselves they would end it,
/// and a supervisor would take that for what was wanted. What they ask for is done when it serves.
#[derive(Debug)]
pub struct Early {
    runtime: Runtime,
    reopen: Signal,
    reload: Signal,
    hand_over: Signal,
}

impl Early {
    /// From here on they no longer end the process.
    ///
    /// # Errors
    /// The system refuses a runtime or a signal handler.
    pub fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let reopen = signal(SignalKind::user_defined1())?;
        let reload = signal(SignalKind::hangup())?;
        let hand_over = signal(SignalKind::user_defined2())?;
        drop(within);
        Ok(Self { runtime, reopen, reload, hand_over })
    }
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
    /// From here on none ends the process by itself. They come by way of this runtime.
    pub(super) fn listen(early: Early) -> io::Result<(Runtime, Self)> {
        let Early { runtime, reopen, reload, hand_over } = early;
        let within = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(within);
        Ok((runtime, Self { terminate, interrupt, reopen, reload, hand_over }))
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
