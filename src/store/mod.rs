//! What outlives the process, in a SQLite file or a PostgreSQL database: revocations, who owns what,
//! who has which roles, and accounts.
//!
//! 1. A store is opened, made if it is a file that is not there, and brought to the newest form (`migrations/`). Who
//!    only looks makes and changes nothing.
//! 2. Whoever adds a revocation takes the next version in the same transaction, one after the other: a gateway that asks
//!    for what is above the version that it knows misses nothing.
//! 3. What is over is forgotten when something is added.
//! 4. Everything has its time; what is not done by then has failed. How the store is doing is told by [`Store::status`].
//!
//! An open store has a thread and a runtime of its own: a request waits for it at most, and no worker works for it.

#[cfg(feature = "accounts")]
mod accounts;
mod database;
mod form;
#[cfg(feature = "postgres")]
mod postgres;
pub mod query;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
pub mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{
    convert::Infallible,
    fs,
    future::Future,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle, time::timeout};

use self::database::Database;
pub use self::form::{Figures, Form, Migration};
use crate::{
    authn::{
        revocation::{Revocation, RevocationStore, StoreError, StoreFuture},
        role_grants::{GrantStore, RoleGrant},
    },
    authz::ownership::{OwnershipRecord, OwnershipStore},
    clock::Timestamp,
};

/// How long the store may take for anything, waiting for others who write included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to be there, made and brought to the newest form.
const PATIENCE_AT_THE_START: Duration = Duration::from_secs(10);

/// How long it may take to be brought to the newest form by who does nothing else.
const PATIENCE_TO_MIGRATE: Duration = Duration::from_secs(60 * 60);

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of SQLite's, which only its owner can read once it is made.
    Sqlite(std::path::PathBuf),
    /// A database of PostgreSQL's, by its URL, which holds a password.
    Postgres(crate::secret::Secret),
}

/// An open store. Clones are the same one; with the last it ends, and whoever drops that waits until it is closed.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    database: Arc<dyn Database>,
    status: Mutex<Status>,
    runtime: Handle,
    /// Without the first the second ends.
    thread: Option<(oneshot::Sender<Infallible>, thread::JoinHandle<()>)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some((end, thread)) = self.thread.take() else { return };
        drop(end);
        // The last one may be what is done on that thread.
        if thread.thread().id() != thread::current().id() {
            // It panicked, or it did not: it is over.
            let _ = thread.join();
        }
    }
}

/// What changes with everything that is written to the file of SQLite's at `path`: which file it is, and its log's inode,
/// length and time. `None`: there is no file, or its times are those of a file system that counts in seconds.
#[must_use]
pub fn stamp_of_file(path: &Path) -> Option<[u64; 4]> {
    let file = fs::metadata(path).ok()?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Without a log nobody has written since the last one was closed.
    let Ok(log) = fs::metadata(log) else { return Some([file.ino(), 0, 0, 0]) };
    let time = u64::try_from(log.mtime()).ok()?.checked_mul(1_000_000_000)?;
    let nanoseconds = u64::try_from(log.mtime_nsec()).ok().filter(|nanoseconds| *nanoseconds > 0)?;
    Some([file.ino(), log.ino(), log.len(), time + nanoseconds])
}

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What the last thing that was asked of it failed with, if it did.
    pub error: Option<String>,
    /// How often something failed.
    pub failures: u64,
}

/// What is wanted of all that is owned, in its order: ownership, resource, issuer, subject.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// What it has to be.
    pub wanted: Wanted,
    /// The last record of the page before.
    pub after: Option<OwnershipRecord>,
}

/// What a record has to be; what is not said may be anything.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The ownership's name in the configuration.
    pub ownership: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// Its owner.
    pub subject: Option<String>,
}

impl Page {
    /// Records on a page.
    pub const LONGEST: usize = 1000;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Use,
    /// As to use it, without hurry.
    Migrate,
    Look,
}

impl Store {
    /// Opens the store at `location`, makes it if need be, and waits for that.
    ///
    /// # Errors
    /// When it cannot be reached, read, made or brought to the newest form.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        Self::start(location.clone(), Purpose::Use)
    }

    /// As [`open`](Self::open), with an hour's time to bring a large store to the newest form.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn migrate(location: &Location) -> Result<Self, StoreError> {
        Self::start(location.clone(), Purpose::Migrate)
    }

    /// Opens the store at `location` only to look: nothing is made or changed. `None`: it is a file that is not there.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn look_at(location: &Location) -> Result<Option<Self>, StoreError> {
        match location {
            Location::Sqlite(path) if !path.try_exists().map_err(StoreError::new)? => Ok(None),
            _ => Self::start(location.clone(), Purpose::Look).map(Some),
        }
    }

    fn start(location: Location, purpose: Purpose) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StoreError::new)?;
        let (end, ended) = oneshot::channel::<Infallible>();
        let (opened, outcome) = std::sync::mpsc::channel();
        let handle = runtime.handle().clone();
        let serve = async move {
            let patience = if purpose == Purpose::Migrate { PATIENCE_TO_MIGRATE } else { PATIENCE_AT_THE_START };
            let open = timeout(patience, open(&location, purpose)).await;
            let open = open.unwrap_or_else(|_| Err(too_slow()));
            let database = open.as_ref().ok().cloned();
            // Only a starter that panicked does not wait for this.
            let _ = opened.send(open);
            // Nothing is ever sent.
            let _ = ended.await;
            if let Some(database) = database {
                // Nobody is left to tell that it failed.
                let _ = timeout(PATIENCE, database.close()).await;
            }
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || runtime.block_on(serve));
        let thread = Some((end, thread.map_err(StoreError::new)?));
        let database = outcome.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(Self(Arc::new(Inner { database, status: Mutex::default(), runtime: handle, thread })))
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has `work` done on the store's thread. It ends with the store.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.runtime.spawn(work)
    }

    /// As [`spawn`](Self::spawn), and waits for it, here and now: not for a thread that serves others.
    ///
    /// # Errors
    /// What `work` fails with; or it was given up.
    pub fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = std::sync::mpsc::channel();
        self.spawn(async move { done.send(work.await) });
        outcome.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// A page of what is owned.
    ///
    /// # Errors
    /// When it cannot be read, or not in time.
    pub async fn owned(&self, page: &Page) -> Result<Vec<OwnershipRecord>, StoreError> {
        let page = page.clone();
        self.ask(move |database| async move { database.owned(&page).await }).await
    }

    /// Which migrations it has had.
    ///
    /// # Errors
    /// When it cannot be read, or not in time.
    pub async fn form(&self) -> Result<Form, StoreError> {
        self.ask(|database| async move { database.form().await }).await
    }

    /// How much is in it at `now`; it must have the newest form.
    ///
    /// # Errors
    /// When it cannot be read, or not in time.
    pub async fn figures(&self, now: Timestamp) -> Result<Figures, StoreError> {
        self.ask(move |database| async move { database.figures(now).await }).await
    }

    /// Asks the database, on its thread and within its time, and notes how that went.
    fn ask<T, F>(&self, question: impl FnOnce(Arc<dyn Database>) -> F + Send + 'static) -> StoreFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        Box::pin(async move {
            let database = Arc::clone(&self.0.database);
            let asked = self.spawn(async move { timeout(PATIENCE, question(database)).await });
            let outcome = asked.await.unwrap_or(Ok(Err(gone()))).unwrap_or_else(|_| Err(too_slow()));
            let mut status = self.0.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.error = outcome.as_ref().err().map(ToString::to_string);
            status.failures += u64::from(outcome.is_err());
            outcome
        })
    }
}

impl RevocationStore for Store {
    fn add<'a>(&'a self, revocation: &'a Revocation, now: Timestamp) -> StoreFuture<'a, u64> {
        let revocation = revocation.clone();
        self.ask(move |database| async move { database.add(&revocation, now).await })
    }

    fn since(&self, version: u64, now: Timestamp) -> StoreFuture<'_, (Vec<Revocation>, u64)> {
        self.ask(move |database| async move { database.since(version, now).await })
    }
}

impl GrantStore for Store {
    fn grant<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool> {
        let grant = grant.clone();
        self.ask(move |database| async move { database.grant(&grant).await })
    }

    fn withdraw<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool> {
        let grant = grant.clone();
        self.ask(move |database| async move { database.withdraw(&grant).await })
    }

    fn grants(&self, known: Option<u64>) -> StoreFuture<'_, Option<(Vec<RoleGrant>, u64)>> {
        self.ask(move |database| async move { database.grants(known).await })
    }
}

impl OwnershipStore for Store {
    fn owns<'a>(&'a self, record: &'a OwnershipRecord) -> StoreFuture<'a, bool> {
        let record = record.clone();
        self.ask(move |database| async move { database.owns(&record).await })
    }

    fn learn<'a>(&'a self, records: &'a [OwnershipRecord]) -> StoreFuture<'a, u64> {
        let records = records.to_vec();
        self.ask(move |database| async move { database.learn(&records).await })
    }

    fn forget<'a>(&'a self, ownership: &'a str, resource: &'a str) -> StoreFuture<'a, u64> {
        let (ownership, resource) = (ownership.to_owned(), resource.to_owned());
        self.ask(move |database| async move { database.forget(&ownership, &resource).await })
    }
}

async fn open(location: &Location, purpose: Purpose) -> Result<Arc<dyn Database>, StoreError> {
    match (location, purpose) {
        #[cfg(feature = "sqlite")]
        (Location::Sqlite(path), purpose) => Ok(Arc::new(sqlite::Sqlite::open(path, purpose).await?)),
        #[cfg(feature = "postgres")]
        (Location::Postgres(url), purpose) => Ok(Arc::new(postgres::Postgres::open(url, purpose).await?)),
        // The configuration says so first, with the place.
        #[cfg(not(feature = "sqlite"))]
        (Location::Sqlite(_), _) => Err("this program is built without the feature `sqlite`".into()),
        #[cfg(not(feature = "postgres"))]
        (Location::Postgres(_), _) => Err("this program is built without the feature `postgres`".into()),
    }
}

fn too_slow() -> StoreError {
    "it does not answer in time".into()
}

fn gone() -> StoreError {
    "its thread has ended".into()
}
