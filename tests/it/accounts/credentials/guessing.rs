//! Guessing: what is told of who is there, and how often anybody may try.

use std::{thread, time::Duration};

use bearergate::accounts::{
    model::{Aside, UserPatch},
    store::{Update, UserStore},
};
use serde_json::json;
use sqlx::{ConnectOptions, Row, sqlite::SqliteConnectOptions};

use super::{PASSWORD, Words, file, for_each_api, from, hashed, person, person_with, post, runtime, store};
use crate::{
    accounts::harness::{Api, Kept, json},
    support::client::Response,
};

for_each_api! {
    nobody_and_a_wrong_password_are_one_answer
    guesses_at_one_account_end_until_the_time_that_is_said
    many_guesses_at_once_are_no_more_than_one_after_the_other
    whoever_succeeds_gets_that_try_back_and_no_other
    an_address_guesses_at_any_account_no_more_than_its_limit
    attackers_from_everywhere_do_not_lock_out_who_comes_as_ever
    only_a_trusted_proxy_says_whose_tries_these_are
}

mod redemption {
    use super::super::for_each_api;

    for_each_api! { homsai HOMSAI:
        guesses_at_a_link_end_and_do_not_lock_out_who_has_it
        who_asks_for_too_many_links_is_stopped_whoever_they_are_for
    }
    for_each_api! { uptimehunt UPTIMEHUNT:
        guesses_at_a_link_end_and_do_not_lock_out_who_has_it
        who_asks_for_too_many_links_is_stopped_whoever_they_are_for
    }

    use super::{
        guesses_at_a_link_end_and_do_not_lock_out_who_has_it,
        who_asks_for_too_many_links_is_stopped_whoever_they_are_for,
    };
}

/// How many rows there are in all tables of a file; `None`: the store is in none.
fn rows(kept: &Kept) -> Option<i64> {
    let path = kept.url.starts_with("sqlite:").then(|| file(kept))?;
    Some(runtime().block_on(async {
        let mut database = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let tables = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut database).await;
        let mut rows = 0;
        for table in tables.unwrap() {
            let count = format!("SELECT count(*) FROM \"{}\"", table.get::<String, _>(0));
            let count = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&mut database).await.unwrap();
            rows += count.get::<i64, _>(0);
        }
        rows
    }))
}

fn nobody_and_a_wrong_password_are_one_answer(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    person(kept, "ada@example.com");
    person_with(kept, "invited@example.com", None);
    person_with(kept, "imported@example.com", Some("!unusable".to_owned()));
    person_with(kept, "damaged@example.com", Some("$argon2id$what".to_owned()));
    let off = person(kept, "off@example.com");
    let patch = UserPatch { disabled: Some(true), ..UserPatch::default() };
    let updated = runtime().block_on(store(kept).update_user(off.id, patch, Aside::default(), api.clock.now()));
    assert!(matches!(updated.unwrap(), Update::Updated(..)));
    let attempt = |email: &str, password: &str| {
        let (hashes, before) = (hashed(&api), rows(kept));
        let response = words.try_login(&api, email, password);
        words.assert_refused(&response);
        let written = rows(kept).zip(before).map(|(after, before)| after - before);
        (response.fields(), response.text(), hashed(&api) - hashes, written)
    };
    // The first event makes a row that counts the others.
    attempt("ada@example.com", "not her password");
    let known = attempt("ada@example.com", "not her password");
    assert_eq!((known.2, known.3.unwrap_or(1)), (1, 1));
    for email in ["nobody@example.com", "invited@example.com", "imported@example.com", "damaged@example.com"] {
        assert_eq!(attempt(email, "not her password"), known, "{email}");
    }
    assert_eq!(attempt("off@example.com", "not her password"), known);
    assert_eq!(attempt("no address", "not her password").1, known.1);
    // Longer than any: refused before it is hashed, whoever it is for.
    let long = "x".repeat(1025);
    let known = attempt("ada@example.com", &long);
    assert_eq!(known.2, 0);
    assert_eq!(attempt("nobody@example.com", &long), known);
    words.login(&api, "ADA@example.com", PASSWORD);
}

fn login_from(words: &Words, api: &Api, source: &str, email: &str, password: &str) -> Response {
    from(api, source, &post(words.login, &json!({ "email": email, "password": password })))
}

fn guesses_at_one_account_end_until_the_time_that_is_said(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '3/15m' }");
    person(kept, "ada@example.com");
    let mut refusals = Vec::new();
    for email in ["ada@example.com", "nobody@example.com", "no address"] {
        for _ in 0..3 {
            words.assert_refused(&words.try_login(&api, email, "a guess"));
        }
        let hashes = hashed(&api);
        let refused = words.try_login(&api, email, PASSWORD);
        let after = words.assert_throttled(&refused, words.login);
        assert_eq!(hashed(&api), hashes, "no guess is tried");
        if email.contains('@') {
            let respelt = words.try_login(&api, &email.to_uppercase(), "b");
            assert_eq!(words.assert_throttled(&respelt, words.login), after);
        }
        refusals.push((after, refused.fields(), refused.text()));
    }
    assert!(refusals.iter().all(|refused| *refused == refusals[0]), "{refusals:?}");
    let after = refusals[0].0;
    assert!(after >= 15 * 60, "{after}");
    // Whoever comes from somewhere else is not locked out.
    words.tokens_in(&login_from(words, &api, "127.0.0.2", "ada@example.com", PASSWORD));
    api.clock.advance(Duration::from_secs(after - 1));
    let left = words.assert_throttled(&words.try_login(&api, "ada@example.com", PASSWORD), words.login);
    assert_eq!(left, 1);
    api.clock.advance(Duration::from_secs(1));
    words.login(&api, "ada@example.com", PASSWORD);
}

fn many_guesses_at_once_are_no_more_than_one_after_the_other(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '3/15m' }");
    person(kept, "ada@example.com");
    let request = post(words.login, &json!({ "email": "ada@example.com", "password": "a guess" }));
    let mut clients: Vec<_> = (0..25).map(|_| api.client()).collect();
    for client in &mut clients {
        client.send(&request);
    }
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.response().status).collect();
    let tried = statuses.iter().filter(|status| **status == words.refused.0).count();
    assert_eq!((tried, statuses.iter().filter(|status| **status == 429).count()), (3, 22), "{statuses:?}");
    assert_eq!(hashed(&api), 3);
}

fn whoever_succeeds_gets_that_try_back_and_no_other(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '3/15m' }");
    person(kept, "ada@example.com");
    for _ in 0..4 {
        words.login(&api, "ada@example.com", PASSWORD);
    }
    for _ in 0..2 {
        words.assert_refused(&words.try_login(&api, "ada@example.com", "a guess"));
    }
    words.login(&api, "ada@example.com", PASSWORD);
    words.assert_refused(&words.try_login(&api, "ada@example.com", "a guess"));
    words.assert_throttled(&words.try_login(&api, "ada@example.com", PASSWORD), words.login);
}

fn an_address_guesses_at_any_account_no_more_than_its_limit(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { address = '3/15m' }");
    person(kept, "ada@example.com");
    for number in 0..3 {
        words.assert_refused(&words.try_login(&api, &format!("nobody{number}@example.com"), "a guess"));
    }
    words.assert_throttled(&words.try_login(&api, "ada@example.com", PASSWORD), words.login);
    words.tokens_in(&login_from(words, &api, "127.0.0.2", "ada@example.com", PASSWORD));
    if let Some(path) = words.register {
        // Whoever tries addresses until one is taken counts too.
        let taken = json!({ "email": "ada@example.com", "password": PASSWORD });
        words.assert_throttled(&api.post(path, &taken), path);
        for _ in 0..3 {
            assert_eq!(from(&api, "127.0.0.3", &post(path, &taken)).status, 400);
        }
        words.assert_throttled(&from(&api, "127.0.0.3", &post(path, &taken)), path);
    }
}

fn attackers_from_everywhere_do_not_lock_out_who_comes_as_ever(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '1/15m' }");
    person(kept, "ada@example.com");
    words.login(&api, "ada@example.com", PASSWORD);
    for attacker in 10..20 {
        let source = format!("127.0.0.{attacker}");
        words.assert_refused(&login_from(words, &api, &source, "ada@example.com", "a guess"));
        words.assert_throttled(&login_from(words, &api, &source, "ada@example.com", PASSWORD), words.login);
    }
    // Ten times the limit from everywhere: no new address has a try.
    words.assert_throttled(&login_from(words, &api, "127.0.0.20", "ada@example.com", "a guess"), words.login);
    words.login(&api, "ada@example.com", PASSWORD);
}

fn only_a_trusted_proxy_says_whose_tries_these_are(words: &Words, kept: &Kept) {
    let listen = "[listen]\naddress = '127.0.0.1:0'\nworkers = 1\ntrusted_proxies = ['127.0.0.9/32']\n";
    let api = Api::start(words.preset, kept, listen, "throttle = { account = '1/15m' }");
    person(kept, "ada@example.com");
    let login = |proxy: &str, forwarded: &str, password: &str| {
        let request = post(words.login, &json!({ "email": "ada@example.com", "password": password }));
        from(&api, proxy, &request.replacen("\r\n", &format!("\r\nX-Forwarded-For: {forwarded}\r\n"), 1))
    };
    words.assert_refused(&login("127.0.0.9", "203.0.113.1", "a guess"));
    words.assert_throttled(&login("127.0.0.9", "203.0.113.1", PASSWORD), words.login);
    // Another client of the proxy; and what a client wrote itself stands further to the left.
    words.tokens_in(&login("127.0.0.9", "203.0.113.1, 203.0.113.2", PASSWORD));
    words.assert_throttled(&login("127.0.0.9", "203.0.113.3, 203.0.113.1", PASSWORD), words.login);
    // Whoever is no proxy is who it is.
    words.assert_refused(&login("127.0.0.2", "203.0.113.4", "a guess"));
    words.assert_throttled(&login("127.0.0.2", "203.0.113.5", PASSWORD), words.login);
}

fn guesses_at_a_link_end_and_do_not_lock_out_who_has_it(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '2/15m', address = '3/15m' }");
    person(kept, "ada@example.com");
    let (uid, token) = words.link(&api, "ada@example.com");
    let path = words.confirm_reset.unwrap();
    let attackers: Vec<_> = (10..32).map(|attacker| format!("127.0.0.{attacker}")).collect();
    for source in &attackers {
        let guess = |uid: &str| words.reset_from(&api, source, (uid, &"A".repeat(43)), "another password");
        let statuses: Vec<_> = (0..5).map(|_| guess(&uid).status).collect();
        assert!(statuses[..2].iter().all(|status| [400, 401].contains(status)), "{statuses:?}");
        assert_eq!(statuses[4], 429, "{statuses:?}");
        let throttled = guess(&uid);
        words.assert_throttled(&throttled, path);
    }
    assert_eq!(hashed(&api), 0, "no password is hashed for a guess");
    let (bad, good) = (attackers[0].as_str(), "127.0.0.40");
    words.assert_throttled(&words.reset_from(&api, bad, (&uid, &token), "another password"), path);
    json(&words.reset_from(&api, good, (&uid, &token), "another password"), 200);
    words.login(&api, "ada@example.com", "another password");
}

fn who_asks_for_too_many_links_is_stopped_whoever_they_are_for(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { address = '3/15m' }");
    person(kept, "ada@example.com");
    let path = words.ask_reset.unwrap();
    let ask = |source: &str, email: &str| from(&api, source, &post(path, &json!({ "email": email })));
    for (source, email) in [("127.0.0.2", "ada@example.com"), ("127.0.0.3", "nobody@example.com")] {
        for _ in 0..3 {
            json(&ask(source, email), 200);
        }
        words.assert_throttled(&ask(source, email), path);
    }
    // Of more than five an hour nobody gets a mail, and nobody is told.
    let again = ask("127.0.0.4", "ada@example.com");
    let last = ask("127.0.0.4", "ada@example.com");
    let beyond = ask("127.0.0.4", "ada@example.com");
    assert_eq!(
        (json(&beyond, 200), beyond.fields()),
        (json(&ask("127.0.0.5", "nobody@example.com"), 200), again.fields())
    );
    json(&last, 200);
    api.smtp.wait_for(5);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(api.smtp.mails().len(), 5);
}
