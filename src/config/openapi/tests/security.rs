//! `security`, from every kind of scheme to what a route asks for.

use super::{super::Demand, draft, loaded, only, routes, with_paths};
use crate::authz::Access;

/// What an operation with this `security` asks for, and what is noted.
fn read(security: &str) -> (Demand, Vec<String>) {
    let document = with_paths(&format!("  /a:\n    get:\n      security: {security}\n"));
    let operation = only(&document);
    // Whatever it is, a route says it.
    let compared = draft(&document);
    let config = loaded(&compared.text);
    let compared = document.compare(&config).unwrap();
    assert!(
        compared.uncovered.is_empty() && compared.weaker.is_empty() && compared.stricter.is_empty(),
        "{compared:?}"
    );
    (operation.demand.clone(), operation.notes.clone())
}

fn token(all: &[&str], any: &[&str]) -> Demand {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Demand { access: Access::Token, all: owned(all), any: owned(any) }
}

#[test]
fn nothing_asked_is_public_and_nothing_among_others_optional() {
    for nothing in ["[]", "[{}]", "[{}, {}]"] {
        assert_eq!(read(nothing), (Demand::PUBLIC, vec![]), "{nothing}");
    }
    for optional in ["[{}, { jwt: [] }]", "[{ oauth: [a] }, {}]", "[{ key: [] }, {}]"] {
        assert_eq!(read(optional), (Demand::new(Access::Optional), vec![]), "{optional}");
    }
}

#[test]
fn schemes_of_tokens_ask_for_one_and_scopes_for_permissions() {
    for scheme in ["jwt", "oidc", "oauth", "referred"] {
        assert_eq!(read(&format!("[{{ {scheme}: [] }}]")), (token(&[], &[]), vec![]), "{scheme}");
    }
    assert_eq!(read("[{ oauth: ['a b', c, c] }]"), (token(&["a b", "c"], &[]), vec![]));
    assert_eq!(read("[{ oauth: [a], jwt: [b] }]"), (token(&["a", "b"], &[]), vec![]), "all of one requirement");
}

#[test]
fn alternatives_that_a_route_can_say_are_said() {
    let cases = [
        ("[{ oauth: [a] }, { oauth: [b] }]", token(&[], &["a", "b"])),
        ("[{ oauth: [a, b] }, { oauth: [c, a] }]", token(&["a"], &["b", "c"])),
        ("[{ oauth: [a] }, { oauth: [a, b] }]", token(&["a"], &[])),
        ("[{ oauth: [a, b] }, { oauth: [] }]", token(&[], &[])),
        ("[{ oauth: [a, b] }, { other: [b, a] }]", token(&["a", "b"], &[])),
        ("[{ jwt: [] }, { oidc: [] }]", token(&[], &[])),
        ("[{ oauth: [a] }, { oauth: [a] }, { oauth: [b] }]", token(&[], &["a", "b"])),
    ];
    for (security, demand) in cases {
        assert_eq!(read(security), (demand, vec![]), "{security}");
    }
}

#[test]
fn alternatives_that_no_route_can_say_are_asked_for_together() {
    let cases = [
        ("[{ oauth: [a, b] }, { oauth: [c, d] }]", token(&["a", "b", "c", "d"], &[])),
        ("[{ oauth: [a] }, { other: [b] }]", token(&["a", "b"], &[])),
        ("[{ jwt: [] }, { oauth: [a] }]", token(&["a"], &[])),
    ];
    for (security, demand) in cases {
        let (found, notes) = read(security);
        assert_eq!(found, demand, "{security}");
        assert!(matches!(notes.as_slice(), [note] if note.ends_with("all of it is asked for")), "{notes:?}");
    }
}

#[test]
fn what_cannot_be_checked_lets_nobody_in() {
    for scheme in ["key", "basic", "certificate", "unknown"] {
        let (demand, notes) = read(&format!("[{{ {scheme}: [] }}]"));
        assert_eq!(demand, token(&[], &[]), "{scheme}");
        assert!(notes[0].contains(scheme) && notes[0].contains("a token is asked for instead"), "{notes:?}");
        let (demand, notes) = read(&format!("[{{ {scheme}: [] }}, {{ oauth: [a] }}]"));
        assert_eq!(demand, token(&["a"], &[]), "{scheme}");
        assert!(notes[0].contains("also lets in who has"), "{notes:?}");
        let (demand, notes) = read(&format!("[{{ {scheme}: [], oauth: [a] }}]"));
        assert_eq!(demand, token(&["a"], &[]), "{scheme}");
        assert!(notes[0].contains("left to the upstream"), "{notes:?}");
    }
}

#[test]
fn an_operation_without_security_has_that_of_the_document() {
    let global = "  /a:\n    get: {}\n    post: { security: [] }\nsecurity: [{ oauth: [a] }]\n";
    let document = with_paths(global);
    assert_eq!(
        routes(&draft(&document)),
        "[[route]]\nmatch = \"GET /a\"\npermissions = [\"a\"]\n[[route]]\nmatch = \"POST /a\"\naccess = \"public\""
    );
}

#[test]
fn operations_of_one_path_that_ask_for_the_same_share_a_route() {
    let document = with_paths(
        "  /a/{id}:
    get: { security: [{ oauth: [r] }], operationId: getA, summary: Shows one }
    head: { security: [{ oauth: [r] }] }
    put: { security: [{ oauth: [w] }] }
    delete: { security: [{ oauth: [w] }] }
    trace: {}
",
    );
    let made = draft(&document);
    assert_eq!(
        routes(&made),
        "[[route]]\nmatch = \"GET|HEAD /a/{id}\"\npermissions = [\"r\"]\n\
         [[route]]\nmatch = \"PUT|DELETE /a/{id}\"\npermissions = [\"w\"]"
    );
    assert!(made.text.contains("\n# GET /a/{id} getA: Shows one\n# HEAD /a/{id}\n"), "{}", made.text);
    assert!(made.warnings[0].0.contains("TRACE"), "{:?}", made.warnings);
    assert_eq!((made.routes, made.covered, made.public), (2, 4, 0));
}

#[test]
fn paths_that_are_the_same_ask_for_what_each_asks() {
    let document = with_paths(
        "  /a/{id}:\n    get: { security: [] }\n    put: { security: [] }\n  /a/{name}:\n    put: { security: [{ oauth: [w] }] }\n",
    );
    let made = draft(&document);
    assert_eq!(
        routes(&made),
        "[[route]]\nmatch = \"GET /a/{id}\"\naccess = \"public\"\n[[route]]\nmatch = \"PUT /a/{id}\"\npermissions = [\"w\"]"
    );
    assert!(made.warnings[0].0.contains("/a/{id} covers /a/{name} too"), "{:?}", made.warnings);
    assert_eq!(made.covered, 3);
}

#[test]
fn a_path_that_no_pattern_says_makes_the_route_that_covers_it_stricter() {
    let document = with_paths(
        "  /a/{file}:\n    get: { security: [] }\n  /a/{file}.json:\n    get: { security: [{ oauth: [r] }] }\n  \
         /b/{x}-{y}:\n    get: { security: [] }\n",
    );
    let made = draft(&document);
    assert_eq!(routes(&made), "[[route]]\nmatch = \"GET /a/{file}\"\npermissions = [\"r\"]");
    let uncovered: Vec<&str> = made.uncovered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(uncovered, ["GET /a/{file}.json", "GET /b/{x}-{y}"]);
    assert!(
        made.text.contains("# GET /b/{x}-{y}\n# No route of its own: a variable is a whole segment"),
        "{}",
        made.text
    );
}

#[test]
fn a_path_with_and_one_without_a_slash_are_both_covered_unless_they_ask_for_different_things() {
    let paths = |one: &str, other: &str| {
        let security = |scope| format!("get: {{ security: [{{ oauth: [{scope}] }}] }}");
        draft(&with_paths(&format!("  /a/{{id}}:\n    {}\n  /a/{{id}}/:\n    {}\n", security(one), security(other))))
    };
    assert!(paths("r", "r").uncovered.is_empty());
    let told = paths("r", "w");
    assert!(matches!(told.uncovered.as_slice(), [(name, _)] if name == "GET /a/{id}/"), "{:?}", told.uncovered);
    assert_eq!((told.covered, told.routes), (1, 2));
}

#[test]
fn a_document_without_a_route_gives_no_configuration() {
    for paths in ["  /a/{x}.json:\n    get: {}\n", "  /a: {}\n", "  x-a: {}\n"] {
        assert!(with_paths(paths).draft("a").unwrap_err().to_string().contains("no operation"), "{paths}");
    }
}

#[test]
fn keys_come_from_the_issuer_that_the_document_names() {
    let found = draft(&with_paths("  /a:\n    get: { security: [{ oidc: [] }] }\n"));
    assert!(!found.lacks_keys);
    let config = loaded(&found.text);
    assert_eq!(config.issuers[0].expectations.issuer.as_deref(), Some("https://id.example.com"));
    let public = draft(&with_paths("  /a:\n    get: {}\n"));
    assert!(loaded(&public.text).issuers.is_empty() && !public.lacks_keys && public.public == public.routes);
}
