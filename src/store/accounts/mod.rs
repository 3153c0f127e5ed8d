//! What accounts keep, in both databases: the statements are the same, and so is the code that runs them; the compiler
//! wants it once for each driver, as in [`database`](super::database).
//!
//! Whatever two may do at once begins with an `UPDATE` of the row that it is about (the user, the session), which in
//! PostgreSQL makes the second one wait for the first; what it reads after that is what the first has left. In SQLite a
//! writer is alone anyway.

mod delegate;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) mod outbox;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) mod rows;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) mod sessions;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) mod users;

/// `$database` as for [`super::database::implement`]; `$connection` is its driver's.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! implement {
    ($database:ty, $connection:ty) => {
        $crate::store::accounts::users::implement!($database, $connection);
        $crate::store::accounts::sessions::implement!($database, $connection);
        $crate::store::accounts::outbox::implement!($database, $connection);

        impl $crate::accounts::store::AccountStore for $database {
            fn tidy(&self, now: Timestamp, events_before: Timestamp) -> StoreFuture<'_, u64> {
                use $crate::store::accounts::rows;
                Box::pin(async move {
                    let (_turn, mut transaction) = self.begin().await?;
                    let mut forgotten = 0;
                    for (statement, time) in [
                        (rows::FORGET_SESSIONS, now),
                        (rows::FORGET_OVER_ONE_TIME, now),
                        (rows::FORGET_EVENTS, events_before),
                    ] {
                        let forget = sqlx::query(statement).bind($crate::store::rows::millis(time));
                        forgotten += forget.execute(&mut *transaction).await?.rows_affected();
                    }
                    transaction.commit().await?;
                    Ok(forgotten)
                })
            }
        }
    };
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use implement;
