//! Revocations in a SQLite file.
//!
//! A write-ahead log, so that a process that is killed loses nothing; every commit is on the disk before it is answered.
//! One connection, and `BEGIN IMMEDIATE`: a writer waits at the start, where waiting is possible, and not in the middle.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

use super::rows::{self, Row};
use crate::{
    authn::revocation::{Revocation, RevocationStore, StoreError, StoreFuture},
    clock::Timestamp,
};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(2);

pub(super) struct Sqlite(SqlitePool);

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite gives its other files the same mode.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(rows::error)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(BUSY).connect_with(options).await;
        let pool = pool.map_err(rows::error)?;
        let migrator = sqlx::migrate!("migrations/sqlite");
        // Of two that start at once, one finds that the other was faster: the second time nothing is left to do.
        if migrator.run(&pool).await.is_err() {
            migrator.run(&pool).await.map_err(rows::error)?;
        }
        Ok(Self(pool))
    }
}

impl RevocationStore for Sqlite {
    fn add<'a>(&'a self, revocation: &'a Revocation, now: Timestamp) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.insert(revocation, now).await.map_err(rows::error) })
    }

    fn since(&self, version: u64, now: Timestamp) -> StoreFuture<'_, (Vec<Revocation>, u64)> {
        Box::pin(async move {
            let (found, newest) = self.select(version, now).await.map_err(rows::error)?;
            let found = found.into_iter().map(rows::revocation).collect::<Result<_, _>>()?;
            Ok((found, u64::try_from(newest).unwrap_or_default()))
        })
    }
}

impl Sqlite {
    async fn insert(&self, revocation: &Revocation, now: Timestamp) -> Result<(), sqlx::Error> {
        let (kind, value, before) = rows::target(&revocation.target);
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let version: i64 = sqlx::query_scalar(rows::NEXT_VERSION).fetch_one(&mut *transaction).await?;
        let add = sqlx::query(rows::ADD).bind(version).bind(&revocation.issuer).bind(kind).bind(value);
        add.bind(before).bind(rows::millis(revocation.until)).execute(&mut *transaction).await?;
        sqlx::query(rows::FORGET).bind(rows::millis(now)).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    async fn select(&self, known: u64, now: Timestamp) -> Result<(Vec<Row>, i64), sqlx::Error> {
        let newest: i64 = sqlx::query_scalar(rows::VERSION).fetch_one(&self.0).await?;
        if newest == rows::version(known) {
            return Ok((Vec::new(), newest));
        }
        let since = sqlx::query_as(rows::SINCE).bind(rows::since(known, newest)).bind(newest).bind(rows::millis(now));
        Ok((since.fetch_all(&self.0).await?, newest))
    }
}
