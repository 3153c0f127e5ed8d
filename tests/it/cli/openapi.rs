//! `init --from-openapi` and `check --openapi`, with a real document.

use super::support::{Ended, Folder, Gateway, get};

const PETSTORE: &str = include_str!("../../openapi/petstore-3.0.yaml");

const KEYS: &str = "[issuer.main]\nsigning_keys = \"keys\"\n";

fn with_petstore() -> Folder {
    let folder = Folder::empty();
    folder.write("petstore.yaml", PETSTORE);
    folder
}

fn init(folder: &Folder, more: &[&str]) -> Ended {
    folder.run(&[&["init", "--from-openapi", "petstore.yaml"], more].concat())
}

fn read(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("gateway.toml")).unwrap()
}

/// Changes the configuration. What is changed must be there.
fn change(folder: &Folder, from: &str, to: &str) {
    let text = read(folder);
    assert!(text.contains(from), "{text}");
    folder.write("gateway.toml", text.replacen(from, to, 1));
}

fn check(folder: &Folder) -> Ended {
    folder.run(&["check", "--openapi", "petstore.yaml"])
}

#[test]
fn a_configuration_is_written_that_lacks_one_thing() {
    let folder = with_petstore();
    let ended = init(&folder, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("gateway.toml is written: 20 operations in 15 routes, 8 of them public\n"));
    assert!(ended.stdout.contains("bearergate check --config gateway.toml"), "{}", ended.stdout);
    assert!(ended.stderr.contains("api_key (apiKey), which the gateway cannot check"), "{}", ended.stderr);
    assert!(ended.stderr.contains("(GET /v2/pet/{petId}, GET /v2/store/inventory)"), "{}", ended.stderr);

    let lacking = folder.run(&["check"]);
    assert_eq!(lacking.code, 78);
    assert!(lacking.stderr.contains("the issuer `main` has no key source"), "{}", lacking.stderr);
    assert_eq!(lacking.stderr.matches("error").count(), 1, "{}", lacking.stderr);

    change(&folder, "[issuer.main]\n", KEYS);
    assert_eq!(folder.run(&["check"]).code, 0);
    let routes = folder.run(&["routes", "--json"]).stdout;
    let routes: Vec<serde_json::Value> = serde_json::from_str(&routes).unwrap();
    let found = |methods: &str, path: &str| {
        let found = routes.iter().find(|route| route["methods"] == methods && route["path"] == path);
        found.map(|route| (route["access"].clone(), route["permissions"].clone())).unwrap()
    };
    assert_eq!(found("POST|PUT", "/v2/pet"), ("token".into(), serde_json::json!(["write:pets", "read:pets"])));
    assert_eq!(found("GET", "/v2/pet/{petId}"), ("token".into(), serde_json::json!([])));
    assert_eq!(found("GET|PUT|DELETE", "/v2/user/{username}"), ("public".into(), serde_json::json!([])));
    assert_eq!(routes.len(), 15);
}

#[test]
fn a_file_that_is_there_is_not_written_over_unless_it_is_said() {
    let folder = Folder::with("# mine\n");
    folder.write("petstore.yaml", PETSTORE);
    let refused = init(&folder, &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("gateway.toml is there already: --force"), "{}", refused.stderr);
    assert_eq!(read(&folder), "# mine\n");
    assert_eq!(init(&folder, &["--output", "other.toml"]).code, 0);
    assert_eq!(init(&folder, &["--force"]).code, 0);
    assert_eq!(read(&folder), std::fs::read_to_string(folder.path().join("other.toml")).unwrap());
    assert_eq!(init(&folder, &["--output", "no/folder.toml"]).code, 1);
}

#[test]
fn a_document_that_gives_no_policy_writes_nothing() {
    let folder = Folder::empty();
    for (text, told) in [
        ("swagger: '2.0'", "convert it to OpenAPI 3"),
        ("openapi: 3.0.0", "no operation"),
        ("a: [\u{1b}[2J", "no YAML"),
        ("openapi: 3.0.0\npaths: { /a: { $ref: 'b.yaml' } }", "another document"),
    ] {
        folder.write("petstore.yaml", text);
        let ended = init(&folder, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{text}");
        assert!(ended.stderr.contains("petstore.yaml: ") && ended.stderr.contains(told), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    }
    let missing = folder.run(&["init", "--from-openapi", "none.yaml"]);
    assert!(missing.code == 1 && missing.stderr.contains("none.yaml: the document cannot be read"), "{missing:?}");
    assert_eq!(folder.run(&["init"]).code, 2);
    let read = init(&folder, &["--config", "mine.toml"]);
    assert!(read.code == 2 && read.stderr.contains("--output"), "{read:?}");
    assert_eq!(folder.names(), ["petstore.yaml"]);
}

#[test]
fn check_finds_what_is_not_covered_and_what_nobody_needs() {
    let folder = with_petstore();
    init(&folder, &[]);
    change(&folder, "[issuer.main]\n", KEYS);
    let fine = check(&folder);
    assert_eq!(fine.code, 0);
    assert!(fine.stdout.ends_with("petstore.yaml: 20 operations, all covered\n"), "{}", fine.stdout);

    change(&folder, "match = \"GET /v2/store/inventory\"", "match = \"GET /health\"");
    let one = check(&folder);
    assert_eq!(one.code, 1);
    for told in ["20 operations, 1 not covered", "GET /v2/store/inventory", "no route matches", "GET /health"] {
        assert!(one.stdout.contains(told), "{told}: {}", one.stdout);
    }

    change(&folder, "match = \"GET /health\"", "match = \"GET /v2/store/{any}\"");
    let (uploads, scopes) =
        ("match = \"POST /v2/pet/{petId}/uploadImage\"\n", "permissions = [\"write:pets\", \"read:pets\"]");
    change(&folder, &format!("{uploads}{scopes}"), &format!("{uploads}access = \"public\""));
    let less = check(&folder);
    assert_eq!(less.code, 1);
    for told in ["all covered, 1 by less than the document asks for", "A route asks for less", "write:pets, read:pets"]
    {
        assert!(less.stdout.contains(told), "{told}: {}", less.stdout);
    }
    assert!(!less.stdout.contains("/v2/store/"), "a variable covers it: {}", less.stdout);
}

#[test]
fn a_gateway_keeps_what_the_document_says() {
    let folder = with_petstore();
    init(&folder, &[]);
    change(&folder, "[issuer.main]\n", KEYS);
    change(&folder, "http://127.0.0.1:8000", "builtin:echo");
    let listen =
        "[listen]\naddress = \"127.0.0.1:0\"\nworkers = 1\n[admin]\naddress = \"127.0.0.1:0\"\n[issuer.main]\n";
    change(&folder, "[issuer.main]\n", listen);
    let gateway = Gateway::start(&folder, &[]);
    let status = |path: &str, token: Option<&str>| {
        let header = token.map(|token| format!("Authorization: Bearer {token}"));
        get(&gateway.address().to_string(), path, header.as_deref()).0
    };
    let plain = folder.mint(&[]);
    let reader = folder.mint(&["--permission", "read:pets", "--permission", "write:pets"]);
    assert_eq!(status("/v2/user/login", None), 200);
    assert_eq!(status("/v2/pet/7", None), 401);
    assert_eq!(status("/v2/pet/7", Some(&plain)), 200);
    assert_eq!(status("/v2/pet/findByTags", Some(&plain)), 403);
    assert_eq!(status("/v2/pet/findByTags", Some(&reader)), 200);
    assert_eq!(status("/pet/7", Some(&reader)), 404, "without the base path there is no route");
    gateway.terminate();
}
