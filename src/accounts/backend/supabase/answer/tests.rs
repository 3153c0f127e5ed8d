use proptest::prelude::*;
use serde_json::json;

use super::*;

/// 2025-12-12T10:45:22Z
const NOW: Timestamp = Timestamp::from_secs(1_765_536_322);
const ID: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
const CALLS: [Call; 3] = [Call::SignUp, Call::SignIn, Call::Refresh];

fn reply(status: u16, body: impl ToString) -> Reply {
    Reply { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: body.to_string().into() }
}

fn refused(call: Call, status: u16, body: impl ToString) -> BackendError {
    session(call, &reply(status, body), NOW).unwrap_err()
}

fn good() -> Value {
    json!({
        "access_token": "a.b.c", "token_type": "bearer", "expires_in": 3600, "expires_at": 1_765_540_000,
        "refresh_token": "r", "user": { "id": ID, "email": "ada@example.com", "user_metadata": { "zip": "1" } },
    })
}

fn is_unreadable(result: Result<impl std::fmt::Debug, BackendError>) -> bool {
    matches!(result, Err(BackendError::Unreachable(Cause::Unreadable(_))))
}

#[test]
fn a_session_is_read_and_its_end_is_reckoned_where_it_is_not_said() {
    let read = session(Call::SignIn, &reply(200, good()), NOW).unwrap();
    let metadata = json!({ "zip": "1" }).as_object().unwrap().clone();
    let user = RemoteUser { id: ID.parse().unwrap(), email: "ada@example.com".to_owned(), metadata };
    let expected = RemoteSession {
        access_token: "a.b.c".to_owned(),
        refresh_token: "r".to_owned(),
        expires_in: 3600,
        expires_at: 1_765_540_000,
        user,
    };
    assert_eq!(read, expected);
    assert_eq!(signed_up(&reply(200, good()), NOW), Ok(SignedUp::Session(expected)));
    for end in [None, Some(Value::Null)] {
        let mut body = good();
        body.as_object_mut().unwrap().remove("expires_at");
        body.as_object_mut().unwrap().extend(end.map(|end| ("expires_at".to_owned(), end)));
        assert_eq!(session(Call::Refresh, &reply(200, body), NOW).unwrap().expires_at, NOW.as_secs() + 3600);
    }
}

#[test]
fn a_pending_signup_has_its_user_at_the_root_or_beside_no_session() {
    let user = json!({ "id": ID, "email": "ada@example.com", "user_metadata": null, "identities": [] });
    for body in [
        user.clone(),
        json!({ "user": user, "session": null }),
        json!({ "user": user }),
        json!({ "access_token": null, "user": user }),
    ] {
        let Ok(SignedUp::Pending(read)) = signed_up(&reply(200, &body), NOW) else { panic!("{body}") };
        assert_eq!(
            (read.id.to_string().as_str(), read.email.as_str(), read.metadata.len()),
            (ID, "ada@example.com", 0)
        );
    }
    for body in [json!({}), json!({ "user": null }), json!({ "user": [] }), json!({ "id": 1, "email": "a@b.c" })] {
        assert!(is_unreadable(signed_up(&reply(200, &body), NOW)), "{body}");
    }
}

#[test]
fn a_user_without_an_address_is_refreshed_all_the_same() {
    let mut body = good();
    body["user"]["email"] = json!("");
    assert_eq!(session(Call::Refresh, &reply(200, body), NOW).unwrap().user.email, "");
}

#[test]
fn a_session_that_lacks_anything_or_has_another_type_is_none() {
    for path in ["access_token", "refresh_token", "expires_in", "user", "user.id", "user.email"] {
        for other in [None, Some(json!(null)), Some(json!("")), Some(json!([])), Some(json!(-1)), Some(json!(1.5))] {
            if (path, &other) == ("user.email", &Some(json!(""))) {
                continue;
            }
            let mut body = good();
            let (object, name) = match path.split_once('.') {
                Some((outer, inner)) => (&mut body[outer], inner),
                None => (&mut body, path),
            };
            object.as_object_mut().unwrap().remove(name);
            object.as_object_mut().unwrap().extend(other.map(|other| (name.to_owned(), other)));
            for call in CALLS {
                assert!(is_unreadable(session(call, &reply(200, &body), NOW)), "{body}");
            }
        }
    }
    for (path, other) in [("expires_at", json!("soon")), ("expires_at", json!(-1))] {
        let mut body = good();
        body[path] = other;
        assert!(is_unreadable(session(Call::SignIn, &reply(200, &body), NOW)), "{body}");
    }
    let mut body = good();
    body["user"]["user_metadata"] = json!([1]);
    assert!(is_unreadable(session(Call::SignIn, &reply(200, &body), NOW)));
    for text in ["", "<html>", "[]", "null", "{", "\u{feff}{}"] {
        assert!(is_unreadable(session(Call::SignIn, &reply(200, text), NOW)), "{text}");
    }
}

#[test]
fn refusals_are_known_by_their_code_in_all_three_forms() {
    use BackendError as E;

    let weak = || E::WeakPassword { message: "Any text".to_owned() };
    for (call, code, expected) in [
        (Call::SignUp, "user_already_exists", E::UserExists),
        (Call::SignUp, "email_exists", E::UserExists),
        (Call::SignUp, "weak_password", weak()),
        (Call::SignUp, "email_address_invalid", E::InvalidEmail),
        (Call::SignUp, "signup_disabled", E::SignupDisabled),
        (Call::SignUp, "email_provider_disabled", E::SignupDisabled),
        (Call::SignUp, "over_email_send_rate_limit", E::RateLimited { retry_after: USUAL_WAIT }),
        (Call::SignIn, "invalid_credentials", E::InvalidCredentials),
        (Call::SignIn, "user_not_found", E::InvalidCredentials),
        (Call::SignIn, "email_not_confirmed", E::NotConfirmed),
        (Call::SignIn, "user_banned", E::Banned),
        (Call::SignIn, "over_request_rate_limit", E::RateLimited { retry_after: USUAL_WAIT }),
        (Call::Refresh, "refresh_token_not_found", E::InvalidRefreshToken),
        (Call::Refresh, "refresh_token_already_used", E::InvalidRefreshToken),
        (Call::Refresh, "session_not_found", E::InvalidRefreshToken),
        (Call::Refresh, "session_expired", E::InvalidRefreshToken),
        (Call::Refresh, "user_banned", E::InvalidRefreshToken),
        (Call::Refresh, "user_not_found", E::InvalidRefreshToken),
        (Call::Refresh, "conflict", E::RateLimited { retry_after: SHORT_WAIT }),
    ] {
        for body in [
            json!({ "code": 422, "error_code": code, "msg": "Any text" }),
            json!({ "code": code, "message": "Any text" }),
            json!({ "error": code, "error_description": "Any text" }),
        ] {
            for status in [400, 403, 404, 409, 422] {
                assert_eq!(refused(call, status, &body), expected, "{call:?} {body}");
            }
        }
    }
}

#[test]
fn refusals_of_older_servers_are_known_by_their_text() {
    use BackendError as E;

    let weak = |message: &str| E::WeakPassword { message: message.to_owned() };
    for (call, text, expected) in [
        (Call::SignUp, "User already registered", E::UserExists),
        (Call::SignUp, "A user with this email address has already been registered", E::UserExists),
        (Call::SignUp, "Password should be at least 6 characters", weak("Password should be at least 6 characters")),
        (
            Call::SignUp,
            "Password cannot be longer than 72 characters",
            weak("Password cannot be longer than 72 characters"),
        ),
        (Call::SignUp, "Signup requires a valid password", weak("Signup requires a valid password")),
        (Call::SignUp, "Unable to validate email address: invalid format", E::InvalidEmail),
        (Call::SignUp, "Email address \"ada@example.com\" is invalid", E::InvalidEmail),
        (Call::SignUp, "Signups not allowed for this instance", E::SignupDisabled),
        (Call::SignUp, "Email signups are disabled", E::SignupDisabled),
        (
            Call::SignUp,
            "For security purposes, you can only request this once every 60 seconds",
            E::RateLimited { retry_after: USUAL_WAIT },
        ),
        (Call::SignIn, "Invalid login credentials", E::InvalidCredentials),
        (Call::SignIn, "Email not confirmed", E::NotConfirmed),
        (Call::SignIn, "User is banned", E::Banned),
        (Call::Refresh, "Invalid Refresh Token", E::InvalidRefreshToken),
        (Call::Refresh, "Invalid Refresh Token: Already Used", E::InvalidRefreshToken),
        (Call::Refresh, "Invalid Refresh Token: Session Expired (Revoked by Newer Login)", E::InvalidRefreshToken),
        (Call::Refresh, "Invalid Refresh Token: User Banned", E::InvalidRefreshToken),
        (Call::Refresh, "Refresh Token is not valid", E::InvalidRefreshToken),
        (Call::Refresh, "refresh_token required", E::InvalidRefreshToken),
        (
            Call::Refresh,
            "Too many concurrent token refresh requests on the same session or refresh token",
            E::RateLimited { retry_after: SHORT_WAIT },
        ),
    ] {
        for body in [
            json!({ "code": 400, "msg": text }),
            json!({ "code": 400, "error_code": "validation_failed", "msg": text }),
            json!({ "code": "unknown", "message": text }),
            json!({ "message": text }),
            json!({ "error_description": text }),
            json!({ "error": "invalid_request", "error_description": text }),
        ] {
            assert_eq!(refused(call, 400, &body), expected, "{call:?} {body}");
        }
    }
    // A text goes before a code that says less.
    let grant = |text: &str| json!({ "error": "invalid_grant", "error_description": text });
    assert_eq!(refused(Call::SignIn, 400, grant("Email not confirmed")), E::NotConfirmed);
    assert_eq!(refused(Call::SignIn, 400, grant("")), E::InvalidCredentials);
    assert_eq!(refused(Call::Refresh, 400, grant("")), E::InvalidRefreshToken);
}

#[test]
fn what_is_no_outcome_of_the_call_is_none() {
    let unknown = |status, code: Option<&str>| {
        BackendError::Unreachable(Cause::Refused { status, code: code.map(str::to_owned) })
    };
    for (call, code) in [
        (Call::SignUp, "invalid_credentials"),
        (Call::SignIn, "user_already_exists"),
        (Call::SignIn, "refresh_token_not_found"),
        (Call::Refresh, "weak_password"),
        (Call::Refresh, "captcha_failed"),
        (Call::SignUp, "email_address_not_authorized"),
        (Call::SignIn, "email_provider_disabled"),
    ] {
        assert_eq!(refused(call, 422, json!({ "error_code": code, "msg": "x" })), unknown(422, Some(code)), "{code}");
    }
    // What the log shows is a word, whatever was sent.
    for code in ["Bad ada@example.com", "a\nb", &"a".repeat(65)] {
        assert_eq!(refused(Call::SignIn, 400, json!({ "error_code": code })), unknown(400, None));
    }
    assert_eq!(refused(Call::SignIn, 400, "{}"), unknown(400, None));
}

#[test]
fn a_status_that_is_not_about_the_call_is_no_outcome_whatever_the_body_says() {
    let body = json!({ "error_code": "invalid_credentials", "msg": "Invalid login credentials" });
    for (status, cause) in [
        (301, Cause::Redirect(301)),
        (307, Cause::Redirect(307)),
        (401, Cause::Key),
        (500, Cause::Status(500)),
        (503, Cause::Status(503)),
        (599, Cause::Status(599)),
        (201, Cause::Status(201)),
        (204, Cause::Status(204)),
        (101, Cause::Status(101)),
        (700, Cause::Status(700)),
    ] {
        assert_eq!(refused(Call::SignIn, status, &body), BackendError::Unreachable(cause), "{status}");
    }
    assert_eq!(refused(Call::SignIn, 404, "<html>"), BackendError::Unreachable(Cause::Status(404)));
}

#[test]
fn the_reason_for_a_weak_password_is_cut_and_never_empty() {
    let message = |text: &str| match refused(Call::SignUp, 422, json!({ "error_code": "weak_password", "msg": text })) {
        BackendError::WeakPassword { message } => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(message("too\u{1b}[31m\r\n short"), "too[31m short");
    assert_eq!(message(&"é".repeat(1000)), "é".repeat(LONGEST_MESSAGE));
    assert_eq!(message(""), "Password is too weak");
}

#[test]
fn the_time_to_wait_is_in_seconds_or_a_date_and_within_bounds() {
    let wait = |value: &str| {
        let retry_after = Some(HeaderValue::from_str(value).unwrap());
        let reply = Reply { retry_after, ..reply(429, "<html>") };
        match session(Call::SignIn, &reply, NOW) {
            Err(BackendError::RateLimited { retry_after }) => retry_after.as_secs(),
            other => panic!("{other:?}"),
        }
    };
    for (value, seconds) in [
        ("30", 30),
        (" 30 ", 30),
        ("0", 1),
        ("3600", 3600),
        ("3601", 3600),
        ("99999999999999999999999", 3600),
        ("Fri, 12 Dec 2025 10:46:22 GMT", 60),
        ("Fri, 12 Dec 2025 10:45:22 GMT", 1),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
        ("Fri, 12 Dec 2125 10:45:22 GMT", 60),
        ("Wed, 12 Dec 2125 10:45:22 GMT", 3600),
        ("", 60),
        ("-1", 60),
        ("1.5", 60),
        ("soon", 60),
    ] {
        assert_eq!(wait(value), seconds, "{value}");
    }
    let later = BackendError::RateLimited { retry_after: USUAL_WAIT };
    assert_eq!(refused(Call::SignUp, 429, json!({ "error_code": "user_already_exists" })), later);
}

#[test]
fn neither_tokens_nor_addresses_are_shown() {
    let session = session(Call::SignIn, &reply(200, good()), NOW).unwrap();
    let shown = format!("{session:?} {:?}", SignedUp::Session(session.clone()));
    assert!(
        shown.contains(ID) && !shown.contains("a.b.c") && !shown.contains("ada") && !shown.contains("zip"),
        "{shown}"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof!["[a-z_]{0,12}", Just("invalid_grant".to_owned()), Just("Invalid Refresh Token".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "access_token",
        "refresh_token",
        "expires_in",
        "expires_at",
        "user",
        "id",
        "email",
        "user_metadata",
        "code",
        "error_code",
        "error",
        "msg",
        "message",
        "error_description",
    ]);
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop::collection::vec((name.clone(), inner), 0..8)
            .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

proptest! {
    #[test]
    fn no_bytes_are_a_session_or_a_panic(status in 100_u16..1000, body: Vec<u8>, wait in "[ -~]{0,40}") {
        let retry_after = HeaderValue::from_str(&wait).ok();
        let reply = Reply { status: StatusCode::from_u16(status).unwrap(), retry_after, body: body.into() };
        for call in CALLS {
            match session(call, &reply, NOW) {
                Ok(session) => prop_assert!(false, "{session:?}"),
                Err(BackendError::RateLimited { retry_after }) => {
                    prop_assert!((SHORT_WAIT..=LONGEST_WAIT).contains(&retry_after));
                }
                Err(_) => {}
            }
        }
    }

    #[test]
    fn only_a_good_answer_with_both_tokens_is_a_session(status in prop::sample::select(vec![200_u16, 400, 500]), body in any_json()) {
        let reply = reply(status, &body);
        for call in CALLS {
            if session(call, &reply, NOW).is_ok() {
                prop_assert!(status == 200 && body["access_token"].is_string() && body["refresh_token"].is_string());
            }
        }
        if signed_up(&reply, NOW).is_ok() {
            prop_assert_eq!(status, 200);
        }
    }
}

#[test]
fn a_session_that_is_not_there_has_ended() {
    for (status, body) in [
        (204, String::new()),
        (200, "{}".to_owned()),
        (403, r#"{"code":403,"error_code":"session_not_found","msg":"x"}"#.to_owned()),
        (404, r#"{"code":"user_not_found","message":"x"}"#.to_owned()),
    ] {
        assert_eq!(signed_out(&reply(status, &body), NOW), Ok(()), "{status} {body}");
    }
    let later = BackendError::RateLimited { retry_after: USUAL_WAIT };
    assert_eq!(signed_out(&reply(429, ""), NOW), Err(later));
    for (status, body, cause) in [
        (401, r#"{"message":"Invalid API key"}"#, Cause::Key),
        (403, r#"{"error_code":"bad_jwt"}"#, Cause::Refused { status: 403, code: Some("bad_jwt".to_owned()) }),
        (500, r#"{"error_code":"session_not_found"}"#, Cause::Status(500)),
        (302, "", Cause::Redirect(302)),
    ] {
        assert_eq!(signed_out(&reply(status, body), NOW), Err(BackendError::Unreachable(cause)), "{status}");
    }
}
