//! `token mint` and `token inspect`, alone and against the gateway itself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{Folder, Gateway, LISTEN, PRESETS, get};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The line of a check, and what stands behind its name.
fn check<'a>(report: &'a str, name: &str) -> &'a str {
    let line =
        report.lines().find_map(|line| line.trim_start().strip_prefix(name)).unwrap_or_else(|| panic!("{report}"));
    line.trim_start()
}

#[test]
fn a_minted_token_is_accepted_for_every_preset() {
    for preset in PRESETS {
        let folder = Folder::with_preset(preset);
        let token = folder.mint(&[]);
        let now = claims(&token)["iat"].to_string();
        let inspect = ["token", "inspect", "--at", &now];
        let ended = folder.run(&[&inspect[..], &[&token]].concat());
        assert_eq!(ended.code, 0, "{preset}: {ended:?}");
        assert!(ended.stdout.contains("The gateway accepts this token"), "{}", ended.stdout);
        assert!(check(&ended.stdout, "signature").starts_with("passed"));
        let piped = folder.run_with_input(&inspect, &format!("Bearer {token}\n"));
        assert_eq!((piped.code, &piped.stdout), (0, &ended.stdout));
        assert_eq!(folder.run_with_input(&["token", "inspect", "-"], &token).code, 0);
    }
}

#[test]
fn what_is_asked_for_is_in_the_token() {
    let folder = Folder::with_preset("uptimehunt");
    let token = folder.mint(&[
        "--subject",
        "42",
        "--life",
        "15m",
        "--claim",
        "plan=pro",
        "--claim",
        "tags=[\"a\"]",
        "--permission",
        "A B",
        "--permission",
        "C",
        "--typ",
        "at+jwt",
    ]);
    let claims = claims(&token);
    assert_eq!((&claims["user_id"], &claims["token_type"]), (&json!(42), &json!("access")));
    assert_eq!((&claims["plan"], &claims["tags"]), (&json!("pro"), &json!(["a"])));
    assert_eq!(claims["permissions"], json!(["A B", "C"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 900);
    assert_eq!(folder.run(&["token", "inspect", &token]).code, 0);
    assert_ne!(folder.mint(&[]), folder.mint(&[]), "each has a name of its own");
}

#[test]
fn the_issuers_expectations_are_satisfied_and_its_life_kept() {
    let folder = Folder::with(&format!(
        "{LISTEN}\n[issuer.a]\nissuer = \"https://a.example\"\naudience = [\"x\", \"y\"]\nalgorithms = [\"EdDSA\"]\n\
         signing_keys = \"keys-a\"\ntyp = \"at+jwt\"\nmax_life = \"10m\"\nsubject = [\"who\", \"id\"]\n\
         [issuer.b]\nissuer = \"https://b.example\"\nalgorithms = [\"ES384\"]\nsigning_keys = \"keys-b\"\n"
    ));
    let ended = folder.run(&["token", "mint"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("`a`, `b`"), "{}", ended.stderr);
    for issuer in ["a", "b"] {
        let report = folder.run(&["token", "inspect", &folder.mint(&["--issuer", issuer])]);
        assert_eq!(report.code, 0, "{}", report.stdout);
        assert!(check(&report.stdout, "issuer").contains(issuer));
    }
    let long = folder.run(&["token", "inspect", &folder.mint(&["--issuer", "a", "--life", "11m"])]);
    assert_eq!(long.code, 1);
    assert!(check(&long.stdout, "maximum life").starts_with("failed"), "{}", long.stdout);
}

#[test]
fn an_expired_token_is_explained() {
    let folder = Folder::with_preset("hungry-machines");
    let token = folder.mint(&["--expired"]);
    let ended = folder.run(&["token", "inspect", &token]);
    assert_eq!(ended.code, 1);
    assert!(check(&ended.stdout, "signature").starts_with("passed"));
    let expiry = check(&ended.stdout, "expiry (exp)");
    assert!(expiry.starts_with("failed") && expiry.contains("a minute ago"), "{expiry}");
    for told in ["token_expired", "401 Unauthorized", "{\"detail\":\"Token expired\"}", "www-authenticate"] {
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
    }
    let expires = claims(&token)["exp"].as_u64().unwrap();
    let at = |time: u64| folder.run(&["token", "inspect", "--at", &time.to_string(), &token]).code;
    assert_eq!((at(expires - 1), at(expires)), (0, 1));
}

#[test]
fn a_token_is_explained_wherever_it_is_broken() {
    let folder = Folder::with_preset("hungry-machines");
    let token = folder.mint(&[]);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other = Folder::with_preset("hungry-machines").mint(&[]);
    let none = part(&json!({ "alg": "none" }));
    let hs = part(&json!({ "alg": "HS256" }));
    let critical = part(&json!({ "alg": "ES256", "crit": ["exp"] }));
    let no_kid = part(&json!({ "alg": "ES256" }));
    let wrong_exp = part(&json!({ "sub": "a", "exp": "tomorrow" }));
    let cases = [
        ("form", "three parts", "garbage".to_owned()),
        ("form", "is not a token", format!("{token} {token}")),
        ("form", "is not a token", format!("{token}\u{7}")),
        ("form", "longer than", format!("{token}{}", "a".repeat(10_000))),
        ("form", "`none` is not accepted", format!("{none}.{payload}.")),
        ("form", "`crit`", format!("{critical}.{payload}.{signature}")),
        ("form", "`exp` is not a number", format!("{header}.{wrong_exp}.{signature}")),
        ("form", "payload is not canonical base64url", format!("{header}.{payload}=.{signature}")),
        ("form", "signature is not canonical base64url", format!("{header}.{payload}.")),
        ("algorithm", "only ES256", format!("{hs}.{payload}.{signature}")),
        ("key", "no key has the id", other),
        ("signature", "the signature is wrong", format!("{no_kid}.{payload}.{signature}")),
    ];
    for (failing, why, token) in cases {
        let ended = folder.run_with_input(&["token", "inspect"], &token);
        let line = check(&ended.stdout, failing);
        assert_eq!(ended.code, 1, "{token}");
        assert!(line.starts_with("failed") && line.contains(why), "{token}: {line}");
        assert!(ended.stdout.contains("invalid_token") && ended.stdout.contains("{\"detail\":\"Invalid token\"}"));
    }
}

#[test]
fn the_claims_of_an_unproven_token_are_judged_and_marked_as_unproven() {
    let folder = Folder::with_preset("uptimehunt");
    let token = folder.mint(&["--claim", "token_type=refresh"]);
    let (rest, _) = token.rsplit_once('.').unwrap();
    let report = folder.run(&["token", "inspect", &format!("{rest}.AAAA")]).stdout;
    assert!(check(&report, "signature").starts_with("failed"));
    assert!(check(&report, "required claims").starts_with("failed") && report.contains("unproven"), "{report}");
    let report = folder.run(&["token", "inspect", &token]).stdout;
    assert!(report.contains("Token has wrong type") && !report.contains("unproven"), "{report}");
}

#[test]
fn the_report_says_what_the_gateway_answers() {
    let folder = Folder::with(&format!(
        "preset = \"uptimehunt\"\n{LISTEN}\n[identity_headers]\nX-User-Id = \"user_id\"\nX-Name = \"name\"\n"
    ));
    let gateway = Gateway::start(&folder, &[]);
    let authority = gateway.banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap();
    let mint = |more: &[&str]| format!("Bearer {}", folder.mint(more));
    let cases = [
        mint(&[]),
        mint(&["--expired"]),
        mint(&["--claim", "token_type=refresh"]),
        mint(&["--claim", "user_id=1.5"]),
        mint(&["--claim", "name=\"a\\nb\""]),
        mint(&["--claim", "nbf=99999999999"]),
        mint(&["--typ", "logout+jwt"]),
        format!("{}A", mint(&[])),
        mint(&[]).replacen("Bearer", "bearer", 1),
    ];
    for credentials in &cases {
        let report = folder.run(&["token", "inspect", credentials]);
        let (status, body) = get(authority, "/api/v1/monitors", Some(&format!("Authorization: {credentials}")));
        if status == 200 {
            assert_eq!(report.code, 0, "{}", report.stdout);
            continue;
        }
        assert_eq!(report.code, 1, "{}", report.stdout);
        assert!(report.stdout.contains(&format!("gets {status} ")), "{status}: {}", report.stdout);
        assert!(report.stdout.contains(&body), "{body}: {}", report.stdout);
    }
    let refused = cases.iter().filter(|one| folder.run(&["token", "inspect", one]).code == 1).count();
    assert_eq!(refused, cases.len() - 1);
    gateway.terminate();
}

#[test]
fn a_token_that_is_for_the_upstream_is_said_to_be_so() {
    let folder = Folder::with(&format!(
        "{LISTEN}\n[issuer.main]\nissuer = \"main\"\nsigning_keys = \"keys\"\n\
         [issuer.internal]\nissuer = \"internal\"\nsigning_keys = \"internal\"\n\
         [identity_headers]\nresign = {{ issuer = \"internal\" }}\n"
    ));
    for (issuer, internal) in [("main", false), ("internal", true)] {
        let token = folder.mint(&["--issuer", issuer]);
        let told = folder.run(&["token", "inspect", &token]).stdout;
        assert!(told.contains("The gateway accepts this token"), "{told}");
        assert_eq!(told.contains("only routes whose `issuers` name it take it"), internal, "{told}");
    }
}

#[test]
fn inspecting_before_the_first_start_makes_no_key() {
    let folder = Folder::with_preset("hungry-machines");
    let token = Folder::with_preset("hungry-machines").mint(&[]);
    let ended = folder.run(&["token", "inspect", &token]);
    assert_eq!(ended.code, 1);
    assert!(check(&ended.stdout, "key").contains("not known") && ended.stdout.contains("503"), "{}", ended.stdout);
    assert_eq!(folder.names(), ["gateway.toml"]);
}

#[test]
fn no_secret_is_ever_shown() {
    let folder = Folder::with_preset("uptimehunt");
    let token = folder.mint(&[]);
    let file = std::fs::read_to_string(folder.path().join("bearergate-state/api.secret")).unwrap();
    let jwk: Value = serde_json::from_str(&file).unwrap();
    let secret = jwk["k"].as_str().unwrap();
    for arguments in [&["check"][..], &["routes", "--json"], &["token", "inspect", &token], &["token", "mint"]] {
        let ended = folder.run(arguments);
        assert!(!format!("{ended:?}").contains(secret), "{ended:?}");
    }
}
