//! Homsai: Spring Boot's error body, opaque refresh tokens as `Authorization`, passwords by a special JWT.

mod login;
mod reset;
mod rights;
mod set;
mod token;

use serde_json::{Value, json};

use super::harness::{Api, Kept, json, text};
use crate::support::client::Response;

const LOGIN: &str = "/auth/login";
const TOKEN: &str = "/auth/token";
const RESET: &str = "/auth/resetPassword";
const SET: &str = "/auth/setPassword";

const USER: &str = "user@example.com";
const PASSWORD: &str = "securepassword123";
const OTHER: &str = "newsecurepassword456";
const NOW_TEXT: &str = "2025-12-12T10:45:22Z";
const FIELDS: [(&str, &str); 3] =
    [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")];
const ASKS: &str = "Bearer";
const REFUSES: &str = r#"Bearer error="invalid_token""#;

/// As it is shipped: ES256.
fn start(kept: &Kept) -> Api {
    Api::start("homsai", kept, "", "")
}

/// Five keys, in this order.
fn body(at: &str, status: u16, error: &str, message: &str, path: &str) -> String {
    let (message, path) = (json!(message), json!(path));
    format!(r#"{{"timestamp":"{at}","status":{status},"error":"{error}","message":{message},"path":{path}}}"#)
}

/// An endpoint's own answer that something is wrong with the request.
#[track_caller]
fn bad(response: &Response, status: u16, message: &str, path: &str) {
    let error = if status == 415 { "Unsupported Media Type" } else { "Bad Request" };
    response.assert_is(message, status, &FIELDS, &body(NOW_TEXT, status, error, message, path));
}

/// A 401 because of the token, with this challenge, at this time.
#[track_caller]
fn refused_at(at: &str, response: &Response, challenge: &str, message: &str, path: &str) {
    let mut fields = vec![("content-type", "application/json"), ("www-authenticate", challenge)];
    // On the paths of the endpoints; tests/it/accounts/credentials sees to that.
    if response.header("cache-control").is_some() {
        fields.insert(0, ("cache-control", "no-store"));
    }
    response.assert_is(message, 401, &fields, &body(at, 401, "Unauthorized", message, path));
}

#[track_caller]
fn refused(response: &Response, challenge: &str, message: &str, path: &str) {
    refused_at(NOW_TEXT, response, challenge, message, path);
}

#[track_caller]
fn invalid(response: &Response, path: &str) {
    refused(response, REFUSES, "Invalid token", path);
}

#[track_caller]
fn empty(response: &Response) {
    response.assert_is("done", 200, &FIELDS, "{}");
}

fn log_in(api: &Api, email: &str, password: &str) -> Response {
    api.post(LOGIN, &json!({ "email": email, "password": password }))
}

/// Two tokens.
#[track_caller]
fn session(api: &Api, email: &str, password: &str) -> (String, String) {
    tokens(&log_in(api, email, password))
}

#[track_caller]
fn tokens(response: &Response) -> (String, String) {
    let session = json(response, 200);
    let (access, refresh) = (text(&session, "accessToken"), text(&session, "refreshToken"));
    response.assert_is("tokens", 200, &FIELDS, &format!(r#"{{"accessToken":"{access}","refreshToken":"{refresh}"}}"#));
    (access.to_owned(), refresh.to_owned())
}

/// The special JWT of the `count`th mail.
#[track_caller]
fn special(api: &Api, email: &str, count: usize) -> String {
    empty(&api.post(RESET, &json!({ "email": email })));
    api.link(count, "https://app.example.com/set-password?token=")
}

fn set(api: &Api, token: &str, body: &Value) -> Response {
    api.send("POST", SET, Some(token), body)
}

/// What an endpoint says of bodies that are none, with what else the request has.
#[track_caller]
fn takes_json_alone(api: &Api, path: &str, bearer: Option<&str>) {
    let send = |content_type: &str, body: &[u8]| {
        let bearer = bearer.map(|token| ("authorization", format!("Bearer {token}")));
        let fields: Vec<_> = bearer.into_iter().chain([("content-type", content_type.to_owned())]).collect();
        api.request("POST", path, &fields, body)
    };
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        bad(&send(kind, b"email=user@example.com"), 415, "the body must be application/json", path);
    }
    for wrong in [&b"{"[..], b"{\"email\":\"a\",\"email\":\"b\"}", b"{} {}", b"{'email':1}"] {
        let answer = json(&send("application/json", wrong), 400);
        let told = text(&answer, "message");
        assert!(told.starts_with("the body must be JSON: "), "{told}");
        bad(&send("application/json", wrong), 400, told, path);
    }
    bad(&send("application/json", b"\xff"), 400, "the body must be UTF-8", path);
    for wrong in [&b"[]"[..], b"1", b"null", b"\"x\""] {
        bad(&send("application/json", wrong), 400, "the body must be an object", path);
    }
    bad(&send("application/json", b""), 400, "the body is required", path);
}
