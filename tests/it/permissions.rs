//! Which permissions a token grants, whatever claim says so, and what routes ask of them.

use bearergate::jwt::{Algorithm, SigningKey, sign};
use serde_json::{Value, json};

use crate::support::{
    Gateway, NOW, Upstream,
    deployment::{SECRET, deploy},
};

/// A gateway with these routes, whose issuer grants by these claims.
fn gateway(permissions: &str, more: &str) -> Gateway {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let text =
        format!("preset = 'homsai'\n[issuer.main]\nissuer = 'i'\nsecret = {{ env = 'KEY' }}\n{permissions}\n{more}\n");
    deploy(&text, folder.path(), upstream.address).0
}

/// The status and the message of the answer to somebody with these claims.
fn ask(gateway: &Gateway, path: &str, claims: &Value) -> (u16, String) {
    let mut all = json!({ "iss": "i", "sub": "alice", "exp": NOW + 60 });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET.as_bytes()).unwrap();
    let token = sign(&key, None, all.as_object().unwrap()).unwrap();
    let response = gateway.connect().bear("GET", path, &token);
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status, body["message"].as_str().unwrap_or_default().to_owned())
}

const NEEDS_READ: &str = "[[route]]\nmatch = 'GET /x'\npermissions = ['PLANTS READ']\n\
                          [[route]]\nmatch = 'GET /y'\npermissions = ['read']";

#[test]
fn a_claim_grants_by_its_shape() {
    let claims = "permissions = ['permissions', 'scope', 'scp', ['realm_access', 'roles'], 'https://example.com/roles', \
                  'a.b', ['resource', 'api.v1', 'scope']]";
    let gateway = gateway(claims, NEEDS_READ);
    for (claims, path) in [
        (json!({ "permissions": ["OTHER", "PLANTS READ"] }), "/x"),
        (json!({ "permissions": "PLANTS READ" }), "/x"),
        (json!({ "scope": "other read" }), "/y"),
        (json!({ "scope": ["PLANTS READ"] }), "/x"),
        (json!({ "scp": "read" }), "/y"),
        (json!({ "scp": ["other", "read"] }), "/y"),
        (json!({ "realm_access": { "roles": ["read"] } }), "/y"),
        (json!({ "https://example.com/roles": ["read"] }), "/y"),
        (json!({ "a.b": "PLANTS READ" }), "/x"),
        (json!({ "resource": { "api.v1": { "scope": "a read b" } } }), "/y"),
        (json!({ "scope": "  read  " }), "/y"),
    ] {
        assert_eq!(ask(&gateway, path, &claims).0, 200, "{claims}");
    }
    for (claims, path) in [
        (json!({}), "/x"),
        (json!({ "permissions": "PLANTS READ OTHER" }), "/x"),
        (json!({ "permissions": ["PLANTS"], "scope": "READ PLANTS" }), "/x"),
        (json!({ "scope": "PLANTS READ" }), "/x"),
        (json!({ "scope": "read,write" }), "/y"),
        (json!({ "scope": "other\tread" }), "/y"),
        (json!({ "permissions": ["plants read", "PLANTS READ "] }), "/x"),
        (json!({ "permissions": [["PLANTS READ"], { "PLANTS READ": true }, null, 1, true] }), "/x"),
        (json!({ "permissions": { "PLANTS READ": true } }), "/x"),
        (json!({ "roles": ["read"], "realm_access.roles": ["read"] }), "/y"),
        (json!({ "a": { "b": "PLANTS READ" }, "https://example": { "com/roles": ["PLANTS READ"] } }), "/x"),
        (json!({ "realm_access": ["roles", "read"] }), "/y"),
        (json!({ "Permissions": ["PLANTS READ"] }), "/x"),
    ] {
        assert_eq!(ask(&gateway, path, &claims).0, 403, "{claims}");
    }
}

#[test]
fn without_being_told_an_issuer_grants_by_the_usual_claims() {
    let gateway = gateway("", NEEDS_READ);
    for claims in [json!({ "permissions": ["read"] }), json!({ "scope": "read" }), json!({ "scp": "read" })] {
        assert_eq!(ask(&gateway, "/y", &claims).0, 200, "{claims}");
    }
    assert_eq!(ask(&gateway, "/y", &json!({ "roles": ["read"] })).0, 403);
}

#[test]
fn a_role_is_what_it_stands_for_and_also_a_permission_of_its_name() {
    let more = "[roles]\ninstaller = ['PLANTS READ', 'PLANTS UPDATE']\nadmin = ['installer']\n\
                [[route]]\nmatch = 'GET /all'\npermissions = ['PLANTS READ', 'PLANTS UPDATE']\n\
                [[route]]\nmatch = 'GET /role'\npermissions = ['installer']";
    let gateway = gateway("permissions = 'roles'", more);
    let installer = json!({ "roles": ["installer"] });
    assert_eq!(ask(&gateway, "/all", &installer).0, 200);
    assert_eq!(ask(&gateway, "/role", &installer).0, 200);
    let admin = json!({ "roles": "admin" });
    let missing = (403, "Permission PLANTS READ required".to_owned());
    assert_eq!(ask(&gateway, "/all", &admin), missing, "a role in a role is a permission of that name, and no more");
    assert_eq!(ask(&gateway, "/role", &admin).0, 200);
    let update = (403, "Permission PLANTS UPDATE required".to_owned());
    assert_eq!(ask(&gateway, "/all", &json!({ "roles": ["PLANTS READ", "Installer"] })), update);
}

#[test]
fn all_of_some_and_one_of_others_are_asked_for_together() {
    let more = "[[route]]\nmatch = 'GET /both'\npermissions = ['A', 'B']\nany_permission = ['C', 'D']\n\
                [[route]]\nmatch = 'GET /any'\nany_permission = ['C', 'D']";
    let gateway = gateway("", more);
    for (path, granted, missing) in [
        ("/both", &["A", "B", "C"][..], None),
        ("/both", &["D", "B", "A"], None),
        ("/both", &["A", "B"], Some("C")),
        ("/both", &["A", "C", "D"], Some("B")),
        ("/both", &["C"], Some("A")),
        ("/any", &["D"], None),
        ("/any", &["A", "B"], Some("C")),
    ] {
        let expected = missing.map_or((200, String::new()), |name| (403, format!("Permission {name} required")));
        assert_eq!(ask(&gateway, path, &json!({ "permissions": granted })), expected, "{path} {granted:?}");
    }
}

#[test]
fn hundreds_of_permissions_are_told_apart() {
    let route = |number| format!("[[route]]\nmatch = 'GET /{number}'\npermissions = ['P{number}']\n");
    let gateway = gateway("", &(0..300).map(route).collect::<String>());
    let claims = json!({ "permissions": ["P0", "P63", "P64", "P127", "P128", "P299"] });
    for number in [0, 1, 62, 63, 64, 65, 126, 127, 128, 129, 298, 299] {
        let granted = [0, 63, 64, 127, 128, 299].contains(&number);
        assert_eq!(ask(&gateway, &format!("/{number}"), &claims).0, if granted { 200 } else { 403 }, "{number}");
    }
}
