//! Revokes tokens while the gateway runs, and keeps up with what other gateways revoke, and with the roles that are
//! granted.
//!
//! 1. A revocation is in force in this process first, and then kept in the store. If that fails it is in force all the
//!    same, whoever asked is told that it is not kept yet, and it is tried again every two seconds, until it is kept or
//!    over.
//! 2. What the store has, revocations and granted roles, is loaded before the first request: without it a revoked token
//!    would be let in, so a gateway whose store cannot be read does not start.
//! 3. Afterwards the store is asked what is new every two seconds, and when somebody says that there is something. While
//!    it cannot be, tokens are verified with what is known.
//! 4. If another store is found than before (an old copy was put back), it is given what it does not have.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    authn::{
        Revocations, RoleGrants,
        revocation::{Revocation, RevocationStore, StoreError},
        role_grants::GrantStore,
    },
    clock::Clock,
    store::Store,
};

/// How often the store is asked what is new.
const POLL: Duration = Duration::from_secs(2);
/// How long whoever revokes waits for the store.
const PATIENCE: Duration = Duration::from_secs(10);
/// Revocations that are passed on to the store and not tried yet.
const UNTRIED: usize = 256;
/// Revocations that the store has not taken and is offered again.
const MOST_WAITING: usize = 10_000;

/// Takes revocations.
pub struct Revoker {
    revocations: Arc<Revocations>,
    keeper: Option<mpsc::Sender<Order>>,
    waiting: Arc<AtomicUsize>,
}

/// What to do, and where to say how that went.
enum Order {
    Keep { revocation: Revocation, outcome: oneshot::Sender<Result<Kept, StoreError>> },
    CatchUp { outcome: oneshot::Sender<Result<(), StoreError>> },
}

/// How long a revocation that was taken is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// To its end: it is in the store.
    InStore,
    /// Until this process ends, unless the store takes it before: for now it fails, with this.
    NotYet(String),
    /// Until this process ends: no store is configured.
    InMemory,
}

impl Revoker {
    /// Without a store: what is revoked is forgotten when the process ends.
    #[must_use]
    pub fn in_memory(revocations: Arc<Revocations>) -> Self {
        Self { revocations, keeper: None, waiting: Arc::default() }
    }

    /// Loads what `store` has into `revocations` and `grants`, and keeps up with it.
    ///
    /// # Errors
    /// When the store cannot be read in time.
    pub fn start(
        store: Store,
        revocations: Arc<Revocations>,
        grants: Arc<RoleGrants>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let (orders, taken) = mpsc::channel(UNTRIED);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut keeper = Keeper {
            store: store.clone(),
            revocations: Arc::clone(&revocations),
            grants,
            clock,
            version: 0,
            newest: 0,
            grant_version: None,
            backlog: VecDeque::new(),
            waiting: Arc::clone(&waiting),
            failing: false,
        };
        let keeper = store.wait_for(async move { keeper.learn().await.map(|()| keeper) })?;
        drop(store.spawn(keeper.run(taken)));
        Ok(Self { revocations, keeper: Some(orders), waiting })
    }

    /// Revokes. It is in force when this returns, whatever it returns.
    ///
    /// # Errors
    /// When it is not kept and will not be: too many wait for the store already.
    pub async fn revoke(&self, revocation: Revocation) -> Result<Kept, StoreError> {
        self.revocations.extend([revocation.clone()]);
        let Some(keeper) = &self.keeper else { return Ok(Kept::InMemory) };
        let (outcome, kept) = oneshot::channel();
        keeper.try_send(Order::Keep { revocation, outcome }).map_err(|_| too_many())?;
        match timeout(PATIENCE, kept).await {
            Ok(kept) => kept.unwrap_or_else(|_| Err("its thread has ended".into())),
            Err(_) => Ok(Kept::NotYet("the store does not answer in time".to_owned())),
        }
    }

    /// Asks the store now what is new: what it has is in force when this returns.
    ///
    /// # Errors
    /// When it cannot be asked, or does not answer in time. It is asked again all the same.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let (outcome, caught_up) = oneshot::channel();
        keeper.try_send(Order::CatchUp { outcome }).map_err(|_| too_many())?;
        match timeout(PATIENCE, caught_up).await {
            Ok(caught_up) => caught_up.unwrap_or_else(|_| Err("its thread has ended".into())),
            Err(_) => Err("it does not answer in time".into()),
        }
    }

    /// What is revoked.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// How many revocations the store has not taken and is offered again.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Works on the store, in its thread.
struct Keeper {
    store: Store,
    revocations: Arc<Revocations>,
    grants: Arc<RoleGrants>,
    clock: Clock,
    /// Up to this version all revocations are known.
    version: u64,
    /// The newest version that was seen: one of ours may be ahead of those of others.
    newest: u64,
    /// That of the grants.
    grant_version: Option<u64>,
    /// What the store has not taken, the oldest first.
    backlog: VecDeque<Revocation>,
    /// The length of the backlog, for others to see.
    waiting: Arc<AtomicUsize>,
    failing: bool,
}

impl Keeper {
    /// Until nobody can order any more.
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Keep { revocation, outcome }) => {
                        // Who does not wait any more has been told that it is not kept yet.
                        let _ = outcome.send(self.keep(revocation).await);
                    }
                    Some(Order::CatchUp { outcome }) => {
                        let caught_up = self.catch_up().await;
                        self.report(&caught_up);
                        let _ = outcome.send(caught_up);
                    }
                    None => return,
                },
                _ = ticks.tick() => {
                    let caught_up = self.catch_up().await;
                    self.report(&caught_up);
                }
            }
        }
    }

    async fn keep(&mut self, revocation: Revocation) -> Result<Kept, StoreError> {
        let error = match self.store.add(&revocation, self.clock.now()).await {
            Ok(version) => {
                self.newest = self.newest.max(version);
                return Ok(Kept::InStore);
            }
            Err(error) => error,
        };
        if self.backlog.len() >= MOST_WAITING {
            return Err(too_many());
        }
        let told = error.to_string();
        tracing::error!(error = told, "a revocation is not kept yet");
        self.backlog.push_back(revocation);
        self.note_waiting();
        Ok(Kept::NotYet(told))
    }

    /// Offers the store what it has not taken, and asks it what is new.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.backlog.retain(|revocation| revocation.until > now);
        self.note_waiting();
        // Not all at once: who revokes something now waits behind this.
        for _ in 0..UNTRIED {
            let Some(revocation) = self.backlog.front() else { break };
            let version = self.store.add(revocation, now).await?;
            self.newest = self.newest.max(version);
            self.backlog.pop_front();
            self.note_waiting();
        }
        self.learn().await
    }

    async fn learn(&mut self) -> Result<(), StoreError> {
        let (mut found, mut version) = self.store.since(self.version, self.clock.now()).await?;
        if version < self.newest {
            (found, version) = self.store.since(0, self.clock.now()).await?;
            tracing::warn!("the store is not the one that it was: it is given the revocations that it does not have");
            let known = self.revocations.list().into_iter().filter(|known| !found.contains(known));
            self.backlog.extend(known.take(MOST_WAITING));
            self.note_waiting();
        }
        if !found.is_empty() {
            self.revocations.extend(found);
        }
        (self.version, self.newest) = (version, version);
        if let Some((grants, version)) = self.store.grants(self.grant_version).await? {
            self.grants.replace(grants);
            self.grant_version = Some(version);
        }
        Ok(())
    }

    fn note_waiting(&self) {
        self.waiting.store(self.backlog.len(), Ordering::Relaxed);
    }

    /// Says once that the store fails, and once that it is back.
    fn report(&mut self, caught_up: &Result<(), StoreError>) {
        match caught_up {
            Err(error) if !self.failing => {
                tracing::error!(%error, "what others revoke and grant is not known until it is back");
            }
            Ok(()) if self.failing => tracing::info!("the store is back"),
            _ => {}
        }
        self.failing = caught_up.is_err();
    }
}

fn too_many() -> StoreError {
    "too many revocations wait for it".into()
}
