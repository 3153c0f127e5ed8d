//! `GET` and `PATCH /auth/me`.

use serde_json::{Value, json};

use super::{Kept, on_both_stores, part, patch, profile, said, session, sign_up, start, unset};

on_both_stores! {
    what_is_set_stays_and_the_answer_is_the_full_profile
    null_clears_and_so_does_an_empty_text_where_there_is_one
    what_nobody_may_set_is_ignored
    what_was_set_is_in_the_next_token
    each_user_has_a_profile_of_its_own
    head_is_the_head_of_get
}

fn what_is_set_stays_and_the_answer_is_the_full_profile(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    // As in the document.
    let set = json!({
        "location_zip": "94110", "home_size_sqft": 1800, "pricing_location": 3, "timezone": "America/Los_Angeles",
    });
    let expected = profile(&session.user, set.clone());
    said(&patch(&api, &session.access, &set), 200, &expected);
    said(&api.get("/auth/me", &session.access), 200, &expected);
    // One alone leaves the others, and none leaves all.
    let mut set = set;
    set["weather_entity_id"] = json!("weather.home");
    let expected = profile(&session.user, set.clone());
    said(&patch(&api, &session.access, &json!({ "weather_entity_id": "weather.home" })), 200, &expected);
    said(&patch(&api, &session.access, &json!({})), 200, &expected);
    // What is coerced is kept as what it was coerced to.
    set["home_size_sqft"] = json!(2000);
    set["pricing_location"] = json!(1);
    let given = json!({ "home_size_sqft": "2000", "pricing_location": true });
    said(&patch(&api, &session.access, &given), 200, &profile(&session.user, set.clone()));
    said(&api.get("/auth/me", &session.access), 200, &profile(&session.user, set));
}

fn null_clears_and_so_does_an_empty_text_where_there_is_one(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let set = json!({
        "location_zip": "94110", "home_size_sqft": 1800, "pricing_location": 3, "timezone": "Europe/Berlin",
        "weather_entity_id": "weather.home",
    });
    let cleared = [
        json!({ "location_zip": null, "home_size_sqft": null, "pricing_location": null, "timezone": null,
            "weather_entity_id": null }),
        json!({ "location_zip": "", "home_size_sqft": 0, "pricing_location": 1, "timezone": "",
            "weather_entity_id": "" }),
    ];
    for clear in cleared {
        said(&patch(&api, &session.access, &set), 200, &profile(&session.user, set.clone()));
        said(&patch(&api, &session.access, &clear), 200, &unset(&session.user));
        said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
        // Nothing is stored, rather than the default: the token does not say it.
        let refreshed = super::session(&super::refresh(&api, &super::session(&super::log_in(&api)).refresh));
        let metadata = part(&refreshed.access, 1)["user_metadata"].clone();
        for name in ["timezone", "weather_entity_id"] {
            assert_eq!(metadata.get(name), None, "{metadata}");
        }
    }
    // One alone.
    said(&patch(&api, &session.access, &set), 200, &profile(&session.user, set.clone()));
    let mut rest = set;
    rest.as_object_mut().unwrap().remove("timezone");
    said(&patch(&api, &session.access, &json!({ "timezone": null })), 200, &profile(&session.user, rest));
}

fn what_nobody_may_set_is_ignored(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let forbidden = json!({
        "subscription_tier": "premium", "id": "550e8400-e29b-41d4-a716-446655440000",
        "user_id": "550e8400-e29b-41d4-a716-446655440000", "email": "other@example.com", "role": "admin",
        "password": "another password", "user_metadata": { "subscription_tier": "premium" }, "confirmed": null,
        "disabled": true, "location_zip ": "1",
    });
    said(&patch(&api, &session.access, &forbidden), 200, &unset(&session.user));
    said(&api.get("/auth/me", &session.access), 200, &unset(&session.user));
    let again = super::session(&super::log_in(&api));
    assert_eq!(part(&again.access, 1)["role"], "authenticated");
    let mut some = forbidden;
    some["location_zip"] = json!("94110");
    said(&patch(&api, &again.access, &some), 200, &profile(&session.user, json!({ "location_zip": "94110" })));
}

fn what_was_set_is_in_the_next_token(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let set = json!({ "home_size_sqft": 1800, "timezone": "Asia/Tokyo" });
    assert_eq!(patch(&api, &session.access, &set).status, 200);
    let next = super::session(&super::refresh(&api, &session.refresh));
    assert_eq!(part(&next.access, 1)["user_metadata"], set);
    assert_eq!(part(&session.access, 1)["user_metadata"], json!({}));
}

fn each_user_has_a_profile_of_its_own(kept: &Kept) {
    let api = start(kept);
    let first = sign_up(&api);
    let other = json!({ "email": "other@example.com", "password": "another password", "location_zip": "1" });
    let other: Value = super::super::harness::json(&api.post("/auth/signup", &other), 200);
    let token = other["access_token"].as_str().unwrap();
    let changed = super::super::harness::json(&patch(&api, token, &json!({ "home_size_sqft": 9 })), 200);
    assert_eq!((&changed["user_id"], &changed["email"]), (&other["user"]["id"], &json!("other@example.com")));
    assert_eq!((&changed["location_zip"], &changed["home_size_sqft"]), (&json!("1"), &json!(9)));
    said(&api.get("/auth/me", &first.access), 200, &unset(&first.user));
}

fn head_is_the_head_of_get(kept: &Kept) {
    let api = start(kept);
    let token = sign_up(&api).access;
    let head = api.client().bear("HEAD", "/auth/me", &token);
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
    let get = api.get("/auth/me", &token);
    assert_eq!(head.header("content-length"), get.header("content-length"));
    // Of another one it is nothing.
    assert_eq!(api.client().bear("HEAD", "/auth/login", &token).status, 200, "the upstream's");
    session(&super::log_in(&api));
}
