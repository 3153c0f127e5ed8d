//! `revoke`, with the gateway and without.

use super::support::{Folder, Gateway, LISTEN, get, shell};

const STORE: &str = "store = \"sqlite:state.db\"\npreset = \"hungry-machines\"\n";

fn folder(head: &str) -> Folder {
    Folder::with(&format!("{head}{LISTEN}"))
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    let address = gateway.address().to_string();
    get(&address, "/api/v1/readings", Some(&format!("Authorization: Bearer {token}"))).0
}

/// A second configuration, by which the command finds the gateway that runs.
fn known_to_the_command(folder: &Folder, head: &str, gateway: &Gateway) {
    let admin = gateway.admin_address().to_string();
    let listen = LISTEN.replace("[admin]\naddress = \"127.0.0.1:0\"", &format!("[admin]\naddress = \"{admin}\""));
    assert!(listen.contains(&admin));
    folder.write("command.toml", format!("{head}{listen}"));
}

#[test]
fn a_revocation_survives_a_gateway_that_is_killed() {
    let folder = folder(STORE);
    let tokens = ["a", "b"].map(|id| folder.mint(&["--subject", "alice", "--claim", &format!("jti={id}")]));
    let gateway = Gateway::start(&folder, &[]);
    let accepted = |gateway: &Gateway| tokens.each_ref().map(|token| status(gateway, token) != 401);
    assert_eq!(accepted(&gateway), [true, true]);
    known_to_the_command(&folder, STORE, &gateway);
    let revoked = folder.run(&["revoke", "--jti", "a", "--config", "command.toml"]);
    assert_eq!((revoked.code, revoked.stdout.as_str()), (0, "Revoked, and kept in the store.\n"), "{revoked:?}");
    assert_eq!(accepted(&gateway), [false, true]);
    shell(&format!("kill -KILL {}", gateway.id()));
    drop(gateway);
    let gateway = Gateway::start(&folder, &[]);
    assert_eq!(accepted(&gateway), [false, true]);
}

#[test]
fn without_a_gateway_the_store_is_written_and_without_a_store_nothing_is_pretended() {
    let stored = folder(STORE);
    let token = stored.mint(&["--subject", "alice"]);
    let revoked = stored.run(&["revoke", "--subject", "alice", "--before", "2100-01-01T00:00:00Z", "--for", "1h"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert!(revoked.stdout.starts_with("Revoked in the store."), "{revoked:?}");
    let gateway = Gateway::start(&stored, &[]);
    assert_eq!(status(&gateway, &token), 401);

    let forgetful = folder("preset = \"hungry-machines\"\n");
    let ended = forgetful.run(&["revoke", "--jti", "a"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("nothing is revoked"), "{ended:?}");
}

#[test]
fn a_command_line_that_could_mean_two_things_is_refused() {
    let folder = folder(STORE);
    for wrong in [
        &["revoke"][..],
        &["revoke", "--jti", "a", "--session", "b"],
        &["revoke", "--jti", "a", "--before", "2025-12-12T10:45:22Z"],
        &["revoke", "--subject", "a", "--before", "yesterday"],
        &["revoke", "--jti", "a", "--issuer", "nobody"],
        &["revoke", "--jti", ""],
        &["revoke", "--jti", "a", "--for", "0s"],
    ] {
        let ended = folder.run(wrong);
        assert_eq!(ended.code, 2, "{wrong:?}: {ended:?}");
    }
    assert!(!folder.names().contains(&"state.db".to_owned()));
}
