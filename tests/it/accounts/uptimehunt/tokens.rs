//! What the tokens say, and which are accepted.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CHANGE, LOGOUT, ME, MISSING, PASSWORD, PROFILE, access, no_token, refused, says, sign_up, start};
use crate::{
    accounts::{
        harness::{Api, Kept, json, text},
        inside::part,
        on_both_stores,
    },
    support::{NOW, deployment::SECRET, forge::Signer},
};

on_both_stores! {
    tokens_say_what_the_document_says_and_no_more
    a_session_and_its_tokens_end_in_time
    the_user_is_told_by_the_number
    who_brings_no_good_token_is_told_so_before_anything_else
}

fn names(claims: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn tokens_say_what_the_document_says_and_no_more(kept: &Kept) {
    let api = start(kept);
    api.clock.advance(Duration::from_millis(700));
    let session = sign_up(&api, "user@example.com");
    for (member, kind, life) in [("access_token", "access", 900), ("refresh_token", "refresh", 7 * 24 * 3600)] {
        let token = text(&session, member);
        let (header, claims) = (part(token, 0), part(token, 1));
        assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")), "{member}");
        assert_eq!(names(&claims), ["exp", "iat", "jti", "token_type", "user_id"], "{member}");
        assert_eq!((&claims["user_id"], &claims["token_type"]), (&json!(1), &json!(kind)));
        assert_eq!(claims["iat"], NOW);
        let exp = claims["exp"].as_u64().unwrap();
        assert!((NOW + life..=NOW + life + 1).contains(&exp), "{member} {exp}");
        assert!(text(&claims, "jti").len() >= 16);
    }
    assert_ne!(part(access(&session), 1)["jti"], part(text(&session, "refresh_token"), 1)["jti"]);
    assert_eq!(part(access(&session), 1)["exp"], NOW + 900);
}

fn a_session_and_its_tokens_end_in_time(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    api.clock.advance(Duration::from_millis(899_999));
    json(&api.get(ME, access(&session)), 200);
    api.clock.advance(Duration::from_millis(1));
    refused(&api.get(ME, access(&session)), "after 15 minutes", &no_token("Token is expired"));
}

/// A token of this `user_id`, as text, signed with the right key.
fn of(api: &Api, user_id: Option<&str>) -> crate::support::client::Response {
    let user_id = user_id.map(|id| format!(r#""user_id":{id},"#)).unwrap_or_default();
    let claims = format!(r#"{{{user_id}"token_type":"access","jti":"x","iat":{NOW},"exp":{}}}"#, NOW + 60);
    api.get(ME, &Signer::secret(SECRET.as_bytes()).sign(r#"{"alg":"HS256","typ":"JWT"}"#, claims))
}

fn the_user_is_told_by_the_number(kept: &Kept) {
    let api = start(kept);
    let user = sign_up(&api, "user@example.com")["user"].clone();
    for id in ["1", "\"1\""] {
        says(&of(&api, Some(id)), id, 200, &json!({ "data": user }).to_string());
    }
    let wrong = ["1.5", "1.0", "true", "null", "\"\"", "\"x\"", "[1]", "{}", "-1", "\" 1\"", "\"01\"", "1e0", "\"+1\""];
    for id in wrong {
        refused(&of(&api, Some(id)), id, &no_token("Token is invalid"));
    }
    refused(&of(&api, None), "missing", &no_token("Token is invalid"));
    // Nobody has this number.
    for id in ["2", "0", "18446744073709551615"] {
        let answer = of(&api, Some(id));
        assert_eq!((answer.status, answer.text()), (401, no_token("Token is invalid")), "{id}");
    }
}

fn who_brings_no_good_token_is_told_so_before_anything_else(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    for (method, path) in [("GET", ME), ("PUT", PROFILE), ("PATCH", PROFILE), ("POST", CHANGE), ("POST", LOGOUT)] {
        // A body that would be wrong in any way.
        for body in [&b"{"[..], b"{}", b""] {
            let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
            let ask = |authorization: Option<String>| {
                let bearer = authorization.map(|value| ("authorization", value));
                api.request(method, path, &bearer.into_iter().chain([form.clone()]).collect::<Vec<_>>(), body)
            };
            refused(&ask(None), path, MISSING);
            refused(&ask(Some("Bearer".to_owned())), path, MISSING);
            refused(&ask(Some(format!("bearer {}", access(&session)))), path, MISSING);
            refused(&ask(Some("Bearer x".to_owned())), path, &no_token("Token is invalid"));
            let refresh = format!("Bearer {}", text(&session, "refresh_token"));
            refused(&ask(Some(refresh)), path, &no_token("Token has wrong type"));
        }
    }
    json(&super::log_in(&api, "user@example.com", PASSWORD), 200);
}
