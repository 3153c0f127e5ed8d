//! The audit trail: each event of credentials, where it came from, and no secret.

use bearergate::accounts::{model::AuditEntry, store::AuditStore};
use serde_json::json;

use super::{PASSWORD, Words, for_each_api, person, runtime, store};
use crate::accounts::harness::Kept;

for_each_api! {
    each_event_is_kept_of_its_user_and_without_secrets
}

fn each_event_is_kept_of_its_user_and_without_secrets(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    let user = person(kept, "ada@example.com");
    let events = || -> Vec<AuditEntry> { runtime().block_on(store(kept).events(user.id, 100)).unwrap() };
    let kinds = || -> Vec<String> { events().into_iter().rev().map(|entry| entry.event.kind).collect() };
    assert_eq!(kinds(), [""; 0]);
    words.assert_refused(&words.try_login(&api, "ada@example.com", "a guess"));
    words.assert_refused(&words.try_login(&api, "nobody@example.com", "a guess"));
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    assert_eq!(kinds(), ["login_failed", "logged_in"]);
    api.send("POST", words.logout, Some(&tokens.access), &json!({ "refresh_token": tokens.refresh }));
    assert_eq!(kinds(), ["login_failed", "logged_in", "logged_out"]);
    let mut secrets = vec![PASSWORD.to_owned(), tokens.access, tokens.refresh];
    let mut expected = vec!["login_failed", "logged_in", "logged_out"];
    if words.ask_reset.is_some() {
        let (uid, token) = words.link(&api, "ada@example.com");
        words.reset(&api, (&uid, "nothing"), "another password");
        assert_eq!(words.reset(&api, (&uid, &token), "another password").status, 200);
        expected.extend(["reset_asked", "password_set"]);
        assert_eq!(kinds(), expected);
        secrets.extend(["another password".to_owned(), token]);
    }
    if words.preset == "uptimehunt" {
        let tokens = words.login(&api, "ada@example.com", "another password");
        let change = |current: &str, new: &str| {
            let body = json!({ "current_password": current, "new_password": new });
            api.send("POST", "/api/v1/auth/change-password", Some(&tokens.access), &body).status
        };
        assert_eq!(
            [change("a guess", "the third password"), change("another password", "the third password")],
            [400, 200]
        );
        expected.extend(["logged_in", "password_change_failed", "password_set"]);
        assert_eq!(kinds(), expected);
    }
    for entry in events() {
        assert_eq!(entry.event.address, Some("127.0.0.1".parse().unwrap()), "{entry:?}");
        assert_eq!((entry.at, entry.user), (api.clock.now(), Some(user.id)));
        let shown = format!("{entry:?}");
        assert!(!secrets.iter().any(|secret| shown.contains(secret.as_str())) && !shown.contains("argon2"), "{shown}");
    }
}
