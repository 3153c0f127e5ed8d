//! A SQLite file.
//!
//! 1. A write-ahead log, so that a process that is killed loses nothing; every commit is on the disk before it is
//!    answered. `BEGIN IMMEDIATE`: a writer waits at the start, where waiting is possible, and not in the middle.
//! 2. A file that was moved or deleted goes on working for whoever has it open, and nobody else will ever see what is
//!    written to it: so before everything the path is looked at. If the file is gone, the store fails until one is there
//!    again, which is then opened. It is not made anew: an empty one would know nobody's property.

use std::{
    fs::{self, OpenOptions},
    ops::{Deref, DerefMut},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Page, Purpose, database, rows};
use crate::{
    authn::{
        revocation::{Revocation, StoreError, StoreFuture},
        role_grants::RoleGrant,
    },
    authz::ownership::OwnershipRecord,
    clock::Timestamp,
};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(3);
/// One writes, others read.
const CONNECTIONS: u32 = 4;
const BEGIN: &str = "BEGIN IMMEDIATE";
const HAS_MIGRATIONS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
const SIZE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

pub(super) struct Sqlite {
    path: PathBuf,
    purpose: Purpose,
    opened: Mutex<Opened>,
    /// Whose turn it is to write, in the order in which they came. SQLite lets one in and has the others try again and
    /// again: whoever has bad luck waits for long.
    turn: Arc<Mutex<()>>,
}

/// A transaction that writes, alone. Dropped, it takes everything back.
struct Writing {
    // Before the turn: it ends first.
    transaction: Transaction<'static, sqlx::Sqlite>,
    _turn: OwnedMutexGuard<()>,
}

impl Writing {
    async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

/// A file, and which one it is.
struct Opened {
    pool: SqlitePool,
    /// `None`: it is closed, and no other one is open yet.
    file: Option<FileId>,
}

/// Device and inode.
type FileId = (u64, u64);

database::implement!(Sqlite);
#[cfg(feature = "accounts")]
super::accounts::implement!(Sqlite, sqlx::SqliteConnection);

impl Sqlite {
    pub(super) async fn open(path: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        if purpose != Purpose::Look {
            // SQLite gives its other files the same mode.
            OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(StoreError::new)?;
        }
        let opened = Mutex::new(Opened::open(path, purpose).await?);
        Ok(Self { path: path.to_owned(), purpose, opened, turn: Arc::default() })
    }

    /// A transaction that writes, when it is its turn.
    async fn begin(&self) -> Result<Writing, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let transaction = self.pool().await?.begin_with(BEGIN).await?;
        Ok(Writing { transaction, _turn: turn })
    }

    /// The pool of the file that is at the path now.
    async fn pool(&self) -> Result<SqlitePool, StoreError> {
        let file = file_id(&self.path)?;
        let mut opened = self.opened.lock().await;
        if opened.file != Some(file) {
            // First, because the log and its index are found by the path: both files would have the same.
            opened.file = None;
            opened.pool.close().await;
            *opened = Opened::open(&self.path, self.purpose).await?;
        }
        Ok(opened.pool.clone())
    }
}

impl Opened {
    async fn open(path: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        let file = file_id(path)?;
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).disable_statement_logging();
        let options = match purpose {
            Purpose::Use | Purpose::Migrate => {
                options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
            }
            // Without a log nobody has it open, and to read it no other file is needed.
            Purpose::Look => options.read_only(true).immutable(!log_of(path).exists()),
        };
        // A transaction that SQLite itself has rolled back (a full disk) cannot be rolled back again: its connection is
        // taken for one in the middle of it, and good for nothing any more.
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY)
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
        let pool = pool.connect_with(options).await?;
        if purpose != Purpose::Look {
            // Of two that start at once, one finds that the other was faster: the second time nothing is left to do.
            if MIGRATOR.run(&pool).await.is_err() {
                MIGRATOR.run(&pool).await.map_err(StoreError::new)?;
            }
        }
        Ok(Self { pool, file: Some(file) })
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn file_id(path: &Path) -> Result<FileId, StoreError> {
    let file = fs::metadata(path).map_err(|error| StoreError::from(format!("its file is gone: {error}")))?;
    Ok((file.dev(), file.ino()))
}
