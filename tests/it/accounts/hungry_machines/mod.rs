//! Hungry Machines: FastAPI's words, Supabase's tokens, a profile beside them.

mod confirmation;
mod endings;
mod login;
mod profile;
mod profile_refused;
mod refresh;
mod signup;
#[cfg(feature = "supabase")]
mod supabase;
mod tokens;
mod validation;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    harness::{Api, Kept},
    on_both_stores,
};
use crate::support::{Client, NOW, client::Response};

const EMAIL: &str = "user@example.com";
const PASSWORD: &str = "securepassword";
/// Whatever the built-in endpoints say.
const FIELDS: [(&str, &str); 3] =
    [("cache-control", "no-store"), ("content-type", "application/json"), ("pragma", "no-cache")];

fn start(kept: &Kept) -> Api {
    Api::start("hungry-machines", kept, "", "")
}

/// What the built-in endpoints say: all fields, and the whole body.
#[track_caller]
fn said(response: &Response, status: u16, body: &str) {
    response.assert_is(body, status, &FIELDS, body);
}

/// The same, for an error of one text.
#[track_caller]
fn detail(response: &Response, status: u16, detail: &str) {
    said(response, status, &json!({ "detail": detail }).to_string());
}

/// A refusal of the access token.
#[track_caller]
fn unauthorized(response: &Response, detail: &str) {
    let challenge = if detail == "Not authenticated" { "Bearer" } else { r#"Bearer error="invalid_token""# };
    let mut fields = vec![("content-type", "application/json"), ("www-authenticate", challenge)];
    // On the paths of the endpoints; tests/it/accounts/credentials sees to that.
    if response.header("cache-control").is_some() {
        fields.insert(0, ("cache-control", "no-store"));
    }
    response.assert_is(detail, 401, &fields, &json!({ "detail": detail }).to_string());
}

/// What a session's holder has.
#[derive(Clone, Debug, PartialEq)]
struct Session {
    access: String,
    refresh: String,
    user: String,
}

/// A session in exactly the six keys of the document, given `after` the beginning of the test, in seconds.
#[track_caller]
fn session_at(response: &Response, after: u64) -> Session {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    let (access, refresh, user) =
        (text(&body["access_token"]), text(&body["refresh_token"]), text(&body["user"]["id"]));
    let expires = NOW + after + 3600;
    let exact = format!(
        r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":3600,"expires_at":{expires},"token_type":"bearer","user":{{"id":"{user}","email":"{EMAIL}"}}}}"#
    );
    said(response, 200, &exact);
    assert_eq!(uuid_form(&user), user);
    Session { access, refresh, user }
}

#[track_caller]
fn session(response: &Response) -> Session {
    session_at(response, 0)
}

/// A version 4 UUID, as it is written.
fn uuid_form(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
    assert_eq!((digits.len(), &digits[12..13]), (32, "4"), "{text}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn credentials() -> Value {
    json!({ "email": EMAIL, "password": PASSWORD })
}

/// A new user's session.
#[track_caller]
fn sign_up(api: &Api) -> Session {
    session(&api.post("/auth/signup", &credentials()))
}

fn log_in(api: &Api) -> Response {
    api.post("/auth/login", &credentials())
}

fn refresh(api: &Api, token: &str) -> Response {
    api.post("/auth/refresh", &json!({ "refresh_token": token }))
}

/// The same 50 times at once, at these gateways by turns.
fn refresh_at_once(gateways: &[&Api], token: &str) -> Vec<Session> {
    let body = json!({ "refresh_token": token }).to_string();
    let head = format!("Host: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = format!("POST /auth/refresh HTTP/1.1\r\n{head}{body}");
    let clients: Vec<_> = (0..50).map(|at| gateways[at % gateways.len()].client()).collect();
    std::thread::scope(|scope| {
        let ask = |mut client: Client| client.send(&request).response();
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || ask(client))).collect();
        threads.into_iter().map(|thread| session(&thread.join().unwrap())).collect()
    })
}

/// The profile of a user who has set nothing.
fn unset(user: &str) -> String {
    profile(user, json!({}))
}

/// A profile with these members set, and the others as they are by default.
fn profile(user: &str, set: Value) -> String {
    let mut profile = json!({
        "user_id": user, "email": EMAIL, "location_zip": "", "home_size_sqft": 0, "pricing_location": 1,
        "timezone": "America/New_York", "subscription_tier": "free", "weather_entity_id": "",
    });
    for (name, value) in set.as_object().unwrap() {
        assert!(profile.get(name).is_some(), "{name}");
        profile[name] = value.clone();
    }
    profile.to_string()
}

fn patch(api: &Api, token: &str, body: &Value) -> Response {
    api.send("PATCH", "/auth/me", Some(token), body)
}

/// A part of a JWT: 0 is the header, 1 the claims.
fn part(token: &str, part: usize) -> Value {
    let text = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}
