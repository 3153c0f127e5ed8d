//! `POST /api/v1/auth/change-password`.

use serde_json::{Value, json};

use super::{
    CHANGE, ME, OTHER, PASSWORD, access, detail, each, log_in, no_token, refresh, refused, says, says_401, sign_up,
    start,
};
use crate::{
    accounts::{
        harness::{Api, Kept, json},
        on_both_stores,
    },
    support::client::Response,
};

on_both_stores! {
    a_change_ends_all_that_was_and_is_mailed
    two_changes_in_one_millisecond_end_what_was_between
    what_is_wrong_is_said_and_changes_nothing
    only_json_is_read
}

const CHANGED: &str = r#"{"status":"PASSWORD_CHANGED","message":"Password changed successfully"}"#;

fn change(api: &Api, session: &Value, current: &str, new: &str) -> Response {
    let body = json!({ "current_password": current, "new_password": new });
    api.send("POST", CHANGE, Some(access(session)), &body)
}

fn a_change_ends_all_that_was_and_is_mailed(kept: &Kept) {
    let api = start(kept);
    let (own, other) = (sign_up(&api, "user@example.com"), sign_up(&api, "other@example.com"));
    let elsewhere = json(&log_in(&api, "user@example.com", PASSWORD), 200);
    let refreshed = json(&refresh(&api, &elsewhere), 200);
    says(&change(&api, &own, PASSWORD, OTHER), "a change", 200, CHANGED);
    for session in [&own, &elsewhere] {
        says_401(&refresh(&api, session), "refresh", &detail("Invalid refresh token"));
    }
    for session in [&own, &elsewhere, &refreshed] {
        refused(&api.get(ME, access(session)), "built in", &no_token("Token is invalid"));
        refused(&api.get("/api/monitors", access(session)), "forwarded", &no_token("Token is invalid"));
    }
    assert!(api.upstream.received_nothing_else());
    // In the same millisecond, so within the second of the tokens that have ended.
    says(&log_in(&api, "user@example.com", PASSWORD), "the old one", 400, &detail("Invalid credentials"));
    let again = json(&log_in(&api, "user@example.com", OTHER), 200);
    assert_eq!(again["expires_in"], 900);
    json(&api.get(ME, access(&again)), 200);
    json(&api.get(ME, access(&json(&refresh(&api, &again), 200))), 200);
    json(&api.get(ME, access(&other)), 200);
    json(&refresh(&api, &other), 200);
    let (recipient, subject, text) = api.mail(1);
    assert_eq!(recipient, "user@example.com");
    assert!(subject.contains("password") && subject.contains("changed"), "{subject}");
    assert!(!text.contains(OTHER) && !text.contains(PASSWORD));
}

fn two_changes_in_one_millisecond_end_what_was_between(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api, "user@example.com");
    says(&change(&api, &first, PASSWORD, OTHER), "once", 200, CHANGED);
    let second = json(&log_in(&api, "user@example.com", OTHER), 200);
    says(&change(&api, &second, OTHER, PASSWORD), "twice", 200, CHANGED);
    let third = json(&log_in(&api, "user@example.com", PASSWORD), 200);
    for session in [&first, &second] {
        refused(&api.get(ME, access(session)), "what was", &no_token("Token is invalid"));
        says_401(&refresh(&api, session), "what was", &detail("Invalid refresh token"));
    }
    json(&api.get(ME, access(&third)), 200);
}

fn what_is_wrong_is_said_and_changes_nothing(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let before = api.hashed();
    let required = json!(["This field is required"]);
    let no_text = json!(["Not a valid string."]);
    let short = json!({ "new_password": ["Ensure this field has at least 8 characters"] });
    let cases = [
        (json!({}), json!({ "current_password": required, "new_password": required })),
        (json!({ "current_password": PASSWORD }), json!({ "new_password": required })),
        (json!({ "new_password": OTHER }), json!({ "current_password": required })),
        (
            json!({ "current_password": "", "new_password": "" }),
            json!({
                "current_password": ["This field may not be blank."],
                "new_password": ["This field may not be blank."],
            }),
        ),
        (
            json!({ "current_password": null, "new_password": OTHER }),
            json!({ "current_password": ["This field may not be null."] }),
        ),
        (
            json!({ "current_password": [], "new_password": {} }),
            json!({ "current_password": no_text, "new_password": no_text }),
        ),
        (json!({ "current_password": PASSWORD, "new_password": "1234567" }), short.clone()),
        (json!({ "current_password": "wrong", "new_password": "1234567" }), short),
        (
            json!({ "current_password": PASSWORD, "new_password": "x".repeat(1025) }),
            json!({ "new_password": ["This field must have at most 1024 bytes."] }),
        ),
    ];
    each(&api, ("POST", CHANGE, Some(access(&session))), &cases);
    let bearer = ("authorization", format!("Bearer {}", access(&session)));
    let expected = json!({ "current_password": required, "new_password": required }).to_string();
    says(&api.request("POST", CHANGE, &[bearer], b""), "no body", 400, &expected);
    assert_eq!(api.hashed(), before, "nothing of this is worth a hash");
    for wrong in [OTHER, "Securepassword123", &"x".repeat(2000)] {
        says(&change(&api, &session, wrong, OTHER), wrong, 400, &detail("Current password is incorrect"));
    }
    json(&api.get(ME, access(&session)), 200);
    json(&refresh(&api, &session), 200);
    json(&log_in(&api, "user@example.com", PASSWORD), 200);
    assert!(api.smtp.mails().is_empty());
}

fn only_json_is_read(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    super::takes_json_alone(&api, "POST", CHANGE, Some(access(&session)));
}
