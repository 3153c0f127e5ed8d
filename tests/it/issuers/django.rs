//! The gateway's own users in the words of a Django API: the tokens and the password hashes of the one are good for the
//! other.
//!
//! A hash of the gateway's is a PHC string, `$argon2id$v=19$…`. Django keeps the same behind its name of the algorithm and
//! nothing between: `argon2$argon2id$v=19$…`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{
    oidc_provider::post,
    simplejwt::{self, ME, SECRET, api, json_of},
};
use crate::{
    cli::support::{Folder, Gateway, LISTEN},
    support::{Client, client::Response, users::Users},
};

/// What Django hashes passwords with, by default, and what else it knows.
const HASHERS: [&str; 6] = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"];

fn gateway() -> (Gateway, Folder, Users) {
    let (gateway, folder) = simplejwt::gateway(&format!(
        "preset = 'uptimehunt'\nstore = 'sqlite:state.db'\n{LISTEN}\n[issuer.api]\nsecret = {{ env = 'JWT_SECRET' }}\n\
         [accounts]\n"
    ));
    let users = Users::of(&folder.path().join("state.db"));
    (gateway, folder, users)
}

fn ask(address: SocketAddr, token: &str) -> Response {
    Client::connect(address).bear("GET", ME, token)
}

fn log_in(gateway: &Gateway, email: &str, password: &str) -> Response {
    let login = json!({ "email": email, "password": password });
    post(gateway.address(), "/api/v1/auth/login", "application/json", &login.to_string())
}

fn token(session: &Value, name: &str) -> String {
    session[name].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs djangorestframework-simplejwt"]
fn the_tokens_of_the_one_are_good_for_the_other() {
    let django = api(SECRET);
    let (gateway, _folder, _users) = gateway();
    // Each has one user, and each calls it 1.
    let registration = json!({ "email": "alice@example.com", "password": "correct horse" }).to_string();
    let answer = post(gateway.address(), "/api/v1/auth/register", "application/json", &registration);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let session: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(session["user"]["id"], 1);

    let seen = json_of(&ask(django.address, &token(&session, "access_token")));
    assert_eq!(seen["user"], "alice");
    let (access, refresh) = simplejwt::log_in(django.address);
    assert_eq!(json_of(&ask(gateway.address(), &access)), json!({ "data": session["user"] }));

    // A refresh token is no access token at either, whosever it is.
    for (address, token) in [(django.address, token(&session, "refresh_token")), (gateway.address(), refresh.clone())] {
        let answer = ask(address, &token);
        assert!(answer.status == 401 && answer.text().contains("Token has wrong type"), "{}", answer.text());
    }
    // The gateway knows the sessions that it has begun, and no others.
    let body = json!({ "refresh_token": refresh }).to_string();
    let answer = post(gateway.address(), "/api/v1/auth/refresh", "application/json", &body);
    assert_eq!((answer.status, answer.text().as_str()), (401, r#"{"detail":"Invalid refresh token"}"#));
}

#[test]
#[ignore = "needs djangorestframework-simplejwt"]
fn the_password_hashes_of_the_one_are_good_for_the_other() {
    const PASSWORD: &str = "pässword 42 of Django's";
    let mut django = api(SECRET);
    let (gateway, _folder, users) = gateway();
    for hasher in HASHERS {
        let (email, hash) = (format!("{hasher}@example.com"), django.ask(&format!("hash {hasher} {PASSWORD}")));
        assert!(hash.starts_with(&format!("{hasher}$")), "{hash}");
        users.add_hashed(&email, &hash);
        assert_eq!(log_in(&gateway, &email, "another password").status, 400, "{hasher}");
        assert_eq!(users.hash_of(&email), hash);
        assert_eq!(log_in(&gateway, &email, PASSWORD).status, 200, "{hash}");

        // That login has made the gateway's own of it, and it goes on.
        let own = users.hash_of(&email);
        assert!(own.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{own}");
        assert_eq!(log_in(&gateway, &email, PASSWORD).status, 200, "{own}");
        for (password, verified) in [(PASSWORD, "True"), ("another password", "False")] {
            assert_eq!(django.ask(&format!("verify argon2{own} {password}")), verified, "{own}");
        }
    }
}
