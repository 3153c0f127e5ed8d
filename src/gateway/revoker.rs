//! Revokes tokens while the gateway runs, and keeps up with what other gateways revoke.
//!
//! 1. A revocation is in force in this process first, and then kept in the store. If that fails it is in force all the
//!    same, and whoever asked is told that it will not outlive the process.
//! 2. What the store has is loaded before the first request: without it a revoked token would be let in, so a gateway
//!    whose store cannot be read does not start.
//! 3. Afterwards the store is asked every two seconds what is new. While it cannot be, tokens are verified with what is
//!    known.
//!
//! The store has a thread and a runtime of its own. It ends with the [`Revoker`].

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    authn::{
        Revocations,
        revocation::{Revocation, RevocationStore, StoreError},
    },
    clock::Clock,
    store::{self, Location},
};

/// How often the store is asked what is new.
const POLL: Duration = Duration::from_secs(2);
/// How long the store may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Revocations that wait for the store.
const WAITING: usize = 256;

/// Takes revocations.
pub struct Revoker {
    revocations: Arc<Revocations>,
    store: Option<mpsc::Sender<Order>>,
}

/// A revocation to keep, and where to say how that went.
struct Order {
    revocation: Revocation,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

/// How long a revocation that was taken is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// To its end: it is in the store.
    InStore,
    /// Until this process ends: no store is configured.
    InMemory,
}

impl Revoker {
    /// Without a store: what is revoked is forgotten when the process ends.
    #[must_use]
    pub const fn in_memory(revocations: Arc<Revocations>) -> Self {
        Self { revocations, store: None }
    }

    /// Loads what the store at `location` has, and keeps up with it.
    ///
    /// # Errors
    /// When the store cannot be opened or read in time.
    pub fn start(location: Location, revocations: Arc<Revocations>, clock: Clock) -> Result<Self, StoreError> {
        let (orders, taken) = mpsc::channel(WAITING);
        let (opened, outcome) = std::sync::mpsc::channel();
        let known = Arc::clone(&revocations);
        let keep = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(StoreError(Box::new(error))))),
            };
            runtime.block_on(async {
                match Keeper::open(&location, known, clock).await {
                    Ok(keeper) => {
                        // Only a starter that panicked does not wait for this.
                        let _ = opened.send(Ok(()));
                        keeper.run(taken).await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        };
        thread::Builder::new().name("store".to_owned()).spawn(keep).map_err(|error| StoreError(Box::new(error)))?;
        outcome.recv().unwrap_or_else(|_| Err(StoreError("its thread has ended".into())))?;
        Ok(Self { revocations, store: Some(orders) })
    }

    /// Revokes. It is in force when this returns, whatever it returns.
    ///
    /// # Errors
    /// When it could not be kept, or not in time.
    pub async fn revoke(&self, revocation: Revocation) -> Result<Kept, StoreError> {
        self.revocations.extend([revocation.clone()]);
        let Some(store) = &self.store else { return Ok(Kept::InMemory) };
        let (outcome, kept) = oneshot::channel();
        let order = Order { revocation, outcome };
        store.try_send(order).map_err(|_| StoreError("too much waits for it".into()))?;
        let kept = timeout(PATIENCE * 2, kept).await.map_err(|_| too_slow())?;
        kept.unwrap_or_else(|_| Err(StoreError("its thread has ended".into())))?;
        Ok(Kept::InStore)
    }

    /// What is revoked.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }
}

/// Works on the store, in its thread.
struct Keeper {
    store: Arc<dyn RevocationStore>,
    revocations: Arc<Revocations>,
    clock: Clock,
    /// The newest version that is known.
    version: u64,
    failing: bool,
}

impl Keeper {
    async fn open(location: &Location, revocations: Arc<Revocations>, clock: Clock) -> Result<Self, StoreError> {
        let store = timeout(PATIENCE * 2, store::open(location)).await.map_err(|_| too_slow())??;
        let mut keeper = Self { store, revocations, clock, version: 0, failing: false };
        keeper.learn().await?;
        Ok(keeper)
    }

    /// Until nobody can order any more.
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order { revocation, outcome }) => {
                        // Who does not wait any more has been told that it was not kept.
                        let _ = outcome.send(self.add(&revocation).await);
                    }
                    None => return,
                },
                _ = ticks.tick() => {
                    let learnt = self.learn().await;
                    self.report(learnt);
                }
            }
        }
    }

    async fn add(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let added = timeout(PATIENCE, self.store.add(revocation, self.clock.now())).await;
        added.map_err(|_| too_slow())?
    }

    async fn learn(&mut self) -> Result<(), StoreError> {
        let found = timeout(PATIENCE, self.store.since(self.version, self.clock.now())).await;
        let (found, version) = found.map_err(|_| too_slow())??;
        if !found.is_empty() {
            self.revocations.extend(found);
        }
        self.version = version;
        Ok(())
    }

    /// Says once that the store fails, and once that it is back.
    fn report(&mut self, learnt: Result<(), StoreError>) {
        match learnt {
            Err(ref error) if !self.failing => {
                tracing::error!(%error, "what other gateways revoke is not known until it is back");
            }
            Ok(()) if self.failing => tracing::info!("the store is back"),
            _ => {}
        }
        self.failing = learnt.is_err();
    }
}

fn too_slow() -> StoreError {
    StoreError("it does not answer in time".into())
}
