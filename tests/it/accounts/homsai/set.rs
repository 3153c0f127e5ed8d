//! `POST /auth/setPassword`: the special JWT is what `Authorization` has.

use std::time::Duration;

use bearergate::accounts::{
    model::Aside,
    session::Token,
    store::{OneTimeKey, OneTimePurpose, OneTimeStore, PasswordChange, Right, UserStore},
};
use serde_json::json;

use super::{
    ASKS, NOW_TEXT, OTHER, PASSWORD, REFUSES, SET, TOKEN, USER, bad, body, empty, invalid, log_in, refused, refused_at,
    session, set, special, start, takes_json_alone, tokens,
};
use crate::{
    accounts::{
        harness::{Api, Kept, text},
        inside::{done, part},
        on_both_stores,
    },
    support::NOW,
};

on_both_stores! {
    the_special_token_says_what_it_is_for
    a_password_is_set_by_either_name
    a_new_password_ends_all_that_was_and_is_mailed
    it_is_good_once_and_for_three_days
    one_that_is_used_ends_the_others
    it_is_refused_everywhere_else
    other_tokens_set_no_password
    who_may_not_come_in_learns_nothing_of_the_body
    what_is_wrong_is_named_and_uses_nothing_up
    only_json_is_read
}

/// What an invitation mails.
fn invite(api: &Api, email: &str, token: &str) {
    let (user, now) = (api.user(email).id, api.clock.now());
    let key = OneTimeKey { token: Token::from(token.to_owned()).hash(), purpose: OneTimePurpose::Invitation };
    let until = now.saturating_add(Duration::from_secs(72 * 3600));
    assert!(done(api.store().issue_one_time(user, key, until, Aside::default(), now)).unwrap());
}

fn the_special_token_says_what_it_is_for(kept: &Kept) {
    let api = start(kept);
    let user = api.add(USER, Some(PASSWORD));
    let token = special(&api, USER, 1);
    assert_eq!((&part(&token, 0)["alg"], &part(&token, 0)["typ"]), (&json!("ES256"), &json!("JWT")));
    let claims = part(&token, 1);
    assert_eq!((text(&claims, "sub"), text(&claims, "purpose")), (&*user.id.to_string(), "set_password"));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 72 * 3600)));
    assert!(text(&claims, "jti").len() >= 16);
    assert_eq!(claims.as_object().unwrap().len(), 5, "{claims}");
}

fn a_password_is_set_by_either_name(kept: &Kept) {
    let api = start(kept);
    api.add(USER, None);
    for (number, body, password) in [
        (0, json!({ "password": PASSWORD }), PASSWORD),
        (1, json!({ "newPassword": OTHER }), OTHER),
        // The first name counts, as the document puts them.
        (2, json!({ "newPassword": PASSWORD, "password": "a third password" }), "a third password"),
    ] {
        let token = special(&api, USER, 2 * number + 1);
        empty(&set(&api, &token, &body));
        assert_eq!(api.mail(2 * number + 2).0, USER);
        session(&api, USER, password);
    }
}

fn a_new_password_ends_all_that_was_and_is_mailed(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    api.add("other@example.com", Some(PASSWORD));
    let ((access, refresh), (_, others)) =
        (session(&api, USER, PASSWORD), session(&api, "other@example.com", PASSWORD));
    let token = special(&api, USER, 1);
    assert_eq!(api.get("/plants", &access).status, 403, "to ask ends nothing");
    tokens(&api.get(TOKEN, &refresh));
    let lower = [("authorization", format!("bearer {token}")), ("content-type", "application/json".to_owned())];
    empty(&api.request("POST", SET, &lower, json!({ "password": OTHER }).to_string().as_bytes()));
    invalid(&api.get("/plants", &access), "/plants");
    invalid(&api.get(TOKEN, &refresh), TOKEN);
    assert_eq!(log_in(&api, USER, PASSWORD).status, 401);
    // In the same millisecond.
    let (access, refresh) = session(&api, USER, OTHER);
    assert_eq!(api.get("/plants", &access).status, 403);
    tokens(&api.get(TOKEN, &refresh));
    tokens(&api.get(TOKEN, &others));
    let (recipient, subject, text) = api.mail(2);
    assert_eq!(recipient, USER);
    assert!(subject.contains("password") && !text.contains(OTHER) && !text.contains(&token), "{subject}");
}

fn it_is_good_once_and_for_three_days(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let token = special(&api, USER, 1);
    empty(&set(&api, &token, &json!({ "password": OTHER })));
    invalid(&set(&api, &token, &json!({ "password": "a third password" })), SET);
    session(&api, USER, OTHER);
    api.mail(2);
    let token = special(&api, USER, 3);
    api.clock.advance(Duration::from_millis(72 * 3600 * 1000));
    let at = "2025-12-15T10:45:22Z";
    refused_at(at, &set(&api, &token, &json!({ "password": PASSWORD })), REFUSES, "Token expired", SET);
    refused_at(at, &api.get("/plants", &token), REFUSES, "Token expired", "/plants");
    let token = special(&api, USER, 4);
    api.clock.advance(Duration::from_millis(72 * 3600 * 1000 - 1));
    empty(&set(&api, &token, &json!({ "password": PASSWORD })));
}

fn one_that_is_used_ends_the_others(kept: &Kept) {
    let api = start(kept);
    let user = api.add(USER, Some(PASSWORD));
    let password = json!({ "password": OTHER });
    let older = special(&api, USER, 1);
    let newer = special(&api, USER, 2);
    invite(&api, USER, "invited");
    invalid(&set(&api, &older, &password), SET);
    empty(&set(&api, "invited", &password));
    invalid(&set(&api, &newer, &password), SET);
    invalid(&set(&api, "invited", &password), SET);

    // A password that is changed otherwise ends them too.
    invite(&api, USER, "again");
    let version = api.user(USER).credential_version;
    let change = PasswordChange { right: Right::Verified(user.id, version), password: "!".to_owned(), keep: None };
    assert!(done(api.store().set_password(change, Aside::default(), api.clock.now())).unwrap().is_some());
    invalid(&set(&api, "again", &password), SET);

    // Who is disabled sets none.
    invite(&api, USER, "third");
    api.disable(USER, &user.id.to_string());
    invalid(&set(&api, "third", &password), SET);
}

fn it_is_refused_everywhere_else(kept: &Kept) {
    let api = start(kept);
    let user = api.add(USER, Some(PASSWORD));
    api.grant(&user.id.to_string(), "PLANTS READ", true);
    let token = special(&api, USER, 1);
    for path in ["/plants", "/plants/7c9e6679-7425-40de-944b-e07fc1f90ae7", TOKEN, "/elsewhere"] {
        invalid(&api.get(path, &token), path);
    }
    invalid(&api.send("POST", "/auth/logout", Some(&token), &json!({})), "/auth/logout");
    assert!(api.upstream.received_nothing_else());
    empty(&set(&api, &token, &json!({ "password": OTHER })));
}

fn other_tokens_set_no_password(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    let password = json!({ "password": OTHER });
    refused(&api.post(SET, &password), ASKS, "Authentication required", SET);
    for wrong in [refresh.as_str(), "x", "a.b.c", &access[..access.len() - 2]] {
        invalid(&set(&api, wrong, &password), SET);
    }
    forbidden(&set(&api, &access, &password));
    api.clock.advance(Duration::from_secs(900));
    let expired = set(&api, &access, &password);
    refused_at("2025-12-12T11:00:22Z", &expired, REFUSES, "Token expired", SET);
    session(&api, USER, PASSWORD);
}

#[track_caller]
fn forbidden(response: &crate::support::client::Response) {
    let body = body(NOW_TEXT, 403, "Forbidden", "Access denied", SET);
    response.assert_is("an access token", 403, &super::FIELDS, &body);
}

fn who_may_not_come_in_learns_nothing_of_the_body(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    for body in [&b"{"[..], b"", b"{}", b"{\"password\":\"short\"}", b"[]"] {
        let send = |token: Option<&str>| {
            let bearer = token.map(|token| ("authorization", format!("Bearer {token}")));
            api.request("POST", SET, &bearer.into_iter().collect::<Vec<_>>(), body)
        };
        refused(&send(None), ASKS, "Authentication required", SET);
        invalid(&send(Some(&refresh)), SET);
        forbidden(&send(Some(&access)));
    }
}

fn what_is_wrong_is_named_and_uses_nothing_up(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let token = special(&api, USER, 1);
    let before = api.hashed();
    for (body, message) in [
        (json!({}), "password is required"),
        (json!({ "pasword": OTHER }), "password is required"),
        (json!({ "password": null }), "password must not be null"),
        (json!({ "password": [] }), "password must be a text"),
        (json!({ "newPassword": 5 }), "newPassword must be a text"),
        (json!({ "password": "" }), "password must have at least 8 characters"),
        (json!({ "password": "1234567" }), "password must have at least 8 characters"),
        (json!({ "newPassword": "1234567" }), "newPassword must have at least 8 characters"),
        (json!({ "newPassword": "x".repeat(1025) }), "newPassword must have at most 1024 bytes"),
    ] {
        bad(&set(&api, &token, &body), 400, message, SET);
    }
    assert_eq!(api.hashed(), before);
    empty(&set(&api, &token, &json!({ "newPassword": OTHER })));
}

fn only_json_is_read(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let token = special(&api, USER, 1);
    takes_json_alone(&api, SET, Some(&token));
    empty(&set(&api, &token, &json!({ "password": OTHER })));
}
