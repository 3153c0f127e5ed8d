//! `POST /api/v1/auth/login` and the log-out that the document leaves to the client.

use std::time::Duration;

use serde_json::json;

use super::{
    LOGIN, LOGOUT, ME, MISSING, OTHER, PASSWORD, access, detail, each, log_in, no_token, refresh, refused, says,
    says_401, sign_up, start, start_with, takes_json_alone,
};
use crate::accounts::{
    harness::{Kept, json, text},
    on_both_stores,
};

on_both_stores! {
    a_login_is_answered_as_the_document_says
    what_is_needed_is_said_in_one_text
    nobody_learns_which_of_both_was_wrong
    that_an_account_is_disabled_is_told_behind_the_right_password_alone
    who_is_disabled_is_out_at_once
    who_guesses_too_often_waits
    only_json_is_read
    a_log_out_ends_what_it_is_told
}

fn a_login_is_answered_as_the_document_says(kept: &Kept) {
    let api = start(kept);
    let user = json!({ "email": "user@example.com", "password": PASSWORD, "first_name": "John", "last_name": "Doe" });
    let user = json(&api.post(super::REGISTER, &user), 201)["user"].clone();
    for email in ["user@example.com", "USER@example.COM", " user@example.com "] {
        let answer = log_in(&api, email, PASSWORD);
        let session = json(&answer, 200);
        let expected = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","token_type":"Bearer","expires_in":900,"user":{user}}}"#,
            access(&session),
            text(&session, "refresh_token"),
        );
        says(&answer, email, 200, &expected);
        assert_eq!(json(&api.get(ME, access(&session)), 200)["data"], user);
    }
}

fn what_is_needed_is_said_in_one_text(kept: &Kept) {
    let api = start(kept);
    let needed = json!({ "detail": "Must include \"email\" and \"password\"" });
    let bodies = [
        json!({}),
        json!({ "email": "user@example.com" }),
        json!({ "password": PASSWORD }),
        json!({ "email": "", "password": PASSWORD }),
        json!({ "email": null, "password": PASSWORD }),
        json!({ "email": "user@example.com", "password": "" }),
        json!({ "email": "user@example.com", "password": null }),
        json!({ "username": "user@example.com", "password": PASSWORD }),
    ];
    each(&api, ("POST", LOGIN, None), &bodies.map(|body| (body, needed.clone())));
    says(&api.request("POST", LOGIN, &[], b""), "no body", 400, &needed.to_string());
    let no_text = json!(["Not a valid string."]);
    each(
        &api,
        ("POST", LOGIN, None),
        &[
            (json!({ "email": [], "password": {} }), json!({ "email": no_text, "password": no_text })),
            (json!({ "email": "user@example.com", "password": true }), json!({ "password": no_text })),
        ],
    );
    assert_eq!(api.hashed(), 0);
}

fn nobody_learns_which_of_both_was_wrong(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    let before = api.hashed();
    let wrong = [
        ("user@example.com", "securepassword124"),
        ("user@example.com", "SECUREPASSWORD123"),
        ("nobody@example.com", PASSWORD),
        ("nonsense", PASSWORD),
    ];
    let answers = wrong.map(|(email, password)| log_in(&api, email, password));
    for answer in &answers {
        says(answer, "wrong", 400, &detail("Invalid credentials"));
    }
    assert_eq!(api.hashed() - before, 4, "the same work for each");
    let long = "x".repeat(2000);
    for email in ["user@example.com", "nobody@example.com"] {
        says(&log_in(&api, email, &long), "too long", 400, &detail("Invalid credentials"));
    }
    assert_eq!(api.hashed() - before, 4);
    json(&log_in(&api, "user@example.com", PASSWORD), 200);
}

fn that_an_account_is_disabled_is_told_behind_the_right_password_alone(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    api.disable("user@example.com", "1");
    let before = api.hashed();
    says(&log_in(&api, "user@example.com", PASSWORD), "right", 400, &detail("User account is disabled"));
    says(&log_in(&api, "user@example.com", OTHER), "wrong", 400, &detail("Invalid credentials"));
    assert_eq!(api.hashed() - before, 2);
}

fn who_is_disabled_is_out_at_once(kept: &Kept) {
    let api = start(kept);
    let (session, other) = (sign_up(&api, "user@example.com"), sign_up(&api, "other@example.com"));
    assert_eq!(api.get("/api/monitors", access(&session)).status, 200);
    api.upstream.received();
    api.disable("user@example.com", "1");
    refused(&api.get("/api/monitors", access(&session)), "forwarded", &no_token("Token is invalid"));
    refused(&api.get(ME, access(&session)), "built in", &no_token("Token is invalid"));
    says_401(&refresh(&api, &session), "refresh", &detail("Invalid refresh token"));
    assert!(api.upstream.received_nothing_else());
    json(&api.get(ME, access(&other)), 200);
    json(&refresh(&api, &other), 200);

    api.enable("user@example.com");
    refused(&api.get(ME, access(&session)), "what was ended stays so", &no_token("Token is invalid"));
    says_401(&refresh(&api, &session), "refresh", &detail("Invalid refresh token"));
    let again = json(&log_in(&api, "user@example.com", PASSWORD), 200);
    json(&api.get(ME, access(&again)), 200);
}

fn who_guesses_too_often_waits(kept: &Kept) {
    let api = start_with(kept, "throttle = { account = '3/15m', address = '100/15m' }");
    sign_up(&api, "user@example.com");
    // Whether there is such an account or not, and in any spelling of it.
    for email in ["user@example.com", "nobody@example.com"] {
        for spelling in [email.to_owned(), email.to_uppercase(), format!(" {email}")] {
            says(&log_in(&api, &spelling, OTHER), email, 400, &detail("Invalid credentials"));
        }
        let before = api.hashed();
        let answer = log_in(&api, email, PASSWORD);
        assert_eq!((answer.status, answer.text()), (429, detail("Request was throttled")), "{email}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((840..=1020).contains(&wait), "{wait}");
        assert_eq!(api.hashed(), before);
    }
    api.clock.advance(Duration::from_secs(1020));
    json(&log_in(&api, "user@example.com", PASSWORD), 200);
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), "POST", LOGIN, None);
}

fn a_log_out_ends_what_it_is_told(kept: &Kept) {
    let api = start(kept);
    let (first, other) = (sign_up(&api, "user@example.com"), sign_up(&api, "other@example.com"));
    let (second, third) = (
        json(&log_in(&api, "user@example.com", PASSWORD), 200),
        json(&log_in(&api, "user@example.com", PASSWORD), 200),
    );
    refused(&api.request("POST", LOGOUT, &[], b""), "a stranger", MISSING);
    // The session of the refresh token, and the access token that it is told with.
    let body = json!({ "refresh_token": first["refresh_token"] });
    let answer = api.send("POST", LOGOUT, Some(access(&first)), &body);
    assert_eq!((answer.status, answer.body.len(), answer.header("cache-control")), (204, 0, Some("no-store")));
    refused(&api.get(ME, access(&first)), "the access token", &no_token("Token is invalid"));
    says_401(&refresh(&api, &first), "the refresh token", &detail("Invalid refresh token"));
    json(&refresh(&api, &second), 200);
    // Another user's session is not the caller's to end: then all of his own do, of which he may have meant any.
    let body = json!({ "refresh_token": other["refresh_token"] });
    assert_eq!(api.send("POST", LOGOUT, Some(access(&second)), &body).status, 204);
    json(&refresh(&api, &other), 200);
    for session in [&second, &third] {
        says_401(&refresh(&api, session), "all of them", &detail("Invalid refresh token"));
    }
    json(&api.get(ME, access(&other)), 200);
    let bearer = ("authorization", format!("Bearer {}", access(&other)));
    assert_eq!(api.request("POST", LOGOUT, &[bearer], b"").status, 204);
    refused(&api.get(ME, access(&other)), "without a body", &no_token("Token is invalid"));
    says_401(&refresh(&api, &other), "without a body", &detail("Invalid refresh token"));
}
