//! Keeps in the store what goes through and changes who owns what.
//!
//! 1. A change is kept before the answer that brought it goes on, unless the store fails or takes longer than two
//!    seconds: what the upstream did is done, and its answer is not withheld.
//! 2. Then the change waits here, in its order, and is tried again every two seconds. While it waits, it is what counts in
//!    this process: a resource that is forgotten is nobody's, one that is learned is its owner's.
//! 3. So many wait at most. The first to be given up are new owners, who are then refused; a resource that could not be
//!    forgotten might be let in to.
//! 4. What still waits when the gateway ends is tried once more, and if that fails it is lost, which the log says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    authn::revocation::StoreError,
    authz::ownership::{OwnershipRecord, OwnershipStore},
};

/// How long an answer is held back for the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause before what waits is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Changes that wait, and how many of them before no new owner is taken.
const MOST_WAITING: usize = 20_000;
const MOST_WAITING_OWNERS: usize = 10_000;

/// The store, and what it has not taken yet.
pub(super) struct Ledger {
    store: Arc<dyn OwnershipStore>,
    waiting: Mutex<VecDeque<Entry>>,
    /// Held while a change is kept: one that fails has its place before the next one is tried.
    order: tokio::sync::Mutex<()>,
}

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Somebody owns something.
    Learn(OwnershipRecord),
    /// Nobody owns it any more.
    Forget {
        /// The ownership's name in the configuration.
        ownership: String,
        /// Which resource.
        resource: String,
    },
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is in the store.
    InStore,
    /// It counts in this process, and waits for the store.
    NotYet,
    /// Too many wait.
    Lost,
}

impl Entry {
    fn is_about(&self, record: &OwnershipRecord) -> bool {
        match self {
            Self::Learn(own) => own == record,
            Self::Forget { ownership, resource } => *ownership == record.ownership && *resource == record.resource,
        }
    }
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn OwnershipStore>) -> Arc<Self> {
        Arc::new(Self { store, waiting: Mutex::default(), order: tokio::sync::Mutex::default() })
    }

    /// Whether it is so: by the newest change that waits, else by the store.
    pub(super) async fn owns(&self, record: &OwnershipRecord) -> Result<bool, StoreError> {
        let newest = self.waiting().iter().rev().find(|entry| entry.is_about(record)).cloned();
        match newest {
            Some(entry) => Ok(matches!(entry, Entry::Learn(_))),
            None => self.store.owns(record).await,
        }
    }

    /// Keeps a change, and has it wait if that fails.
    pub(super) async fn keep(&self, entry: Entry) -> Kept {
        let _order = self.order.lock().await;
        // Behind what waits, whatever it is: of two changes to a resource the later one has to win.
        if self.waiting().is_empty() {
            match self.store(&entry).await {
                Ok(()) => return Kept::InStore,
                Err(error) => tracing::error!(%error, "a change of who owns what is not kept yet"),
            }
        }
        let mut waiting = self.waiting();
        let most = if matches!(entry, Entry::Learn(_)) { MOST_WAITING_OWNERS } else { MOST_WAITING };
        if waiting.len() >= most {
            tracing::error!("a change of who owns what is lost: too many wait for the store");
            return Kept::Lost;
        }
        waiting.push_back(entry);
        Kept::NotYet
    }

    /// How many changes wait for the store.
    pub(super) fn count(&self) -> usize {
        self.waiting().len()
    }

    /// Tries what waits again and again, until the other end of `open` is dropped.
    pub(super) async fn retry(self: Arc<Self>, mut open: watch::Receiver<()>) {
        loop {
            tokio::select! {
                () = sleep(RETRY) => self.catch_up().await,
                // Nothing is ever sent.
                _ = open.changed() => break,
            }
        }
        self.catch_up().await;
        let lost = self.count();
        if lost > 0 {
            tracing::error!(lost, "changes of who owns what are lost: the store fails, and the gateway ends");
        }
    }

    async fn catch_up(&self) {
        loop {
            // It stays in its place until it is kept: meanwhile it is what counts.
            let Some(entry) = self.waiting().front().cloned() else { return };
            if self.store(&entry).await.is_err() {
                return;
            }
            let mut waiting = self.waiting();
            waiting.pop_front();
            if waiting.is_empty() {
                tracing::info!("every change of who owns what is kept");
            }
        }
    }

    async fn store(&self, entry: &Entry) -> Result<(), StoreError> {
        let stored = timeout(PATIENCE, async {
            match entry {
                Entry::Learn(record) => self.store.learn(std::slice::from_ref(record)).await,
                Entry::Forget { ownership, resource } => self.store.forget(ownership, resource).await,
            }
        });
        stored.await.unwrap_or_else(|_| Err("it does not answer in time".into())).map(|_| ())
    }

    /// What is in it is whole between any two lines that could panic.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::authn::revocation::StoreFuture;

    /// A store that fails when it is told to.
    #[derive(Default)]
    struct Fragile {
        fails: AtomicBool,
        records: Mutex<HashSet<OwnershipRecord>>,
    }

    impl Fragile {
        fn answer<T: Send + 'static>(&self, value: T) -> StoreFuture<'_, T> {
            let fails = self.fails.load(Ordering::SeqCst);
            Box::pin(async move { if fails { Err("gone".into()) } else { Ok(value) } })
        }

        fn works(&self) -> bool {
            !self.fails.load(Ordering::SeqCst)
        }
    }

    impl OwnershipStore for Fragile {
        fn owns<'a>(&'a self, record: &'a OwnershipRecord) -> StoreFuture<'a, bool> {
            self.answer(self.records.lock().unwrap().contains(record))
        }

        fn learn<'a>(&'a self, records: &'a [OwnershipRecord]) -> StoreFuture<'a, u64> {
            if self.works() {
                self.records.lock().unwrap().extend(records.iter().cloned());
            }
            self.answer(1)
        }

        fn forget<'a>(&'a self, _: &'a str, resource: &'a str) -> StoreFuture<'a, u64> {
            if self.works() {
                self.records.lock().unwrap().retain(|record| record.resource != resource);
            }
            self.answer(1)
        }
    }

    fn record(resource: &str, subject: &str) -> OwnershipRecord {
        OwnershipRecord {
            ownership: "plant".to_owned(),
            resource: resource.to_owned(),
            issuer: "main".to_owned(),
            subject: subject.to_owned(),
        }
    }

    fn forget(resource: &str) -> Entry {
        Entry::Forget { ownership: "plant".to_owned(), resource: resource.to_owned() }
    }

    #[tokio::test]
    async fn what_the_store_takes_does_not_wait() {
        let store = Arc::new(Fragile::default());
        let ledger = Ledger::new(store.clone());
        let (mine, other) = (record("1", "alice"), record("1", "bob"));
        assert_eq!(ledger.keep(Entry::Learn(mine.clone())).await, Kept::InStore);
        assert!(ledger.owns(&mine).await.unwrap() && !ledger.owns(&other).await.unwrap());
        assert_eq!(ledger.keep(forget("1")).await, Kept::InStore);
        assert!(!ledger.owns(&mine).await.unwrap());
        assert_eq!(ledger.count(), 0);
    }

    #[tokio::test]
    async fn while_the_store_fails_the_newest_change_counts_and_nobody_else_owns_anything() {
        let store = Arc::new(Fragile::default());
        let ledger = Ledger::new(store.clone());
        let (old, new) = (record("old", "alice"), record("new", "alice"));
        ledger.keep(Entry::Learn(old.clone())).await;
        store.fails.store(true, Ordering::SeqCst);
        assert_eq!(ledger.keep(forget("old")).await, Kept::NotYet);
        assert_eq!(ledger.keep(Entry::Learn(new.clone())).await, Kept::NotYet);
        assert!(!ledger.owns(&old).await.unwrap() && ledger.owns(&new).await.unwrap());
        assert!(ledger.owns(&record("new", "bob")).await.is_err(), "that only the store knows");
        ledger.keep(forget("new")).await;
        assert!(!ledger.owns(&new).await.unwrap());
        ledger.keep(Entry::Learn(old.clone())).await;
        assert!(ledger.owns(&old).await.unwrap());
        assert_eq!(ledger.count(), 4);
    }

    #[tokio::test]
    async fn what_waits_is_kept_in_its_order_once_the_store_is_back() {
        let store = Arc::new(Fragile::default());
        let ledger = Ledger::new(store.clone());
        store.fails.store(true, Ordering::SeqCst);
        let mine = record("1", "alice");
        ledger.keep(Entry::Learn(mine.clone())).await;
        ledger.keep(forget("1")).await;
        ledger.keep(Entry::Learn(record("2", "alice"))).await;
        ledger.catch_up().await;
        assert_eq!(ledger.count(), 3);
        store.fails.store(false, Ordering::SeqCst);
        assert_eq!(ledger.keep(Entry::Learn(record("3", "alice"))).await, Kept::NotYet, "it does not overtake");
        ledger.catch_up().await;
        assert_eq!(ledger.count(), 0);
        let kept = store.records.lock().unwrap().clone();
        assert_eq!(kept, HashSet::from([record("2", "alice"), record("3", "alice")]));
    }

    /// A store that takes its time to fail with an owner, and takes everything else.
    struct Slow(tokio::sync::Notify);

    impl OwnershipStore for Slow {
        fn owns<'a>(&'a self, _: &'a OwnershipRecord) -> StoreFuture<'a, bool> {
            Box::pin(async { Ok(false) })
        }

        fn learn<'a>(&'a self, _: &'a [OwnershipRecord]) -> StoreFuture<'a, u64> {
            Box::pin(async {
                self.0.notified().await;
                Err("gone".into())
            })
        }

        fn forget<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, u64> {
            Box::pin(async { Ok(1) })
        }
    }

    #[tokio::test]
    async fn what_comes_while_an_earlier_change_is_tried_does_not_overtake_it() {
        let store = Arc::new(Slow(tokio::sync::Notify::new()));
        let ledger = Ledger::new(store.clone());
        let release = async {
            tokio::task::yield_now().await;
            store.0.notify_one();
        };
        let (learned, forgotten, ()) =
            tokio::join!(ledger.keep(Entry::Learn(record("1", "alice"))), ledger.keep(forget("1")), release);
        assert_eq!((learned, forgotten), (Kept::NotYet, Kept::NotYet));
        assert!(!ledger.owns(&record("1", "alice")).await.unwrap(), "the later one counts");
    }

    #[tokio::test]
    async fn what_is_forgotten_has_room_when_no_new_owner_has() {
        let store = Arc::new(Fragile::default());
        let ledger = Ledger::new(store.clone());
        store.fails.store(true, Ordering::SeqCst);
        for number in 0..MOST_WAITING_OWNERS {
            ledger.waiting().push_back(Entry::Learn(record(&number.to_string(), "alice")));
        }
        assert_eq!(ledger.keep(Entry::Learn(record("new", "alice"))).await, Kept::Lost);
        assert_eq!(ledger.keep(forget("0")).await, Kept::NotYet);
        assert!(!ledger.owns(&record("0", "alice")).await.unwrap());
    }

    #[tokio::test]
    async fn at_the_end_it_is_tried_once_more() {
        let store = Arc::new(Fragile::default());
        let ledger = Ledger::new(store.clone());
        store.fails.store(true, Ordering::SeqCst);
        ledger.keep(Entry::Learn(record("1", "alice"))).await;
        store.fails.store(false, Ordering::SeqCst);
        let (open, seen) = watch::channel(());
        drop(open);
        ledger.clone().retry(seen).await;
        assert_eq!((ledger.count(), store.records.lock().unwrap().len()), (0, 1));
    }
}
