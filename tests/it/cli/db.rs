//! `db`: the form that the store has.

use std::os::unix::fs::MetadataExt;

use super::support::{Ended, Folder, Gateway, LISTEN};

const NEWEST: &str = "From version 0 to ";

fn folder() -> Folder {
    Folder::with(&format!("preset = \"uptimehunt\"\nstore = \"sqlite:state.db\"\n[accounts]\n{LISTEN}"))
}

fn db(folder: &Folder, command: &str) -> Ended {
    folder.run(&["db", command])
}

#[test]
fn a_store_is_brought_to_the_newest_form_once() {
    let folder = folder();
    let status = db(&folder, "status");
    assert!(status.code == 1 && status.stdout.contains("not there yet"), "{status:?}");
    assert!(!folder.names().contains(&"state.db".to_owned()), "to look makes nothing");
    let migrated = db(&folder, "migrate");
    assert!(migrated.code == 0 && migrated.stdout.starts_with(NEWEST), "{migrated:?}");
    assert!(migrated.stdout.contains("  4 accounts\n"), "{migrated:?}");
    let again = db(&folder, "migrate");
    assert!(again.code == 0 && again.stdout.ends_with("already: there is nothing to do.\n"), "{again:?}");

    let added =
        folder.run_with_input(&["users", "add", "alice@example.com", "--password-stdin"], "marmot-tangent-9-viola");
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(folder.run(&["revoke", "--jti", "a"]).code, 0);
    let gateway = Gateway::start(&folder, &[]);
    let status = db(&folder, "status");
    assert_eq!(status.code, 0, "{status:?}");
    for told in ["Pending: none\n", "Users: 1\n", "Sessions: 0\n", "Revocations: 1\n", "Mails that wait: 0\n"] {
        assert!(status.stdout.contains(told), "{told}: {status:?}");
    }
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
fn an_older_store_is_told_and_left_as_it_is_until_it_is_migrated() {
    let folder = folder();
    assert_eq!(db(&folder, "migrate").code, 0);
    older(
        &folder,
        "DROP TABLE audit; DROP TABLE outbox; DROP TABLE one_time_tokens; DROP TABLE refresh_tokens; \
                    DROP TABLE sessions; DROP TABLE accounts; DROP TABLE account_number; \
                    DELETE FROM _sqlx_migrations WHERE version >= 4;",
    );
    let file = || {
        let metadata = std::fs::metadata(folder.path().join("state.db")).unwrap();
        (metadata.len(), metadata.mtime_nsec())
    };
    let before = file();
    let status = db(&folder, "status");
    assert_eq!(status.code, 1, "{status:?}");
    assert!(status.stdout.contains("Version: 3\n") && status.stdout.contains("  4 accounts\n"), "{status:?}");
    let list = folder.run(&["users", "list"]);
    assert!(list.code == 1 && list.stderr.contains("`db migrate`"), "{list:?}");
    assert_eq!(file(), before);
    let migrated = db(&folder, "migrate");
    assert!(migrated.code == 0 && migrated.stdout.starts_with("From version 3 to "), "{migrated:?}");
    assert_eq!(db(&folder, "status").code, 0);
}

#[test]
fn a_newer_store_is_told_and_not_touched() {
    let folder = folder();
    assert_eq!(db(&folder, "migrate").code, 0);
    older(
        &folder,
        "INSERT INTO _sqlx_migrations SELECT 9000, 'later', installed_on, success, checksum, execution_time \
                    FROM _sqlx_migrations WHERE version = 1;",
    );
    let status = db(&folder, "status");
    assert!(status.code == 1 && status.stdout.contains("older than the store: 9000\n"), "{status:?}");
    assert_eq!(db(&folder, "migrate").code, 1);
}

#[test]
fn without_a_store_the_configuration_is_said_to_be_wrong_and_no_password_is_shown() {
    let without = Folder::with_preset("uptimehunt");
    for command in ["migrate", "status"] {
        let ended = db(&without, command);
        assert!(ended.code == 78 && ended.stderr.contains("`store`"), "{ended:?}");
    }
    let folder = Folder::with(&format!("preset = \"uptimehunt\"\nstore = {{ env = \"DATABASE\" }}\n{LISTEN}"));
    let mut command = folder.command(&["db", "status"]);
    let output = command.env("DATABASE", "postgres://u:geheim@127.0.0.1:9/d").output().unwrap();
    let ended = Ended::from(output);
    assert!(ended.code == 1 && !format!("{ended:?}").contains("geheim"), "{ended:?}");
}

/// Changes the store by hand.
fn older(folder: &Folder, statements: &str) {
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(folder.path().join("state.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    });
}
