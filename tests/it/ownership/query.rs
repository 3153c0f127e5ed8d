//! A query, on a real file of SQLite's.

use std::path::Path;

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use super::House;
use crate::support::{Upstream, deployment::read};

const QUERY: &str = "cache = '0ms'
    query = { database = 'sqlite:legacy.db', sql = '''
        SELECT 1 FROM plants -- $nothing
        WHERE uuid = $resource AND owner = $subject;
    ''', timeout = '1s' }";

async fn legacy(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("legacy.db")).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let made = "CREATE TABLE plants (uuid TEXT, owner TEXT); INSERT INTO plants VALUES ('a', 'alice'), ('b', 'bob')";
    connection.execute(made).await.unwrap();
    connection
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_row_of_the_legacy_database_makes_an_owner_and_nothing_that_is_sent_does() {
    let (folder, upstream, runtime) = (tempfile::tempdir().unwrap(), Upstream::ok(), runtime());
    let mut open = runtime.block_on(legacy(folder.path()));
    let mut house = House::new(QUERY, folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(house.status("GET", "/plants/a", "bob"), 403);
    assert_eq!(house.status("GET", "/plants/c", "alice"), 403);
    for resource in
        ["a'--", "'%20OR%201=1%20--", "a'%20OR%20'1'='1", "%27%20OR%201=1", "$subject", "a%22", "%24resource"]
    {
        assert!([400, 403].contains(&house.status("GET", &format!("/plants/{resource}"), "bob")), "{resource}");
    }
    for subject in ["bob' OR '1'='1", "alice'--", "' OR 1=1 --", "$resource"] {
        assert_eq!(house.status("GET", "/plants/a", subject), 403, "{subject}");
    }
    runtime.block_on(open.execute("UPDATE plants SET owner = 'carol' WHERE uuid = 'a'")).unwrap();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 403);
    assert_eq!(house.status("GET", "/plants/a", "carol"), 200);
    let answered: Vec<_> = (0..).map_while(|_| (!upstream.received_nothing_else()).then_some(())).collect();
    assert_eq!(answered.len(), 2, "nothing that was refused got through");
}

#[test]
fn a_database_that_is_missing_locked_or_slow_is_a_503_and_never_a_yes() {
    let (folder, upstream, runtime) = (tempfile::tempdir().unwrap(), Upstream::ok(), runtime());
    let mut house = House::new(QUERY, folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503, "it is not there yet");
    let mut open = runtime.block_on(legacy(folder.path()));
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200, "it recovers by itself");
    runtime.block_on(open.execute("BEGIN EXCLUSIVE")).unwrap();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503, "locked");
    runtime.block_on(open.execute("ROLLBACK")).unwrap();
    assert_eq!(house.status("GET", "/plants/a", "alice"), 200);
    assert_eq!(house.looked_up("failed"), Some(2));
    let slow = "query = { database = 'sqlite:legacy.db', timeout = '200ms', sql = \"WITH RECURSIVE n(i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0 AND $resource <> $subject\" }";
    let mut house = House::new(slow, folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503, "slow");
    std::fs::write(folder.path().join("legacy.db"), "no database, and long enough to be looked at").unwrap();
    let mut house = House::new(QUERY, folder.path(), upstream.address);
    assert_eq!(house.status("GET", "/plants/a", "alice"), 503, "no database");
}

#[test]
fn a_query_that_cannot_be_meant_is_a_mistake() {
    for (query, expected) in [
        ("sql = 'SELECT 1'", "`ownership.plant.query.database` is missing"),
        ("database = 'sqlite:x.db'", "`ownership.plant.query.sql` is missing"),
        ("database = 'sqlite:x.db', sql = 'SELECT $resource'", "does not ask for `$subject`"),
        ("database = 'sqlite:x.db', sql = 'SELECT $resource, $subject; DROP TABLE a'", "one statement"),
        ("database = 'sqlite:x.db', sql = 'SELECT $resource, $subject, $id'", "unknown variable `$id`"),
        ("database = 'sqlite:x.db', sql = 'DELETE FROM a'", "must be a `SELECT`"),
        ("database = 'postgres://u:hunter2@h/d', sql = 'SELECT $resource, $subject'", "must not hold a password"),
        ("database = 'x.db', sql = 'SELECT $resource, $subject', tmeout = '1s'", "unknown key `tmeout`"),
        ("database = 'sqlite:x.db', sql = 'SELECT $resource, $subject', timeout = '2m'", "at most \"1m\""),
    ] {
        let text = super::configuration(&format!("query = {{ {query} }}"));
        let mistakes = read(&text, Path::new("/nowhere"), Upstream::ok().address).unwrap_err().to_string();
        assert!(mistakes.contains(expected) && !mistakes.contains("hunter2"), "{query}: {mistakes}");
    }
}
