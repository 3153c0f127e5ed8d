//! Any document is read or refused with words; what is written loads, and asks for no less than the document.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{super::Document, document, draft, loaded};

/// Texts that try to be something else where they are put.
const HOSTILE: [&str; 16] = [
    "plain",
    "two words",
    "\"",
    "\"\"\"\n[[route]]\nmatch = \"* /**\"\naccess = \"public\"\n\"\"\"",
    "'''",
    "\n[[route]]\nmatch = \"* /**\"\naccess = \"public\"\n",
    "\r\n[admin]\nenabled = false",
    "\u{2028}[a]",
    "\u{85}[a]",
    "\u{0}",
    "\u{1b}[2J",
    "\u{202e}drawkcab",
    "\\",
    "${HOME}",
    "$${HOME:-x}",
    "# comment",
];

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        "\\PC{0,12}",
        proptest::collection::vec(any::<char>(), 0..8)
            .prop_map(|characters| characters.into_iter().collect::<String>()),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("{id}".to_owned()),
        Just("{other-id}".to_owned()),
        Just("{id}.json".to_owned()),
        Just("%61".to_owned()),
        Just(String::new()),
        hostile(),
    ];
    proptest::collection::vec(segment, 1..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn security() -> impl Strategy<Value = Value> {
    let scope = prop_oneof![Just("r".to_owned()), Just("w".to_owned()), Just("x".to_owned()), hostile()];
    let scheme = proptest::sample::select(&["oauth", "jwt", "key", "none"][..]).prop_map(str::to_owned);
    let scopes = proptest::collection::vec(scope, 0..3).prop_map(|scopes| {
        json!(
            scopes.into_iter().filter(|one| !one.is_empty() && !one.chars().any(char::is_control)).collect::<Vec<_>>()
        )
    });
    let requirement = proptest::collection::btree_map(scheme, scopes, 0..3).prop_map(|one| json!(one));
    proptest::collection::vec(requirement, 0..4).prop_map(Value::from)
}

fn operation() -> impl Strategy<Value = Value> {
    (hostile(), hostile(), proptest::option::of(security())).prop_map(|(name, summary, security)| {
        let mut operation = json!({ "operationId": name, "summary": summary });
        if let Some(security) = security {
            operation["security"] = security;
        }
        operation
    })
}

fn description() -> impl Strategy<Value = Value> {
    let method = proptest::sample::select(&["get", "head", "put", "trace", "x-own"][..]).prop_map(str::to_owned);
    let item = proptest::collection::btree_map(method, operation(), 0..3).prop_map(|item| json!(item));
    let paths = proptest::collection::vec((path(), item), 0..6)
        .prop_map(|paths| Value::Object(paths.into_iter().collect::<Map<String, Value>>()));
    (paths, hostile(), security(), hostile()).prop_map(|(paths, title, security, url)| {
        json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": "1" },
            "security": security,
            "components": { "securitySchemes": {
                "oauth": { "type": "oauth2", "flows": { "implicit": { "authorizationUrl": url } } },
                "jwt": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey" },
            } },
            "paths": paths,
        })
    })
}

/// Anything, of the words that a document has.
fn anything() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(
        &[
            "paths",
            "/a",
            "get",
            "security",
            "servers",
            "url",
            "components",
            "securitySchemes",
            "$ref",
            "#/paths/~1a",
            "type",
        ][..],
    );
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), word.clone().prop_map(Value::from)];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_loads_and_has_the_routes_of_the_document_alone(description in description()) {
        let document = document(&description.to_string());
        let Ok(made) = document.draft("a\n[b]") else {
            return Ok(());
        };
        let config = loaded(&made.text);
        let compared = document.compare(&config).unwrap();
        prop_assert!(compared.weaker.is_empty(), "{compared:?}");
        prop_assert!(compared.unused.len() <= made.uncovered.len(), "{compared:?}");
        prop_assert!(config.admin.is_some() && config.upstreams.len() == 1 && config.issuers.len() <= 1);
        prop_assert_eq!(config.routes.len(), made.routes);
        let asked: BTreeSet<&String> =
            document.operations().iter().flat_map(|one| one.demand.all.iter().chain(&one.demand.any)).collect();
        let written = config.routes.iter().flat_map(|one| one.permissions.iter().chain(&one.any_permission));
        prop_assert!(written.collect::<BTreeSet<_>>().is_subset(&asked));
        prop_assert!(!made.text.chars().any(|one| one.is_control() && one != '\n'));
        prop_assert!(made.covered + made.uncovered.len() == document.operations().len());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,100}") {
        let _ = Document::parse(&text);
        let _ = Document::parse(&format!("openapi: 3.0.0\npaths:\n  {text}"));
    }

    #[test]
    fn any_tree_is_read_or_refused(mut tree in anything()) {
        if let Some(root) = tree.as_object_mut() {
            root.insert("openapi".to_owned(), "3.0.0".into());
        }
        if let Ok(document) = Document::parse(&tree.to_string()) {
            let _ = document.draft("a").map(|made| loaded(&made.text));
        }
    }
}

#[test]
fn a_hostile_title_stays_in_its_comment() {
    for text in HOSTILE {
        let operation = json!({ "operationId": text, "summary": text, "security": [{ text: [] }, { "a": ["s"] }] });
        let description = json!({
            "openapi": "3.0.0",
            "info": { "title": text, "version": text },
            "components": { "securitySchemes": { "a": { "type": "oauth2", "flows": { text: { "tokenUrl": text } } } } },
            "paths": { "/a": { "get": operation }, "/b": { "get": { "security": [{ text: ["s"] }] } } },
        });
        let config = loaded(&draft(&document(&description.to_string())).text);
        let patterns: Vec<String> =
            config.routes.iter().flat_map(|route| &route.patterns).map(ToString::to_string).collect();
        assert_eq!(patterns, ["GET /a", "GET /b"], "{text:?}");
        assert_eq!(config.routes[0].permissions, ["s"]);
    }
}
