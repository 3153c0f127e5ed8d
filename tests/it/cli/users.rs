//! `users`: those of the built-in endpoints, and the gateway that follows.

mod imports;

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::support::{Ended, Folder, Gateway, LISTEN};
use crate::support::{Client, client::Response};

const PASSWORD: &str = "marmot-tangent-9-viola";

/// A folder whose gateway has these users, and this more in `[accounts]`.
fn folder(preset: &str, more: &str) -> Folder {
    Folder::with(&configuration(preset, more, LISTEN))
}

fn configuration(preset: &str, more: &str, listen: &str) -> String {
    format!("preset = \"{preset}\"\nstore = \"sqlite:state.db\"\n[accounts]\n{more}\n{listen}")
}

const FRONTEND: &str = "frontend_url = \"https://app.example.com\"";

fn users(folder: &Folder, arguments: &[&str]) -> Ended {
    folder.run(&[&["users"], arguments].concat())
}

/// What it prints, if it ends well.
fn done(folder: &Folder, arguments: &[&str]) -> String {
    let ended = users(folder, arguments);
    assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    ended.stdout
}

fn add(folder: &Folder, email: &str, more: &[&str]) -> Ended {
    let arguments = [&["users", "add", email, "--password-stdin"], more].concat();
    folder.run_with_input(&arguments, &format!("{PASSWORD}\n"))
}

fn show(folder: &Folder, who: &str) -> Value {
    serde_json::from_str(&done(folder, &["show", who, "--json"])).unwrap()
}

/// A gateway that the commands of the folder find.
fn start(folder: &Folder, preset: &str, more: &str) -> Gateway {
    let gateway = Gateway::start(folder, &[]);
    let admin = format!("[admin]\naddress = \"{}\"", gateway.admin_address());
    let listen = LISTEN.replace("[admin]\naddress = \"127.0.0.1:0\"", &admin);
    assert!(listen.contains(&admin));
    folder.write("gateway.toml", configuration(preset, more, &listen));
    gateway
}

fn ask(address: SocketAddr, line: &str, token: Option<&str>, body: &Value) -> Response {
    let body = body.to_string();
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!("{line} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n{token}");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    Client::connect(address).send(request).response()
}

/// The status of a login, and what it answers.
fn log_in(gateway: &Gateway, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": password });
    let response = ask(gateway.address(), "POST /api/v1/auth/login", None, &body);
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

fn tokens(gateway: &Gateway, email: &str) -> (String, String) {
    let (status, answer) = log_in(gateway, email, PASSWORD);
    assert_eq!(status, 200, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

fn me(gateway: &Gateway, token: &str) -> u16 {
    ask(gateway.address(), "GET /api/v1/auth/me", Some(token), &Value::Null).status
}

#[test]
fn a_user_is_added_shown_and_logs_in_and_nothing_shows_the_password() {
    let folder = folder("uptimehunt", "");
    let ended = add(&folder, "Zoë@example.com", &["--set", "first_name=Zoë", "--role", "admin"]);
    assert!(ended.code == 0 && ended.stdout.ends_with(", number 1.\n"), "{ended:?}");
    assert!(ended.stderr.contains("no role and no permission `admin`"), "{ended:?}");
    let again = add(&folder, "zoË@EXAMPLE.com", &[]);
    assert!(again.code == 1 && again.stderr.contains("already"), "{again:?}");
    folder.write("password", format!("{PASSWORD}\r\n"));
    let bob = users(&folder, &["add", "bob@example.com", "--password-file", "password", "--unconfirmed"]);
    assert_eq!(bob.code, 0, "{bob:?}");

    let user = show(&folder, "1");
    assert_eq!(user["email"], "Zoë@example.com");
    assert_eq!(user["attributes"], json!({ "first_name": "Zoë" }));
    assert_eq!((&user["roles"], &user["sessions"]), (&json!(["admin"]), &json!(0)));
    assert_eq!(user["events"][0]["kind"], "added");
    assert_eq!(show(&folder, "zoë@example.com"), user);
    assert_eq!(show(&folder, user["id"].as_str().unwrap()), user);
    let listed = done(&folder, &["list"]);
    let states: Vec<_> = listed.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(states, ["active", "unconfirmed"]);
    let lines = done(&folder, &["list", "--json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|user| user["number"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    for shown in [listed, done(&folder, &["show", "1"]), done(&folder, &["show", "1", "--json"])] {
        assert!(!shown.contains("argon2") && !shown.contains(PASSWORD), "{shown}");
    }

    let gateway = start(&folder, "uptimehunt", "");
    let (access, _) = tokens(&gateway, "zoë@example.com");
    assert_eq!(me(&gateway, &access), 200);
    assert_eq!(show(&folder, "1")["sessions"], 1);
    assert_eq!(log_in(&gateway, "zoë@example.com", "another one").0, 400);
}

#[test]
fn a_list_of_many_users_is_whole_and_in_order() {
    let folder = folder("uptimehunt", "");
    let rows: String =
        (1..=1003).map(|at| format!("{{\"email\":\"u{at}@example.com\",\"password_hash\":null}}\n")).collect();
    folder.write("users.jsonl", rows);
    assert_eq!(done(&folder, &["import", "users.jsonl"]), "1003 imported, 0 already there, 0 left out\n");
    let listed = done(&folder, &["list"]);
    let numbers: Vec<u64> =
        listed.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=1003).collect::<Vec<_>>());
    assert_eq!(done(&folder, &["list", "--json"]).lines().count(), 1003);
}

#[test]
fn who_is_disabled_is_refused_with_the_next_request_and_logs_in_again_when_enabled() {
    let folder = folder("uptimehunt", "");
    for email in ["alice@example.com", "bob@example.com"] {
        assert_eq!(add(&folder, email, &[]).code, 0);
    }
    let gateway = start(&folder, "uptimehunt", "");
    let (alice, refresh) = tokens(&gateway, "alice@example.com");
    let (bob, _) = tokens(&gateway, "bob@example.com");
    assert_eq!([&alice, &bob].map(|token| me(&gateway, token)), [200, 200]);
    assert_eq!(done(&folder, &["sessions", "alice@example.com"]).lines().count(), 2);
    assert_eq!(done(&folder, &["disable", "alice@example.com"]), "Disabled. 1 session ended.\n");
    assert_eq!([&alice, &bob].map(|token| me(&gateway, token)), [401, 200]);
    assert_eq!(done(&folder, &["sessions", "1"]).lines().count(), 1);
    let refreshed = ask(gateway.address(), "POST /api/v1/auth/refresh", None, &json!({ "refresh_token": refresh }));
    assert_eq!(refreshed.status, 401);
    assert_eq!(log_in(&gateway, "alice@example.com", PASSWORD).1["detail"], "User account is disabled");
    assert_eq!(
        show(&folder, "1")["events"].as_array().unwrap().iter().filter(|one| one["kind"] == "disabled").count(),
        1
    );

    assert_eq!(done(&folder, &["enable", "1"]), "Enabled.\n");
    assert_eq!(done(&folder, &["enable", "1"]), "Enabled already.\n");
    let (again, _) = tokens(&gateway, "alice@example.com");
    assert_eq!([&alice, &again].map(|token| me(&gateway, token)), [401, 200], "only the new one");
}

#[test]
fn a_log_out_ends_what_is_there_and_not_what_comes_after_it() {
    let folder = folder("hungry-machines", "");
    assert_eq!(add(&folder, "alice@example.com", &[]).code, 0);
    let gateway = start(&folder, "hungry-machines", "");
    let log_in = || {
        let body = json!({ "email": "alice@example.com", "password": PASSWORD });
        let response = ask(gateway.address(), "POST /auth/login", None, &body);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let me = |token: &String| ask(gateway.address(), "GET /auth/me", Some(token), &Value::Null).status;
    let old = [log_in(), log_in()];
    assert_eq!(old.each_ref().map(me), [200, 200]);
    let listed = done(&folder, &["sessions", "1"]);
    let first = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(done(&folder, &["logout", "1", "--session", first]), "Logged out. 1 session ended.\n");
    let left = old.each_ref().map(me);
    assert!(left.contains(&401), "{left:?}");
    let stranger = users(&folder, &["logout", "1", "--session", first]);
    assert!(stranger.code == 1 && stranger.stderr.contains("no such session"), "{stranger:?}");
    let more = log_in();
    assert!(done(&folder, &["logout", "alice@example.com"]).starts_with("Logged out. "));
    assert_eq!([&old[0], &old[1], &more].map(me), [401, 401, 401]);
    assert_eq!(me(&log_in()), 200);
}

#[test]
fn a_granted_role_counts_on_the_next_request_by_number_and_by_uuid() {
    for (preset, login, member) in
        [("uptimehunt", "POST /api/v1/auth/login", "access_token"), ("homsai", "POST /auth/login", "accessToken")]
    {
        let route = "[[route]]\nmatch = \"GET /probe\"\npermissions = [\"PROBE\"]\n";
        let folder = folder(preset, route);
        for email in ["alice@example.com", "bob@example.com"] {
            assert_eq!(add(&folder, email, &[]).code, 0);
        }
        let gateway = start(&folder, preset, route);
        let [alice, bob] = ["alice@example.com", "bob@example.com"].map(|email| {
            let body = json!({ "email": email, "password": PASSWORD });
            let response = ask(gateway.address(), login, None, &body);
            let answer: Value = serde_json::from_slice(&response.body).unwrap();
            answer[member].as_str().unwrap_or_else(|| panic!("{preset}: {answer}")).to_owned()
        });
        let probe =
            || [&alice, &bob].map(|token| ask(gateway.address(), "GET /probe", Some(token), &Value::Null).status);
        assert_eq!(probe(), [403, 403], "{preset}");
        assert_eq!(done(&folder, &["grant", "alice@example.com", "PROBE"]), "Granted.\n");
        assert_eq!(probe(), [200, 403], "{preset}");
        assert_eq!(done(&folder, &["grant", "1", "PROBE"]), "Granted already.\n");
        assert_eq!(done(&folder, &["revoke-role", "1", "PROBE"]), "Revoked.\n");
        assert_eq!(probe(), [403, 403], "{preset}");
        assert_eq!(users(&folder, &["revoke-role", "1", "PROBE"]).code, 1);
    }
}

#[test]
fn an_invitation_leads_to_a_password_and_to_a_login() {
    let folder = folder("uptimehunt", FRONTEND);
    let invite = |email: &str, more: &[&str]| users(&folder, &[&["invite", email, "--print-link"], more].concat());
    let ended = invite("carol@example.com", &["--set", "last_name=Danvers", "--role", "pilot"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let first = ended.stdout.trim().to_owned();
    assert!(first.starts_with("https://app.example.com/reset-password/MQ/"), "{first}");
    let user = show(&folder, "1");
    assert_eq!((&user["has_password"], &user["roles"]), (&json!(false), &json!(["pilot"])));
    // The newest link counts alone.
    let link = invite("Carol@example.com", &[]).stdout.trim().to_owned();
    assert_ne!(link, first);
    let gateway = start(&folder, "uptimehunt", FRONTEND);
    let set = |link: &str| {
        let (rest, token) = link.rsplit_once('/').unwrap();
        let body = json!({ "uid": rest.rsplit('/').next(), "token": token, "new_password": PASSWORD });
        ask(gateway.address(), "POST /api/v1/auth/password-reset/confirm", None, &body).status
    };
    assert_eq!([set(&first), set(&link), set(&link)], [400, 200, 400]);
    let (access, _) = tokens(&gateway, "carol@example.com");
    assert_eq!(me(&gateway, &access), 200);
    let late = invite("carol@example.com", &[]);
    assert!(late.code == 1 && late.stderr.contains("has a password already"), "{late:?}");
    assert_eq!(late.stdout, "");
}

#[test]
fn an_invitation_is_a_jwt_where_the_preset_says_so() {
    let folder = folder("homsai", FRONTEND);
    let ended = users(&folder, &["invite", "carol@example.com", "--print-link"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let token = ended.stdout.trim().strip_prefix("https://app.example.com/set-password?token=").unwrap().to_owned();
    assert_eq!(token.split('.').count(), 3, "{token}");
    let gateway = start(&folder, "homsai", FRONTEND);
    let set = || {
        let body = json!({ "password": PASSWORD });
        ask(gateway.address(), "POST /auth/setPassword", Some(&token), &body).status
    };
    assert_eq!([set(), set()], [200, 401]);
    assert_eq!(show(&folder, "carol@example.com")["has_password"], true);
}

#[test]
fn an_invitation_waits_in_the_outbox_and_its_link_is_not_shown_unless_asked_for() {
    let mail = "[accounts.mail]\nsmtp = \"smtp://127.0.0.1:9\"\nfrom = \"Example <no-reply@example.com>\"";
    let folder = folder("uptimehunt", &format!("{FRONTEND}\n{mail}"));
    let ended = users(&folder, &["invite", "carol@example.com"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    assert!(!ended.stderr.contains("http"), "{ended:?}");
    let status = folder.run(&["db", "status"]).stdout;
    assert!(status.contains("Mails that wait: 1\n"), "{status}");
}

#[test]
fn what_an_invitation_needs_is_said_before_anything_is_written() {
    let nowhere = folder("uptimehunt", "");
    let ended = users(&nowhere, &["invite", "carol@example.com", "--print-link"]);
    assert!(ended.code == 78 && ended.stderr.contains("accounts.frontend_url"), "{ended:?}");
    let silent = folder("uptimehunt", FRONTEND);
    let ended = users(&silent, &["invite", "carol@example.com"]);
    assert!(ended.code == 78 && ended.stderr.contains("--print-link"), "{ended:?}");
    for folder in [nowhere, silent] {
        assert!(!folder.names().contains(&"state.db".to_owned()));
    }
}

#[test]
fn what_cannot_be_meant_is_a_mistake_of_its_kind() {
    let folder = folder("uptimehunt", "password = { common = true }");
    assert_eq!(add(&folder, "alice@example.com", &[]).code, 0);
    let input = |arguments: &[&str], input: &str| folder.run_with_input(&[&["users"], arguments].concat(), input);
    for (arguments, password, told) in [
        (&["add", "bob@example.com", "--password-stdin"][..], "short", "fewer than 8"),
        (&["add", "bob@example.com", "--password-stdin"], "password1", "most common"),
        (&["add", "bob@example.com", "--password-stdin"], &"x".repeat(2000), "longer than"),
        (&["add", "bob@example.com"], "", "--password-stdin"),
        (&["add", "bob", "--password-stdin"], "", "one `@`"),
        (&["add", "bob@example.com", "--password-stdin", "--set", "zip=1"], "", "first_name, last_name"),
        (&["add", "bob@example.com", "--password-stdin", "--set", "zip"], "", "NAME=VALUE"),
        (&["add", "bob@example.com", "--password-stdin", "--role", ""], "", "--role is empty"),
        (&["show", "alice"], "", "neither an e-mail address"),
        (&["grant", "1", "a\tb"], "", "control characters"),
        (&["logout", "1", "--session", "7"], "", "is not a UUID"),
    ] {
        let ended = input(arguments, password);
        assert!(ended.code == 2 && ended.stderr.contains(told), "{arguments:?}: {ended:?}");
        assert!(password.is_empty() || !ended.stderr.contains(password), "{ended:?}");
    }
    let long = format!("first_name={}", "x".repeat(151));
    let ended = input(&["add", "bob@example.com", "--password-stdin", "--set", &long], "");
    assert!(ended.code == 2 && ended.stderr.contains("at most 150 characters"), "{ended:?}");
    for who in ["2", "bob@example.com", "6f9619ff-8b86-4011-b42d-00c04fc964ff", "18446744073709551615"] {
        for command in ["show", "disable", "enable", "sessions", "logout"] {
            let ended = users(&folder, &[command, who]);
            assert!(ended.code == 1 && ended.stderr.contains("no such user"), "{command} {who}: {ended:?}");
        }
    }
    assert_eq!(done(&folder, &["list"]).lines().count(), 2);
}

#[test]
fn without_users_of_its_own_the_configuration_is_said_to_be_wrong() {
    let without = Folder::with_preset("uptimehunt");
    let ended = users(&without, &["list"]);
    assert!(ended.code == 78 && ended.stderr.contains("`[accounts]`"), "{ended:?}");
    let elsewhere = folder("hungry-machines", "backend = \"supabase\"");
    let ended = users(&elsewhere, &["list"]);
    let told = ["not kept here", "without"].iter().any(|told| ended.stderr.contains(told));
    assert!(ended.code == 78 && told, "{ended:?}");
}

#[test]
fn names_that_act_on_a_terminal_are_escaped() {
    let folder = folder("uptimehunt", "");
    let name = "first_name=\u{1b}[2J\u{202e}\u{9b}x";
    assert_eq!(add(&folder, "alice@example.com", &["--set", name]).code, 0);
    for arguments in [&["show", "1"][..], &["show", "1", "--json"], &["list", "--json"]] {
        let shown = done(&folder, arguments);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{shown:?}");
    }
    assert_eq!(show(&folder, "1")["attributes"]["first_name"], "\u{1b}[2J\u{202e}\u{9b}x");
}
