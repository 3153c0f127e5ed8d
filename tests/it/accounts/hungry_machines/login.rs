//! `POST /auth/login`.

use serde_json::json;

use super::{EMAIL, Kept, PASSWORD, detail, log_in, on_both_stores, session, session_at, sign_up, start, unset};

on_both_stores! {
    a_login_is_a_session_of_its_own
    whoever_is_not_there_is_told_what_a_wrong_password_is_told
    after_too_many_wrong_passwords_there_is_a_pause
}

fn a_login_is_a_session_of_its_own(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    for email in [EMAIL, "User@EXAMPLE.com"] {
        let second = session(&api.post("/auth/login", &json!({ "email": email, "password": PASSWORD, "more": 1 })));
        assert_eq!(second.user, first.user);
        assert!(second.access != first.access && second.refresh != first.refresh);
        super::said(&api.get("/auth/me", &second.access), 200, &unset(&first.user));
    }
}

fn whoever_is_not_there_is_told_what_a_wrong_password_is_told(kept: &Kept) {
    let api = start(kept);
    sign_up(&api);
    let long = "x".repeat(1025);
    for (email, password) in [
        (EMAIL, "wrong password"),
        (EMAIL, ""),
        (EMAIL, "Securepassword"),
        (EMAIL, "securepassword "),
        (EMAIL, &long),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", PASSWORD),
    ] {
        let response = api.post("/auth/login", &json!({ "email": email, "password": password }));
        detail(&response, 400, "Invalid login credentials");
    }
}

fn after_too_many_wrong_passwords_there_is_a_pause(kept: &Kept) {
    let api = super::Api::start("hungry-machines", kept, "", "throttle = { account = '2/15m' }");
    sign_up(&api);
    let wrong = json!({ "email": EMAIL, "password": "wrong password" });
    for _ in 0..2 {
        detail(&api.post("/auth/login", &wrong), 400, "Invalid login credentials");
    }
    let mut after = 0;
    for body in [&wrong, &super::credentials()] {
        let response = api.post("/auth/login", body);
        assert_eq!((response.status, response.text().as_str()), (429, r#"{"detail":"Too Many Requests"}"#));
        after = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1800).contains(&after), "{after}");
    }
    api.clock.advance(std::time::Duration::from_secs(after));
    session_at(&log_in(&api), after);
}
