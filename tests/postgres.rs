//! The store in a PostgreSQL database. Needs a server:
//! `cargo test --test postgres -- --ignored --test-threads 1`, with these variables (`.ci/run` sets them):
//!
//! - `BEARERGATE_TEST_POSTGRES`: its URL, without a query.
//! - `BEARERGATE_TEST_POSTGRES_SERVER`: a command to which `start`, `stop` or `start-without-tls` is added. It stops as if
//!   it had been killed.
//! - `BEARERGATE_TEST_POSTGRES_CA`: the authority of its certificate, which is for `127.0.0.1`.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that uses it")]

mod store;

use std::{process::Command, sync::Arc, time::Duration};

use bearergate::{
    authn::{Revocations, revocation::RevocationStore},
    authz::ownership::OwnershipRecord,
    clock::Clock,
    gateway::{Revoker, revoker::Kept},
    secret::Secret,
    store::{
        Location, Store,
        query::{OwnerDatabase, OwnerQuery},
        sql::{OwnerSql, SqlDialect},
    },
};
use sqlx::{Connection, Executor};

use self::store::{NOW, revocation, runtime};

fn variable(name: &str) -> String {
    std::env::var(format!("BEARERGATE_TEST_POSTGRES{name}")).unwrap()
}

fn location() -> Location {
    location_with("")
}

fn location_with(query: &str) -> Location {
    Location::Postgres(Secret::from(variable("") + query))
}

fn server(order: &str) {
    let status = Command::new("sh").args(["-c", &format!("{} {order}", variable("_SERVER"))]).status().unwrap();
    assert!(status.success(), "{order}");
}

store::suite!(location(), #[ignore = "needs a PostgreSQL server"]);
#[cfg(feature = "accounts")]
store::accounts::suite!(location(), #[ignore = "needs a PostgreSQL server"]);

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_is_killed_holds_nothing_up_and_has_everything_once_it_is_back() {
    let clock = Clock::manual(NOW);
    let store = Store::open(&location()).unwrap();
    let revoker =
        Revoker::start(store.clone(), Arc::new(Revocations::new(clock.clone())), Arc::default(), clock).unwrap();
    let (runtime, began) = (runtime(), tokio::time::Instant::now());
    let revoke = |id: &str| runtime.block_on(revoker.revoke(revocation(id))).unwrap();
    assert_eq!(revoke("before the fall"), Kept::InStore);
    server("stop");
    assert!(matches!(revoke("during the fall"), Kept::NotYet(_)));
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(revoker.revocations().list().contains(&revocation("during the fall")), "it is in force here");
    assert!(store.status().error.is_some() && store.status().failures > 0 && revoker.waiting() == 1);
    server("start");
    let back = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        revoker.waiting() == 0 && store.status().error.is_none()
    });
    assert!(back, "{:?}", store.status());
    assert_eq!(revoke("after the fall"), Kept::InStore);
    let (found, _) = runtime.block_on(Store::open(&location()).unwrap().since(0, NOW)).unwrap();
    for id in ["before the fall", "during the fall", "after the fall"] {
        assert_eq!(found.iter().filter(|found| **found == revocation(id)).count(), 1, "{id}: {found:?}");
    }
}

/// A database that is asked by this query, within half a second.
fn asked(sql: &str) -> OwnerDatabase {
    let sql = OwnerSql::parse(sql, SqlDialect::Postgres).unwrap();
    OwnerDatabase::new(OwnerQuery { location: location(), sql }, Duration::from_millis(500)).unwrap()
}

fn record(resource: &str, subject: &str) -> OwnershipRecord {
    let (ownership, issuer) = ("plant".to_owned(), "main".to_owned());
    OwnershipRecord { ownership, resource: resource.to_owned(), issuer, subject: subject.to_owned() }
}

const PLANT: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

async fn make_plants() {
    let mut connection = sqlx::PgConnection::connect(&variable("")).await.unwrap();
    let made = "DROP TABLE IF EXISTS plants; CREATE TABLE plants (uuid uuid, name text, owner bigint);
        INSERT INTO plants VALUES ('7c9e6679-7425-40de-944b-e07fc1f90ae7', 'it''s; --', 7)";
    connection.execute(made).await.unwrap();
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_row_of_a_legacy_database_is_a_yes_and_nothing_else_is() {
    runtime().block_on(async {
        make_plants().await;
        for (select, expected) in [
            ("SELECT 1", true),
            ("SELECT true", true),
            ("SELECT owner", true),
            ("SELECT uuid", true),
            ("SELECT 0", false),
            ("SELECT false", false),
            ("SELECT NULL::text", false),
            ("SELECT count(*)", true),
        ] {
            let from = "FROM plants WHERE uuid = $resource::uuid AND owner = ($subject)::bigint -- $nothing";
            let database = asked(&format!("{select} {from}"));
            assert_eq!(database.owns(&record(PLANT, "7")).await.unwrap(), expected, "{select}");
            for (resource, subject) in
                [(PLANT, "8"), (PLANT, "alice"), (PLANT, "7 OR 1=1"), ("a", "7"), ("' OR 1=1 --", "7"), ("", "7")]
            {
                assert!(!database.owns(&record(resource, subject)).await.unwrap(), "{select}: {resource} {subject}");
            }
        }
        let exists = asked("SELECT EXISTS (SELECT 1 FROM plants WHERE name = $resource AND owner::text = $subject)");
        assert!(exists.owns(&record("it's; --", "7")).await.unwrap());
        assert!(!exists.owns(&record("' OR ''='", "7")).await.unwrap());
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_legacy_database_is_only_read_and_not_for_long_and_its_fall_is_no_answer() {
    runtime().block_on(async {
        make_plants().await;
        let writes = "WITH gone AS (DELETE FROM plants WHERE name = $resource OR name = $subject RETURNING 1) SELECT 1";
        let error = asked(writes).owns(&record("it's; --", "7")).await.unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        let began = tokio::time::Instant::now();
        let sleeps = asked("SELECT 1 FROM pg_sleep(30) WHERE $resource <> $subject");
        assert!(sleeps.owns(&record("a", "b")).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let database = asked("SELECT 1 FROM plants WHERE name = $resource AND owner::text = $subject");
        let mine = record("it's; --", "7");
        let owns = || database.owns(&mine);
        assert!(owns().await.unwrap());
        server("stop");
        assert!(owns().await.is_err() && owns().await.is_err());
        server("start");
        assert!(owns().await.unwrap());
        let unknown = asked("SELECT 1 FROM nothing WHERE $resource = $subject");
        assert!(unknown.owns(&record("a", "a")).await.is_err());
    });
}

/// Whether it opens, and whether its connections have TLS.
fn opens(query: &str) -> Result<bool, String> {
    let Location::Postgres(url) = location_with(query) else { unreachable!() };
    Store::open(&Location::Postgres(url.clone())).map_err(|error| error.to_string())?;
    runtime().block_on(async {
        let url = std::str::from_utf8(url.expose()).unwrap();
        let mut connection = sqlx::PgConnection::connect(url).await.map_err(|error| error.to_string())?;
        let with_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok(sqlx::query_scalar(with_tls).fetch_one(&mut connection).await.unwrap())
    })
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn tls_is_what_the_url_says_and_never_less() {
    let authority = variable("_CA");
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(stranger.path(), other.cert.pem()).unwrap();
    let stranger = stranger.path().display();
    assert_eq!(opens("?sslmode=disable"), Ok(false));
    for query in ["", "?sslmode=prefer", "?sslmode=require"] {
        assert_eq!(opens(query), Ok(true), "{query}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(opens(&format!("?sslmode={mode}&sslrootcert={authority}")), Ok(true), "{mode}");
        let refused = Store::open(&location_with(&format!("?sslmode={mode}&sslrootcert={stranger}"))).err();
        assert!(refused.unwrap().to_string().contains("certificate"), "{mode}");
    }
    let by_name = variable("").replace("127.0.0.1", "localhost");
    let named = |mode: &str| {
        let url = format!("{by_name}?sslmode={mode}&sslrootcert={authority}");
        Store::open(&Location::Postgres(Secret::from(url))).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(named("verify-ca"), Ok(()));
    assert!(named("verify-full").unwrap_err().contains("certificate"), "the certificate is not for this name");

    server("stop");
    server("start-without-tls");
    let outcomes = ["", "?sslmode=require", &format!("?sslmode=verify-full&sslrootcert={authority}")].map(opens);
    server("stop");
    server("start");
    assert_eq!(outcomes[0], Ok(false));
    for refused in &outcomes[1..] {
        assert!(refused.as_ref().unwrap_err().contains("does not support TLS"), "{outcomes:?}");
    }
}
