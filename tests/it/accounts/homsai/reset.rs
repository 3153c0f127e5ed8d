//! `POST /auth/resetPassword`.

use serde_json::json;

use super::{NOW_TEXT, PASSWORD, RESET, USER, bad, body, empty, start, takes_json_alone};
use crate::accounts::{harness::Kept, on_both_stores};

on_both_stores! {
    whoever_asks_gets_the_same_answer
    what_is_missing_is_named
    only_json_is_read
    an_outbox_that_fails_does_so_for_every_address
}

fn whoever_asks_gets_the_same_answer(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    let disabled = api.add("disabled@example.com", Some(PASSWORD));
    api.disable("disabled@example.com", &disabled.id.to_string());
    let before = api.hashed();
    for email in ["nobody@example.com", "disabled@example.com", "nonsense", "@", "USER@example.com"] {
        empty(&api.post(RESET, &json!({ "email": email, "frontend_url": "https://evil.example.net" })));
    }
    assert_eq!(api.hashed(), before);
    let (recipient, _, text) = api.mail(1);
    assert_eq!(recipient, USER);
    assert!(text.contains("https://app.example.com/set-password?token=ey"), "{text}");
    assert!(text.contains("72 hours") || text.contains("3 days"), "{text}");
}

fn what_is_missing_is_named(kept: &Kept) {
    let api = start(kept);
    for (body, message) in [
        (json!({}), "email is required"),
        (json!({ "mail": USER }), "email is required"),
        (json!({ "email": "" }), "email is required"),
        (json!({ "email": null }), "email is required"),
        (json!({ "email": [USER] }), "email must be a text"),
    ] {
        bad(&api.post(RESET, &body), 400, message, RESET);
    }
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), RESET, None);
}

fn an_outbox_that_fails_does_so_for_every_address(kept: &Kept) {
    let api = start(kept);
    api.add(USER, Some(PASSWORD));
    kept.execute("ALTER TABLE outbox RENAME TO elsewhere");
    for email in [USER, "nobody@example.com", "nonsense"] {
        let answer = api.post(RESET, &json!({ "email": email }));
        let expected = body(NOW_TEXT, 503, "Service Unavailable", "Service temporarily unavailable", RESET);
        let fields = [("cache-control", "no-store"), ("content-type", "application/json"), ("retry-after", "1")];
        answer.assert_is(email, 503, &fields, &expected);
    }
    kept.execute("ALTER TABLE elsewhere RENAME TO outbox");
    empty(&api.post(RESET, &json!({ "email": USER })));
    api.mail(1);
}
