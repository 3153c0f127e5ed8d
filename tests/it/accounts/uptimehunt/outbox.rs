//! Mail that cannot be kept, and mail that cannot be sent.

use std::time::Duration;

use bearergate::accounts::store::AuditStore;
use serde_json::json;
use tokio::time::Instant;

use super::{CHANGE, OTHER, PASSWORD, REQUEST, access, detail, log_in, request::SENT, says, sign_up, start};
use crate::{
    accounts::{
        harness::{Kept, json},
        inside::done,
        on_both_stores,
    },
    support::smtp::Deed,
};

on_both_stores! {
    an_outbox_that_fails_does_so_for_every_address
    mail_leaves_at_once_and_is_tried_again
    the_same_is_written_for_whoever_asks
}

const FAILED: &str = "Failed to send password reset email";

fn an_outbox_that_fails_does_so_for_every_address(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    kept.execute("ALTER TABLE outbox RENAME TO elsewhere");
    for email in ["user@example.com", "nobody@example.com", "USER@example.com", "other@example.com"] {
        says(&api.post(REQUEST, &json!({ "email": email })), email, 500, &detail(FAILED));
    }
    // A password is not changed without the mail about it.
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let answer = api.send("POST", CHANGE, Some(access(&session)), &change);
    assert_eq!((answer.status, answer.text()), (503, detail("Service temporarily unavailable, try again later")));
    // The rest goes on.
    let session = json(&log_in(&api, "user@example.com", PASSWORD), 200);
    json(&api.get(super::ME, access(&session)), 200);
    kept.execute("ALTER TABLE elsewhere RENAME TO outbox");
    for email in ["user@example.com", "nobody@example.com"] {
        says(&api.post(REQUEST, &json!({ "email": email })), email, 200, SENT);
    }
    assert_eq!(api.mail(1).0, "user@example.com");
}

fn mail_leaves_at_once_and_is_tried_again(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    api.smtp.always("MAIL", Deed::Answer("451 later"));
    let asked = Instant::now();
    // That it cannot be sent now is nobody's affair who asks.
    for email in ["user@example.com", "nobody@example.com"] {
        says(&api.post(REQUEST, &json!({ "email": email })), email, 200, SENT);
    }
    api.smtp.wait_for_command("MAIL", 1);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    api.smtp.behave();
    // Once its failure is written down; the sender looks once a second.
    let figures = api.snapshot().accounts.clone().unwrap();
    while figures.mail.failed() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    api.clock.advance(Duration::from_secs(13));
    assert_eq!(api.mail(1).0, "user@example.com");
    assert!(api.smtp.commands().iter().filter(|told| told.starts_with("MAIL")).count() == 2);
}

/// Of whoever asks it is kept that he did; only a user has a token and a mail.
fn the_same_is_written_for_whoever_asks(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    for email in ["user@example.com", "nobody@example.com"] {
        says(&api.post(REQUEST, &json!({ "email": email })), email, 200, SENT);
    }
    let id = api.user("user@example.com").id;
    let events = done(api.store().events(id, 10)).unwrap();
    let kinds: Vec<_> = events.iter().map(|entry| entry.event.kind.as_str()).collect();
    assert_eq!(kinds, ["reset_asked", "logged_in", "registered"]);
    assert_eq!(api.mail(1).0, "user@example.com");
}
