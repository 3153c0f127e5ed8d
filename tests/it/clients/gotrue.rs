//! `@supabase/auth-js`, and an API that is a preset file alone: the one of the examples.

use serde_json::json;

use super::{Deployment, FRONTEND, Prepared};
use crate::{cli::support::LISTEN, issuers::oidc_provider::post};

fn deployment() -> Deployment {
    let prepared = Prepared::new("./gotrue.toml", "", LISTEN);
    let preset = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/presets/gotrue.toml");
    std::fs::copy(preset, prepared.folder.path().join("gotrue.toml")).unwrap();
    prepared.start()
}

#[test]
#[ignore = "needs @supabase/auth-js"]
fn supabases_own_client_finds_what_it_knows() {
    let deployment = deployment();
    for (tours, prefix) in ["", "/auth/v1"].into_iter().enumerate() {
        deployment.run("gotrue.mjs", prefix, &[], &[]);
        // Of each tour one that the password was changed, and one with a link to where the client asked for: only whoever
        // is there gets one.
        let link = deployment.link(2 * tours + 2);
        assert!(
            link.starts_with(&format!("{FRONTEND}/reset?token_hash=")) && link.ends_with("&type=recovery"),
            "{link}"
        );
    }
}

#[test]
#[ignore = "needs @supabase/auth-js"]
fn a_forgotten_password_is_replaced_in_the_session_that_a_mail_begins() {
    const EMAIL: &str = "anna@example.com";
    let deployment = deployment();
    deployment.users().add(EMAIL, "a forgotten password");
    let body = json!({ "email": EMAIL }).to_string();
    assert_eq!(post(deployment.address(), "/recover", "application/json", &body).status, 200);
    let link = deployment.link(1);
    let token = link.split_once("?token_hash=").unwrap().1.strip_suffix("&type=recovery").unwrap();
    deployment.run("gotrue.mjs", "", &["reset", token, EMAIL, "a password to remember"], &[]);
}
