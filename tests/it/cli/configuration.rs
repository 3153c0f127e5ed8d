//! `check`, `routes`, and which configuration is read.

use serde_json::Value;

use super::support::{Folder, LISTEN, PRESETS};

#[test]
fn a_good_configuration_is_fine_and_nothing_is_created() {
    for preset in PRESETS {
        let folder = Folder::with_preset(preset);
        let ended = folder.run(&["check"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.starts_with("gateway.toml is fine: "), "{}", ended.stdout);
        assert!(ended.stdout.contains(&format!(" 1 issuer, 1 upstream, preset {preset}\n")), "{}", ended.stdout);
        assert!(ended.stderr.contains("is made at the first start"), "{}", ended.stderr);
        assert_eq!(folder.names(), ["gateway.toml"]);
    }
}

#[test]
fn every_mistake_is_shown_with_its_place_and_ends_with_78() {
    let folder = Folder::with("preset = \"hungry-machine\"\n\n[listne]\naddress = \"127.0.0.1:0\"\n");
    for command in [&["check"][..], &["run"], &[], &["routes"], &["token", "mint"], &["token", "inspect", "a.b.c"]] {
        let ended = folder.run(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{command:?}: {ended:?}");
        for told in
            ["gateway.toml:1:10", "did you mean `hungry-machines`?", "gateway.toml:3:2", "did you mean `listen`?"]
        {
            assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_named_file_that_is_missing_ends_with_78() {
    let folder = Folder::empty();
    for command in [&["--config", "none.toml"][..], &["check", "--config", "none.toml"], &["--config", "-", "routes"]] {
        let ended = folder.run(command);
        assert_eq!(ended.code, 78, "{ended:?}");
        assert!(
            ended.stderr.contains("cannot be read")
                && ended.stderr.contains(command[command.len() - 1].trim_end_matches("routes"))
        );
    }
    assert_eq!(folder.run(&["check"]).code, 78, "there is nothing to check");
    assert!(folder.names().is_empty());
}

#[test]
fn warnings_are_shown_and_do_not_stop_it() {
    let folder = Folder::with(&format!(
        "preset = \"homsai\"{}",
        LISTEN.replacen("workers", "trusted_proxies = [\"0.0.0.0/0\"]\nworkers", 1)
    ));
    let ended = folder.run(&["check"]);
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("warning") && ended.stderr.contains("gateway.toml:4:"), "{}", ended.stderr);
}

#[test]
fn a_key_file_that_is_no_key_is_found_by_check() {
    let folder = Folder::with_preset("hungry-machines");
    folder.mint(&[]);
    folder.write("bearergate-state/keys/current.jwk", "garbage");
    let ended = folder.run(&["check"]);
    assert_eq!(ended.code, 78);
    assert!(ended.stderr.contains("current.jwk"), "{}", ended.stderr);
}

#[test]
fn without_a_gateway_toml_the_built_in_one_is_used_and_said_to_be() {
    let folder = Folder::empty();
    let ended = folder.run(&["routes"]);
    assert_eq!(ended.code, 0);
    assert!(ended.stdout.contains("/auth/login") && ended.stderr.contains("built-in"), "{ended:?}");
    assert!(folder.names().is_empty());
    let token = folder.mint(&[]);
    assert_eq!(folder.names(), ["bearergate-state"]);
    assert_eq!(folder.run(&["token", "inspect", &token]).code, 0);
}

#[test]
fn routes_are_a_table_of_aligned_text_or_json() {
    let folder = Folder::with_preset("homsai");
    let table = folder.run(&["routes"]).stdout;
    let column = table.find("ACCESS").unwrap();
    for line in table.lines().skip(1) {
        assert!(["token", "public"].iter().any(|access| line[column..].starts_with(access)), "{line}");
        assert_eq!(line.trim_end(), line);
    }
    let json: Vec<Value> = serde_json::from_str(&folder.run(&["routes", "--json"]).stdout).unwrap();
    assert_eq!(json.len() + 1, table.lines().count());
    let plant = json.iter().find(|route| route["path"] == "/plants/{plantUuid}").unwrap();
    assert_eq!(plant["methods"], "GET");
    assert_eq!(plant["permissions"], serde_json::json!(["PLANTS READ"]));
    assert_eq!((&plant["owner"], &plant["upstream"]), (&"plant".into(), &"default".into()));
}

#[test]
fn bad_usage_ends_with_2_and_help_with_0() {
    let folder = Folder::with_preset("homsai");
    for arguments in [
        &["nonsense"][..],
        &["token"],
        &["--config"],
        &["check", "--fast"],
        &["token", "mint", "--life", "0s"],
        &["token", "mint", "--claim", "novalue"],
        &["token", "mint", "--issuer", "nobody"],
        &["token", "inspect", "--at", "noon", "a.b.c"],
        &["token", "inspect", ""],
        &["jws", "verify", "a.b.c"],
        &["completions", "tcsh"],
    ] {
        let ended = folder.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
    for arguments in [&["--help"][..], &["--version"], &["token", "mint", "--help"], &["completions", "bash"]] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}");
        assert!(ended.stdout.contains("bearergate"), "{arguments:?}");
    }
}
