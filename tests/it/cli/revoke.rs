//! `revoke`, with the gateway and without.

use std::process::Command;

use super::support::{Ended, Folder, Gateway, LISTEN, get, shell};

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

fn inspect(folder: &Folder, token: &str) -> Ended {
    folder.run(&["token", "inspect", token])
}

fn line<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}")).trim()
}

#[test]
fn a_revoked_token_is_explained_as_revoked_and_looking_makes_and_changes_nothing() {
    let folder = folder(STORE);
    let tokens = ["a", "b"].map(|id| folder.mint(&["--subject", id, "--claim", &format!("jti={id}")]));
    let names = sorted(&folder);
    assert_eq!(inspect(&folder, &tokens[0]).code, 0, "where there is no store yet, nothing is revoked");
    assert_eq!(sorted(&folder), names);
    for target in [["--jti", "a"], ["--session", "s"]] {
        assert_eq!(folder.run(&[&["revoke"][..], &target].concat()).code, 0);
    }
    let names = sorted(&folder);
    let store = std::fs::read(folder.path().join("state.db")).unwrap();
    let [revoked, good] = tokens.each_ref().map(|token| inspect(&folder, token));
    assert_eq!((revoked.code, good.code), (1, 0), "{revoked:?} {good:?}");
    assert_eq!(line(&revoked.stdout, "revocation"), "revocation        failed       the store says that it is revoked");
    assert!(revoked.stdout.contains("The gateway refuses this token: invalid_token"), "{}", revoked.stdout);
    assert_eq!(line(&good.stdout, "revocation"), "revocation        passed");
    assert_eq!(sorted(&folder), names);
    assert_eq!(std::fs::read(folder.path().join("state.db")).unwrap(), store);

    // While a gateway has it open, too.
    let gateway = Gateway::start(&folder, &[]);
    assert_eq!((status(&gateway, &tokens[0]), inspect(&folder, &tokens[0]).code), (401, 1));
}

fn sorted(folder: &Folder) -> Vec<String> {
    let mut names = folder.names();
    names.sort_unstable();
    names
}

#[test]
fn whether_a_token_is_revoked_is_not_guessed_where_the_store_cannot_be_read() {
    let folder = folder(STORE);
    let token = folder.mint(&["--subject", "alice"]);
    for contents in ["this is no database, and long enough to be looked at", ""] {
        folder.write("state.db", contents);
        let ended = inspect(&folder, &token);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(
            line(&ended.stdout, "revocation").starts_with("revocation        unknown      the store: "),
            "{ended:?}"
        );
        assert!(ended.stdout.contains("Nobody can tell whether the gateway accepts this token"), "{ended:?}");
        assert_eq!(std::fs::read_to_string(folder.path().join("state.db")).unwrap(), contents);
    }
    let without = Folder::with_preset("hungry-machines");
    let ended = inspect(&without, &without.mint(&["--subject", "alice"]));
    assert_eq!(line(&ended.stdout, "revocation"), "revocation        not asked    there is no `store`");
}

#[test]
fn a_full_disk_is_said_and_what_it_did_not_take_is_in_force() {
    let folder = folder(STORE);
    let token = folder.mint(&["--subject", "alice", "--claim", "jti=0123456789"]);
    drop(Gateway::start(&folder, &[]));
    // No file may grow beyond this many blocks of 512 bytes: the log of the store takes a few revocations.
    let mut command = Command::new("sh");
    let line = "trap '' XFSZ; ulimit -f 100; exec \"$0\" run";
    command.args(["-c", line, env!("CARGO_BIN_EXE_bearergate")]).current_dir(folder.path());
    let gateway = Gateway::spawn(command);
    known_to_the_command(&folder, STORE, &gateway);
    let revoke = |id: &str| folder.run(&["revoke", "--jti", id, "--config", "command.toml"]);
    let refused = (0..100).map(|number| revoke(&number.to_string())).find(|ended| ended.code != 0).unwrap();
    assert!(refused.stderr.contains("not kept yet, which is tried again"), "{refused:?}");
    assert_eq!(revoke("0123456789").code, 1);
    assert_eq!(status(&gateway, &token), 401);
    let (code, told) = get(&gateway.admin_address().to_string(), "/readyz", None);
    assert_eq!(code, 200);
    assert!(told.contains("the store: ") && told.contains("revocations not kept yet: 2"), "{told}");
}

#[test]
fn a_store_that_may_not_be_written_does_not_start_a_gateway() {
    let folder = folder(STORE);
    drop(Gateway::start(&folder, &[]));
    let mut command = folder.unprivileged(&["run"]);
    shell(&format!("chmod 400 '{}'", folder.path().join("state.db").display()));
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("the store: Permission denied"), "{ended:?}");
}
