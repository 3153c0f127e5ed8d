//! What both databases are asked. The statements are the same, and so is the code that runs them; the compiler wants it
//! once for each driver.

use super::Page;
use crate::{
    authn::{
        revocation::{RevocationStore, StoreFuture},
        role_grants::GrantStore,
    },
    authz::ownership::{OwnershipRecord, OwnershipStore},
};

/// One of the two.
pub(super) trait Database: RevocationStore + OwnershipStore + GrantStore {
    /// A page of what is owned.
    fn owned<'a>(&'a self, page: &'a Page) -> StoreFuture<'a, Vec<OwnershipRecord>>;

    /// What accounts keep.
    #[cfg(feature = "accounts")]
    fn accounts(&self) -> &dyn crate::accounts::store::AccountStore;

    /// Lets go of it: nothing of it is under way any more.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// `$database` has an asynchronous `pool`, which fails if it is not to be used, and an asynchronous `begin` for what writes.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! implement {
    ($database:ty) => {
        impl $crate::store::database::Database for $database {
            fn owned<'a>(&'a self, page: &'a Page) -> StoreFuture<'a, Vec<OwnershipRecord>> {
                Box::pin(async move {
                    let (after, wanted) = (page.after.clone().unwrap_or_default(), &page.wanted);
                    let owned = sqlx::query_as(rows::OWNED);
                    let owned = owned.bind(after.ownership).bind(after.resource).bind(after.issuer).bind(after.subject);
                    let owned = owned.bind(&wanted.ownership).bind(&wanted.resource).bind(&wanted.subject);
                    let owned = owned.bind(i64::try_from(Page::LONGEST).unwrap_or(i64::MAX));
                    let found: Vec<rows::OwnedRow> = owned.fetch_all(&self.pool().await?).await?;
                    Ok(found.into_iter().map(rows::record).collect())
                })
            }

            #[cfg(feature = "accounts")]
            fn accounts(&self) -> &dyn $crate::accounts::store::AccountStore {
                self
            }

            fn close(&self) -> StoreFuture<'_, ()> {
                Box::pin(async move {
                    self.pool().await?.close().await;
                    Ok(())
                })
            }
        }

        impl $crate::authz::ownership::OwnershipStore for $database {
            fn owns<'a>(&'a self, record: &'a OwnershipRecord) -> StoreFuture<'a, bool> {
                Box::pin(async move {
                    let owns = sqlx::query_scalar(rows::OWNS).bind(&record.ownership).bind(&record.resource);
                    let owns = owns.bind(&record.issuer).bind(&record.subject);
                    let owns: i64 = owns.fetch_one(&self.pool().await?).await?;
                    Ok(owns > 0)
                })
            }

            fn learn<'a>(&'a self, records: &'a [OwnershipRecord]) -> StoreFuture<'a, u64> {
                Box::pin(async move {
                    // Two that write the same rows in another order could wait for each other.
                    let mut records: Vec<&OwnershipRecord> = records.iter().collect();
                    records.sort_unstable();
                    let (_turn, mut transaction) = self.begin().await?;
                    let mut new = 0;
                    for some in records.chunks(rows::AT_ONCE) {
                        let mut learn = sqlx::QueryBuilder::new(rows::LEARN);
                        learn.push_values(some, |mut row, record| {
                            row.push_bind(&record.ownership).push_bind(&record.resource);
                            row.push_bind(&record.issuer).push_bind(&record.subject);
                        });
                        let learn = learn.push(rows::UNLESS_KNOWN).build();
                        new += learn.execute(&mut *transaction).await?.rows_affected();
                    }
                    transaction.commit().await?;
                    Ok(new)
                })
            }

            fn forget<'a>(&'a self, ownership: &'a str, resource: &'a str) -> StoreFuture<'a, u64> {
                Box::pin(async move {
                    let disown = sqlx::query(rows::DISOWN).bind(ownership).bind(resource);
                    Ok(disown.execute(&self.pool().await?).await?.rows_affected())
                })
            }
        }

        impl $crate::authn::role_grants::GrantStore for $database {
            fn grant<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool> {
                Box::pin(self.change_grants(rows::GRANT, grant))
            }

            fn withdraw<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool> {
                Box::pin(self.change_grants(rows::WITHDRAW, grant))
            }

            fn grants(&self, known: Option<u64>) -> StoreFuture<'_, Option<(Vec<RoleGrant>, u64)>> {
                Box::pin(async move {
                    let pool = self.pool().await?;
                    // First: if they change in between, they are read once more next time.
                    let version: i64 = sqlx::query_scalar(rows::GRANT_VERSION).fetch_one(&pool).await?;
                    let version = u64::try_from(version).unwrap_or_default();
                    if known == Some(version) {
                        return Ok(None);
                    }
                    let found = sqlx::query_as(rows::GRANTS).fetch_all(&pool).await?;
                    Ok(Some((found.into_iter().map(rows::grant).collect(), version)))
                })
            }
        }

        impl $database {
            /// Whether something changed, which is the next version.
            async fn change_grants(&self, statement: &'static str, grant: &RoleGrant) -> Result<bool, StoreError> {
                let (_turn, mut transaction) = self.begin().await?;
                let change = sqlx::query(statement).bind(&grant.issuer).bind(&grant.subject).bind(&grant.role);
                let changed = change.execute(&mut *transaction).await?.rows_affected() > 0;
                if changed {
                    sqlx::query(rows::CHANGE_GRANTS).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(changed)
            }
        }

        impl $crate::authn::revocation::RevocationStore for $database {
            fn add<'a>(&'a self, revocation: &'a Revocation, now: Timestamp) -> StoreFuture<'a, u64> {
                Box::pin(async move {
                    let (kind, value, before) = rows::target(&revocation.target);
                    let (_turn, mut transaction) = self.begin().await?;
                    let version: i64 = sqlx::query_scalar(rows::NEXT_VERSION).fetch_one(&mut *transaction).await?;
                    let add = sqlx::query(rows::ADD).bind(version).bind(&revocation.issuer).bind(kind).bind(value);
                    add.bind(before).bind(rows::millis(revocation.until)).execute(&mut *transaction).await?;
                    sqlx::query(rows::FORGET_OVER).bind(rows::millis(now)).execute(&mut *transaction).await?;
                    transaction.commit().await?;
                    Ok(u64::try_from(version).unwrap_or_default())
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
                    let since = sqlx::query_as(rows::SINCE).bind(rows::version(known)).bind(newest);
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
