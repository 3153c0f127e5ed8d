//! `POST /auth/login`.

use serde_json::json;

use super::{
    FIELDS, LOGIN, NOW_TEXT, OTHER, PASSWORD, TOKEN, USER, bad, body, invalid, log_in, session, start, takes_json_alone,
};
use crate::{
    accounts::{
        harness::{Api, Kept, text},
        inside::part,
        on_both_stores,
    },
    support::{NOW, client::Response, deployment::SECRET, forge::Signer},
};

on_both_stores! {
    a_login_gives_two_tokens
    whatever_is_wrong_with_the_credentials_is_one_answer
    what_is_missing_is_named
    only_json_is_read
    who_is_disabled_is_out_at_once
    a_secret_signs_as_well
}

#[track_caller]
fn wrong(response: &Response) {
    let fields = [FIELDS.as_slice(), &[("www-authenticate", "Bearer")]].concat();
    let body = body(NOW_TEXT, 401, "Unauthorized", "Invalid username or password", LOGIN);
    response.assert_is("credentials", 401, &fields, &body);
}

fn a_login_gives_two_tokens(kept: &Kept) {
    let api = start(kept);
    let user = api.add("User@example.com", Some(PASSWORD));
    for email in ["User@example.com", "USER@EXAMPLE.COM"] {
        let (access, refresh) = session(&api, email, PASSWORD);
        assert_eq!(part(&access, 0)["alg"], "ES256");
        let claims = part(&access, 1);
        assert_eq!((text(&claims, "sub"), text(&claims, "email")), (&*user.id.to_string(), "User@example.com"));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 900)));
        let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["email", "exp", "iat", "jti", "session_id", "sub"]);
        assert!(refresh.len() >= 22 && !refresh.contains('.'), "opaque: {refresh}");
    }
}

fn whatever_is_wrong_with_the_credentials_is_one_answer(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    api.add("invited@example.com", None);
    let disabled = api.add("disabled@example.com", Some(PASSWORD));
    api.disable("disabled@example.com", &disabled.id.to_string());
    let before = api.hashed();
    for (email, password) in [
        (USER, OTHER),
        ("nobody@example.com", PASSWORD),
        ("nonsense", PASSWORD),
        ("invited@example.com", PASSWORD),
        ("disabled@example.com", PASSWORD),
    ] {
        wrong(&log_in(&api, email, password));
    }
    assert_eq!(api.hashed() - before, 5, "the same work for each");
    wrong(&log_in(&api, USER, &"x".repeat(5000)));
    assert_eq!(api.hashed() - before, 5);
}

fn what_is_missing_is_named(kept: &Kept) {
    let api = start(kept);
    for (body, message) in [
        (json!({}), "email is required"),
        (json!({ "password": PASSWORD }), "email is required"),
        (json!({ "username": USER, "password": PASSWORD }), "email is required"),
        (json!({ "email": USER }), "password is required"),
        (json!({ "email": "", "password": PASSWORD }), "email is required"),
        (json!({ "email": null, "password": PASSWORD }), "email is required"),
        (json!({ "email": USER, "password": "" }), "password is required"),
        (json!({ "email": 5, "password": PASSWORD }), "email must be a text"),
        (json!({ "email": [], "password": PASSWORD }), "email must be a text"),
        (json!({ "email": USER, "password": true }), "password must be a text"),
    ] {
        bad(&api.post(LOGIN, &body), 400, message, LOGIN);
    }
    assert_eq!(api.hashed(), 0);
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), LOGIN, None);
}

fn who_is_disabled_is_out_at_once(kept: &Kept) {
    let api = start(kept);
    let user = api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    api.disable(USER, &user.id.to_string());
    invalid(&api.get("/plants", &access), "/plants");
    invalid(&api.get(TOKEN, &refresh), TOKEN);
    invalid(&api.get(TOKEN, &access), TOKEN);
}

fn a_secret_signs_as_well(kept: &Kept) {
    let more = "[issuer.api]\nalgorithms = ['HS256']\nsecret = { env = 'KEY' }";
    let api = Api::start("homsai", kept, more, "");
    api.add(USER, Some(PASSWORD));
    let (access, refresh) = session(&api, USER, PASSWORD);
    assert_eq!(part(&access, 0)["alg"], "HS256");
    let (text, _) = access.rsplit_once('.').unwrap();
    assert_eq!(Signer::secret(SECRET.as_bytes()).sign_text(text), access);
    assert_eq!(api.get("/plants", &access).status, 403);
    assert_eq!(super::tokens(&api.get(TOKEN, &refresh)).1, refresh);
    let special = super::special(&api, USER, 1);
    assert_eq!(part(&special, 0)["alg"], "HS256");
    invalid(&api.get("/plants", &special), "/plants");
    super::empty(&super::set(&api, &special, &json!({ "password": OTHER })));
    invalid(&api.get("/plants", &access), "/plants");
    session(&api, USER, OTHER);
}
