//! Revocations in a PostgreSQL database, for gateways that share them.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use super::rows::{self, Row};
use crate::{
    authn::revocation::{Revocation, RevocationStore, StoreError, StoreFuture},
    clock::Timestamp,
    secret::Secret,
};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

pub(super) struct Postgres(PgPool);

impl Postgres {
    pub(super) async fn open(url: &Secret) -> Result<Self, StoreError> {
        let options = std::str::from_utf8(url.expose()).ok().and_then(|url| PgConnectOptions::from_str(url).ok());
        // What is wrong with it would show a part of it, and it holds a password.
        let options = options.ok_or_else(|| StoreError("the URL of the database cannot be read".into()))?;
        let options = options.application_name("bearergate").disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT).connect_with(options).await;
        let pool = pool.map_err(rows::error)?;
        sqlx::migrate!("migrations/postgres").run(&pool).await.map_err(rows::error)?;
        Ok(Self(pool))
    }
}

impl RevocationStore for Postgres {
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

impl Postgres {
    async fn insert(&self, revocation: &Revocation, now: Timestamp) -> Result<(), sqlx::Error> {
        let (kind, value, before) = rows::target(&revocation.target);
        let mut transaction = self.0.begin().await?;
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
