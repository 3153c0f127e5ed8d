//! Whose a resource is, asked in a database of somebody else's.
//!
//! 1. The connection is read-only, whatever the statement is: SQLite opens the file so and has `query_only` on,
//!    PostgreSQL has `default_transaction_read_only` on.
//! 2. The first row decides: its first column is neither NULL nor false nor 0. So `SELECT 1 …`, `SELECT EXISTS (…)` and
//!    `SELECT count(*) …` mean what they seem to mean. No row is a no.
//! 3. What does not fit the type of a column (PostgreSQL's class 22: `$resource::uuid` of something that is none) is
//!    nobody's. Any other error is no answer.
//! 4. Who drops a question ends it: SQLite is interrupted, PostgreSQL has the time as `statement_timeout`.
//!
//! A file of SQLite's is opened for each question, so that one that was replaced, or is gone, is noticed: that costs a
//! fraction of a millisecond. A server that is not there is asked again with the next question.

use std::time::Duration;

use super::{
    Location,
    sql::{OwnerSql, SqlVariable},
};
use crate::{authn::revocation::StoreError, authz::ownership::OwnershipRecord};

/// Which database is asked what.
#[derive(Debug, Clone)]
pub struct OwnerQuery {
    /// Where it is.
    pub location: Location,
    /// What it is asked, in its own dialect.
    pub sql: OwnerSql,
}

/// A database that is asked.
pub struct OwnerDatabase {
    source: Source,
    sql: OwnerSql,
}

enum Source {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::File),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgPool),
}

impl OwnerDatabase {
    /// Nothing is opened yet. `limit` is how long a question may take. Within a runtime.
    ///
    /// # Errors
    /// When the database can never be asked: its URL cannot be read, or this program is built without it.
    pub fn new(query: OwnerQuery, limit: Duration) -> Result<Self, StoreError> {
        let source = match &query.location {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => Source::Sqlite(sqlite::File::new(path, limit)),
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => Source::Postgres(postgres::pool(url, limit)?),
            // The configuration says so first, with the place.
            #[cfg(not(feature = "sqlite"))]
            Location::Sqlite(_) => return Err("this program is built without the feature `sqlite`".into()),
            #[cfg(not(feature = "postgres"))]
            Location::Postgres(_) => return Err("this program is built without the feature `postgres`".into()),
        };
        Ok(Self { source, sql: query.sql })
    }

    /// Whether it is so.
    ///
    /// # Errors
    /// When the database does not say.
    pub async fn owns(&self, record: &OwnershipRecord) -> Result<bool, StoreError> {
        let values: Vec<&str> = self.sql.variables().iter().map(|variable| value(*variable, record)).collect();
        match self.source {
            #[cfg(feature = "sqlite")]
            Source::Sqlite(ref file) => file.ask(self.sql.text(), &values).await,
            #[cfg(feature = "postgres")]
            Source::Postgres(ref pool) => postgres::ask(pool, self.sql.text(), &values).await,
        }
    }
}

fn value(variable: SqlVariable, record: &OwnershipRecord) -> &str {
    match variable {
        SqlVariable::Resource => &record.resource,
        SqlVariable::Subject => &record.subject,
        SqlVariable::Issuer => &record.issuer,
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::{
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use sqlx::{
        AssertSqlSafe, ConnectOptions, Connection, Row, TypeInfo, ValueRef,
        sqlite::{SqliteConnectOptions, SqliteRow},
    };

    use crate::authn::revocation::StoreError;

    /// After so many of SQLite's instructions it is looked whether the answer is still wanted.
    const INSTRUCTIONS: i32 = 1000;

    pub(super) struct File(Box<SqliteConnectOptions>);

    impl File {
        pub(super) fn new(path: &Path, limit: Duration) -> Self {
            let options = SqliteConnectOptions::new().filename(path).read_only(true).pragma("query_only", "on");
            Self(Box::new(options.busy_timeout(limit).disable_statement_logging()))
        }

        pub(super) async fn ask(&self, sql: &str, values: &[&str]) -> Result<bool, StoreError> {
            let unwanted = Unwanted(Arc::default());
            let mut connection = self.0.connect().await?;
            let flag = Arc::clone(&unwanted.0);
            let go_on = move || !flag.load(Ordering::Relaxed);
            connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, go_on);
            // Values are bound; the text is the operator's.
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in values {
                query = query.bind(*value);
            }
            let row = query.fetch_optional(&mut connection).await?;
            let owns = row.is_some_and(|row| is_true(&row));
            connection.close().await?;
            Ok(owns)
        }
    }

    /// Ends the question when it is dropped.
    struct Unwanted(Arc<AtomicBool>);

    impl Drop for Unwanted {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn is_true(row: &SqliteRow) -> bool {
        let Ok(value) = row.try_get_raw(0) else { return false };
        if value.is_null() {
            return false;
        }
        let kind = value.type_info().name().to_owned();
        match kind.as_str() {
            "INTEGER" => row.try_get_unchecked::<i64, _>(0).is_ok_and(|number| number != 0),
            "REAL" => row.try_get_unchecked::<f64, _>(0).is_ok_and(|number| number != 0.0),
            _ => true,
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use sqlx::{
        AssertSqlSafe, Row, TypeInfo, ValueRef,
        postgres::{PgPool, PgPoolOptions, PgRow},
    };

    use crate::{authn::revocation::StoreError, secret::Secret, store::postgres};

    const CONNECTIONS: u32 = 8;
    /// One that nobody asked anything for so long is closed.
    const IDLE: Duration = Duration::from_secs(60);
    /// The class of errors about values (PostgreSQL's manual, appendix A).
    const DATA_EXCEPTION: &str = "22";

    pub(super) fn pool(url: &Secret, limit: Duration) -> Result<PgPool, StoreError> {
        let options = postgres::connect_options(url)?.options([
            ("default_transaction_read_only", "on".to_owned()),
            ("statement_timeout", limit.as_millis().to_string()),
        ]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).idle_timeout(IDLE).acquire_timeout(limit);
        Ok(pool.connect_lazy_with(options))
    }

    pub(super) async fn ask(pool: &PgPool, sql: &str, values: &[&str]) -> Result<bool, StoreError> {
        // Values are bound; the text is the operator's.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(*value);
        }
        match query.fetch_optional(pool).await {
            Ok(row) => Ok(row.is_some_and(|row| is_true(&row))),
            Err(error) if is_about_a_value(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_about_a_value(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| code.starts_with(DATA_EXCEPTION))
    }

    fn is_true(row: &PgRow) -> bool {
        let Ok(value) = row.try_get_raw(0) else { return false };
        if value.is_null() {
            return false;
        }
        let kind = value.type_info().name().to_owned();
        match kind.as_str() {
            "BOOL" => row.try_get::<bool, _>(0).is_ok_and(|yes| yes),
            "INT2" => row.try_get::<i16, _>(0).is_ok_and(|number| number != 0),
            "INT4" => row.try_get::<i32, _>(0).is_ok_and(|number| number != 0),
            "INT8" => row.try_get::<i64, _>(0).is_ok_and(|number| number != 0),
            _ => true,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use sqlx::{ConnectOptions, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
    use tokio::time::timeout;

    use super::*;
    use crate::store::sql::SqlDialect;

    const LIMIT: Duration = Duration::from_millis(500);

    /// A file with plants, and a connection to it.
    async fn plants(folder: &tempfile::TempDir) -> (Location, SqliteConnection) {
        let path = folder.path().join("legacy.db");
        let mut connection =
            SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
        let made = "CREATE TABLE plants (uuid TEXT, owner INTEGER);
            INSERT INTO plants VALUES ('a', 7), ('b', 8), ('it''s; --', 7)";
        connection.execute(made).await.unwrap();
        (Location::Sqlite(path), connection)
    }

    fn database(location: &Location, sql: &str) -> OwnerDatabase {
        let sql = OwnerSql::parse(sql, SqlDialect::Sqlite).unwrap();
        OwnerDatabase::new(OwnerQuery { location: location.clone(), sql }, LIMIT).unwrap()
    }

    fn record(resource: &str, subject: &str) -> OwnershipRecord {
        let (ownership, issuer) = ("plant".to_owned(), "main".to_owned());
        OwnershipRecord { ownership, resource: resource.to_owned(), issuer, subject: subject.to_owned() }
    }

    const PLAIN: &str = "SELECT 1 FROM plants WHERE uuid = $resource AND owner = $subject";

    #[tokio::test]
    async fn a_row_is_a_yes_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (location, _open) = plants(&folder).await;
        for (sql, others) in [
            (PLAIN, false),
            ("SELECT EXISTS (SELECT 1 FROM plants WHERE uuid = $resource AND owner = $subject)", false),
            ("SELECT count(*) FROM plants WHERE uuid = $resource AND owner = $subject", false),
            ("SELECT sum(owner * 1.0) - 7 + 1.0 FROM plants WHERE uuid = $resource AND owner = $subject", false),
            ("SELECT 'yes' FROM plants WHERE (uuid = $resource AND owner = $subject) OR $issuer = 'x'", false),
            ("SELECT NULL FROM plants WHERE uuid = $resource AND owner = $subject", true),
        ] {
            let database = database(&location, sql);
            assert_eq!(database.owns(&record("a", "7")).await.unwrap(), !others, "{sql}");
            for (resource, subject) in [
                ("a", "8"),
                ("b", "7"),
                ("A", "7"),
                ("c", "7"),
                ("' OR 1=1 --", "7"),
                ("a", "7 OR 1=1"),
                ("a' --", "8"),
            ] {
                assert!(!database.owns(&record(resource, subject)).await.unwrap(), "{sql}: {resource} {subject}");
            }
        }
        assert!(database(&location, PLAIN).owns(&record("it's; --", "7")).await.unwrap());
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_no_answer_and_is_found_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let missing = database(&Location::Sqlite(folder.path().join("legacy.db")), PLAIN);
        assert!(missing.owns(&record("a", "7")).await.is_err());
        assert!(!folder.path().join("legacy.db").exists(), "it is not made");
        let (location, open) = plants(&folder).await;
        assert!(missing.owns(&record("a", "7")).await.unwrap());
        drop(open);
        let Location::Sqlite(path) = location else { panic!("it is SQLite's") };
        std::fs::remove_file(path).unwrap();
        assert!(missing.owns(&record("a", "7")).await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_written_whatever_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (location, mut open) = plants(&folder).await;
        let sql = "WITH x AS (SELECT $resource, $subject) INSERT INTO plants SELECT * FROM x RETURNING 1";
        assert!(database(&location, sql).owns(&record("new", "7")).await.is_err());
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM plants").fetch_one(&mut open).await.unwrap();
        assert_eq!(count, 3);
        let unknown = database(&location, "SELECT 1 FROM nothing WHERE $resource = $subject");
        assert!(unknown.owns(&record("a", "a")).await.is_err());
    }

    #[tokio::test]
    async fn a_locked_database_is_no_answer_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (location, mut open) = plants(&folder).await;
        open.execute("BEGIN EXCLUSIVE").await.unwrap();
        let database = database(&location, PLAIN);
        let asked = timeout(LIMIT * 10, database.owns(&record("a", "7"))).await;
        assert!(asked.expect("it waits for ever").is_err());
        open.execute("ROLLBACK").await.unwrap();
        assert!(database.owns(&record("a", "7")).await.unwrap());
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_ends_the_question() {
        let folder = tempfile::tempdir().unwrap();
        let (location, _open) = plants(&folder).await;
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
             SELECT 1 FROM n WHERE i < 0 AND $resource <> $subject";
        let database = database(&location, endless);
        assert!(timeout(Duration::from_millis(100), database.owns(&record("a", "7"))).await.is_err());
        // SQLite's thread has this in its name, and ends with its connection.
        let works = || {
            let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let states = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
            let mut states = states.filter(|stat| stat.contains("sqlx-sqlite"));
            states.any(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('R')))
        };
        let ended = async {
            while works() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), ended).await.expect("it goes on for ever");
    }
}
