//! Tokens that are revoked while the gateway runs: by its admin listener, by another gateway, across restarts.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use bearergate::{
    authn::{
        revocation::{Revocation, RevocationStore, Target},
        role_grants::{GrantStore, RoleGrant},
    },
    clock::{Clock, Timestamp},
    gateway::{PrepareError, prepare},
    store::{Location, Store},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::support::{
    Client, Gateway, NOW, Upstream,
    deployment::{deploy, read},
    token_with,
};

const IN_MEMORY: &str = "
    [issuer.main]
    secret = { env = 'KEY' }
    [[route]]
    match = '* /**'
    access = 'token'
";

fn kept() -> String {
    format!("store = 'sqlite:state.db'\n{IN_MEMORY}")
}

/// What the admin listener answers to this body.
fn post(gateway: &Gateway, body: &Value) -> (u16, Value) {
    post_with(gateway, "Content-Type: application/json\r\n", &body.to_string())
}

fn post_with(gateway: &Gateway, fields: &str, body: &str) -> (u16, Value) {
    let head = format!("POST /revocations HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    let response = gateway.admin().send(format!("{head}{body}")).response();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

#[track_caller]
fn revoke(gateway: &Gateway, target: Value) {
    let mut body = json!({ "issuer": "main" });
    body.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    let (status, answer) = post(gateway, &body);
    assert_eq!(status, 200, "{answer}");
}

fn status(client: &mut Client, token: &str) -> u16 {
    client.bear("GET", "/", token).status
}

#[test]
fn a_revoked_token_is_refused_from_the_next_request_on_and_nobody_elses() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let (gateway, _clock) = deploy(IN_MEMORY, folder.path(), upstream.address);
    let mut client = gateway.connect();
    let tokens = [
        token_with(json!({ "sub": "alice", "jti": "1", "iat": NOW - 5 })),
        token_with(json!({ "sub": "bob", "sid": "s", "iat": NOW - 5 })),
        token_with(json!({ "sub": "carol", "iat": NOW - 5 })),
        token_with(json!({ "sub": "dave", "jti": "4", "sid": "t", "iat": NOW - 5 })),
    ];
    let mut answers = || tokens.each_ref().map(|token| status(&mut client, token));
    assert_eq!(answers(), [200; 4]);
    revoke(&gateway, json!({ "jti": "1" }));
    assert_eq!(answers(), [401, 200, 200, 200]);
    revoke(&gateway, json!({ "session": "s", "for": "1h" }));
    assert_eq!(answers(), [401, 401, 200, 200]);
    revoke(&gateway, json!({ "subject": "carol" }));
    assert_eq!(answers(), [401, 401, 401, 200]);
    let refused = client.bear("GET", "/", &tokens[0]);
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{}", refused.head);
    let list: Value = serde_json::from_slice(&gateway.admin().get("/revocations").body).unwrap();
    assert_eq!(list["count"], 3);
    let session = json!({ "issuer": "main", "session": "s", "until": "2025-12-12T11:45:22Z" });
    assert!(list["revocations"].as_array().unwrap().contains(&session), "{list}");
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_revocations 3\n"));
    assert!(metrics.contains("bearergate_invalid_tokens_total{cause=\"revoked\"} 7\n"), "{metrics}");
}

#[test]
fn what_others_have_written_counts_from_the_next_request_on_once_the_gateway_is_told() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let (gateway, _clock) = deploy(&format!("{}permissions = ['READ']", kept()), folder.path(), upstream.address);
    let mut client = gateway.connect();
    let token = token_with(json!({ "sub": "alice" }));
    assert_eq!(status(&mut client, &token), 403);
    let store = Store::open(&Location::Sqlite(folder.path().join("state.db"))).unwrap();
    let grant = RoleGrant { issuer: "main".to_owned(), subject: "alice".to_owned(), role: "READ".to_owned() };
    let mut refresh = |expected: u16| {
        let head = "POST /store/refresh HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n";
        let told = gateway.admin().send(format!("{head}Content-Type: application/json\r\n\r\n{{}}")).response();
        assert_eq!((told.status, status(&mut client, &token)), (200, expected), "{}", told.text());
        assert_eq!(gateway.admin().send(format!("{head}\r\n{{}}")).response().status, 415);
    };
    let writing = (store.clone(), grant.clone());
    assert!(store.wait_for(async move { writing.0.grant(&writing.1).await }).unwrap());
    refresh(200);
    let writing = (store.clone(), grant);
    assert!(store.wait_for(async move { writing.0.withdraw(&writing.1).await }).unwrap());
    refresh(403);
}

#[test]
fn without_a_store_the_answer_says_that_it_will_be_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _clock) = deploy(IN_MEMORY, folder.path(), Upstream::ok().address);
    let (status, answer) = post(&gateway, &json!({ "issuer": "main", "jti": "1" }));
    assert_eq!((status, &answer["kept"]), (200, &json!(false)));
    assert!(answer["detail"].as_str().unwrap().contains("no `store`"), "{answer}");
    assert_eq!(answer["until"], "2026-01-11T10:45:22Z");
}

#[test]
fn what_no_operator_sends_revokes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _clock) = deploy(IN_MEMORY, folder.path(), Upstream::ok().address);
    let good = r#"{"issuer":"main","jti":"1"}"#;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(post_with(&gateway, "Content-Type: text/plain\r\n", good).0, 415);
    assert_eq!(post_with(&gateway, "", good).0, 415);
    assert_eq!(post_with(&gateway, &format!("{json}Origin: http://evil.example\r\n"), good).0, 403);
    assert_eq!(post_with(&gateway, json, &format!("{good}{}", " ".repeat(20_000))).0, 413);
    for body in ["", "{}", "[]", r#"{"issuer":"nobody","jti":"1"}"#, r#"{"issuer":"main","jti":"1","session":"2"}"#] {
        let (status, answer) = post_with(&gateway, json, body);
        assert!(status == 400 && answer["detail"].is_string(), "{body}: {status} {answer}");
    }
    let list: Value = serde_json::from_slice(&gateway.admin().get("/revocations").body).unwrap();
    assert_eq!(list, json!({ "count": 0, "revocations": [] }));
}

#[test]
fn what_is_in_the_store_is_known_after_a_restart() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let (revoked, good) = (token_with(json!({ "jti": "1" })), token_with(json!({ "jti": "2" })));
    let old = token_with(json!({ "sub": "carol", "iat": NOW - 1 }));
    let new = token_with(json!({ "sub": "carol", "iat": NOW }));
    let (gateway, _clock) = deploy(&kept(), folder.path(), upstream.address);
    revoke(&gateway, json!({ "jti": "1" }));
    revoke(&gateway, json!({ "subject": "carol" }));
    revoke(&gateway, json!({ "session": "over", "for": "1s" }));
    drop(gateway);
    let mode = std::fs::metadata(folder.path().join("state.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = read(&kept(), folder.path(), upstream.address).unwrap();
    let later = Clock::manual(Timestamp::from_secs(NOW + 1));
    let prepared = prepare(&config, &later).unwrap();
    assert_eq!(prepared.snapshot.revoker.revocations().count(), 2, "what is over is not loaded");
    let gateway = Gateway::with(&prepared.settings, prepared.snapshot);
    let mut client = gateway.connect();
    assert_eq!([&revoked, &good, &old, &new].map(|token| status(&mut client, token)), [401, 200, 401, 200]);
}

#[test]
fn gateways_that_share_a_store_learn_of_each_others() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let [one, other] = [(); 2].map(|()| deploy(&kept(), folder.path(), upstream.address).0);
    let mut client = other.connect();
    let (revoked, good) = (token_with(json!({ "jti": "1" })), token_with(json!({ "jti": "2" })));
    assert_eq!(status(&mut client, &revoked), 200);
    revoke(&one, json!({ "jti": "1" }));
    let mut refused = || {
        std::thread::sleep(Duration::from_millis(100));
        status(&mut client, &revoked) == 401
    };
    assert!((0..100).any(|_| refused()), "the other gateway never learns");
    assert_eq!(status(&mut client, &good), 200);
}

/// Another process that holds on to the file and lets nobody write.
async fn lock(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

#[test]
fn while_the_store_is_locked_tokens_are_verified_and_a_revocation_is_a_503_in_time() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let (gateway, _clock) = deploy(&kept(), folder.path(), upstream.address);
    let mut client = gateway.connect();
    let (revoked, good) = (token_with(json!({ "jti": "1" })), token_with(json!({ "jti": "2" })));
    assert_eq!(status(&mut client, &revoked), 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut other = runtime.block_on(lock(&folder.path().join("state.db")));
    let (answered, answer) = post(&gateway, &json!({ "issuer": "main", "jti": "1" }));
    assert_eq!((answered, &answer["kept"]), (503, &json!(false)), "{answer}");
    assert_eq!(status(&mut client, &good), 200);
    assert_eq!(status(&mut client, &revoked), 401, "it is in force here all the same");
    assert!(answer["detail"].as_str().unwrap().contains("tried again"), "{answer}");
    let told = ready(&gateway);
    assert!(told.starts_with("ready\nthe store: ") && told.ends_with("revocations not kept yet: 1\n"), "{told}");
    assert_metrics(&gateway, &["bearergate_store_up 0", "bearergate_revocations_not_kept 1"]);
    runtime.block_on(other.execute("ROLLBACK")).unwrap();
    eventually(|| ready(&gateway) == "ready\n");
    assert_metrics(&gateway, &["bearergate_store_up 1", "bearergate_revocations_not_kept 0"]);
    assert_eq!(stored(folder.path()), ["1"], "it is kept without being asked for again");
}

fn ready(gateway: &Gateway) -> String {
    let ready = gateway.admin().get("/readyz");
    assert_eq!(ready.status, 200, "tokens are verified all the same");
    ready.text()
}

#[track_caller]
fn assert_metrics(gateway: &Gateway, lines: &[&str]) {
    let metrics = gateway.admin().get("/metrics").text();
    lines.iter().for_each(|line| assert!(metrics.contains(&format!("{line}\n")), "{line} is not in {metrics}"));
}

/// The values of the revocations that another process finds, in their order.
fn stored(folder: &Path) -> Vec<String> {
    let Some(store) = Store::look_at(&Location::Sqlite(folder.join("state.db"))).unwrap() else { return Vec::new() };
    let looking = store.clone();
    let (found, _) = store.wait_for(async move { looking.since(0, Timestamp::from_secs(NOW)).await }).unwrap();
    let value = |revocation: Revocation| match revocation.target {
        Target::Id(value) | Target::Session(value) | Target::Subject { subject: value, .. } => value,
    };
    found.into_iter().map(value).collect()
}

/// Waits for what comes by itself.
#[track_caller]
fn eventually(what: impl Fn() -> bool) {
    let came = (0..150).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        what()
    });
    assert!(came, "it did not come");
}

#[test]
fn a_store_whose_folder_is_gone_is_not_pretended_to_keep_and_is_used_again_when_it_is_back() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let (here, away) = (folder.path().join("here"), folder.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    let (gateway, _clock) = deploy(&kept(), &here, upstream.address);
    let mut client = gateway.connect();
    revoke(&gateway, json!({ "jti": "before" }));
    std::fs::rename(&here, &away).unwrap();
    let (answered, answer) = post(&gateway, &json!({ "issuer": "main", "jti": "during" }));
    assert_eq!((answered, &answer["kept"]), (503, &json!(false)), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("its file is gone"), "{answer}");
    let (before, during) = (token_with(json!({ "jti": "before" })), token_with(json!({ "jti": "during" })));
    assert_eq!([&before, &during].map(|token| status(&mut client, token)), [401, 401]);
    assert_eq!(status(&mut client, &token_with(json!({ "jti": "good" }))), 200);
    std::fs::rename(&away, &here).unwrap();
    eventually(|| ready(&gateway) == "ready\n");
    revoke(&gateway, json!({ "jti": "after" }));
    assert_eq!(stored(&here), ["before", "during", "after"]);
}

#[test]
fn an_old_copy_that_is_put_in_the_stores_place_is_given_what_it_does_not_have() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let [here, away, other] = ["here", "away", "other"].map(|name| folder.path().join(name));
    for folder in [&here, &other] {
        std::fs::create_dir(folder).unwrap();
    }
    let (gateway, _clock) = deploy(&kept(), &here, upstream.address);
    revoke(&gateway, json!({ "jti": "1" }));
    // From before there was anything in it.
    drop(Store::open(&Location::Sqlite(other.join("state.db"))).unwrap());
    std::fs::rename(&here, &away).unwrap();
    std::fs::rename(&other, &here).unwrap();
    eventually(|| stored(&here) == ["1"]);
    revoke(&gateway, json!({ "jti": "2" }));
    assert_eq!(stored(&here), ["1", "2"]);
    assert_eq!(stored(&away), ["1"]);
    drop(gateway);
    eventually(|| !here.join("state.db-wal").exists());
}

#[test]
fn a_gateway_that_cannot_know_what_is_revoked_does_not_start() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("state.db"), "this is no database, and long enough to be looked at").unwrap();
    let clock = Clock::manual(Timestamp::from_secs(NOW));
    let config = read(&kept(), folder.path(), upstream.address).unwrap();
    assert!(matches!(prepare(&config, &clock), Err(PrepareError::Store(_))));
    let config = read(&kept().replace("state.db", "no/folder/state.db"), folder.path(), upstream.address).unwrap();
    assert!(matches!(prepare(&config, &clock), Err(PrepareError::Store(_))));
}

#[test]
fn a_store_that_cannot_be_meant_is_a_mistake_and_its_password_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    for store in ["'state.db'", "'sqlite:'", "'sqlite::memory:'", "'postgres://u:hunter2@h/d'", "{ env = 'NONE' }", "1"]
    {
        let text = format!("store = {store}\n{IN_MEMORY}");
        let mistakes = read(&text, folder.path(), Upstream::ok().address).unwrap_err().to_string();
        assert!(mistakes.contains("store") && !mistakes.contains("hunter2"), "{store}: {mistakes}");
    }
}
