//! What the project refuses, in the contract's words.

use serde_json::{Value, json};

use super::{Act, EMAIL, Kept, Project, answer, detail, on_both_stores, said};
use crate::{accounts::hungry_machines as hm, support::client::Response};

on_both_stores! {
    a_signup_that_is_refused
    a_login_that_is_refused
    a_refresh_that_is_refused
    too_many_of_anything_is_429_with_its_time
}

fn signup_after(project: &Project, status: u16, body: &Value) -> Response {
    project.answers(status, body);
    project.api.post("/auth/signup", &hm::credentials())
}

fn a_signup_that_is_refused(kept: &Kept) {
    let project = Project::start(kept);
    let coded = |code: &str, text: &str| json!({ "code": 422, "error_code": code, "msg": text });
    for (status, body, said, text) in [
        (422, coded("user_already_exists", "User already registered"), 400, "User already registered"),
        (422, coded("email_exists", "x"), 400, "User already registered"),
        (400, json!({ "code": 400, "msg": "User already registered" }), 400, "User already registered"),
        (
            422,
            coded("weak_password", "Password should be at least 6 characters."),
            422,
            "Password should be at least 6 characters",
        ),
        (
            422,
            json!({ "code": 422, "msg": "Password should be at least 6 characters" }),
            422,
            "Password should be at least 6 characters",
        ),
        (
            422,
            coded("weak_password", "Password should be at least 12 characters."),
            422,
            "Password should be at least 12 characters",
        ),
        (
            422,
            coded("weak_password", "Password is known to be weak and easy to guess, please choose a different one."),
            422,
            "Password is known to be weak and easy to guess, please choose a different one",
        ),
        (
            422,
            coded("signup_disabled", "Signups not allowed for this instance"),
            422,
            "Signups not allowed for this instance",
        ),
    ] {
        detail(&signup_after(&project, status, &body), said, text);
    }
    let invalid = json!({ "code": "email_address_invalid", "message": "Email address \"a\" is invalid" });
    let response = signup_after(&project, 400, &invalid);
    let reason = "It is not accepted.";
    let error = json!({
        "type": "value_error", "loc": ["body", "email"],
        "msg": format!("value is not a valid email address: {reason}"), "input": EMAIL, "ctx": { "reason": reason },
    });
    said(&response, 422, &json!({ "detail": [error] }).to_string());
}

fn a_login_that_is_refused(kept: &Kept) {
    let project = Project::start(kept);
    let grant = |text: &str| json!({ "error": "invalid_grant", "error_description": text });
    let coded = |code: &str| json!({ "code": 400, "error_code": code, "msg": "x" });
    for (body, text) in [
        (coded("invalid_credentials"), "Invalid login credentials"),
        (grant("Invalid login credentials"), "Invalid login credentials"),
        (coded("email_not_confirmed"), "Email not confirmed"),
        (grant("Email not confirmed"), "Email not confirmed"),
        (coded("user_banned"), "Invalid login credentials"),
    ] {
        project.answers(400, &body);
        detail(&hm::log_in(&project.api), 400, text);
    }
}

fn a_refresh_that_is_refused(kept: &Kept) {
    let project = Project::start(kept);
    let coded = |code: &str, text: &str| json!({ "code": 400, "error_code": code, "msg": text });
    for body in [
        coded("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
        coded("refresh_token_already_used", "Invalid Refresh Token: Already Used"),
        coded("session_expired", "Invalid Refresh Token: Session Expired (Inactivity)"),
        coded("session_not_found", "x"),
        coded("user_banned", "Invalid Refresh Token: User Banned"),
        json!({ "error": "invalid_grant", "error_description": "Invalid Refresh Token: Already Used" }),
        json!({ "error": "invalid_grant", "error_description": "Invalid Refresh Token" }),
        json!({ "code": 400, "error_code": "validation_failed", "msg": "Refresh Token is not valid" }),
    ] {
        project.answers(400, &body);
        detail(&hm::refresh(&project.api, "v1.old"), 400, "Invalid Refresh Token");
    }
}

fn too_many_of_anything_is_429_with_its_time(kept: &Kept) {
    let project = Project::start(kept);
    let body = json!({ "code": 429, "error_code": "over_request_rate_limit", "msg": "Request rate limit reached" });
    let expected = |response: &Response, after: &str| {
        let fields = [("cache-control", "no-store"), ("content-type", "application/json"), ("retry-after", after)];
        response.assert_is(after, 429, &fields, r#"{"detail":"Too Many Requests"}"#);
    };
    for (field, after) in [
        ("Retry-After: 17\r\n", "17"),
        ("Retry-After: Fri, 12 Dec 2025 10:47:22 GMT\r\n", "120"),
        ("", "60"),
        ("Retry-After: soon\r\n", "60"),
    ] {
        for call in 0..3 {
            project.fake.then(Act::Send(answer(429, field, &body)));
            let response = match call {
                0 => project.api.post("/auth/signup", &hm::credentials()),
                1 => hm::log_in(&project.api),
                _ => hm::refresh(&project.api, "v1.old"),
            };
            expected(&response, after);
        }
    }
    let conflict =
        json!({ "code": 409, "error_code": "conflict", "msg": "Too many concurrent token refresh requests" });
    project.answers(409, &conflict);
    expected(&hm::refresh(&project.api, "v1.old"), "1");
}
