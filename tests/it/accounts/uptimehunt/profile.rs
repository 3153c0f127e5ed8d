//! `GET /api/v1/auth/me`, `PUT` and `PATCH /api/v1/auth/profile`.

use serde_json::{Value, json};

use super::{CONFIRM, ME, OTHER, PASSWORD, PROFILE, REQUEST, access, detail, each, log_in, says, sign_up, start};
use crate::accounts::{
    harness::{Api, Kept, json},
    on_both_stores,
};

on_both_stores! {
    a_profile_is_changed_member_by_member_whatever_the_method
    an_address_is_changed_unless_it_is_another_users
    what_is_wrong_is_said_field_by_field
    a_link_to_the_old_address_ends_with_it
    only_json_is_read
}

fn user(first: &str, last: &str) -> Value {
    json!({
        "id": 1, "email": "user@example.com", "first_name": first, "last_name": last,
        "date_joined": "2025-12-12T10:45:22Z"
    })
}

fn updated(user: &Value) -> String {
    format!(r#"{{"data":{user},"message":"Profile updated successfully"}}"#)
}

fn a_profile_is_changed_member_by_member_whatever_the_method(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let token = Some(access(&session));
    for (method, body, first, last) in [
        ("PUT", json!({ "first_name": "Jane" }), "Jane", ""),
        ("PATCH", json!({ "last_name": " Smith " }), "Jane", "Smith"),
        ("PUT", json!({}), "Jane", "Smith"),
        ("PATCH", json!({ "nickname": "x", "id": 7 }), "Jane", "Smith"),
        ("PUT", json!({ "first_name": "", "last_name": "Müller" }), "", "Müller"),
    ] {
        says(&api.send(method, PROFILE, token, &body), &body.to_string(), 200, &updated(&user(first, last)));
        says(&api.get(ME, access(&session)), "me", 200, &json!({ "data": user(first, last) }).to_string());
    }
    let bearer = ("authorization", format!("Bearer {}", access(&session)));
    says(&api.request("PUT", PROFILE, &[bearer], b""), "no body", 200, &updated(&user("", "Müller")));
    assert!(api.smtp.mails().is_empty());
}

fn an_address_is_changed_unless_it_is_another_users(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    sign_up(&api, "other@example.com");
    let change = |method, email: &str| {
        let body = json!({ "email": email, "first_name": "Eve" });
        api.send(method, PROFILE, Some(access(&session)), &body)
    };
    for email in ["other@example.com", "OTHER@Example.com", " other@example.com "] {
        says(&change("PUT", email), email, 400, &detail("A user with this email already exists"));
        says(&change("PATCH", email), email, 400, &detail("A user with this email already exists"));
    }
    assert_eq!(json(&api.get(ME, access(&session)), 200)["data"], user("", ""), "all of it or nothing");
    // Another spelling of the own one.
    let answer = json(&change("PATCH", "User@Example.com"), 200);
    assert_eq!(answer["data"]["email"], "User@Example.com");
    let answer = json(&change("PATCH", "new@example.com"), 200);
    assert_eq!(answer["data"]["email"], "new@example.com");
    let (recipient, subject, _) = api.mail(1);
    assert_eq!((recipient.as_str(), subject.contains("address")), ("User@example.com", true), "{subject}");
    // The session goes on; the login is by the new address, and the old one is free.
    json(&api.get(ME, access(&session)), 200);
    json(&log_in(&api, "new@example.com", PASSWORD), 200);
    json(&log_in(&api, "user@example.com", PASSWORD), 400);
    assert_eq!(sign_up(&api, "user@example.com")["user"]["id"], 3);
}

fn what_is_wrong_is_said_field_by_field(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let no_text = json!(["Not a valid string."]);
    let no_address = json!({ "email": ["Enter a valid email address."] });
    let cases = [
        (json!({ "email": "nonsense" }), no_address.clone()),
        (json!({ "email": [] }), no_address),
        (json!({ "email": "" }), json!({ "email": ["This field may not be blank."] })),
        (json!({ "email": null }), json!({ "email": ["This field may not be null."] })),
        (json!({ "first_name": null }), json!({ "first_name": ["This field may not be null."] })),
        (json!({ "first_name": [], "last_name": {} }), json!({ "first_name": no_text, "last_name": no_text })),
        (
            json!({ "first_name": "Eve", "last_name": "x".repeat(151) }),
            json!({ "last_name": ["Ensure this field has no more than 150 characters."] }),
        ),
    ];
    for method in ["PUT", "PATCH"] {
        each(&api, (method, PROFILE, Some(access(&session))), &cases);
    }
    assert_eq!(json(&api.get(ME, access(&session)), 200)["data"], user("", ""));
}

fn reset(api: &Api, uid: &str, token: &str) -> crate::support::client::Response {
    api.post(CONFIRM, &json!({ "uid": uid, "token": token, "new_password": OTHER }))
}

fn a_link_to_the_old_address_ends_with_it(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    json(&api.post(REQUEST, &json!({ "email": "user@example.com" })), 200);
    let link = api.link(1, "https://app.example.com/reset-password/");
    let (uid, token) = link.split_once('/').unwrap();
    json(&api.send("PATCH", PROFILE, Some(access(&session)), &json!({ "email": "new@example.com" })), 200);
    says(&reset(&api, uid, token), "the old link", 400, &detail("Invalid or expired reset link"));
    json(&log_in(&api, "new@example.com", PASSWORD), 200);
}

fn only_json_is_read(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    for method in ["PUT", "PATCH"] {
        super::takes_json_alone(&api, method, PROFILE, Some(access(&session)));
    }
}
