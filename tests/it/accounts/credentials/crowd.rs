//! More logins at once than may be hashed or wait for that.

use serde_json::json;

use super::{PASSWORD, UNLIMITED, Words, for_each_api, hashed, person, post};
use crate::{accounts::harness::Kept, support::Client};

for_each_api! {
    who_finds_no_place_in_the_line_is_told_at_once_and_others_are_served
    while_the_threads_are_busy_nobody_is_locked_out
}

/// Two are hashed at once, and 64 wait.
const PLACES: usize = 2 + 64;

fn who_finds_no_place_in_the_line_is_told_at_once_and_others_are_served(words: &Words, kept: &Kept) {
    let api = words.start(kept, UNLIMITED);
    person(kept, "ada@example.com");
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    let request = post(words.login, &json!({ "email": "ada@example.com", "password": "a guess" }));
    let mut clients: Vec<_> = (0..PLACES + 34).map(|_| api.client()).collect();
    for client in &mut clients {
        client.send(&request);
    }
    // The line is full: what needs no hash is answered before the last of it is.
    let began = hashed(&api);
    assert_eq!(words.reach(&api, &tokens.access), 200);
    words.tokens_in(&words.try_refresh(&api, &tokens.refresh));
    let meanwhile = hashed(&api);
    let answers: Vec<_> = clients.iter_mut().map(Client::response).collect();
    let (busy, tried): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
    assert!(tried.len() >= PLACES && !busy.is_empty(), "{} were tried, {} not", tried.len(), busy.len());
    tried.iter().for_each(|answer| words.assert_refused(answer));
    for answer in busy {
        assert_eq!(words.said(answer, words.login), (503, words.busy.to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
    }
    assert_eq!(hashed(&api), 1 + u64::try_from(tried.len()).unwrap());
    assert!(meanwhile < hashed(&api), "{began} {meanwhile}: the others waited for all passwords");
    words.login(&api, "ada@example.com", PASSWORD);
}

fn while_the_threads_are_busy_nobody_is_locked_out(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '3/15m', address = 'off' }");
    person(kept, "ada@example.com");
    let request = post(words.login, &json!({ "email": "ada@example.com", "password": PASSWORD }));
    // Which of two connections a busy machine serves first is not ours to say: one that finds its place before the crowd
    // waits for the line, and then it is no longer full.
    let was_full = (0..5).any(|wave| {
        // More than there are places, as some are done before the last ones are looked at.
        let mut crowd: Vec<_> = (0..PLACES + 60).map(|_| api.client()).collect();
        for (at, client) in crowd.iter_mut().enumerate() {
            let email = format!("nobody{wave}-{at}@example.com");
            client.send(post(words.login, &json!({ "email": email, "password": "a guess" })));
        }
        // Right passwords that nobody looked at are no failed tries.
        let statuses: Vec<_> = (0..12).map(|_| api.client().send(&request).response().status).collect();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        crowd.iter_mut().for_each(|client| drop(client.response()));
        statuses.contains(&503)
    });
    assert!(was_full, "the line was never full");
    words.login(&api, "ada@example.com", PASSWORD);
}
