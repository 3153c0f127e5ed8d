//! Accounts in a file that is locked or gone, and by a process that is killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use bearergate::{
    accounts::{
        email::Email,
        model::{Aside, UserPatch},
        session::Token,
        store::{AuditStore, Presented, SessionStore, Update, UserStore},
    },
    store::{Location, Store},
};
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

use super::Scratch;
use crate::store::{
    NOW,
    accounts::{LIFE, log_in, token, user},
    refreshes::{INTERVAL, refresh},
    runtime,
};

fn path(location: &Location) -> &std::path::Path {
    match location {
        Location::Sqlite(path) => path,
        Location::Postgres(_) => panic!("it is SQLite's"),
    }
}

#[test]
fn what_a_locked_file_does_not_take_is_not_half_done() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, parent) = log_in(&store, &one).await;
        let mut other = SqliteConnectOptions::new().filename(path(&scratch)).connect().await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let email = Some(Email::parse("other@example.com").unwrap());
        let patch = UserPatch { email, ..UserPatch::default() };
        let rotation = Some(parent.rotation(&token(), INTERVAL));
        let presented = Presented { token: parent.hash(), idle: LIFE.idle, rotation };
        let (refreshed, updated, ended) = tokio::join!(
            store.refresh(presented, Aside::default(), NOW),
            store.update_user(one.id, patch.clone(), Aside::event("changed", None), NOW),
            store.end_session(session.id, Aside::event("logout", None), NOW),
        );
        assert!(refreshed.is_err() && updated.is_err() && ended.is_err(), "{refreshed:?} {updated:?} {ended:?}");
        // Who only reads does not wait.
        assert_eq!(store.user_by_id(one.id).await.unwrap().as_ref(), Some(&one));
        assert_eq!(store.session_of(parent.hash(), NOW).await.unwrap(), Some(session));
        assert_eq!(store.events(one.id, 10).await.unwrap(), []);
        other.execute("ROLLBACK").await.unwrap();
        assert!(refresh(&store, &parent, NOW).await.is_ok());
        let updated = store.update_user(one.id, patch, Aside::default(), NOW).await.unwrap();
        assert!(matches!(updated, Update::Updated(..)));
    });
}

#[test]
fn a_file_that_is_gone_knows_nobody_and_says_so() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let away = path(&scratch).with_extension("away");
        fs::rename(path(&scratch), &away).unwrap();
        assert!(store.user_by_id(one.id).await.is_err(), "an error, and not nobody");
        fs::rename(&away, path(&scratch)).unwrap();
        assert_eq!(store.user_by_id(one.id).await.unwrap(), Some(one));
    });
}

const KILLED: &str = "BEARERGATE_TEST_KILLED";

/// What the one below starts: refreshes as fast as it can, and says each token that it was given.
#[test]
#[ignore = "is started by another test, which kills it"]
fn a_client_that_refreshes_until_it_is_killed() {
    let Ok(arguments) = std::env::var(KILLED) else { return };
    let (path, first) = arguments.rsplit_once('|').unwrap();
    let store = Store::open(&Location::Sqlite(path.into())).unwrap();
    runtime().block_on(async {
        let mut token = Token::from(first.to_owned());
        loop {
            token = refresh(&store, &token, NOW).await.unwrap();
            let mut output = std::io::stdout().lock();
            writeln!(output, "token {}", token.expose()).unwrap();
            output.flush().unwrap();
        }
    });
}

#[test]
fn a_process_that_is_killed_in_the_middle_of_refreshes_loses_and_doubles_none() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, mut token) = log_in(&store, &one).await;
        for refreshes in [1, 7, 20, 33] {
            let mut client = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sqlite::faults::a_client_that_refreshes_until_it_is_killed"])
                .args(["--ignored", "--nocapture"])
                .env(KILLED, format!("{}|{}", path(&scratch).display(), token.expose()))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
            let said = |line: String| line.split_once("token ").map(|(_, token)| Token::from(token.to_owned()));
            let mut tokens = lines.filter_map(said);
            let last = tokens.by_ref().take(refreshes).last().unwrap();
            client.kill().unwrap();
            client.wait().unwrap();
            // What it said before it died.
            let last = tokens.last().unwrap_or(last);
            // Its last answer may be lost, and then it is given again; either way there is one that goes on.
            token = refresh(&store, &last, NOW).await.unwrap();
            let sessions = store.sessions(one.id, NOW).await.unwrap();
            assert_eq!(sessions.iter().map(|one| one.id).collect::<Vec<_>>(), [session.id]);
        }
    });
}
