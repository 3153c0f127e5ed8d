//! `POST /auth/signup`.

use serde_json::{Value, json};

use super::{
    EMAIL, Kept, PASSWORD, credentials, detail, log_in, on_both_stores, part, profile, said, session, sign_up, start,
    unset,
};

on_both_stores! {
    the_request_of_the_document_gives_a_session_and_a_profile
    without_the_optional_fields_the_profile_is_the_defaults
    an_address_is_one_users_in_any_case
    what_the_document_does_not_know_is_ignored
    a_password_is_refused_in_one_text
    an_address_that_is_none_is_an_array_with_its_reason
    a_pricing_location_out_of_range_is_an_array
    texts_of_numbers_are_numbers
    a_user_is_not_made_by_what_is_refused
    of_eight_at_once_with_one_address_one_is_a_user
    a_token_that_is_sent_along_does_not_matter
}

fn the_request_of_the_document_gives_a_session_and_a_profile(kept: &Kept) {
    let api = start(kept);
    let body = r#"{
        "email": "user@example.com",
        "password": "securepassword",
        "location_zip": "92101",
        "home_size_sqft": 2000,
        "pricing_location": 1
    }"#;
    let json = [("Content-Type", "application/json".to_owned())];
    let session = session(&api.request("POST", "/auth/signup", &json, body.as_bytes()));
    let set = json!({ "location_zip": "92101", "home_size_sqft": 2000, "pricing_location": 1 });
    assert_eq!(part(&session.access, 1)["user_metadata"], set);
    said(&api.get("/auth/me", &session.access), 200, &profile(&session.user, set));
    assert!(api.smtp.mails().is_empty() && api.upstream.received_nothing_else());
}

fn without_the_optional_fields_the_profile_is_the_defaults(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    assert_eq!(part(&session.access, 1)["user_metadata"], json!({}));
    said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
}

fn an_address_is_one_users_in_any_case(kept: &Kept) {
    let api = start(kept);
    sign_up(&api);
    for email in [EMAIL, "USER@Example.COM", " user@example.com "] {
        let again = api.post("/auth/signup", &json!({ "email": email, "password": "another password" }));
        detail(&again, 400, "User already registered");
    }
    // Nothing of it was taken over.
    assert_eq!(log_in(&api).status, 200);
}

fn what_the_document_does_not_know_is_ignored(kept: &Kept) {
    let api = start(kept);
    let id = "550e8400-e29b-41d4-a716-446655440000";
    let session = session(&api.post(
        "/auth/signup",
        &json!({
            "email": EMAIL, "password": PASSWORD, "id": id, "user_id": id, "role": "service_role", "aud": "admin",
            "subscription_tier": "premium", "timezone": "Europe/Berlin", "weather_entity_id": "weather.home",
            "data": { "subscription_tier": "premium" }, "user_metadata": { "location_zip": "1" },
            "app_metadata": { "provider": "admin" }, "confirmed": false, "email_confirm": true,
        }),
    ));
    assert_ne!(session.user, id);
    let claims = part(&session.access, 1);
    assert_eq!((&claims["role"], &claims["aud"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!(claims["user_metadata"], json!({}));
    said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
}

fn a_password_is_refused_in_one_text(kept: &Kept) {
    let api = crate::accounts::harness::Api::start("hungry-machines", kept, "", "password = { common = true }");
    let sign_up = |password: &str| api.post("/auth/signup", &json!({ "email": EMAIL, "password": password }));
    for short in ["", "a", "Zq8!x", "äöüäö"] {
        detail(&sign_up(short), 422, "Password should be at least 6 characters");
    }
    let weak = "Password is known to be weak and easy to guess, please choose a different one";
    for common in ["123456", "password", "PASSWORD1"] {
        detail(&sign_up(common), 422, weak);
    }
    detail(&sign_up(&"ä".repeat(513)), 422, "Password cannot be longer than 1024 characters");
    // Six characters are enough, and none of them is changed.
    session(&sign_up(" ä\u{1f600}\u{0}x "));
    let log_in = |password: &str| api.post("/auth/login", &json!({ "email": EMAIL, "password": password })).status;
    assert_eq!((log_in(" ä\u{1f600}\u{0}x"), log_in(" ä\u{1f600}\u{0}x ")), (400, 200));
}

fn an_address_that_is_none_is_an_array_with_its_reason(kept: &Kept) {
    let api = start(kept);
    for (email, reason) in [
        ("nobody", "An email address must have an @-sign."),
        ("@example.com", "There must be something before the @-sign."),
        ("user@", "There must be something after the @-sign."),
        ("", "An email address must have an @-sign."),
    ] {
        let response = api.post("/auth/signup", &json!({ "email": email, "password": PASSWORD }));
        let error = json!({
            "type": "value_error", "loc": ["body", "email"],
            "msg": format!("value is not a valid email address: {reason}"), "input": email, "ctx": { "reason": reason },
        });
        said(&response, 422, &json!({ "detail": [error] }).to_string());
    }
}

fn a_pricing_location_out_of_range_is_an_array(kept: &Kept) {
    let api = start(kept);
    for (given, kind, text, context) in [
        (json!(0), "greater_than_equal", "Input should be greater than or equal to 1", json!({ "ge": 1 })),
        (json!(9), "less_than_equal", "Input should be less than or equal to 8", json!({ "le": 8 })),
        (json!("9"), "less_than_equal", "Input should be less than or equal to 8", json!({ "le": 8 })),
        (json!(-1), "greater_than_equal", "Input should be greater than or equal to 1", json!({ "ge": 1 })),
    ] {
        let mut body = credentials();
        body["pricing_location"] = given.clone();
        let error = json!({
            "type": kind, "loc": ["body", "pricing_location"], "msg": text, "input": given, "ctx": context,
        });
        said(&api.post("/auth/signup", &body), 422, &json!({ "detail": [error] }).to_string());
    }
}

fn texts_of_numbers_are_numbers(kept: &Kept) {
    let api = start(kept);
    let mut body = credentials();
    body["home_size_sqft"] = json!("2000");
    body["pricing_location"] = json!(8.0);
    body["location_zip"] = Value::Null;
    let session = session(&api.post("/auth/signup", &body));
    let set = json!({ "home_size_sqft": 2000, "pricing_location": 8 });
    assert_eq!(part(&session.access, 1)["user_metadata"], set);
    said(&api.get("/auth/me", &session.access), 200, &profile(&session.user, set));
}

fn a_user_is_not_made_by_what_is_refused(kept: &Kept) {
    let api = start(kept);
    let refused = [json!({ "password": "short" }), json!({ "pricing_location": 9 }), json!({ "location_zip": 92101 })];
    for part in refused {
        let mut body = credentials();
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        assert_eq!(api.post("/auth/signup", &body).status, 422, "{part}");
        detail(&log_in(&api), 400, "Invalid login credentials");
    }
    sign_up(&api);
}

fn of_eight_at_once_with_one_address_one_is_a_user(kept: &Kept) {
    let api = start(kept);
    let body = credentials().to_string();
    let head = format!("Host: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = format!("POST /auth/signup HTTP/1.1\r\n{head}{body}");
    let clients: Vec<_> = (0..8).map(|_| api.client()).collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let request = &request;
        let ask = |mut client: crate::support::Client| scope.spawn(move || client.send(request).response());
        let threads: Vec<_> = clients.into_iter().map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (good, taken): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), taken.len()), (1, 7));
    taken.iter().for_each(|taken| detail(taken, 400, "User already registered"));
    assert_eq!(session(good[0]).user, session(&log_in(&api)).user);
}

fn a_token_that_is_sent_along_does_not_matter(kept: &Kept) {
    let api = start(kept);
    let first = session(&api.send("POST", "/auth/signup", Some("garbage"), &credentials()));
    let second = session(&api.send("POST", "/auth/login", Some("a.b.c"), &credentials()));
    api.clock.advance(std::time::Duration::from_secs(3600));
    let body = json!({ "refresh_token": second.refresh });
    super::session_at(&api.send("POST", "/auth/refresh", Some(&first.access), &body), 3600);
}
