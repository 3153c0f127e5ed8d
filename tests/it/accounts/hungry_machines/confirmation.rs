//! `confirm_email`: nobody comes in before the link of the mail was followed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, EMAIL, Kept, credentials, detail, log_in, on_both_stores, said, session_at, unset};

on_both_stores! {
    an_address_is_confirmed_once_by_the_link_of_its_mail
    whoever_only_looks_at_the_link_does_not_use_it
    a_known_address_is_told_the_same_and_its_owner_gets_a_mail
    a_link_ends_and_signing_up_again_mails_another
    what_is_no_token_confirms_nothing
}

const LINK: &str = "https://api.example.com/auth/confirm?token=";

fn start(kept: &Kept) -> Api {
    Api::start("hungry-machines", kept, "", "confirm_email = true")
}

/// The user's id in the answer that is pending.
#[track_caller]
fn pending(response: &crate::support::client::Response) -> String {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let id = body["user"]["id"].as_str().unwrap_or_else(|| panic!("{body}"));
    assert_eq!(super::uuid_form(id), id);
    said(response, 200, &format!(r#"{{"user":{{"id":"{id}","email":"{EMAIL}"}}}}"#));
    id.to_owned()
}

/// The mail of this number, and the path of the link in it.
fn mail(api: &Api, number: usize) -> (String, Option<String>) {
    let mail = api.smtp.wait_for(number)[number - 1].clone();
    assert_eq!(mail.recipient, format!("<{EMAIL}>"));
    let text = String::from_utf8(mail.data).unwrap().replace("=\r\n", "").replace("=3D", "=");
    let token =
        text.split(LINK).nth(1).map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))));
    let path = token.and_then(|mut token| token.next().map(|token| format!("/auth/confirm?token={token}")));
    (text, path)
}

fn follow(api: &Api, path: &str) -> crate::support::client::Response {
    api.client().ask("GET", path, None)
}

fn an_address_is_confirmed_once_by_the_link_of_its_mail(kept: &Kept) {
    let api = start(kept);
    let id = pending(&api.post("/auth/signup", &credentials()));
    let (_, path) = mail(&api, 1);
    let path = path.unwrap();
    // Who does not know the password learns nothing of it.
    detail(&log_in(&api), 400, "Email not confirmed");
    let wrong = json!({ "email": EMAIL, "password": "wrong password" });
    detail(&api.post("/auth/login", &wrong), 400, "Invalid login credentials");
    detail(&follow(&api, &path), 200, "Email confirmed");
    detail(&follow(&api, &path), 400, "Invalid confirmation link");
    let session = session_at(&log_in(&api), 0);
    assert_eq!(session.user, id);
    said(&api.get("/auth/me", &session.access), 200, &unset(&id));
    assert_eq!(api.smtp.mails().len(), 1);
}

fn whoever_only_looks_at_the_link_does_not_use_it(kept: &Kept) {
    let api = start(kept);
    pending(&api.post("/auth/signup", &credentials()));
    let path = mail(&api, 1).1.unwrap();
    for _ in 0..2 {
        let head = api.client().ask("HEAD", &path, None);
        assert!((400..500).contains(&head.status), "{}", head.head);
    }
    detail(&log_in(&api), 400, "Email not confirmed");
    detail(&follow(&api, &path), 200, "Email confirmed");
}

fn a_known_address_is_told_the_same_and_its_owner_gets_a_mail(kept: &Kept) {
    let api = start(kept);
    let id = pending(&api.post("/auth/signup", &credentials()));
    detail(&follow(&api, &mail(&api, 1).1.unwrap()), 200, "Email confirmed");
    let again = api.post("/auth/signup", &json!({ "email": EMAIL, "password": "another password" }));
    assert_ne!(pending(&again), id);
    let (text, path) = mail(&api, 2);
    assert!(path.is_none() && text.contains("Subject: You already have an account"), "{text}");
    // Nothing has changed.
    session_at(&log_in(&api), 0);
    let other = json!({ "email": EMAIL, "password": "another password" });
    detail(&api.post("/auth/login", &other), 400, "Invalid login credentials");
}

fn a_link_ends_and_signing_up_again_mails_another(kept: &Kept) {
    let api = start(kept);
    let id = pending(&api.post("/auth/signup", &credentials()));
    let first = mail(&api, 1).1.unwrap();
    api.clock.advance(Duration::from_secs(24 * 60 * 60));
    detail(&follow(&api, &first), 400, "Invalid confirmation link");
    // Whoever signs up a second time does not take the account over: the first password counts.
    pending(&api.post("/auth/signup", &json!({ "email": EMAIL, "password": "another password" })));
    let second = mail(&api, 2).1.unwrap();
    assert_ne!(first, second);
    detail(&follow(&api, &first), 400, "Invalid confirmation link");
    detail(&follow(&api, &second), 200, "Email confirmed");
    let session = session_at(&log_in(&api), 24 * 60 * 60);
    assert_eq!(session.user, id);
}

fn what_is_no_token_confirms_nothing(kept: &Kept) {
    let api = start(kept);
    pending(&api.post("/auth/signup", &credentials()));
    let path = mail(&api, 1).1.unwrap();
    let upper = path.replace("token=", "Token=");
    let twice = format!("{path}&token=x");
    for path in ["/auth/confirm", "/auth/confirm?token=", "/auth/confirm?token=x", &upper, &twice, &format!("{path}x")]
    {
        detail(&follow(&api, path), 400, "Invalid confirmation link");
    }
    assert_eq!(api.client().ask("POST", &path, None).status, 401, "only GET is public");
    detail(&log_in(&api), 400, "Email not confirmed");
    detail(&follow(&api, &path), 200, "Email confirmed");
}
