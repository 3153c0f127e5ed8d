//! No project is configured.

use serde_json::json;

use super::{Api, Kept, detail, on_both_stores};
use crate::{accounts::hungry_machines as hm, support::token};

on_both_stores! {
    without_the_settings_nothing_is_configured
    the_environments_settings_are_enough
}

fn without_the_settings_nothing_is_configured(kept: &Kept) {
    let empty = |name: &str| name.starts_with("SUPABASE_").then(String::new);
    let api = Api::start_in("hungry-machines", kept, "", "backend = 'supabase'", empty);
    let not_configured = |response| detail(&response, 503, "Auth not configured");
    not_configured(api.post("/auth/signup", &hm::credentials()));
    not_configured(hm::log_in(&api));
    not_configured(hm::refresh(&api, "v1.old"));
    not_configured(api.client().ask("GET", "/auth/me", None));
    not_configured(api.get("/auth/me", "garbage"));
    not_configured(api.get("/auth/me", &token("alice")));
    not_configured(hm::patch(&api, "garbage", &json!({ "location_zip": "1" })));
    // Whatever else there is needs a token, which nobody can judge.
    hm::unauthorized(&api.client().ask("GET", "/machines", None), "Not authenticated");
    assert!(api.upstream.received_nothing_else());
    assert_eq!(api.gateway.admin().get("/readyz").status, 200);
}

fn the_environments_settings_are_enough(kept: &Kept) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let environment = |name: &str| match name {
        "SUPABASE_URL" => Some(format!("http://{nobody}")),
        "SUPABASE_PUBLISHABLE_KEY" => Some("sb_publishable_key".to_owned()),
        _ => None,
    };
    let api = Api::start_in("hungry-machines", kept, "", "backend = 'supabase'", environment);
    detail(&hm::log_in(&api), 502, "Auth service unreachable");
}
