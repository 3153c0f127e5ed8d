//! What the profile does not take: nothing of such a request is written.

use serde_json::json;

use super::{Kept, detail, on_both_stores, patch, profile, said, sign_up, start};

on_both_stores! {
    each_bad_value_has_its_text_and_nothing_is_written
    a_store_that_fails_is_said_to
}

const PRICING: &str = "pricing_location must be between 1 and 8";
const ZONE: &str = "timezone must be an IANA time zone";
const ENTITY: &str = "weather_entity_id must start with weather.";

fn each_bad_value_has_its_text_and_nothing_is_written(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let set = json!({
        "location_zip": "94110", "home_size_sqft": 1800, "pricing_location": 3, "timezone": "Europe/Berlin",
        "weather_entity_id": "weather.home",
    });
    let before = profile(&session.user, set.clone());
    said(&patch(&api, &session.access, &set), 200, &before);
    let rows = [
        (json!({ "pricing_location": 0 }), PRICING),
        (json!({ "pricing_location": 9 }), PRICING),
        (json!({ "pricing_location": -1 }), PRICING),
        (json!({ "pricing_location": "9" }), PRICING),
        (json!({ "pricing_location": false }), PRICING),
        (json!({ "pricing_location": 99_999_999_999_999_999_999_u128 as f64 }), "422"),
        (json!({ "timezone": "Mars/Olympus" }), ZONE),
        (json!({ "timezone": "europe/berlin" }), ZONE),
        (json!({ "timezone": "EST5EDT4" }), ZONE),
        (json!({ "timezone": " " }), ZONE),
        (json!({ "timezone": "../../etc/passwd" }), ZONE),
        (json!({ "weather_entity_id": "sensor.rain" }), ENTITY),
        (json!({ "weather_entity_id": "weather" }), ENTITY),
        (json!({ "weather_entity_id": " weather.home" }), ENTITY),
        (json!({ "weather_entity_id": "Weather.home" }), ENTITY),
        // One of several: none is written.
        (json!({ "location_zip": "1", "home_size_sqft": 1, "timezone": "UTC", "pricing_location": 9 }), PRICING),
        (json!({ "weather_entity_id": "sensor.x", "location_zip": null, "pricing_location": 5 }), ENTITY),
        (json!({ "timezone": "x", "weather_entity_id": null, "home_size_sqft": null }), ZONE),
        // Two of them: the first in the document's order.
        (json!({ "weather_entity_id": "x", "timezone": "x" }), ZONE),
    ];
    for (body, text) in rows {
        let response = patch(&api, &session.access, &body);
        if text == "422" {
            assert_eq!(response.status, 422, "{}", response.text());
        } else {
            detail(&response, 400, text);
        }
        said(&api.get("/auth/me", &session.access), 200, &before);
    }
}

fn a_store_that_fails_is_said_to(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    kept.execute("ALTER TABLE accounts RENAME TO gone");
    let unavailable = |response| detail(&response, 503, "Database unavailable");
    unavailable(api.get("/auth/me", &session.access));
    unavailable(patch(&api, &session.access, &json!({ "location_zip": "1" })));
    unavailable(super::log_in(&api));
    unavailable(super::refresh(&api, &session.refresh));
    unavailable(api.post("/auth/signup", &json!({ "email": "b@example.com", "password": "another password" })));
    // Tokens are judged without it.
    assert_eq!(api.get("/machines", &session.access).status, 200);
    kept.execute("ALTER TABLE gone RENAME TO accounts");
    said(&api.get("/auth/me", &session.access), 200, &super::unset(&session.user));
    super::session(&super::refresh(&api, &session.refresh));
}
