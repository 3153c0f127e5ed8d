//! `@supabase/auth-js`, and an API that is a preset file alone: the one of the examples.

use super::{Deployment, FRONTEND, Prepared};
use crate::cli::support::LISTEN;

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
