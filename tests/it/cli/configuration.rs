//! `check`, `routes`, and which configuration is read.

use serde_json::Value;

use super::support::{Ended, Folder, LISTEN, PRESETS};

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

/// Runs the program on these bytes as its configuration; `name` for messages.
fn check(bytes: &[u8]) -> super::support::Ended {
    let folder = Folder::empty();
    folder.write("gateway.toml", bytes);
    folder.run(&["check"])
}

#[test]
fn any_bytes_as_a_configuration_are_refused_with_words() {
    let everything = (0..=255_u8).collect::<Vec<_>>();
    let deep = format!("a = {}", "[".repeat(200_000));
    let dotted = format!("{}a = 1", "a.".repeat(200_000));
    let tables = "[a.".repeat(50_000);
    let keys: String = (0..2_000).map(|number| format!("k{number} = {number}\n")).collect();
    for (what, bytes) in [
        ("nothing but a zero", &b"\0"[..]),
        ("every byte", &everything),
        ("a byte order mark of UTF-16", b"\xff\xfel\0i\0s\0t\0"),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0"),
        ("JSON", b"{\"listen\": {\"address\": \"127.0.0.1:1\"}}"),
        ("YAML", b"listen:\n  address: 127.0.0.1:1\n"),
        ("an unclosed string", b"preset = \"homsai"),
        ("an unclosed text", b"preset = '''homsai"),
        ("an escape that is none", b"preset = \"\\q\""),
        ("half a surrogate", b"preset = \"\\ud800\""),
        ("a number beyond all", b"[limits]\nrequests = 99999999999999999999999999"),
        ("a number that is none", b"[limits]\nrequests = nan"),
        ("a table twice", b"[limits]\n[limits]\n"),
        ("a table that was a value", b"limits = 1\n[limits]\nrequests = 1\n"),
        ("a list of tables that was a table", b"[route]\nmatch = \"GET /\"\n[[route]]\nmatch = \"GET /\"\n"),
        ("an escape for the terminal", "\u{1b}[31m = 1".as_bytes()),
        ("one in quotes", b"\"\\u001b]0;x\\u0007\" = 1"),
        ("right to left", "\u{202e}preset = 1".as_bytes()),
        ("deep lists", deep.as_bytes()),
        ("deep names", dotted.as_bytes()),
        ("deep tables", tables.as_bytes()),
        ("many keys", keys.as_bytes()),
        ("5 MiB", &vec![b'#'; 5 << 20]),
    ] {
        let ended = check(bytes);
        assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{what}: {ended:.2000?}");
        assert!(ended.stderr.starts_with("error: "), "{what}: {:.500}", ended.stderr);
        assert!(ended.stderr.contains("gateway.toml"), "{what}: {:.500}", ended.stderr);
        assert!(!ended.stderr.contains(['\u{1b}', '\u{7}', '\0']), "{what}: {:.500}", ended.stderr);
    }
}

#[test]
fn what_is_no_file_is_no_configuration() {
    let folder = Folder::empty();
    std::fs::create_dir(folder.path().join("gateway.toml")).unwrap();
    for command in [&["check"][..], &["run"], &[], &["routes"], &["token", "mint"]] {
        let ended = folder.run(command);
        assert_eq!(ended.code, 78, "{command:?}: {ended:?}");
        assert!(ended.stderr.contains("gateway.toml") && ended.stderr.contains("cannot be read"), "{}", ended.stderr);
    }
    for (path, told) in [
        ("/dev/zero", "larger than 4 MiB"),
        ("gateway.toml/x", "cannot be read"),
        ("loop.toml", "cannot be read"),
        ("/proc/self/mem", "cannot be read"),
    ] {
        let _ = std::os::unix::fs::symlink("loop.toml", folder.path().join("loop.toml"));
        let ended = folder.run(&["check", "--config", path]);
        assert_eq!(ended.code, 78, "{path}: {ended:?}");
        assert!(ended.stderr.contains(told), "{path}: {}", ended.stderr);
    }
}

#[test]
fn a_file_that_may_not_be_read_ends_with_78() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::with_preset("homsai");
    let path = folder.path().join("gateway.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let ended = Ended::from(folder.unprivileged(&["run"]).output().unwrap());
    assert_eq!(ended.code, 78);
    assert!(ended.stderr.contains("Permission denied"), "{}", ended.stderr);
}

/// A table of every kind, without a mistake.
const SOUND: &str = "
[listen]
[limits]
[admin]
[cache]
[roles]
[identity_headers]
[dialect]
no_route = { status = 404 }
[upstream.default]
servers = [\"builtin:echo\"]
[issuer.main]
issuer = \"https://id.example.com\"
secret = { env = \"PATH\", weak = true }
[ownership.plant]
variable = \"id\"
claim = \"plants\"
[[route]]
match = \"GET /plants/{id}\"
owner = \"plant\"
";

#[test]
fn an_unknown_key_is_refused_at_every_level() {
    assert_eq!(check(SOUND.as_bytes()).code, 0, "{:?}", check(SOUND.as_bytes()));
    for (at, table) in [
        ("[listen]", "listen"),
        ("[limits]", "limits"),
        ("[admin]", "admin"),
        ("[cache]", "cache"),
        ("[dialect]", "dialect"),
        ("[upstream.default]", "upstream.default"),
        ("[issuer.main]", "issuer.main"),
        ("[ownership.plant]", "ownership.plant"),
        ("[[route]]", "route"),
    ] {
        let ended = check(SOUND.replacen(at, &format!("{at}\nunheard_of = 1"), 1).as_bytes());
        assert_eq!(ended.code, 78, "{at}");
        assert!(ended.stderr.contains(&format!("unknown key `unheard_of` in `{table}`")), "{at}: {}", ended.stderr);
    }
    for (inline, with, table) in [
        ("{ status = 404 }", "{ status = 404, unheard_of = 1 }", "dialect.no_route"),
        ("weak = true }", "weak = true, unheard_of = 1 }", "issuer.main.secret"),
    ] {
        let ended = check(SOUND.replacen(inline, with, 1).as_bytes());
        assert_eq!(ended.code, 78, "{table}");
        assert!(ended.stderr.contains(&format!("unknown key `unheard_of` in `{table}`")), "{}", ended.stderr);
    }
    let ended = check(format!("unheard_of = 1\n[unheard]\n[[of]]\n{SOUND}").as_bytes());
    for key in ["unheard_of", "unheard", "of"] {
        assert!(ended.stderr.contains(&format!("unknown key `{key}`")), "{key}: {}", ended.stderr);
    }
}

#[test]
fn a_variable_is_a_value_and_never_more() {
    let folder = Folder::with(&format!("preset = \"${{PRESET}}\"{LISTEN}"));
    let run = |value: &std::ffi::OsStr| {
        super::support::Ended::from(folder.command(&["check"]).env("PRESET", value).output().unwrap())
    };
    assert_eq!(run("homsai".as_ref()).code, 0);
    for value in [
        "homsai\"\n[admin]\nenabled = false\n#",
        "homsai\" # ",
        "${PATH}",
        "$${PATH}",
        "${PRESET}",
        "",
        "\u{1b}[31m",
        "./none.toml",
        "/dev/null/x.toml",
    ] {
        let ended = run(value.as_ref());
        assert_eq!(ended.code, 78, "{value:?}: {ended:?}");
        assert!(ended.stderr.contains("gateway.toml:1:10") && !ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    }
    let not_unicode = std::os::unix::ffi::OsStrExt::from_bytes(b"homsai\xff");
    let ended = run(not_unicode);
    assert_eq!(ended.code, 78);
    for text in ["${", "${}", "${A", "${A B}", "${1}", "${PRESET:-", "${NOBODY_SETS_THIS}", "${${PRESET}}"] {
        let ended = check(format!("preset = '{text}'").as_bytes());
        assert_eq!(ended.code, 78, "{text}");
        assert!(ended.stderr.contains("gateway.toml:1:10"), "{text}: {}", ended.stderr);
    }
    assert_eq!(check(format!("preset = \"${{NOBODY_SETS_THIS:-homsai}}\"{LISTEN}").as_bytes()).code, 0);
    assert_eq!(check(format!("\"${{PATH}}\" = 1\npreset = \"homsai\"{LISTEN}").as_bytes()).code, 78, "not in keys");
}

#[test]
fn what_outlasts_an_answer_has_its_columns_where_there_is_any() {
    let plain = Folder::with_preset("homsai").run(&["routes"]).stdout;
    assert!(!plain.contains("UPGRADE") && !plain.contains("CLOSE AT EXP"), "{plain}");
    let folder = Folder::with(&format!(
        "{LISTEN}\n[issuer.main]\nsigning_keys = 'keys'\n[[route]]\nmatch = 'GET /plain'\n\
         [[route]]\nmatch = 'GET /live'\nupgrade = 'websocket'\nwebsocket_token = 'subprotocol'\nclose_at_exp = true\n"
    ));
    let table = folder.run(&["routes"]).stdout;
    let line = |path: &str| table.lines().find(|line| line.contains(path)).unwrap_or_else(|| panic!("{table}"));
    assert!(table.lines().next().unwrap().ends_with("CLOSE AT EXP"), "{table}");
    assert!(line("/live").contains("websocket, token as subprotocol") && line("/live").ends_with("yes"), "{table}");
    assert!(line("/plain").ends_with('-'), "{table}");
    let json: Vec<Value> = serde_json::from_str(&folder.run(&["routes", "--json"]).stdout).unwrap();
    let live = json.iter().find(|route| route["path"] == "/live").unwrap();
    assert_eq!(live["upgrade"], serde_json::json!(["websocket"]));
    assert_eq!((&live["websocket_token"], &live["close_at_exp"]), (&"subprotocol".into(), &true.into()));
    let explained = folder.run(&["explain", "GET", "/live"]).stdout;
    let asked = "falls under GET /live (token; upgrade websocket; token as subprotocol; ends with the token)\n";
    assert!(explained.contains(asked), "{explained}");
}
