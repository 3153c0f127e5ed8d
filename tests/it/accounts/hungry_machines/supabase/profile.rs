//! The profile is the gateway's own: made when it is asked for first, of what the token says.

use bearergate::accounts::store::UserStore;
use serde_json::{Value, json};

use super::{EMAIL, ID, Kept, Project, on_both_stores, said};
use crate::accounts::hungry_machines as hm;

on_both_stores! {
    the_first_call_makes_it_of_what_the_token_says
    what_the_token_must_not_say_is_left_out
    a_token_without_metadata_makes_the_defaults
    of_twenty_first_calls_at_once_there_is_one
    what_is_changed_is_changed_for_good
    the_address_is_the_tokens
    a_value_that_is_refused_is_not_written
    whoever_is_no_user_has_none
}

fn count(project: &Project) -> usize {
    let store = project.api.gateway.snapshot.load_full().store.clone().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store.users_after(0, 100)).unwrap().len()
}

fn metadata(values: Value) -> Value {
    json!({ "user_metadata": values })
}

fn the_first_call_makes_it_of_what_the_token_says(kept: &Kept) {
    let project = Project::start(kept);
    assert_eq!(count(&project), 0);
    let values = json!({ "location_zip": "92101", "home_size_sqft": 2000, "pricing_location": 3 });
    let token = project.token(&metadata(values.clone()));
    let expected = hm::profile(ID, values);
    said(&project.api.get("/auth/me", &token), 200, &expected);
    // From now on the row counts, not the token.
    let later = project.token(&metadata(json!({ "location_zip": "1", "timezone": "Europe/Berlin" })));
    said(&project.api.get("/auth/me", &later), 200, &expected);
    assert_eq!(count(&project), 1);
    // Nobody else's.
    let other = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
    let token = project.token(&json!({ "sub": other }));
    said(&project.api.get("/auth/me", &token), 200, &hm::unset(other));
    assert_eq!((count(&project), project.fake.received().len()), (2, 0));
}

fn what_the_token_must_not_say_is_left_out(kept: &Kept) {
    let project = Project::start(kept);
    for (number, (name, value)) in [
        // Everybody writes their own metadata: what nobody may set is not taken from there.
        ("subscription_tier", json!("premium")),
        ("home_size_sqft", json!("2000")),
        ("home_size_sqft", json!(1.5)),
        ("home_size_sqft", json!(true)),
        ("pricing_location", json!(9)),
        ("pricing_location", json!(0)),
        ("timezone", json!("Mars/Olympus")),
        ("timezone", json!("")),
        ("weather_entity_id", json!("sensor.rain")),
        ("weather_entity_id", json!(null)),
        ("location_zip", json!(92101)),
        ("location_zip", json!("9\u{0}")),
        ("location_zip", json!(["9"])),
        ("user_id", json!("other")),
        ("email", json!("other@example.com")),
        ("constructor", json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("550e8400-e29b-41d4-a716-4466554400{number:02}");
        let good = json!({ "weather_entity_id": "weather.home" });
        let mut values = if name == "weather_entity_id" { json!({}) } else { good };
        let expected = hm::profile(&id, values.clone());
        values[name] = value;
        let mut claims = metadata(values);
        claims["sub"] = json!(id);
        said(&project.api.get("/auth/me", &project.token(&claims)), 200, &expected);
    }
}

fn a_token_without_metadata_makes_the_defaults(kept: &Kept) {
    let project = Project::start(kept);
    for (number, values) in [json!(null), json!("text"), json!([]), json!({})].into_iter().enumerate() {
        let id = format!("550e8400-e29b-41d4-a716-4466554400{number:02}");
        let mut claims = metadata(values);
        claims["sub"] = json!(id);
        said(&project.api.get("/auth/me", &project.token(&claims)), 200, &hm::unset(&id));
    }
}

fn of_twenty_first_calls_at_once_there_is_one(kept: &Kept) {
    let project = Project::start(kept);
    let values = json!({ "location_zip": "92101" });
    let (token, expected) = (project.token(&metadata(values.clone())), hm::profile(ID, values));
    let clients: Vec<_> = (0..20).map(|_| project.api.client()).collect();
    std::thread::scope(|scope| {
        let token = &token;
        let threads: Vec<_> =
            clients.into_iter().map(|mut client| scope.spawn(move || client.bear("GET", "/auth/me", token))).collect();
        threads.into_iter().for_each(|thread| said(&thread.join().unwrap(), 200, &expected));
    });
    assert_eq!(count(&project), 1);
}

fn what_is_changed_is_changed_for_good(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&metadata(json!({ "location_zip": "92101", "pricing_location": 3 })));
    // Which may be the first call.
    let given = json!({ "timezone": "Asia/Tokyo", "subscription_tier": "premium", "email": "other@example.com" });
    let values = json!({ "location_zip": "92101", "pricing_location": 3, "timezone": "Asia/Tokyo" });
    said(&hm::patch(&project.api, &token, &given), 200, &hm::profile(ID, values.clone()));
    said(&project.api.get("/auth/me", &token), 200, &hm::profile(ID, values));
    let clear = json!({ "location_zip": null, "timezone": "", "pricing_location": null });
    said(&hm::patch(&project.api, &token, &clear), 200, &hm::unset(ID));
    // What was cleared is not seeded again.
    said(&project.api.get("/auth/me", &token), 200, &hm::unset(ID));
    assert_eq!((count(&project), project.fake.received().len()), (1, 0));
}

fn the_address_is_the_tokens(kept: &Kept) {
    let project = Project::start(kept);
    let with = |email: &str| hm::unset(ID).replace(EMAIL, email);
    for email in [EMAIL, "Another@Example.com", EMAIL] {
        let token = project.token(&json!({ "email": email }));
        said(&project.api.get("/auth/me", &token), 200, &with(email));
        said(&hm::patch(&project.api, &token, &json!({})), 200, &with(email));
    }
    // Of somebody who signed up by telephone.
    for email in [json!(""), json!(null)] {
        let token = project.token(&json!({ "email": email }));
        said(&project.api.get("/auth/me", &token), 200, &with(""));
        said(&hm::patch(&project.api, &token, &json!({})), 200, &with(""));
    }
    // Two of them with one address are two.
    let token = project.token(&json!({ "sub": "6f9619ff-8b86-4011-b42d-00c04fc964ff" }));
    assert_eq!(project.api.get("/auth/me", &token).status, 200);
    assert_eq!(count(&project), 2);
}

fn a_value_that_is_refused_is_not_written(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&metadata(json!({ "location_zip": "92101" })));
    let expected = hm::profile(ID, json!({ "location_zip": "92101" }));
    let refused = hm::patch(&project.api, &token, &json!({ "location_zip": "1", "pricing_location": 9 }));
    super::detail(&refused, 400, "pricing_location must be between 1 and 8");
    said(&project.api.get("/auth/me", &token), 200, &expected);
}

fn whoever_is_no_user_has_none(kept: &Kept) {
    let project = Project::start(kept);
    for sub in ["anon", "1", "550e8400", ""] {
        let token = project.token(&json!({ "sub": sub }));
        super::unauthorized(&project.api.get("/auth/me", &token), "Invalid token");
        super::unauthorized(&hm::patch(&project.api, &token, &json!({})), "Invalid token");
    }
    assert_eq!(count(&project), 0);
}
