//! Looks at the files of the certificates again and again, and has what is new in them used.
//!
//! By their contents: whatever replaces them (a link that is turned round, a mount of Kubernetes, an editor) is seen, and
//! nothing has to be watched that may be replaced itself.

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::gateway::{
    drain::{Phase, reached},
    snapshot::Snapshot,
};

/// How often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the gateway drains.
pub(in crate::gateway) fn run(snapshot: &ArcSwap<Snapshot>, mut phase: watch::Receiver<Phase>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let mut complaint = String::new();
        loop {
            tokio::select! {
                () = reached(&mut phase, Phase::Draining) => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let Some(tls) = snapshot.load().tls.as_ref().map(Arc::clone) else { continue };
            let error = match tls.reload() {
                Ok(true) => {
                    tracing::info!("the certificates were replaced");
                    String::new()
                }
                Ok(false) => String::new(),
                Err(error) => error.to_string(),
            };
            // Once for each reason, not every few seconds.
            if error != complaint && !error.is_empty() {
                tracing::error!(%error, "the certificates stay as they were");
            }
            complaint = error;
        }
    });
    Ok(())
}
