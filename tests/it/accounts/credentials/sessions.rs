//! Refresh tokens, and what ends with a password.

use std::time::Duration;

use bearergate::accounts::store::{AuditStore, OutboxStore, SessionStore};
use serde_json::json;

use super::{PASSWORD, Words, for_each_api, person, runtime, store};
use crate::accounts::harness::{Kept, json};

for_each_api! {
    a_log_out_ends_the_refresh_token_and_the_access_token_at_once
    what_is_kept_of_a_token_is_not_the_token
}

mod rotating {
    use super::super::for_each_api;
    use super::{fifty_refreshes_at_once_get_one_child, reuse_ends_the_family_and_is_noted};

    for_each_api! { hungry_machines HUNGRY_MACHINES:
        fifty_refreshes_at_once_get_one_child
        reuse_ends_the_family_and_is_noted
    }
}

mod resetting {
    use super::super::for_each_api;
    use super::a_reset_ends_every_session_tells_the_person_and_logs_nobody_in;

    for_each_api! { homsai HOMSAI: a_reset_ends_every_session_tells_the_person_and_logs_nobody_in }
    for_each_api! { uptimehunt UPTIMEHUNT: a_reset_ends_every_session_tells_the_person_and_logs_nobody_in }
}

fn fifty_refreshes_at_once_get_one_child(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    let user = person(kept, "ada@example.com");
    let first = words.login(&api, "ada@example.com", PASSWORD);
    let request = words.refreshing(&first.refresh);
    let mut clients: Vec<_> = (0..50).map(|_| api.client()).collect();
    for client in &mut clients {
        client.send(&request);
    }
    let answers: Vec<_> = clients.iter_mut().map(|client| words.tokens_in(&client.response())).collect();
    assert!(answers.iter().all(|answer| answer.refresh == answers[0].refresh && answer.refresh != first.refresh));
    assert!(answers.iter().all(|answer| words.reach(&api, &answer.access) == 200));
    let sessions = runtime().block_on(store(kept).sessions(user.id, api.clock.now())).unwrap();
    assert_eq!(sessions.len(), 1);
    // The answer was lost: within the interval the parent gives the same child.
    api.clock.advance(Duration::from_secs(9));
    assert_eq!(words.tokens_in(&words.try_refresh(&api, &first.refresh)).refresh, answers[0].refresh);
}

fn reuse_ends_the_family_and_is_noted(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    let user = person(kept, "ada@example.com");
    let other = words.login(&api, "ada@example.com", PASSWORD);
    let stolen = words.login(&api, "ada@example.com", PASSWORD);
    let child = words.tokens_in(&words.try_refresh(&api, &stolen.refresh));
    assert!(words.reach(&api, &child.access) == 200 && words.reach(&api, &stolen.access) == 200);
    api.clock.advance(Duration::from_secs(10));
    for token in [&stolen.refresh, &child.refresh, &stolen.refresh] {
        let refused = words.try_refresh(&api, token);
        assert_eq!(words.said(&refused, words.refresh.0).0, words.unrefreshed);
    }
    assert_eq!([words.reach(&api, &child.access), words.reach(&api, &stolen.access)], [401, 401]);
    assert_eq!(words.reach(&api, &other.access), 200, "the other session goes on");
    words.tokens_in(&words.try_refresh(&api, &other.refresh));
    let events = runtime().block_on(store(kept).events(user.id, 20)).unwrap();
    let reused: Vec<_> = events.iter().filter(|entry| entry.event.kind == "refresh_token_reused").collect();
    assert_eq!(reused.len(), 1, "{events:?}");
    assert_eq!(reused[0].event.address, Some("127.0.0.1".parse().unwrap()));
}

fn a_log_out_ends_the_refresh_token_and_the_access_token_at_once(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    person(kept, "ada@example.com");
    let (out, other) = (words.login(&api, "ada@example.com", PASSWORD), words.login(&api, "ada@example.com", PASSWORD));
    let answer = api.send("POST", words.logout, Some(&out.access), &json!({ "refresh_token": out.refresh }));
    assert_eq!((answer.status, answer.header("cache-control")), (204, Some("no-store")), "{answer:?}");
    let refused = words.try_refresh(&api, &out.refresh);
    assert_eq!(words.said(&refused, words.refresh.0).0, words.unrefreshed);
    assert_eq!([words.reach(&api, &out.access), words.reach(&api, &other.access)], [401, 200]);
    words.tokens_in(&words.try_refresh(&api, &other.refresh));
    assert_eq!(api.send("POST", words.logout, Some(&out.access), &json!({})).status, 401);
}

fn what_is_kept_of_a_token_is_not_the_token(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    person(kept, "ada@example.com");
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    if words.preset != "uptimehunt" {
        // An opaque one: 256 random bits in base64url.
        assert!(tokens.refresh.len() >= 43, "{}", tokens.refresh.len());
    }
    let mut secrets = vec![tokens.access, tokens.refresh, PASSWORD.to_owned()];
    if words.ask_reset.is_some() {
        // While the mail waits its link is in the outbox; when it is sent, the link is gone.
        secrets.push(words.link(&api, "ada@example.com").1);
        let waiting = || runtime().block_on(store(kept).waiting_mail()).unwrap().0;
        let is_forgotten = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            waiting() == 0
        });
        assert!(is_forgotten);
    }
    if !kept.url.starts_with("sqlite:") {
        return;
    }
    drop(api);
    runtime().block_on(async {
        use sqlx::{ConnectOptions, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(super::file(kept));
        let mut database = options.connect().await.unwrap();
        database.execute("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    });
    let bytes = std::fs::read(super::file(kept)).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("ada@example.com") && has("$argon2id$"), "the file is looked at");
    for secret in &secrets {
        assert!(!has(secret), "{secret}");
    }
}

fn a_reset_ends_every_session_tells_the_person_and_logs_nobody_in(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    person(kept, "ada@example.com");
    let sessions = [(); 2].map(|()| words.login(&api, "ada@example.com", PASSWORD));
    let (uid, token) = words.link(&api, "ada@example.com");
    let (uid, token) = (uid.as_str(), token.as_str());
    let done = words.reset(&api, (uid, token), "the moss on 7 old roofs");
    let answer = json(&done, 200).to_string();
    assert!(!answer.contains("oken") && done.header("set-cookie").is_none(), "{answer}");
    for session in &sessions {
        assert_eq!(words.reach(&api, &session.access), 401);
        assert_eq!(words.try_refresh(&api, &session.refresh).status, words.unrefreshed);
    }
    let told = api.smtp.wait_for(2);
    let told = String::from_utf8_lossy(&told[1].data).into_owned();
    assert!(told.contains("assword") && !told.contains("the moss on 7 old roofs") && !told.contains(token), "{told}");
    words.assert_refused(&words.try_login(&api, "ada@example.com", PASSWORD));
    words.login(&api, "ada@example.com", "the moss on 7 old roofs");
}
