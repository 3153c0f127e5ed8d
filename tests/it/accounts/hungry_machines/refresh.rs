//! `POST /auth/refresh`: each token is good once, and a thief is found out.

use std::{collections::HashSet, time::Duration};

use serde_json::json;

use super::{
    Api, Kept, Session, detail, log_in, on_both_stores, part, refresh, refresh_at_once, said, session, session_at,
    sign_up, start, unauthorized, unset,
};

on_both_stores! {
    a_refresh_gives_two_new_tokens_of_the_same_session
    within_ten_seconds_the_same_token_gives_the_same_child
    of_fifty_at_once_there_is_one_child
    a_token_that_is_used_after_the_interval_ends_the_session
    a_grandparent_ends_the_session_at_any_time
    a_client_that_always_refreshes_goes_on
    a_token_is_good_for_thirty_days
    whatever_else_is_presented_is_the_same_answer
}

const INVALID: &str = "Invalid Refresh Token";
const DAY: u64 = 24 * 60 * 60;

fn wait(api: &Api, seconds: u64) {
    api.clock.advance(Duration::from_secs(seconds));
}

#[track_caller]
fn refreshed(api: &Api, token: &str, after: u64) -> Session {
    session_at(&refresh(api, token), after)
}

/// Nobody gets in any more with what belongs to the session.
#[track_caller]
fn is_over(api: &Api, tokens: &[&Session]) {
    for one in tokens {
        detail(&refresh(api, &one.refresh), 400, INVALID);
        unauthorized(&api.get("/auth/me", &one.access), "Invalid token");
        unauthorized(&api.get("/machines", &one.access), "Invalid token");
    }
}

fn a_refresh_gives_two_new_tokens_of_the_same_session(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    wait(&api, 1);
    let second = refreshed(&api, &first.refresh, 1);
    assert!(second.access != first.access && second.refresh != first.refresh);
    assert_eq!(second.user, first.user);
    assert_eq!(part(&second.access, 1)["session_id"], part(&first.access, 1)["session_id"]);
    // Opaque, and nothing of it in the store: 256 bits.
    assert!(second.refresh.len() == 43 && !second.refresh.contains('.'), "{}", second.refresh);
    // The old access token lives on until its end.
    for one in [&first, &second] {
        said(&api.get("/auth/me", &one.access), 200, &unset(&first.user));
    }
    let third = refreshed(&api, &second.refresh, 1);
    assert_ne!(third.refresh, second.refresh);
}

fn within_ten_seconds_the_same_token_gives_the_same_child(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    let child = refreshed(&api, &first.refresh, 0);
    wait(&api, 9);
    let again = refreshed(&api, &first.refresh, 9);
    assert_eq!(again.refresh, child.refresh);
    // That counts for no use of the child, and does not begin the ten seconds anew.
    wait(&api, 1);
    detail(&refresh(&api, &first.refresh), 400, INVALID);
    is_over(&api, &[&first, &child, &again]);
}

fn of_fifty_at_once_there_is_one_child(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    let children = refresh_at_once(&[&api], &first.refresh);
    let different: HashSet<&str> = children.iter().map(|child| child.refresh.as_str()).collect();
    assert_eq!(different.len(), 1);
    for child in &children {
        assert_eq!(api.get("/auth/me", &child.access).status, 200);
    }
    // It is as good as any.
    let next = refreshed(&api, &children[0].refresh, 0);
    assert!(!different.contains(next.refresh.as_str()));
}

fn a_token_that_is_used_after_the_interval_ends_the_session(kept: &Kept) {
    let api = start(kept);
    let other = sign_up(&api);
    let first = session(&log_in(&api));
    let child = refreshed(&api, &first.refresh, 0);
    wait(&api, 11);
    assert_eq!(api.get("/auth/me", &child.access).status, 200);
    detail(&refresh(&api, &first.refresh), 400, INVALID);
    is_over(&api, &[&child, &first]);
    unauthorized(&patch(&api, &child), "Invalid token");
    // The user's other sessions, and new ones, are not concerned.
    assert_eq!(api.get("/auth/me", &other.access).status, 200);
    refreshed(&api, &other.refresh, 11);
    session_at(&log_in(&api), 11);
}

fn patch(api: &Api, session: &Session) -> crate::support::client::Response {
    super::patch(api, &session.access, &json!({}))
}

fn a_grandparent_ends_the_session_at_any_time(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    let second = refreshed(&api, &first.refresh, 0);
    let third = refreshed(&api, &second.refresh, 0);
    detail(&refresh(&api, &first.refresh), 400, INVALID);
    is_over(&api, &[&third, &second, &first]);
}

fn a_client_that_always_refreshes_goes_on(kept: &Kept) {
    let api = start(kept);
    let mut session = sign_up(&api);
    // Five minutes before the end, as the document's client does it.
    for turn in 1..=5 {
        wait(&api, 3300);
        session = refreshed(&api, &session.refresh, turn * 3300);
        assert_eq!(api.get("/machines", &session.access).status, 200);
    }
    // Only now and then: each new token is good for thirty days of its own.
    let mut now = 5 * 3300;
    for _ in 0..3 {
        wait(&api, 29 * DAY);
        now += 29 * DAY;
        session = refreshed(&api, &session.refresh, now);
    }
}

fn a_token_is_good_for_thirty_days(kept: &Kept) {
    let api = start(kept);
    let (first, second) = (sign_up(&api), session(&log_in(&api)));
    wait(&api, 30 * DAY - 1);
    let child = refreshed(&api, &first.refresh, 30 * DAY - 1);
    wait(&api, 1);
    detail(&refresh(&api, &second.refresh), 400, INVALID);
    let child = refreshed(&api, &child.refresh, 30 * DAY);
    wait(&api, 30 * DAY);
    detail(&refresh(&api, &child.refresh), 400, INVALID);
    session_at(&log_in(&api), 60 * DAY);
}

fn whatever_else_is_presented_is_the_same_answer(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let other = tempfile_api();
    let foreign = sign_up(&other.0);
    let cut = &session.refresh[..session.refresh.len() - 1];
    let upper = session.refresh.to_uppercase();
    let long = "x".repeat(9000);
    for token in [
        "",
        " ",
        "garbage",
        "v1.Mfg2...",
        cut,
        &upper,
        &long,
        &foreign.refresh,
        &session.access,
        "\u{0}",
        "' OR '1'='1",
        &format!(" {}", session.refresh),
        &format!("{}\n", session.refresh),
    ] {
        detail(&refresh(&api, token), 400, INVALID);
    }
    // None of it has hurt.
    refreshed(&api, &session.refresh, 0);
}

/// Another API, and what it is kept in.
fn tempfile_api() -> (Api, Kept) {
    let kept = Kept::in_sqlite();
    (start(&kept), kept)
}
