//! A configuration beside the document that it does not quite follow.

use super::{draft, loaded, with_paths};
use crate::config::Config;

const PATHS: &str = "  /a/{id}:
    get: { security: [{ oauth: [r] }] }
    put: { security: [{ oauth: [r, w] }] }
    head: {}
  /b:
    get: {}
";

fn configuration(routes: &str) -> Config {
    loaded(&format!(
        "[upstream.default]\nservers = [\"http://127.0.0.1:8000\"]\n[issuer.main]\n# keys\n\
         [ownership.a]\nvariable = \"id\"\nclaim = \"a\"\n{routes}"
    ))
}

fn route(pattern: &str, more: &str) -> String {
    format!("[[route]]\nmatch = {pattern}\n{more}\n")
}

/// What is not covered, asked less and more of, and unused.
fn compare(routes: &[String]) -> [Vec<String>; 4] {
    let document = with_paths(PATHS);
    let config = configuration(&routes.concat());
    let compared = document.compare(&config).unwrap();
    [
        compared.uncovered.iter().map(|(operation, why)| format!("{}: {why}", operation.name())).collect(),
        compared.weaker.iter().map(|found| found.operation.name()).collect(),
        compared.stricter.iter().map(|found| found.operation.name()).collect(),
        compared.unused,
    ]
}

#[test]
fn what_was_written_is_what_is_asked() {
    let document = with_paths(PATHS);
    let config = loaded(&draft(&document).text);
    let compared = document.compare(&config).unwrap();
    assert!(compared.uncovered.is_empty() && compared.weaker.is_empty() && compared.stricter.is_empty());
    assert!(compared.unused.is_empty());
}

#[test]
fn a_route_that_is_missing_and_one_too_many_are_found() {
    let routes = [
        route("\"GET|PUT|PATCH /a/{id}\"", "permissions = [\"r\", \"w\"]"),
        route("\"* /c/**\"", "access = \"public\""),
        route("[\"GET /d\", \"POST /d\"]", ""),
    ];
    let [uncovered, weaker, stricter, unused] = compare(&routes);
    assert_eq!(uncovered, ["GET /b: no route matches"]);
    assert!(weaker.is_empty());
    assert_eq!(stricter, ["GET /a/{id}", "HEAD /a/{id}"], "GET covers HEAD");
    assert_eq!(unused, ["PATCH /a/{id}", "* /c/**", "GET /d", "POST /d"]);
}

#[test]
fn a_route_that_lets_in_more_callers_is_found() {
    for (more, weaker) in [
        ("access = \"public\"", &["GET /a/{id}", "PUT /a/{id}"][..]),
        ("access = \"optional\"", &["GET /a/{id}", "PUT /a/{id}"]),
        ("", &["GET /a/{id}", "PUT /a/{id}"]),
        ("any_permission = [\"r\", \"w\"]", &["GET /a/{id}", "PUT /a/{id}"]),
        ("permissions = [\"r\"]", &["PUT /a/{id}"]),
        ("any_permission = [\"r\"]", &["PUT /a/{id}"]),
        ("permissions = [\"r\", \"w\"]", &[]),
    ] {
        let routes = [route("\"* /**\"", "access = \"public\""), route("\"* /a/{x}\"", more)];
        let [uncovered, found, _, unused] = compare(&routes);
        assert_eq!(found, weaker, "{more}");
        assert!(uncovered.is_empty() && unused.is_empty(), "{uncovered:?} {unused:?}");
    }
}

#[test]
fn a_route_that_lets_in_fewer_callers_is_no_mistake_but_told() {
    let routes = [
        route("[\"GET /a/{id}\"]", "permissions = \"r\"\nowner = \"a\""),
        route("\"PUT /a/{id}\"", "permissions = [\"r\", \"w\"]\nissuers = \"main\""),
        route("\"HEAD /a/{id}\"", "access = \"public\""),
        route("\"GET /b\"", ""),
    ];
    let [uncovered, weaker, stricter, unused] = compare(&routes);
    assert!(uncovered.is_empty() && weaker.is_empty() && unused.is_empty());
    assert_eq!(stricter, ["GET /a/{id}", "PUT /a/{id}", "GET /b"]);
}

#[test]
fn a_path_that_is_refused_is_not_covered() {
    let document = with_paths("  /a;x=1:\n    get: {}\n  /a/{id}.json?x=1:\n    get: {}\n");
    let config = configuration(&route("\"* /**\"", "access = \"public\""));
    let compared = document.compare(&config).unwrap();
    let [(operation, why)] = compared.uncovered.as_slice() else { panic!("{compared:?}") };
    assert_eq!((operation.path.as_str(), why.contains("does not allow")), ("/a;x=1", true), "{why}");
}
