//! Permissions, roles and plants, with the gateway's own tokens.

use bearergate::authz::ownership::{OwnershipRecord, OwnershipStore};
use serde_json::json;

use super::{NOW_TEXT, PASSWORD, USER, body, session};
use crate::{
    accounts::{
        harness::{Api, Kept},
        inside::done,
        on_both_stores,
    },
    support::{Upstream, client::Response},
};

on_both_stores! {
    a_role_counts_on_the_next_request
    who_owns_a_plant_may_and_nobody_else
    a_plant_is_its_makers_from_the_answer_on
}

const PLANT: &str = "/plants/7c9e6679-7425-40de-944b-e07fc1f90ae7";
const ROLES: &str =
    "[roles]\ninstaller = ['PLANTS READ', 'PLANTS CREATE', 'PLANTS UPDATE', 'PLANTS DELETE']\nreader = ['PLANTS READ']";

#[track_caller]
fn forbidden(response: &Response, message: &str, path: &str) {
    let body = body(NOW_TEXT, 403, "Forbidden", message, path);
    response.assert_is(message, 403, &[("content-type", "application/json")], &body);
}

fn a_role_counts_on_the_next_request(kept: &Kept) {
    let api = Api::start("homsai", kept, ROLES, "");
    let user = api.add(USER, Some(PASSWORD)).id.to_string();
    api.add("other@example.com", Some(PASSWORD));
    let ((access, _), (other, _)) = (session(&api, USER, PASSWORD), session(&api, "other@example.com", PASSWORD));
    let read = |token: &str| api.get("/plants", token);
    forbidden(&read(&access), "Permission PLANTS READ required", "/plants");
    api.grant(&user, "reader", true);
    assert_eq!(read(&access).status, 200);
    forbidden(&read(&other), "Permission PLANTS READ required", "/plants");
    let create = |token: &str| api.send("POST", "/plants", Some(token), &json!({}));
    forbidden(&create(&access), "Permission PLANTS CREATE required", "/plants");
    api.grant(&user, "installer", true);
    assert_eq!(create(&access).status, 200);
    api.grant(&user, "installer", false);
    forbidden(&create(&access), "Permission PLANTS CREATE required", "/plants");
    assert_eq!(read(&access).status, 200);
    api.grant(&user, "reader", false);
    forbidden(&read(&access), "Permission PLANTS READ required", "/plants");
    // A new token has what is granted by then.
    api.grant(&user, "reader", true);
    assert_eq!(read(&session(&api, USER, PASSWORD).0).status, 200);
}

fn who_owns_a_plant_may_and_nobody_else(kept: &Kept) {
    let api = Api::start("homsai", kept, ROLES, "");
    let mut users = Vec::new();
    for email in [USER, "other@example.com"] {
        let id = api.add(email, Some(PASSWORD)).id.to_string();
        api.grant(&id, "installer", true);
        users.push((id, session(&api, email, PASSWORD).0));
    }
    let [(owner, own), (_, others)] = &users[..] else { panic!() };
    let record = OwnershipRecord {
        ownership: "plant".to_owned(),
        resource: PLANT.rsplit_once('/').unwrap().1.to_owned(),
        issuer: "api".to_owned(),
        subject: owner.clone(),
    };
    done(api.store().learn(&[record])).unwrap();
    for method in ["GET", "PUT", "PATCH"] {
        let ask = |path: &str, token: &str| api.send(method, path, Some(token), &json!({}));
        assert_eq!(ask(PLANT, own).status, 200, "{method}");
        forbidden(&ask(PLANT, others), "Access denied", PLANT);
        forbidden(&ask("/plants/unknown", own), "Access denied", "/plants/unknown");
    }
    // First who it is, then what he may, then whose it is.
    let path = format!("{PLANT}/health");
    forbidden(&api.get(&path, own), "Permission PLANT_HEALTH READ required", &path);
}

fn a_plant_is_its_makers_from_the_answer_on(kept: &Kept) {
    let made = r#"{"uuid":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}"#;
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            let status = if head.starts_with("POST") { "201 Created" } else { "200 OK" };
            line.send(format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{made}",
                made.len()
            ));
        }
    });
    let api = Api::start_before(upstream, "homsai", kept, ROLES, "");
    let mut tokens = Vec::new();
    for email in [USER, "other@example.com"] {
        let id = api.add(email, Some(PASSWORD)).id.to_string();
        api.grant(&id, "installer", true);
        tokens.push(session(&api, email, PASSWORD).0);
    }
    let ask = |method: &str, path: &str, who: usize| api.send(method, path, Some(&tokens[who]), &json!({}));
    forbidden(&ask("GET", PLANT, 0), "Access denied", PLANT);
    assert_eq!(ask("POST", "/plants", 0).status, 201);
    assert_eq!(ask("GET", PLANT, 0).status, 200);
    forbidden(&ask("GET", PLANT, 1), "Access denied", PLANT);
    forbidden(&ask("DELETE", PLANT, 1), "Access denied", PLANT);
    assert_eq!(ask("DELETE", PLANT, 0).status, 200);
    forbidden(&ask("GET", PLANT, 0), "Access denied", PLANT);
}
