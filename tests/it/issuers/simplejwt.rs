//! SimpleJWT's tokens, and that the gateway refuses them in its words.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    oidc_provider::post,
    process::{Process, installed, script},
};
use crate::{
    cli::support::{Folder, Gateway, LISTEN},
    support::{Client, client::Response},
};

pub(super) const SECRET: &str = "a secret that Django and the gateway share";
pub(super) const ME: &str = "/api/v1/auth/me";

/// A Django API, its secret as SimpleJWT has it.
pub(super) fn api(secret: &str) -> Process {
    Process::start(Command::new(installed("simplejwt/bin/python")).arg(script("simplejwt/api.py")).arg(secret))
}

/// The program with this configuration, which may read the secret from `JWT_SECRET`.
pub(super) fn gateway(configuration: &str) -> (Gateway, Folder) {
    let folder = Folder::with(configuration);
    let mut command = folder.command(&[]);
    command.env("JWT_SECRET", SECRET);
    (Gateway::spawn(command), folder)
}

/// What a login of Django's answers.
pub(super) fn json_of(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The access and the refresh token of a login at `address`.
pub(super) fn log_in(address: std::net::SocketAddr) -> (String, String) {
    let login = json!({ "username": "alice", "password": "correct horse" });
    let answer = post(address, "/api/v1/auth/login", "application/json", &login.to_string());
    let pair = json_of(&answer);
    let token = |name: &str| pair[name].as_str().unwrap().to_owned();
    (token("access"), token("refresh"))
}

/// What a client sees of an answer that it would act on.
fn seen(answer: &Response) -> (u16, Option<&str>, Option<&str>, String) {
    (answer.status, answer.header("www-authenticate"), answer.header("content-type"), answer.text())
}

#[test]
#[ignore = "needs djangorestframework-simplejwt"]
fn a_django_api_behind_the_gateway_and_its_refusals_word_for_word() {
    let mut api = api(SECRET);
    let (gateway, _folder) = gateway(&format!(
        "preset = 'uptimehunt'\n[issuer.api]\nsecret = {{ env = 'JWT_SECRET' }}\n\
         [identity_headers]\n'X-User-Id' = 'user_id'\n{}",
        LISTEN.replace("builtin:echo", &format!("http://{}", api.address))
    ));
    let ask = |token: &str| Client::connect(gateway.address()).bear("GET", ME, token);

    let (access, refresh) = log_in(gateway.address());
    assert_eq!(json_of(&ask(&access)), json!({ "user": "alice", "told": "1" }));
    let body = json!({ "refresh": refresh }).to_string();
    let refreshed = post(gateway.address(), "/api/v1/auth/refresh", "application/json", &body);
    let refreshed = json_of(&refreshed)["access"].as_str().unwrap().to_owned();
    assert_ne!(refreshed, access);
    assert_eq!(json_of(&ask(&refreshed)), json!({ "user": "alice", "told": "1" }));

    let (of_another_secret, _) = log_in(self::api("a secret that the gateway does not know").address);
    let (_, payload_and_signature) = access.split_once('.').unwrap();
    for (what, token, message) in [
        ("expired", api.ask("expired"), "Token is expired"),
        ("a refresh token", refresh, "Token has wrong type"),
        ("of another secret", of_another_secret, "Token is invalid"),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{payload_and_signature}"), "Token is invalid"),
        ("no token", "nonsense".to_owned(), "Token is invalid"),
    ] {
        let (ours, djangos) = (ask(&token), Client::connect(api.address).bear("GET", ME, &token));
        assert_eq!(seen(&ours), seen(&djangos), "{what}");
        assert_eq!(ours.status, 401, "{what}");
        assert!(ours.text().contains(message), "{what}: {}", ours.text());
    }
}

#[test]
#[ignore = "needs djangorestframework-simplejwt"]
fn an_issuer_without_the_preset_tells_access_from_refresh_tokens_too() {
    let mut api = api(SECRET);
    let (gateway, _folder) = gateway(&format!(
        "[issuer.main]\nsecret = {{ env = 'JWT_SECRET' }}\nalgorithms = ['HS256']\nsubject = 'user_id'\n\
         required_claims = {{ token_type = 'access' }}\n[[route]]\nmatch = '* /**'\n\
         [identity_headers]\n'X-User-Id' = 'user_id'\n{LISTEN}"
    ));
    let ask = |token: &str| Client::connect(gateway.address()).bear("GET", ME, token);

    let (access, refresh) = log_in(api.address);
    for _ in 0..2 {
        assert_eq!(json_of(&ask(&access))["headers"]["x-user-id"], "1");
    }
    for token in [refresh, api.ask("expired")] {
        let answer = ask(&token);
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{}", answer.head);
    }
}
