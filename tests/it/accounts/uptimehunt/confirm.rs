//! `POST /api/v1/auth/password-reset/confirm`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    CHANGE, CONFIRM, ME, OTHER, PASSWORD, REQUEST, access, detail, each, log_in, no_token, refresh, refused, says,
    says_401, sign_up, start, takes_json_alone,
};
use crate::{
    accounts::{
        harness::{Api, Kept, json},
        on_both_stores,
    },
    support::client::Response,
};

on_both_stores! {
    a_reset_ends_all_that_was_and_is_mailed
    what_is_needed_is_said_in_one_text
    a_link_names_a_user_and_is_that_users_alone
    only_the_newest_link_counts
    of_many_at_once_one_uses_the_link
    a_link_ends_in_time
    who_remembers_the_password_needs_no_link
    what_else_the_request_brings_is_not_looked_at
    a_bad_password_does_not_use_the_link_up
    only_json_is_read
}

const DONE: &str = r#"{"status":"PASSWORD_RESET_CONFIRMED","detail":"Password has been reset successfully"}"#;
const INVALID: &str = "Invalid reset link";
const EXPIRED: &str = "Invalid or expired reset link";

/// The token of the `count`th mail, which is a link for whoever has the number `uid` stands for.
#[track_caller]
fn link(api: &Api, email: &str, uid: &str, count: usize) -> String {
    json(&api.post(REQUEST, &json!({ "email": email })), 200);
    api.link(count, &format!("https://app.example.com/reset-password/{uid}/"))
}

fn reset(api: &Api, uid: &str, token: &str, password: &str) -> Response {
    api.post(CONFIRM, &json!({ "uid": uid, "token": token, "new_password": password }))
}

fn a_reset_ends_all_that_was_and_is_mailed(kept: &Kept) {
    let api = start(kept);
    let (session, other) = (sign_up(&api, "user@example.com"), sign_up(&api, "other@example.com"));
    let token = link(&api, "user@example.com", "MQ", 1);
    assert!(token.len() >= 22 && !token.contains('.'), "128 bits at the least: {token}");
    says(&reset(&api, "MQ", &token, OTHER), "a reset", 200, DONE);
    says_401(&refresh(&api, &session), "refresh", &detail("Invalid refresh token"));
    refused(&api.get(ME, access(&session)), "built in", &no_token("Token is invalid"));
    refused(&api.get("/api/monitors", access(&session)), "forwarded", &no_token("Token is invalid"));
    says(&log_in(&api, "user@example.com", PASSWORD), "the old one", 400, &detail("Invalid credentials"));
    let again = json(&log_in(&api, "user@example.com", OTHER), 200);
    json(&api.get(ME, access(&again)), 200);
    json(&api.get(ME, access(&other)), 200);
    let (recipient, subject, text) = api.mail(2);
    assert_eq!(recipient, "user@example.com");
    assert!(subject.contains("new password"), "{subject}");
    assert!(!text.contains(OTHER) && !text.contains(&token));
    says(&reset(&api, "MQ", &token, "a third password"), "used", 400, &detail(EXPIRED));
    json(&log_in(&api, "user@example.com", OTHER), 200);
}

fn what_is_needed_is_said_in_one_text(kept: &Kept) {
    let api = start(kept);
    let needed = json!({ "detail": "UID, token, and new password are required" });
    let whole = json!({ "uid": "MQ", "token": "x", "new_password": OTHER });
    let mut bodies = vec![json!({})];
    for member in ["uid", "token", "new_password"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(member);
        bodies.push(body);
        for value in [json!(null), json!("")] {
            let mut body = whole.clone();
            body[member] = value;
            bodies.push(body);
        }
    }
    let cases: Vec<_> = bodies.into_iter().map(|body| (body, needed.clone())).collect();
    each(&api, ("POST", CONFIRM, None), &cases);
    says(&api.request("POST", CONFIRM, &[], b""), "no body", 400, &needed.to_string());
    let no_text = json!(["Not a valid string."]);
    each(
        &api,
        ("POST", CONFIRM, None),
        &[(
            json!({ "uid": [], "token": {}, "new_password": true }),
            json!({ "uid": no_text, "token": no_text, "new_password": no_text }),
        )],
    );
}

fn a_link_names_a_user_and_is_that_users_alone(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    sign_up(&api, "other@example.com");
    let token = link(&api, "user@example.com", "MQ", 1);
    // No base64url, not of digits, of nobody, too large, padded, another spelling of the number.
    for uid in
        ["M", "!!", "MQ==", "eA", "LTE", "OTk", "MA", "ICAx", "MTg0NDY3NDQwNzM3MDk1NTE2MTY", "1", "MDE", "KzE", "MR"]
    {
        says(&reset(&api, uid, &token, OTHER), uid, 400, &detail(INVALID));
    }
    says(&reset(&api, "Mg", &token, OTHER), "another user's", 400, &detail(EXPIRED));
    for wrong in ["x", &token[1..], &format!("{token}x"), &token.to_uppercase()] {
        says(&reset(&api, "MQ", wrong, OTHER), wrong, 400, &detail(EXPIRED));
        // The address's own limit is not what is looked at here.
        api.clock.advance(Duration::from_secs(1));
    }
    for email in ["user@example.com", "other@example.com"] {
        json(&log_in(&api, email, OTHER), 400);
    }
    says(&reset(&api, "MQ", &token, OTHER), "it is still good", 200, DONE);
}

fn only_the_newest_link_counts(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    let first = link(&api, "user@example.com", "MQ", 1);
    let second = link(&api, "user@example.com", "MQ", 2);
    assert_ne!(first, second);
    says(&reset(&api, "MQ", &first, OTHER), "the first", 400, &detail(EXPIRED));
    says(&reset(&api, "MQ", &second, OTHER), "the newest", 200, DONE);
}

fn of_many_at_once_one_uses_the_link(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    let token = link(&api, "user@example.com", "MQ", 1);
    let passwords: Vec<_> = (0..4).map(|number| format!("{OTHER}{number}")).collect();
    let body = |password: &String| json!({ "uid": "MQ", "token": token, "new_password": password });
    let done = api.at_once(CONFIRM, &passwords.iter().map(body).collect::<Vec<_>>());
    assert_eq!(done.iter().filter(|answer| answer.status == 200).count(), 1);
    for (answer, password) in done.iter().zip(&passwords) {
        let is_set = answer.status == 200;
        says(answer, password, answer.status, &if is_set { DONE.to_owned() } else { detail(EXPIRED) });
        assert_eq!(log_in(&api, "user@example.com", password).status, if is_set { 200 } else { 400 });
    }
}

fn a_link_ends_in_time(kept: &Kept) {
    let api = super::start_with(kept, "reset_life = '30m'");
    sign_up(&api, "user@example.com");
    let token = link(&api, "user@example.com", "MQ", 1);
    assert!(api.mail(1).2.contains("30 minutes"), "the mail says it");
    api.clock.advance(Duration::from_millis(30 * 60 * 1000));
    says(&reset(&api, "MQ", &token, OTHER), "over", 400, &detail(EXPIRED));
    let token = link(&api, "user@example.com", "MQ", 2);
    api.clock.advance(Duration::from_millis(30 * 60 * 1000 - 1));
    says(&reset(&api, "MQ", &token, OTHER), "not yet", 200, DONE);
}

fn who_remembers_the_password_needs_no_link(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let token = link(&api, "user@example.com", "MQ", 1);
    json(&log_in(&api, "user@example.com", OTHER), 400);
    json(&log_in(&api, "user@example.com", PASSWORD), 200);
    says(&reset(&api, "MQ", &token, OTHER), "after a login", 400, &detail(EXPIRED));

    let token = link(&api, "user@example.com", "MQ", 2);
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
    json(&api.send("POST", CHANGE, Some(access(&session)), &change), 200);
    says(&reset(&api, "MQ", &token, "a third password"), "after a change", 400, &detail(EXPIRED));

    api.mail(3);
    let token = link(&api, "user@example.com", "MQ", 4);
    api.disable("user@example.com", "1");
    says(&reset(&api, "MQ", &token, PASSWORD), "of who is disabled", 400, &detail(EXPIRED));
}

fn what_else_the_request_brings_is_not_looked_at(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    // Browsers send what they have with each request.
    let with = |bearer: &str, body: Value| api.send("POST", CONFIRM, Some(bearer), &body);
    let body = |token: &str| json!({ "uid": "MQ", "token": token, "new_password": OTHER });
    let token = link(&api, "user@example.com", "MQ", 1);
    for bearer in [access(&session), "x"] {
        says(&with(bearer, body("x")), bearer, 400, &detail(EXPIRED));
    }
    says(&with(access(&session), body(&token)), "the link", 200, DONE);
}

fn a_bad_password_does_not_use_the_link_up(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    let token = link(&api, "user@example.com", "MQ", 1);
    for password in ["1234567", "ÄÖÜäöüß"] {
        let expected = detail("Password must be at least 8 characters long");
        says(&reset(&api, "MQ", &token, password), password, 400, &expected);
    }
    let long = json(&reset(&api, "MQ", &token, &"x".repeat(1025)), 400);
    assert_eq!(long, json!({ "new_password": ["This field must have at most 1024 bytes."] }));
    says(&reset(&api, "MQ", &token, OTHER), "it is still good", 200, DONE);
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), "POST", CONFIRM, None);
}
