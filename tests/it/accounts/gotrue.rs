//! An API that is a preset file alone, `examples/presets/gotrue.toml`: what Supabase's own client does not ask it.

use mail_parser::MessageParser;
use serde_json::{Value, json};

use super::{
    harness::{Api, Kept, json, text},
    on_both_stores,
};
use crate::support::client::Response;

on_both_stores! {
    a_log_out_ends_what_its_scope_says_and_nothing_where_that_is_misspelt
    an_address_is_confirmed_by_its_link_or_by_a_login_with_its_token
    a_token_of_a_mail_begins_one_session
    what_cannot_be_meant_is_refused_with_a_code
}

const PRESET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/presets/gotrue.toml");
const EMAIL: &str = "anna@example.com";

fn start(kept: &Kept, accounts: &str) -> Api {
    Api::start(PRESET, kept, "", accounts)
}

fn user() -> Value {
    json!({ "email": EMAIL, "password": "correct horse", "data": { "name": "Anna" } })
}

/// The code of an error, whose body says the status too.
#[track_caller]
fn refused(answer: &Response, status: u16) -> String {
    let body: Value =
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{} {}", answer.head, answer.text()));
    assert_eq!((answer.status, &body["code"]), (status, &json!(status)), "{body}");
    assert!(body["msg"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    text(&body, "error_code").to_owned()
}

fn log_in(api: &Api) -> Response {
    api.post("/token?grant_type=password", &user())
}

/// The value of a parameter of the link in the last of so many mails.
#[track_caller]
fn linked(api: &Api, mails: usize, parameter: &str) -> String {
    let mail = api.smtp.wait_for(mails).pop().unwrap();
    let mail = MessageParser::new().parse(&mail.data).unwrap().body_text(0).unwrap().into_owned();
    let (_, rest) = mail.split_once(&format!("{parameter}=")).unwrap_or_else(|| panic!("{mail}"));
    let ends = |character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character));
    rest.split(ends).next().unwrap().to_owned()
}

fn a_log_out_ends_what_its_scope_says_and_nothing_where_that_is_misspelt(kept: &Kept) {
    let api = start(kept, "");
    json(&api.post("/signup", &user()), 200);
    let log_in = || text(&json(&log_in(&api), 200), "access_token").to_owned();
    let tokens = [log_in(), log_in(), log_in()];
    let live = || tokens.each_ref().map(|token| api.get("/user", token).status);
    let log_out =
        |query: &str, token: usize| api.send("POST", &format!("/logout{query}"), Some(&tokens[token]), &json!({}));

    assert_eq!(refused(&log_out("?scope=globl", 0), 400), "validation_failed");
    assert_eq!(live(), [200, 200, 200]);
    assert_eq!(log_out("?scope=local", 0).status, 204);
    assert_eq!(live(), [403, 200, 200]);
    assert_eq!(log_out("?scope=others", 1).status, 204);
    assert_eq!(live(), [403, 200, 403]);
    let again = log_in();
    assert_eq!(log_out("", 1).status, 204);
    assert_eq!((live(), api.get("/user", &again).status), ([403, 403, 403], 403));
}

fn an_address_is_confirmed_by_its_link_or_by_a_login_with_its_token(kept: &Kept) {
    let api = start(kept, "confirm_email = true");
    let pending = json(&api.post("/signup", &user()), 200);
    assert_eq!((&pending["email"], &pending["email_confirmed_at"]), (&json!(EMAIL), &Value::Null));
    assert_eq!(refused(&log_in(&api), 400), "email_not_confirmed");
    let token = linked(&api, 1, "token");
    let verify = |token: &str| api.request("GET", &format!("/verify?token={token}&type=signup"), &[], b"");
    assert_eq!(refused(&verify("x"), 403), "otp_expired");
    json(&verify(&token), 200);
    assert_eq!(refused(&verify(&token), 403), "otp_expired");
    let session = json(&log_in(&api), 200);
    assert_eq!(session["user"]["user_metadata"], json!({ "name": "Anna" }));

    let other = json!({ "email": "bert@example.com", "password": "correct horse" });
    json(&api.post("/signup", &other), 200);
    let token = linked(&api, 2, "token");
    let session = json(&api.post("/verify", &json!({ "token_hash": token, "type": "email" })), 200);
    assert!(session["user"]["email_confirmed_at"].is_string(), "{session}");
    json(&api.post("/token?grant_type=password", &other), 200);
    assert_eq!(refused(&verify(&token), 403), "otp_expired");
}

fn a_token_of_a_mail_begins_one_session(kept: &Kept) {
    let api = start(kept, "");
    let before = json(&api.post("/signup", &user()), 200);
    let recover = || json(&api.post("/recover", &json!({ "email": EMAIL })), 200);
    let verify = |token: &str| api.post("/verify", &json!({ "token_hash": token }));
    recover();
    let first = linked(&api, 1, "token_hash");
    recover();
    let second = linked(&api, 2, "token_hash");
    assert_eq!(refused(&verify(&first), 403), "otp_expired", "the newest alone counts");
    assert_eq!(refused(&verify(text(&before, "refresh_token")), 403), "otp_expired");
    // All are asked before any has answered.
    let body = json!({ "token_hash": second }).to_string();
    let head = "POST /verify HTTP/1.1\r\nHost: api\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut clients: Vec<_> = std::iter::repeat_with(|| api.client()).take(8).collect();
    clients.iter_mut().for_each(|client| {
        client.send(&request);
    });
    let answers: Vec<Response> = clients.iter_mut().map(|client| client.response()).collect();
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(good.len(), 1);
    bad.iter().for_each(|answer| assert_eq!(refused(answer, 403), "otp_expired"));
    let session = json(good[0], 200);
    assert_eq!(session["user"]["id"], before["user"]["id"]);
    let token = text(&session, "access_token");
    json(&api.send("PUT", "/user", Some(token), &json!({ "password": "another horse" })), 200);
    assert_eq!(api.get("/user", token).status, 200, "the session goes on");
    assert_eq!(api.get("/user", text(&before, "access_token")).status, 403, "that of the old password does not");
    assert_eq!(refused(&log_in(&api), 400), "invalid_credentials");
}

fn what_cannot_be_meant_is_refused_with_a_code(kept: &Kept) {
    let api = start(kept, "");
    for query in ["", "?grant_type=", "?grant_type=pkce", "?grant_type=password&grant_type=refresh_token"] {
        assert_eq!(refused(&api.post(&format!("/token{query}"), &user()), 404), "not_found", "{query}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    assert_eq!(refused(&api.request("POST", "/signup", &form, b"email=a"), 415), "bad_json");
    let broken = [("content-type", "application/json".to_owned())];
    assert_eq!(refused(&api.request("POST", "/signup", &broken, b"{"), 400), "bad_json");
    for body in [json!({}), json!({ "email": EMAIL }), json!({ "email": EMAIL, "password": 5 })] {
        assert_eq!(refused(&api.post("/signup", &body), 400), "validation_failed", "{body}");
    }
    assert_eq!(refused(&api.request("GET", "/user", &[], b""), 401), "no_authorization");
    assert_eq!(refused(&api.get("/user", "x"), 403), "bad_jwt");
}
