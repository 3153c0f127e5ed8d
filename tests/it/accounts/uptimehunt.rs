//! UptimeHunt: Django REST framework's words, refresh tokens that stay.

use serde_json::json;

use super::{
    harness::{Api, Kept, json, text},
    on_both_stores,
};

on_both_stores! {
    a_user_signs_up_and_is_told_who_they_are
    a_password_is_reset_by_the_link_of_a_mail
}

fn start(kept: &Kept) -> Api {
    Api::start("uptimehunt", kept, "", "")
}

fn a_user_signs_up_and_is_told_who_they_are(kept: &Kept) {
    let api = start(kept);
    let user = json!({ "email": "user@example.com", "password": "securepassword123", "first_name": "John", "last_name": "Doe" });
    let session = json(&api.post("/api/v1/auth/register", &user), 201);
    assert_eq!(session["user"]["id"], 1);
    let me = json(&api.get("/api/v1/auth/me", text(&session, "access_token")), 200);
    assert_eq!(me["data"], session["user"]);
    let again = api.post("/api/v1/auth/register", &user);
    assert_eq!(json(&again, 400), json!({ "detail": "User with this email already exists" }));
}

fn a_password_is_reset_by_the_link_of_a_mail(kept: &Kept) {
    let api = start(kept);
    let user = json!({ "email": "user@example.com", "password": "securepassword123" });
    json(&api.post("/api/v1/auth/register", &user), 201);
    json(&api.post("/api/v1/auth/password-reset/request", &json!({ "email": "user@example.com" })), 200);
    let mail = api.smtp.wait_for(1);
    let mail = String::from_utf8(mail[0].data.clone()).unwrap();
    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
    let link = mail.split("https://app.example.com/reset-password/").nth(1).unwrap();
    let link = link.split_whitespace().next().unwrap();
    let (uid, token) = link.split_once('/').unwrap();
    assert_eq!(uid, "MQ");
    let confirm = json!({ "uid": uid, "token": token, "new_password": "newsecurepassword456" });
    json(&api.post("/api/v1/auth/password-reset/confirm", &confirm), 200);
    let again = api.post("/api/v1/auth/password-reset/confirm", &confirm);
    assert_eq!(json(&again, 400), json!({ "detail": "Invalid or expired reset link" }));
}
