//! UptimeHunt: Django REST framework's words, refresh tokens that stay.

mod change;
mod confirm;
mod login;
mod outbox;
mod profile;
mod refresh;
mod register;
mod request;
mod tokens;

use serde_json::{Value, json};

use super::harness::{Api, Kept, json, text};
use crate::support::client::Response;

const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";
const REFRESH: &str = "/api/v1/auth/refresh";
const ME: &str = "/api/v1/auth/me";
const PROFILE: &str = "/api/v1/auth/profile";
const CHANGE: &str = "/api/v1/auth/change-password";
const REQUEST: &str = "/api/v1/auth/password-reset/request";
const CONFIRM: &str = "/api/v1/auth/password-reset/confirm";
const LOGOUT: &str = "/api/v1/auth/logout";

const PASSWORD: &str = "securepassword123";
const OTHER: &str = "newsecurepassword456";
const FIELDS: [(&str, &str); 3] =
    [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")];

const MISSING: &str = r#"{"detail":"Authentication credentials were not provided"}"#;

fn start(kept: &Kept) -> Api {
    start_with(kept, "")
}

/// Its tokens are signed with the tests' secret.
fn start_with(kept: &Kept, accounts: &str) -> Api {
    Api::start("uptimehunt", kept, "[issuer.api]\nsecret = { env = 'KEY' }", accounts)
}

fn detail(text: &str) -> String {
    json!({ "detail": text }).to_string()
}

/// What is said of an access token that is none.
fn no_token(message: &str) -> String {
    let messages = json!([{ "token_class": "AccessToken", "token_type": "access", "message": message }]);
    json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": messages })
        .to_string()
}

/// An answer of an endpoint: exactly this.
#[track_caller]
fn says(response: &Response, what: &str, status: u16, body: &str) {
    response.assert_is(what, status, &FIELDS, body);
}

/// A 401 that an endpoint gives itself.
#[track_caller]
fn says_401(response: &Response, what: &str, body: &str) {
    let fields = [FIELDS.as_slice(), &[("www-authenticate", r#"Bearer realm="api""#)]].concat();
    response.assert_is(what, 401, &fields, body);
}

/// The gateway's 401: without a good access token nobody gets to the endpoint.
#[track_caller]
fn refused(response: &Response, what: &str, body: &str) {
    let mut fields = vec![("content-type", "application/json"), ("www-authenticate", r#"Bearer realm="api""#)];
    // On the paths of the endpoints; tests/it/accounts/credentials sees to that.
    if response.header("cache-control").is_some() {
        fields.insert(0, ("cache-control", "no-store"));
    }
    response.assert_is(what, 401, &fields, body);
}

#[track_caller]
fn sign_up(api: &Api, email: &str) -> Value {
    json(&api.post(REGISTER, &json!({ "email": email, "password": PASSWORD })), 201)
}

fn log_in(api: &Api, email: &str, password: &str) -> Response {
    api.post(LOGIN, &json!({ "email": email, "password": password }))
}

fn access(session: &Value) -> &str {
    text(session, "access_token")
}

fn refresh(api: &Api, session: &Value) -> Response {
    api.post(REFRESH, &json!({ "refresh_token": session["refresh_token"] }))
}

/// What was said of each of these bodies, sent to `path`.
#[track_caller]
fn each(api: &Api, (method, path, token): (&str, &str, Option<&str>), cases: &[(Value, Value)]) {
    for (body, expected) in cases {
        says(&api.send(method, path, token, body), &body.to_string(), 400, &expected.to_string());
    }
}

/// What every endpoint with a body says of one that is no JSON by its type or its bytes.
#[track_caller]
fn takes_json_alone(api: &Api, method: &str, path: &str, token: Option<&str>) {
    let bearer = token.map(|token| ("authorization", format!("Bearer {token}")));
    let send = |content_type: &str, body: &[u8]| {
        let fields: Vec<_> = bearer.iter().cloned().chain([("content-type", content_type.to_owned())]).collect();
        api.request(method, path, &fields, body)
    };
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/json"] {
        let expected = detail(&format!("Unsupported media type \"{kind}\" in request."));
        says(&send(kind, b"email=user@example.com&password=x"), path, 415, &expected);
    }
    for body in [&b"{"[..], b"{\"email\":\"a\",\"email\":\"b\"}", b"{\"a\":1}x", b"\xff", b"\xef\xbb\xbf{}", b"{'a':1}"]
    {
        let answer = send("application/json", body);
        let said = json(&answer, 400);
        let told = text(&said, "detail");
        assert!(told.starts_with("JSON parse error - ") && said.as_object().unwrap().len() == 1, "{path}: {said}");
    }
    for (body, got) in [("[]", "list"), ("\"x\"", "str"), ("1", "int")] {
        let told = format!("Invalid data. Expected a dictionary, but got {got}.");
        let expected = json!({ "non_field_errors": [told] }).to_string();
        says(&send("application/json; charset=utf-8", body.as_bytes()), body, 400, &expected);
    }
}
