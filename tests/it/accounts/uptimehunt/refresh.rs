//! `POST /api/v1/auth/refresh`: the refresh token stays the same for seven days.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ME, REFRESH, access, detail, each, log_in, no_token, refresh, refused, says, says_401, sign_up, start};
use crate::{
    accounts::{
        harness::{Kept, json, text},
        inside::part,
        on_both_stores,
    },
    support::{NOW, deployment::SECRET, forge::Signer},
};

on_both_stores! {
    a_refresh_gives_an_access_token_and_nothing_else
    a_refresh_token_is_good_for_seven_days_and_no_longer
    what_is_needed_is_said
    a_token_that_nobody_was_given_is_none
    one_kind_of_token_is_never_taken_for_the_other
    only_json_is_read
}

fn a_refresh_gives_an_access_token_and_nothing_else(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let mut seen = vec![access(&session).to_owned()];
    for _ in 0..3 {
        let answer = refresh(&api, &session);
        let given = json(&answer, 200);
        let expected = format!(r#"{{"access_token":"{}","token_type":"Bearer","expires_in":900}}"#, access(&given));
        says(&answer, "a refresh", 200, &expected);
        json(&api.get(ME, access(&given)), 200);
        assert!(!seen.contains(&access(&given).to_owned()), "each has an id of its own");
        seen.push(access(&given).to_owned());
    }
    json(&api.get(ME, &seen[0]), 200);
}

fn a_refresh_token_is_good_for_seven_days_and_no_longer(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    // To use it does not make it last longer.
    for days in [3_u64, 3] {
        api.clock.advance(Duration::from_secs(days * 24 * 3600));
        json(&refresh(&api, &session), 200);
    }
    api.clock.advance(Duration::from_millis(24 * 3600 * 1000 - 1));
    let last = json(&refresh(&api, &session), 200);
    json(&api.get(ME, access(&last)), 200);
    api.clock.advance(Duration::from_millis(1));
    says_401(&refresh(&api, &session), "over", &detail("Invalid refresh token"));
    json(&api.get(ME, access(&last)), 200);
    json(&log_in(&api, "user@example.com", super::PASSWORD), 200);
}

fn what_is_needed_is_said(kept: &Kept) {
    let api = start(kept);
    let needed = json!({ "detail": "Refresh token is required" });
    let no_text = json!({ "refresh_token": ["Not a valid string."] });
    each(
        &api,
        ("POST", REFRESH, None),
        &[
            (json!({}), needed.clone()),
            (json!({ "refresh": "x" }), needed.clone()),
            (json!({ "refresh_token": "" }), needed.clone()),
            (json!({ "refresh_token": null }), needed.clone()),
            (json!({ "refresh_token": [] }), no_text.clone()),
            (json!({ "refresh_token": {} }), no_text.clone()),
            (json!({ "refresh_token": true }), no_text),
        ],
    );
    says(&api.request("POST", REFRESH, &[], b""), "no body", 400, &needed.to_string());
}

fn a_token_that_nobody_was_given_is_none(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let token = text(&session, "refresh_token");
    let (text, signature) = token.rsplit_once('.').unwrap();
    // Signed with the right key, but never given out: a stolen key makes no sessions.
    let forged = part(token, 1).to_string();
    let forged = Signer::secret(SECRET.as_bytes()).sign(part(token, 0).to_string(), format!("{forged} "));
    let unsigned = format!("{text}.");
    let padded = format!(" {token}");
    let twice = format!("{token}.{signature}");
    for wrong in ["x", "a.b.c", &token[1..], &token[..token.len() - 1], &unsigned, &twice, &padded, &forged] {
        let answer = api.post(REFRESH, &json!({ "refresh_token": wrong }));
        says_401(&answer, wrong, &detail("Invalid refresh token"));
    }
    json(&refresh(&api, &session), 200);
}

fn one_kind_of_token_is_never_taken_for_the_other(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api, "user@example.com");
    let answer = api.post(REFRESH, &json!({ "refresh_token": access(&session) }));
    says_401(&answer, "an access token", &detail("Invalid refresh token"));
    for path in [ME, "/api/monitors"] {
        let answer = api.get(path, text(&session, "refresh_token"));
        refused(&answer, path, &no_token("Token has wrong type"));
    }
    assert!(api.upstream.received_nothing_else());
    let claims: Value = part(text(&session, "refresh_token"), 1);
    assert_eq!(claims["exp"], NOW + 7 * 24 * 3600);
}

fn only_json_is_read(kept: &Kept) {
    super::takes_json_alone(&start(kept), "POST", REFRESH, None);
}
