//! What is read as an OpenAPI document, and what is refused with which words.

use super::{
    super::{Document, OpenApiError},
    document, draft, loaded, only, routes, with_paths,
};
use crate::config::openapi::Operation;

const PETSTORE: &str = include_str!("../../../../tests/openapi/petstore-3.0.yaml");
const PETSTORE_3_1: &str = include_str!("../../../../tests/openapi/petstore-3.1.json");

fn refused(text: &str) -> String {
    Document::parse(text).unwrap_err().to_string()
}

/// One public operation, and what goes before it.
fn with(before: &str) -> String {
    format!("openapi: 3.0.3\n{before}\npaths:\n  /a:\n    get: {{ responses: {{ 200: {{ description: fine }} }} }}\n")
}

#[test]
fn a_real_document_is_read_in_both_formats() {
    let (yaml, json) = (document(PETSTORE), document(PETSTORE_3_1));
    assert_eq!((yaml.operations().len(), json.operations().len()), (20, 20));
    assert_eq!(routes(&draft(&yaml)), routes(&draft(&json)), "the same API in two versions of the specification");
    for made in [draft(&yaml), draft(&json)] {
        assert_eq!((made.routes, made.public, made.covered, made.lacks_keys), (15, 8, 20, true));
        let compared = yaml.compare(&loaded(&made.text)).unwrap();
        assert!(compared.uncovered.is_empty() && compared.unused.is_empty(), "{compared:?}");
        assert!(compared.weaker.is_empty() && compared.stricter.is_empty(), "{compared:?}");
    }
}

#[test]
fn writing_twice_writes_the_same() {
    assert_eq!(draft(&document(PETSTORE)).text, draft(&document(PETSTORE)).text);
}

#[test]
fn other_documents_are_refused_by_name() {
    assert!(refused("swagger: '2.0'\npaths: {}").contains("Swagger \"2.0\""));
    assert!(refused("{ \"swagger\": 2 }").contains("convert it to OpenAPI 3"));
    for version in ["openapi: 3.2.0", "openapi: 4.0.0", "openapi: 3", "openapi: 3.0", "a: 1", "- a", "text", "", "[]"] {
        assert!(refused(version).contains("must be 3.0 or 3.1"), "{version}: {}", refused(version));
    }
    assert!(matches!(Document::parse("{").unwrap_err(), OpenApiError::Syntax { format: "JSON", .. }));
    assert!(matches!(Document::parse("a: [").unwrap_err(), OpenApiError::Syntax { format: "YAML", .. }));
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let twice =
        "{ \"openapi\": \"3.0.0\", \"paths\": { \"/a\": { \"get\": { \"security\": [], \"security\": [] } } } }";
    assert!(refused(twice).contains("JSON"));
    assert!(refused(&format!("# YAML\n{twice}")).contains("YAML"));
}

#[test]
fn what_would_grow_or_go_deep_is_refused() {
    let mut bomb = "openapi: 3.0.0\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(&bomb).contains("YAML"));
    for open in ["[", "{a: ", "- ", "? "] {
        assert!(refused(&format!("openapi: 3.0.0\na: {}", open.repeat(100_000))).contains("YAML"), "{open}");
    }
    assert!(refused(&format!("{{\"a\": {}", "[".repeat(100_000))).contains("JSON"));
}

#[test]
fn what_is_not_as_the_specification_says_is_refused_with_its_place() {
    let cases = [
        ("  a:\n    get: {}", "paths.a: a path begins with a slash"),
        ("  /a: []", "paths./a: must be an object, not a list"),
        ("  /a:\n    get: 1", "paths./a.get: must be an object, not a number"),
        ("  /a:\n    get: { security: {} }", "paths./a.get.security: must be a list, not an object"),
        ("  /a:\n    get: { security: }", "paths./a.get.security: must be a list, not nothing"),
        ("  /a:\n    get: { security: [a] }", "must be an object, not a string"),
        ("  /a:\n    get: { security: [{ oauth: a }] }", "paths./a.get.security.oauth: must be a list, not a string"),
        ("  /a:\n    get: { security: [{ oauth: [1] }] }", "must be a string, not a number"),
        ("  /a:\n    get: { security: [{ oauth: [\"a\\nb\"] }] }", "control characters"),
        ("  /a:\n    get: { security: [{ oauth: [''] }] }", "empty"),
        ("  /a:\n    get: { servers: [{}] }", "`url` is missing"),
        ("  /a:\n    get: { servers: [{ url: '/{v}' }] }", "is none that a request can have"),
        ("  /a:\n    get: { servers: [{ url: 'https://a/b/../c' }] }", "is none that a request can have"),
        ("  /a: { $ref: 1 }", "`$ref` must be a string"),
        ("  /a: { $ref: '#/paths/~1a' }", "in a circle"),
        ("  /a: { $ref: '#/paths/~1b' }", "there is no \"#/paths/~1b\""),
        ("  /a: { $ref: 'other.yaml#/a' }", "is in another document: bundle"),
        ("  /a: { $ref: '#/x/a', get: {} }\nx: { a: { get: {} } }", "has `get` both here and behind its `$ref`"),
    ];
    for (paths, told) in cases {
        let schemes = "components: { securitySchemes: { oauth: { type: oauth2 } } }";
        let error = refused(&format!("openapi: 3.1.0\n{schemes}\npaths:\n{paths}"));
        assert!(error.contains(told), "{paths}: {error}");
    }
    let scheme = |scheme| refused(&with(&format!("components: {{ securitySchemes: {{ a: {scheme} }} }}")));
    assert!(scheme("{}").contains("components.securitySchemes.a: `type` is missing"));
    assert!(scheme("{ type: http }").contains("`scheme` is missing"));
    assert!(scheme("{ $ref: 'https://a/b' }").contains("is in another document"));
    let many = "{ oauth: [] }, ".repeat(101);
    assert!(refused(&format!("openapi: 3.0.0\npaths: {{ /a: {{ get: {{ security: [{many}] }} }} }}")).contains("100"));
}

#[test]
fn a_reference_is_followed_within_the_document() {
    let document = document(
        "openapi: 3.1.0
paths:
  /a/{id}: { $ref: '#/components/pathItems/shared' }
  /b/{id}: { $ref: '#/paths/~1a~1%7Bid%7D', put: {} }
components:
  pathItems:
    shared: { get: {}, servers: [{ url: /v1 }] }
",
    );
    let names: Vec<String> = document.operations().iter().map(Operation::name).collect();
    assert_eq!(names, ["GET /v1/a/{id}", "PUT /v1/b/{id}", "GET /v1/b/{id}"]);
}

#[test]
fn the_base_path_of_the_nearest_first_server_goes_before_the_path() {
    let path = |servers: &str| only(&document(&with(&format!("servers: {servers}")))).path.clone();
    for (servers, expected) in [
        ("[]", "/a"),
        ("[{ url: / }]", "/a"),
        ("[{ url: . }]", "/a"),
        ("[{ url: 'https://example.com' }]", "/a"),
        ("[{ url: 'https://example.com/' }]", "/a"),
        ("[{ url: 'https://example.com/api/v3/?q#f' }]", "/api/v3/a"),
        ("[{ url: '//example.com/api' }]", "/api/a"),
        ("[{ url: /api }, { url: /api }]", "/api/a"),
        ("[{ url: 'https://{host}/{base}', variables: { base: { default: v2 } } }]", "/v2/a"),
        ("[{ url: '{all}/b', variables: { all: { default: 'https://a/{all}' } } }]", "error"),
    ] {
        if expected == "error" {
            assert!(refused(&with(&format!("servers: {servers}"))).contains("is none that a request can have"));
        } else {
            assert_eq!(path(servers), expected, "{servers}");
        }
    }
    let warned = document(&with("servers: [{ url: /v1 }, { url: /v2 }]"));
    assert!(warned.warnings()[0].contains("\"/v1\" and \"/v2\""), "{:?}", warned.warnings());
    assert!(document(&with("servers: [{ url: v1 }]")).warnings()[0].contains("relative"));
    let nearest = with_paths(
        "  /a:\n    servers: [{ url: /item }]\n    get: { servers: [{ url: /own }] }\n    put: {}\n  /b:\n    get: {}\n\
         servers: [{ url: /all }]\n",
    );
    let names: Vec<String> = nearest.operations().iter().map(Operation::name).collect();
    assert_eq!(names, ["GET /own/a", "PUT /item/a", "GET /all/b"]);
}
