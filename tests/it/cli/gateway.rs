//! `run`: the banner, what it suggests, and the end.

use std::net::TcpListener;

use super::support::{Folder, Gateway, LISTEN, PRESETS, get, paste};

#[test]
fn what_the_banner_suggests_works_for_every_preset() {
    for preset in PRESETS {
        let folder = Folder::with_preset(preset);
        let gateway = Gateway::start(&folder, &[]);
        let suggestions = gateway.suggestions();
        let [without, with] = suggestions.as_slice() else { panic!("{}", gateway.banner) };
        assert_eq!(paste(without, &folder).0, 401, "{preset}");
        let (status, body) = paste(with, &folder);
        assert_eq!(status, 200, "{preset}: {with}: {body}");
        assert!(body.contains("\"method\": \"GET\""), "{body}");
        let ended = gateway.terminate();
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

#[test]
fn the_banner_says_where_it_listens_and_what_it_does() {
    let folder = Folder::with_preset("homsai");
    let gateway = Gateway::start(&folder, &["run"]);
    let banner = &gateway.banner;
    let address = banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(get(address, "/plants", None).0, 401);
    let admin = banner.lines().find_map(|line| line.trim().strip_prefix("admin")).unwrap();
    let admin = admin.split_once("http://").unwrap().1.split(' ').next().unwrap();
    assert_eq!(get(admin, "/readyz", None), (200, "ready\n".to_owned()));
    for told in ["homsai", "builtin:echo", "bearergate-state/keys", "PLANTS READ", "… and ", " more: "] {
        assert!(banner.contains(told), "{told}: {banner}");
    }
    assert!(!banner.contains('\u{1b}') && !banner.contains(['│', '┌']), "{banner}");
    gateway.terminate();
}

#[test]
fn the_configuration_is_named_before_or_behind_the_command_or_without_one() {
    let folder = Folder::empty();
    folder.write("own file.toml", format!("preset = \"homsai\"{LISTEN}"));
    let configuration = ["--config", "own file.toml"];
    for arguments in [&[][..], &["run"]] {
        for arguments in [[&configuration, arguments].concat(), [arguments, &configuration].concat()] {
            let gateway = Gateway::start(&folder, &arguments);
            assert!(gateway.banner.contains("routes --config 'own file.toml'"), "{}", gateway.banner);
            assert_eq!(gateway.terminate().code, 0);
        }
    }
}

#[test]
fn a_token_of_a_shared_secret_is_not_put_into_a_log_but_made_by_the_pasted_line() {
    let folder = Folder::with(&format!(
        "preset = \"uptimehunt\"\n[issuer.api]\nsecret = {{ file = \"it's secret\" }}\n\
         [[route]]\nmatch = \"GET /api/a/{{id}}\"\npermissions = [\"A's B\"]\n{LISTEN}"
    ));
    folder.write("it's secret", "0123456789abcdef0123456789abcdef\n");
    let gateway = Gateway::start(&folder, &[]);
    let suggestions = gateway.suggestions();
    assert!(suggestions[1].contains("$(") && !gateway.banner.contains("Bearer ey"), "{}", gateway.banner);
    assert_eq!(paste(suggestions[1], &folder).0, 200);
    let ended = gateway.terminate();
    assert!(!format!("{ended:?}").contains("0123456789abcdef"), "{ended:?}");
}

#[test]
fn without_a_key_to_sign_with_it_says_how_to_bring_a_token() {
    let folder = Folder::with(&format!("[issuer.a]\njwks_file = \"keys.json\"\n{LISTEN}"));
    let made = Folder::with_preset("hungry-machines");
    made.mint(&[]);
    let private = std::fs::read_to_string(made.path().join("bearergate-state/keys/current.jwk")).unwrap();
    let mut jwk: serde_json::Value = serde_json::from_str(&private).unwrap();
    jwk.as_object_mut().unwrap().remove("d");
    folder.write("keys.json", serde_json::json!({ "keys": [jwk] }).to_string());

    let gateway = Gateway::start(&folder, &[]);
    assert!(gateway.banner.contains("\"Authorization: Bearer $TOKEN\""), "{}", gateway.banner);
    assert!(gateway.banner.contains("1 public key"), "{}", gateway.banner);
    gateway.terminate();
    let ended = folder.run(&["token", "mint"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("can sign"), "{}", ended.stderr);
}

#[test]
fn the_log_is_lines_of_json_where_nobody_watches() {
    let folder = Folder::with_preset("hungry-machines");
    let gateway = Gateway::start(&folder, &[]);
    assert_eq!(paste(gateway.suggestions()[0], &folder).0, 401);
    let ended = gateway.terminate();
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for message in ["made a key", "listening", "refused", "draining"] {
        assert!(lines.iter().any(|line| line["message"] == message), "{message}: {lines:?}");
    }
    assert!(lines.iter().any(|line| line["reason"] == "not_authenticated"));
}

#[test]
fn a_port_that_is_taken_is_a_failure_with_its_name() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::with(&format!("preset = \"homsai\"{}", LISTEN.replacen("127.0.0.1:0", &address, 1)));
    let ended = folder.run(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
}

#[test]
fn in_an_empty_folder_it_is_the_built_in_configuration_that_runs() {
    // Its port is a fixed one. Held by this test, it shows that the gateway wants it, and disturbs nobody.
    let Ok(_held) = TcpListener::bind("127.0.0.1:8080") else { return };
    let folder = Folder::empty();
    let ended = folder.run(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for told in ["there is no gateway.toml here", "made a key", "cannot listen on 127.0.0.1:8080"] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
    assert_eq!(folder.names(), ["bearergate-state"]);
}

#[test]
fn a_wrong_log_filter_is_a_mistake() {
    let folder = Folder::with_preset("homsai");
    let output = folder.command(&[]).env("RUST_LOG", "bearergate=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUST_LOG"));
}
