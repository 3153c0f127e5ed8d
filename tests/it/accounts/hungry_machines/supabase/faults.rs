//! A project that is not there, or not itself.

use std::net::TcpListener;

use serde_json::json;

use super::{Act, Fake, ID, Kept, Project, answer, before, detail, on_both_stores};
use crate::{
    accounts::hungry_machines as hm,
    support::{
        client::Response,
        forge::{ClaimText, Signer},
    },
};

on_both_stores! {
    a_project_that_is_not_itself_is_502
    a_project_that_is_not_there_is_502_and_its_tokens_503
    a_store_that_fails_is_no_matter_for_whoever_logs_in
}

fn a_project_that_is_not_itself_is_502(kept: &Kept) {
    let project = Project::start(kept);
    let elsewhere = Fake::new([]);
    let location = format!("Location: {}/auth/v1/token\r\n", elsewhere.url());
    let html = "<!doctype html><title>Invalid login credentials</title>";
    let whole = answer(200, "", json!({ "access_token": "x" }));
    let rows: [(&str, Vec<u8>); 12] = [
        ("500", answer(500, "", json!({ "code": 500, "msg": "Database error" }))),
        ("502", answer(502, "Content-Type: text/html\r\n", html)),
        ("503", answer(503, "Retry-After: 5\r\n", json!({ "msg": "x" }))),
        ("504", answer(504, "", "")),
        ("a redirect", answer(307, &location, "")),
        ("another redirect", answer(301, &location, html)),
        ("garbage", answer(200, "Content-Type: text/html\r\n", html)),
        ("half a session", whole.clone()),
        ("nothing", answer(200, "", "")),
        ("somewhere else", answer(404, "", html)),
        ("a wrong key", answer(401, "", json!({ "message": "Invalid API key" }))),
        ("cut off", whole[..whole.len() - 3].to_vec()),
    ];
    for (what, bytes) in rows {
        for call in 0..3 {
            // One that ends after a whole answer might be used again before the news of it arrives.
            let ends = what == "cut off";
            project.fake.then(if ends { Act::Last(bytes.clone()) } else { Act::Send(bytes.clone()) });
            let response = match call {
                0 => project.api.post("/auth/signup", &hm::credentials()),
                1 => hm::log_in(&project.api),
                _ => hm::refresh(&project.api, "v1.old"),
            };
            assert_eq!(response.status, 502, "{what}: {}", response.text());
            detail(&response, 502, "Auth service unreachable");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(project.fake.received().len(), 36, "nothing is asked twice");
    // None of it counts as a wrong password: there is no pause.
    project.answers(400, &json!({ "error": "invalid_grant", "error_description": "Invalid login credentials" }));
    detail(&hm::log_in(&project.api), 400, "Invalid login credentials");
}

fn a_project_that_is_not_there_is_502_and_its_tokens_503(kept: &Kept) {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = before(&format!("http://{nobody}"), kept);
    detail(&api.post("/auth/signup", &hm::credentials()), 502, "Auth service unreachable");
    detail(&hm::log_in(&api), 502, "Auth service unreachable");
    detail(&hm::refresh(&api, "v1.old"), 502, "Auth service unreachable");
    let claims =
        ClaimText::good().with("sub", &format!("\"{ID}\"")).with("iss", &format!("\"http://{nobody}/auth/v1\""));
    let token = Signer::p256().sign(r#"{"alg":"ES256","kid":"of-the-project"}"#, claims.json());
    let unavailable = |response: &Response| {
        assert_eq!((response.status, response.text().as_str()), (503, r#"{"detail":"Auth service unreachable"}"#));
    };
    unavailable(&api.get("/auth/me", &token));
    unavailable(&hm::patch(&api, &token, &json!({})));
    unavailable(&api.get("/machines", &token));
    hm::unauthorized(&api.client().ask("GET", "/auth/me", None), "Not authenticated");
    hm::unauthorized(&api.get("/auth/me", "garbage"), "Invalid token");
}

fn a_store_that_fails_is_no_matter_for_whoever_logs_in(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&json!({}));
    kept.execute("ALTER TABLE accounts RENAME TO gone");
    detail(&project.api.get("/auth/me", &token), 503, "Database unavailable");
    detail(&hm::patch(&project.api, &token, &json!({ "location_zip": "1" })), 503, "Database unavailable");
    project.answers(400, &json!({ "error": "invalid_grant", "error_description": "Email not confirmed" }));
    detail(&hm::log_in(&project.api), 400, "Email not confirmed");
    kept.execute("ALTER TABLE gone RENAME TO accounts");
    hm::said(&project.api.get("/auth/me", &token), 200, &hm::unset(ID));
}
