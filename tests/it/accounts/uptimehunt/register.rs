//! `POST /api/v1/auth/register`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{REGISTER, access, detail, each, says, sign_up, start, takes_json_alone};
use crate::accounts::{
    harness::{Kept, json, text},
    on_both_stores,
};

on_both_stores! {
    who_signs_up_is_answered_as_the_document_says
    names_are_optional_and_trimmed
    what_is_needed_is_said_in_one_text
    what_is_wrong_is_said_field_by_field
    a_password_has_eight_characters_whatever_they_are
    an_address_is_one_users_in_any_spelling
    numbers_have_no_gaps
    of_many_at_once_one_gets_the_address
    nobody_makes_more_of_himself_than_he_may
    only_json_is_read
}

const TAKEN: &str = "User with this email already exists";
const NEEDED: &str = "Email and password are required";

fn user(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

fn who_signs_up_is_answered_as_the_document_says(kept: &Kept) {
    let api = start(kept);
    // A fraction of a second is not shown.
    api.clock.advance(Duration::from_millis(987));
    let body = json!({
        "email": "user@example.com", "password": "securepassword123", "first_name": "John", "last_name": "Doe"
    });
    let answer = api.post(REGISTER, &body);
    let session = json(&answer, 201);
    let user = concat!(
        r#"{"id":1,"email":"user@example.com","first_name":"John","last_name":"Doe","#,
        r#""date_joined":"2025-12-12T10:45:22Z"}"#
    );
    let expected = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","token_type":"Bearer","expires_in":900,"user":{user}}}"#,
        access(&session),
        text(&session, "refresh_token"),
    );
    says(&answer, "a new user", 201, &expected);
    assert_eq!(api.get(super::ME, access(&session)).text(), format!(r#"{{"data":{user}}}"#));
    assert!(api.smtp.mails().is_empty(), "nobody is to confirm anything");
    assert!(api.upstream.received_nothing_else());
}

fn names_are_optional_and_trimmed(kept: &Kept) {
    let api = start(kept);
    for (number, (names, expected)) in [
        (json!({}), ("", "")),
        (json!({ "first_name": "", "last_name": "" }), ("", "")),
        (json!({ "first_name": "  Ada ", "last_name": 5 }), ("Ada", "5")),
        (json!({ "first_name": "Łukasz 🦀", "last_name": "x".repeat(150) }), ("Łukasz 🦀", &*"x".repeat(150))),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = user(&format!(" u{number}@example.com "), "securepassword123");
        body.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        let made = &json(&api.post(REGISTER, &body), 201)["user"];
        assert_eq!((text(made, "first_name"), text(made, "last_name")), expected);
        assert_eq!(text(made, "email"), format!("u{number}@example.com"));
    }
}

fn what_is_needed_is_said_in_one_text(kept: &Kept) {
    let api = start(kept);
    let needed = json!({ "detail": NEEDED });
    let bodies = [
        json!({}),
        json!({ "first_name": "John" }),
        json!({ "email": "user@example.com" }),
        json!({ "password": "securepassword123" }),
        json!({ "email": "", "password": "securepassword123" }),
        json!({ "email": "  ", "password": "securepassword123" }),
        json!({ "email": null, "password": "securepassword123" }),
        json!({ "email": "user@example.com", "password": "" }),
        json!({ "email": "user@example.com", "password": null }),
        // Whatever else is wrong.
        json!({ "email": "nonsense" }),
        json!({ "email": "nonsense", "password": "" }),
        json!({ "password": [] }),
    ];
    each(&api, ("POST", REGISTER, None), &bodies.map(|body| (body, needed.clone())));
    for fields in [vec![], vec![("content-type", "application/json".to_owned())]] {
        says(&api.request("POST", REGISTER, &fields, b""), "no body", 400, &needed.to_string());
    }
    assert_eq!(api.hashed(), 0);
}

fn what_is_wrong_is_said_field_by_field(kept: &Kept) {
    let api = start(kept);
    let email = "Enter a valid email address.";
    let with = |name: &str, value: Value| {
        let mut body = user("user@example.com", "securepassword123");
        body[name] = value;
        body
    };
    let mut cases: Vec<_> = [
        json!("nonsense"),
        json!("@example.com"),
        json!("user@"),
        json!("a b@example.com"),
        json!("user@example"),
        json!("a@example.com, b@example.com"),
        json!("user@example.com\r\nBcc: other@example.com"),
        json!(5),
        json!(true),
        json!([]),
        json!({}),
    ]
    .into_iter()
    .map(|value| (with("email", value), json!({ "email": [email] })))
    .collect();
    for value in [json!([]), json!({}), json!(true)] {
        cases.push((with("password", value.clone()), json!({ "password": ["Not a valid string."] })));
        cases.push((with("last_name", value), json!({ "last_name": ["Not a valid string."] })));
    }
    cases.extend([
        (with("first_name", json!(null)), json!({ "first_name": ["This field may not be null."] })),
        (with("first_name", json!("a\u{0}")), json!({ "first_name": ["Null characters are not allowed."] })),
        (
            with("first_name", json!("x".repeat(151))),
            json!({ "first_name": ["Ensure this field has no more than 150 characters."] }),
        ),
        (with("password", json!("1234567")), json!({ "password": ["Ensure this field has at least 8 characters"] })),
        (
            json!({ "last_name": [], "password": "securepassword123", "email": "nonsense" }),
            json!({ "email": [email], "last_name": ["Not a valid string."] }),
        ),
    ]);
    each(&api, ("POST", REGISTER, None), &cases);
    assert_eq!(api.hashed(), 0, "nothing of this is worth a hash");
}

fn a_password_has_eight_characters_whatever_they_are(kept: &Kept) {
    let api = start(kept);
    let short = json!({ "password": ["Ensure this field has at least 8 characters"] }).to_string();
    for password in ["a", "1234567", "ÄÖÜäöüß", "🦀🦀🦀🦀🦀🦀🦀"] {
        says(&api.post(REGISTER, &user("user@example.com", password)), password, 400, &short);
    }
    let long = "x".repeat(1025);
    let said = json(&api.post(REGISTER, &user("user@example.com", &long)), 400);
    assert_eq!(said, json!({ "password": ["This field must have at most 1024 bytes."] }));
    assert_eq!(api.hashed(), 0);
    for (number, password) in ["ÄÖÜäöüß1", "  qu et  ", &long[..1024]].into_iter().enumerate() {
        let email = format!("u{number}@example.com");
        json(&api.post(REGISTER, &user(&email, password)), 201);
        json(&super::log_in(&api, &email, password), 200);
        // Nothing is trimmed or cut off.
        json(&super::log_in(&api, &email, password.trim_end_matches([' ', 'x', '1'])), 400);
    }
}

fn an_address_is_one_users_in_any_spelling(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "Zoë@Example.com");
    for email in ["Zoë@Example.com", "zoë@example.com", "ZOË@EXAMPLE.COM", " zoe\u{308}@example.com "] {
        says(&api.post(REGISTER, &user(email, "securepassword123")), email, 400, &detail(TAKEN));
    }
    assert_eq!(sign_up(&api, "zoe@example.com")["user"]["id"], 2);
}

fn numbers_have_no_gaps(kept: &Kept) {
    let api = start(kept);
    for number in 1..4 {
        assert_eq!(sign_up(&api, &format!("u{number}@example.com"))["user"]["id"], number);
        json(&api.post(REGISTER, &user("U1@example.com", "securepassword123")), 400);
        json(&api.post(REGISTER, &user("new@example.com", "short")), 400);
    }
}

fn of_many_at_once_one_gets_the_address(kept: &Kept) {
    let api = start(kept);
    let emails = ["one@example.com", "two@example.com", "ONE@example.com", "one@Example.com", "three@example.com"];
    let answers = api.at_once(REGISTER, &emails.map(|email| user(email, "securepassword123")));
    let (made, taken): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    let mut numbers: Vec<_> = made.iter().map(|answer| json(answer, 201)["user"]["id"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    taken.iter().for_each(|answer| says(answer, "taken", 400, &detail(TAKEN)));
}

fn nobody_makes_more_of_himself_than_he_may(kept: &Kept) {
    let api = start(kept);
    let mut body = user("user@example.com", "securepassword123");
    let more = json!({
        "id": 99, "number": 99, "user_id": 99, "is_staff": true, "is_superuser": true, "is_active": false,
        "date_joined": "1999-01-01T00:00:00Z", "permissions": ["*"], "disabled": true, "roles": ["admin"],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let session = json(&api.post(REGISTER, &body), 201);
    let plain = json!({
        "id": 1, "email": "user@example.com", "first_name": "", "last_name": "", "date_joined": "2025-12-12T10:45:22Z"
    });
    assert_eq!(session["user"], plain);
    assert_eq!(json(&api.send("PATCH", super::PROFILE, Some(access(&session)), &more), 200)["data"], plain);
    let kept = api.user("user@example.com");
    assert!(kept.attributes.is_empty() && kept.disabled.is_none() && kept.number == 1);
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), "POST", REGISTER, None);
}
