//! `explain`, with the configuration alone and by the gateway that runs.

use serde_json::Value;

use super::support::{Folder, Gateway, LISTEN};

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    let ended = folder.run(&[&["explain", "--json"], arguments].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

#[test]
fn a_request_is_explained_for_people_and_as_json() {
    let folder = Folder::with_preset("homsai");
    let token = folder.mint(&["--subject", "alice", "--permission", "PLANTS READ"]);
    let passes = folder.run(&["explain", "GET", "/plants", "--token", &token]);
    assert_eq!(passes.code, 0, "{passes:?}");
    for told in [
        "falls under GET /plants (token; permissions PLANTS READ)\n",
        "  permissions       passed       PLANTS READ (granted)\n",
        "It passes, and is forwarded to default (builtin:echo) with\n",
    ] {
        assert!(passes.stdout.contains(told), "{told}: {}", passes.stdout);
    }
    let refused = folder.run(&["explain", "GET", "/plants"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stdout.contains("The client gets 401 Unauthorized\n"), "{}", refused.stdout);
    assert!(
        refused.stdout.contains("\"message\":\"Authentication required\",\"path\":\"/plants\"}"),
        "{}",
        refused.stdout
    );
    assert!(!refused.stdout.contains('\u{1b}'));

    let keys = folder.run(&["explain", "GET", "/.well-known/jwks.json"]);
    assert_eq!(keys.code, 0, "{keys:?}");
    assert!(keys.stdout.contains("The gateway answers it itself"), "{}", keys.stdout);

    folder.write("token", format!("{token}\n"));
    for arguments in [&["GET", "/plants", "--token-file", "token"][..], &["GET", "/plants", "--token", &token]] {
        assert_eq!(json(&folder, arguments)["outcome"], "passes");
    }
    let piped = folder.run_with_input(&["explain", "GET", "/plants", "--token", "-"], &format!("Bearer {token}"));
    assert_eq!(piped.code, 0, "{piped:?}");
    let strange = folder.run(&["explain", "GET", "/\u{1b}[2J", "--token", "\u{9b}2J"]);
    assert_eq!(strange.code, 1, "{strange:?}");
    assert!(!strange.stdout.contains(['\u{1b}', '\u{9b}']), "{}", strange.stdout);
}

#[test]
fn what_only_the_running_gateway_knows_is_said_to_be_unknown() {
    let folder = Folder::with(&format!(
        "{LISTEN}\n[issuer.main]\nsigning_keys = 'keys'\n[ownership.plant]\nvariable = 'id'\n\
         table = {{ learn = {{ \"POST /plants\" = \"/id\" }} }}\n\
         [[route]]\nmatch = ['GET /plants/{{id}}']\nowner = 'plant'\n[[route]]\nmatch = 'POST /plants'\n"
    ));
    let token = folder.mint(&["--subject", "alice"]);
    let ended = folder.run(&["explain", "GET", "/plants/p1", "--token", &token]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("It is not known from here"), "{}", ended.stdout);
    assert_eq!(json(&folder, &["GET", "/plants/p1", "--token", &token])["outcome"], "not known");
    assert_eq!(json(&folder, &["POST", "/plants", "--token", &token])["outcome"], "passes");
}

#[test]
fn the_running_gateway_is_asked() {
    let folder = Folder::with_preset("homsai");
    let token = folder.mint(&["--subject", "alice@example.com", "--permission", "PLANTS READ"]);
    let gateway = Gateway::start(&folder, &[]);
    let admin = format!("http://{}", gateway.admin_address());
    let elsewhere = Folder::empty();
    let explanation = json(&elsewhere, &["GET", "/plants", "--token", &token, "--admin", &admin]);
    assert_eq!(explanation["outcome"], "passes", "{explanation:#}");
    let text = elsewhere.run(&["explain", "GET", "/plants", "--admin", &admin]);
    assert_eq!((text.code, text.stderr.as_str()), (1, ""), "{text:?}");
    assert!(text.stdout.contains("401 Unauthorized"), "{}", text.stdout);
    let ended = gateway.terminate();
    assert!(!ended.stderr.contains("alice") && !ended.stderr.contains(&token), "{}", ended.stderr);
    let nobody = elsewhere.run(&["explain", "GET", "/", "--admin", &admin]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains("no gateway answers"), "{nobody:?}");
}

#[test]
fn a_command_line_or_a_configuration_that_is_wrong_says_so() {
    let folder = Folder::with_preset("homsai");
    for wrong in [
        &["explain"][..],
        &["explain", "GET"],
        &["explain", "GET", "/", "--admin", "nowhere"],
        &["explain", "GET", "/", "--token", "a", "--token-file", "b"],
        &["explain", "GET", "/", "--token-file", "missing"],
        &["explain", "GET", "/", "--token", ""],
    ] {
        let ended = folder.run(wrong);
        assert_eq!(ended.code, 2, "{wrong:?}: {ended:?}");
    }
    assert_eq!(Folder::with("mode = 'audit'\n").run(&["explain", "GET", "/"]).code, 78);
}

#[test]
fn report_mode_is_loud() {
    let folder = Folder::with(&format!("mode = \"report\"\npreset = \"homsai\"\n{LISTEN}"));
    let check = folder.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stderr.contains("report mode: what would be refused is let through"), "{check:?}");
    let explained = folder.run(&["explain", "GET", "/plants"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert!(explained.stdout.contains("In report mode it passes all the same"), "{}", explained.stdout);
    assert!(folder.run(&["routes"]).stdout.contains("token, report only"));
    let gateway = Gateway::start(&folder, &[]);
    assert!(gateway.banner.contains("REPORT: what would be refused is let through"), "{}", gateway.banner);
    let ended = gateway.terminate();
    assert!(ended.stderr.contains("report mode"), "{ended:?}");
}
