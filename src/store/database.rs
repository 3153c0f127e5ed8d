//! What both databases are asked. The statements are the same, and so is the code that runs them; the compiler wants it
//! once for each driver.

use crate::authn::revocation::{RevocationStore, StoreFuture};

/// One of the two.
pub(super) trait Database: RevocationStore {
    /// Lets go of it: nothing of it is under way any more.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// `$database` has an asynchronous `pool`, which fails if it is not to be used, and `BEGIN` for what writes.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! implement {
    ($database:ty) => {
        impl $crate::store::database::Database for $database {
            fn close(&self) -> StoreFuture<'_, ()> {
                Box::pin(async move {
                    self.pool().await?.close().await;
                    Ok(())
                })
            }
        }

        impl $crate::authn::revocation::RevocationStore for $database {
            fn add<'a>(&'a self, revocation: &'a Revocation, now: Timestamp) -> StoreFuture<'a, ()> {
                Box::pin(async move {
                    let (kind, value, before) = rows::target(&revocation.target);
                    let mut transaction = self.pool().await?.begin_with(BEGIN).await?;
                    let version: i64 = sqlx::query_scalar(rows::NEXT_VERSION).fetch_one(&mut *transaction).await?;
                    let add = sqlx::query(rows::ADD).bind(version).bind(&revocation.issuer).bind(kind).bind(value);
                    add.bind(before).bind(rows::millis(revocation.until)).execute(&mut *transaction).await?;
                    sqlx::query(rows::FORGET_OVER).bind(rows::millis(now)).execute(&mut *transaction).await?;
                    Ok(transaction.commit().await?)
                })
            }

            fn since(&self, known: u64, now: Timestamp) -> StoreFuture<'_, (Vec<Revocation>, u64)> {
                Box::pin(async move {
                    let pool = self.pool().await?;
                    let newest: i64 = sqlx::query_scalar(rows::VERSION).fetch_one(&pool).await?;
                    let version = u64::try_from(newest).unwrap_or_default();
                    if version == known {
                        return Ok((Vec::new(), version));
                    }
                    let since = sqlx::query_as(rows::SINCE).bind(rows::since(known, newest)).bind(newest);
                    let found = since.bind(rows::millis(now)).fetch_all(&pool).await?;
                    let found = found.into_iter().map(rows::revocation).collect::<Result<_, _>>()?;
                    Ok((found, version))
                })
            }
        }
    };
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use implement;
