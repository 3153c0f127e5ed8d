//! What outlives the process: the revocations, in a SQLite file or a PostgreSQL database.
//!
//! 1. A store is opened, made if it is a file that is not there, and brought to the newest form (`migrations/`).
//! 2. Whoever adds a revocation takes the next version in the same transaction, one after the other: a gateway that asks
//!    for what is above the version that it knows misses nothing.
//! 3. What is over is forgotten when something is added.
//!
//! Nothing here is on the way of a request.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use crate::authn::revocation::{RevocationStore, StoreError};

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file of SQLite's, which only its owner can read once it is made.
    Sqlite(std::path::PathBuf),
    /// A database of PostgreSQL's, by its URL, which holds a password.
    Postgres(crate::secret::Secret),
}

/// Opens a store, and makes it if need be.
///
/// # Errors
/// When it cannot be reached, read, made or brought to the newest form.
pub async fn open(location: &Location) -> Result<Arc<dyn RevocationStore>, StoreError> {
    match location {
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => Ok(Arc::new(sqlite::Sqlite::open(path).await?)),
        #[cfg(feature = "postgres")]
        Location::Postgres(url) => Ok(Arc::new(postgres::Postgres::open(url).await?)),
        // The configuration says so first, with the place.
        #[cfg(not(feature = "sqlite"))]
        Location::Sqlite(_) => Err(StoreError("this program is built without the feature `sqlite`".into())),
        #[cfg(not(feature = "postgres"))]
        Location::Postgres(_) => Err(StoreError("this program is built without the feature `postgres`".into())),
    }
}
