//! `GET /auth/token`: the refresh token is what `Authorization` has.

use std::time::Duration;

use super::{
    ASKS, PASSWORD, REFUSES, TOKEN, USER, invalid, log_in, refused, refused_at, session, special, start, tokens,
};
use crate::accounts::{
    harness::{Api, Kept},
    inside::part,
    on_both_stores,
};

on_both_stores! {
    a_refresh_token_gives_an_access_token_and_itself
    it_is_good_for_thirty_days_and_no_longer
    whoever_brings_none_is_asked_for_it
    what_is_no_refresh_token_is_refused
    a_log_out_ends_it
}

fn ask(api: &Api, authorization: &str) -> crate::support::client::Response {
    api.request("GET", TOKEN, &[("authorization", authorization.to_owned())], b"")
}

fn a_refresh_token_gives_an_access_token_and_itself(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let (first, refresh) = session(&api, USER, PASSWORD);
    let mut seen = vec![first];
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let (access, again) = tokens(&ask(&api, &format!("{scheme} {refresh}")));
        assert_eq!(again, refresh, "it stays");
        assert_eq!(part(&access, 1)["session_id"], part(&seen[0], 1)["session_id"]);
        assert!(!seen.contains(&access));
        seen.push(access);
    }
    for access in seen {
        assert_eq!(api.get("/plants", &access).status, 403, "it is known who that is");
    }
}

fn it_is_good_for_thirty_days_and_no_longer(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    api.clock.advance(Duration::from_secs(900));
    refused_at("2025-12-12T11:00:22Z", &api.get("/plants", &access), REFUSES, "Token expired", "/plants");
    tokens(&api.get(TOKEN, &refresh));
    api.clock.advance(Duration::from_millis((30 * 24 * 3600 - 900) * 1000 - 1));
    tokens(&api.get(TOKEN, &refresh));
    api.clock.advance(Duration::from_millis(1));
    refused_at("2026-01-11T10:45:22Z", &api.get(TOKEN, &refresh), REFUSES, "Token expired", TOKEN);
}

fn whoever_brings_none_is_asked_for_it(kept: &Kept) {
    let api = start(kept);
    refused(&api.request("GET", TOKEN, &[], b""), ASKS, "Authentication required", TOKEN);
    for other in ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "refresh"] {
        refused(&ask(&api, other), ASKS, "Authentication required", TOKEN);
    }
}

fn what_is_no_refresh_token_is_refused(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    let special = special(&api, USER, 1);
    let upper = refresh.to_uppercase();
    for wrong in [&access, &special, &refresh[1..], &format!("{refresh}x"), &upper, "x", "a.b.c"] {
        invalid(&ask(&api, &format!("Bearer {wrong}")), TOKEN);
    }
    let twice = [("authorization", format!("Bearer {refresh}")), ("authorization", format!("Bearer {refresh}"))];
    let answer = api.request("GET", TOKEN, &twice, b"");
    assert!([400, 401].contains(&answer.status), "{}", answer.head);
    // And it is good for nothing else.
    for path in ["/plants", "/auth/logout", "/elsewhere"] {
        invalid(&api.get(path, &refresh), path);
    }
    assert!(api.upstream.received_nothing_else());
    tokens(&ask(&api, &format!("Bearer {refresh}")));
}

fn a_log_out_ends_it(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let ((access, refresh), (other, stays)) = (session(&api, USER, PASSWORD), session(&api, USER, PASSWORD));
    let (renewed, _) = tokens(&api.get(TOKEN, &refresh));
    let bearer = ("authorization", format!("Bearer {access}"));
    let answer = api.request("POST", "/auth/logout", &[bearer], b"");
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    invalid(&api.get(TOKEN, &refresh), TOKEN);
    for token in [&access, &renewed] {
        invalid(&api.get("/plants", token), "/plants");
    }
    assert_eq!(api.get("/plants", &other).status, 403);
    tokens(&api.get(TOKEN, &stays));
    assert_eq!(log_in(&api, USER, PASSWORD).status, 200);
}
