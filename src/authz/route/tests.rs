use proptest::prelude::*;

use super::*;

fn routes(specs: &[(&str, Access)]) -> Routes {
    let specs = specs.iter().map(|(pattern, access)| RouteSpec {
        patterns: vec![pattern.parse().unwrap()],
        access: *access,
        ..RouteSpec::default()
    });
    Routes::build(specs.collect(), &[], &mut Vocabulary::default()).unwrap()
}

fn named(patterns: &[&str]) -> Routes {
    routes(&patterns.iter().map(|pattern| (*pattern, Access::Token)).collect::<Vec<_>>())
}

fn found<'a>(routes: &'a Routes, method: &str, path: &'a str) -> Option<&'a str> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    routes.find(&method, path).unwrap().map(|found| found.rule().name())
}

#[test]
fn the_most_specific_rule_covers_a_request() {
    let table =
        named(&["* /**", "GET /plants/**", "GET /plants/{id}", "GET /plants/new", "* /plants/{id}/health", "GET /"]);
    let cases = [
        ("GET", "/", Some("GET /")),
        ("POST", "/", Some("* /**")),
        ("GET", "/plants", Some("* /**")),
        ("GET", "/plants/", Some("GET /plants/**")),
        ("GET", "/plants/new", Some("GET /plants/new")),
        ("GET", "/plants/new/", Some("GET /plants/**")),
        ("GET", "/plants/7", Some("GET /plants/{id}")),
        ("HEAD", "/plants/7", Some("GET /plants/{id}")),
        ("DELETE", "/plants/7", Some("* /**")),
        ("PUT", "/plants/7/health", Some("* /plants/{id}/health")),
        ("GET", "/plants/new/health", Some("* /plants/{id}/health")),
        ("GET", "/plants/7/8/9", Some("GET /plants/**")),
    ];
    for (method, path, rule) in cases {
        assert_eq!(found(&table, method, path), rule, "{method} {path}");
    }
}

#[test]
fn what_no_rule_covers_is_not_found() {
    let table = named(&["GET /plants/{id}", "* /public/**"]);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/plants"),
        ("GET", "/plants/"),
        ("GET", "/plants/7/"),
        ("GET", "/Plants/7"),
        ("POST", "/plants/7"),
        ("GET", "/public"),
        ("GET", "/PUBLIC/x"),
        ("GET", "/publicx/y"),
    ] {
        assert_eq!(found(&table, method, path), None, "{method} {path}");
    }
}

#[test]
fn a_rule_that_names_head_covers_it_instead_of_get() {
    let table = named(&["GET /a", "HEAD /a", "* /b", "GET /b"]);
    assert_eq!(found(&table, "HEAD", "/a"), Some("HEAD /a"));
    assert_eq!(found(&table, "HEAD", "/b"), Some("GET /b"));
    assert_eq!(found(&table, "PATCH", "/b"), Some("* /b"));
}

#[test]
fn no_encoding_of_a_literal_passes_by_its_rule() {
    let table = routes(&[("* /public/**", Access::Public), ("GET /public/admin", Access::Token)]);
    for path in ["/public/admin", "/public/%61dmin", "/public/%61%64%6D%69%6e"] {
        assert_eq!(found(&table, "GET", path), Some("GET /public/admin"), "{path}");
    }
    assert_eq!(found(&table, "GET", "/public/%41dminx"), Some("* /public/**"));
}

/// The rule that covers a path, or whether it was refused because it looks like another.
fn verdict<'a>(table: &'a Routes, path: &'a str) -> Result<Option<&'a str>, PathError> {
    table.find(&Method::GET, path).map(|found| found.map(|found| found.rule().name()))
}

#[test]
fn what_an_upstream_may_take_for_a_stricter_rules_path_is_refused() {
    let table = routes(&[
        ("* /**", Access::Public),
        ("* /admin/**", Access::Token),
        ("GET /me", Access::Token),
        ("GET /plants/{id}", Access::Token),
        ("GET /files/{name}", Access::Optional),
        ("GET /files/secret/", Access::Token),
    ]);
    for path in [
        "/Admin/x",
        "/%41DMIN/x",
        "/admin",
        "/ADMIN",
        "/me/",
        "/me.json",
        "/Me",
        "/ME.HTML",
        "/ME/",
        "/plants/7/",
        "/Plants/7",
        "/files/secret",
        "/files/Secret",
        "/files/secret.txt",
        "/FILES/secret/",
    ] {
        assert_eq!(verdict(&table, path), Err(PathError::Lookalike), "{path}");
    }
    for (path, rule) in [
        ("/", "* /**"),
        ("/index.html", "* /**"),
        ("/Plants", "* /**"),
        ("/plants/", "* /**"),
        ("/.me", "* /**"),
        ("/me/x", "* /**"),
        ("/a.me/x", "* /**"),
        ("/files/Other.txt", "GET /files/{name}"),
        ("/files/", "* /**"),
        ("/admin/", "* /admin/**"),
        ("/plants/New.x", "GET /plants/{id}"),
    ] {
        assert_eq!(verdict(&table, path), Ok(Some(rule)), "{path}");
    }
}

#[test]
fn a_rule_with_another_demand_is_stricter_and_one_with_less_is_not() {
    let spec = |pattern: &str, permission: Option<&str>| RouteSpec {
        patterns: vec![pattern.parse().unwrap()],
        permissions: permission.map(str::to_owned).into_iter().collect(),
        ..RouteSpec::default()
    };
    let specs =
        vec![spec("* /**", None), spec("* /a/**", Some("A")), spec("* /a/b/**", Some("B")), spec("GET /a/c", None)];
    let table = Routes::build(specs, &[], &mut Vocabulary::default()).unwrap();
    for refused in ["/A/x", "/a", "/a/B/x", "/a/b"] {
        assert_eq!(verdict(&table, refused), Err(PathError::Lookalike), "{refused}");
    }
    for (path, rule) in [("/a/", "* /a/**"), ("/a/C", "* /a/**"), ("/a/c/", "* /a/**"), ("/a/b/", "* /a/b/**")] {
        assert_eq!(verdict(&table, path), Ok(Some(rule)), "{path}");
    }
}

#[test]
fn a_rule_that_asks_for_the_same_is_not_stricter() {
    let spec = |pattern: &str, permission: &str| RouteSpec {
        patterns: vec![pattern.parse().unwrap()],
        permissions: vec![permission.to_owned()],
        ..RouteSpec::default()
    };
    let specs =
        vec![spec("GET /a/{id}", "A"), spec("GET /a/{id}/", "A"), spec("GET /b/{id}", "A"), spec("GET /b/{id}/", "B")];
    let table = Routes::build(specs, &[], &mut Vocabulary::default()).unwrap();
    assert_eq!(verdict(&table, "/a/1/"), Ok(Some("GET /a/{id}/")));
    assert_eq!(verdict(&table, "/b/1/"), Err(PathError::Lookalike));
}

#[test]
fn rules_that_are_told_apart_by_their_spelling_are_both_right() {
    let table = routes(&[
        ("* /public/**", Access::Public),
        ("GET /public/me", Access::Token),
        ("GET /public/Me", Access::Public),
        ("GET /public/me.png", Access::Public),
        ("GET /public/x", Access::Public),
        ("GET /public/x/", Access::Token),
    ]);
    for (path, rule) in [
        ("/public/me", "GET /public/me"),
        ("/public/Me", "GET /public/Me"),
        ("/public/me.png", "GET /public/me.png"),
        ("/public/x", "GET /public/x"),
        ("/public/x/", "GET /public/x/"),
    ] {
        assert_eq!(verdict(&table, path), Ok(Some(rule)), "{path}");
    }
}

#[test]
fn an_exception_counts_only_where_the_rule_allows_it() {
    let spec =
        |pattern: &str, allow| RouteSpec { patterns: vec![pattern.parse().unwrap()], allow, ..RouteSpec::default() };
    let allow = PathExceptions::ENCODED_SLASH.union(PathExceptions::SEMICOLON);
    let specs = vec![
        spec("GET /files/{name}", allow),
        spec("GET /other/{name}", PathExceptions::NONE),
        spec("GET /files/admin", PathExceptions::NONE),
    ];
    let table = Routes::build(specs, &[], &mut Vocabulary::default()).unwrap();
    assert_eq!(found(&table, "GET", "/files/a%2Fb;v=1"), Some("GET /files/{name}"));
    for path in ["/other/a%2Fb", "/files/a%25b", "/nowhere/a%2Fb", "/files/admin;v=1"] {
        assert!(matches!(table.find(&Method::GET, path), Err(PathError::NotAllowedHere(_))), "{path}");
    }
}

#[test]
fn two_rules_for_the_same_requests_are_an_error_that_names_both() {
    let specs = ["GET|POST /a/{x}", "POST /a/{y}", "* /b/**", "* /b/**"]
        .map(|pattern| RouteSpec { patterns: vec![pattern.parse().unwrap()], ..RouteSpec::default() });
    let errors = Routes::build(specs.to_vec(), &[], &mut Vocabulary::default()).unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("\"POST /a/{y}\" and \"GET|POST /a/{x}\""), "{texts:?}");
}

#[test]
fn patterns_that_are_none_are_refused() {
    for text in [
        "",
        "/plants",
        "GET",
        "GET  ",
        "get /a",
        "Get /a",
        "GET| /a",
        "G,T /a",
        "TRACE /a",
        "GET|CONNECT /a",
        "GET a",
        "GET /a//b",
        "GET /a/../b",
        "GET /a/**/b",
        "GET /a/*",
        "GET /a*",
        "GET /{a",
        "GET /a{b}",
        "GET /{}",
        "GET /{1a}",
        "GET /{a}/{a}",
        "GET /%2e",
        "GET /***",
        "*|GET /a",
    ] {
        assert!(text.parse::<Pattern>().is_err(), "{text:?}");
    }
}

#[test]
fn the_same_cover_is_recognized_whatever_the_variables_are_called() {
    let parse = |text: &str| text.parse::<Pattern>().unwrap();
    assert!(parse("GET|POST /a/{x}").covers_the_same(&parse("POST|GET /a/{y}")));
    assert!(!parse("GET /a/{x}").covers_the_same(&parse("GET /a/x")));
    assert!(!parse("GET /a").covers_the_same(&parse("* /a")));
}

proptest! {
    #[test]
    fn any_pattern_and_any_path_have_a_defined_outcome(pattern in "[A-Z*|]{0,6} /[a-z{}*/%2;.]{0,20}", path in "/[a-z/%2f;.]{0,30}") {
        if let Ok(pattern) = pattern.parse::<Pattern>() {
            let spec = RouteSpec { patterns: vec![pattern], ..RouteSpec::default() };
            let table = Routes::build(vec![spec], &[], &mut Vocabulary::default()).unwrap();
            let _ = table.find(&Method::GET, &path);
        }
    }

    #[test]
    fn an_open_rule_is_reached_only_below_its_prefix(path in "/(open|opem|Open|[a-z%0-9;.]{0,6})(/[a-zA-Z%0-9;./]{0,8})?") {
        let table = named(&["* /open/**"]);
        if let Ok(Some(_)) = table.find(&Method::GET, &path) {
            prop_assert!(path::decoded(&path).starts_with("/open/"));
        }
    }
}
