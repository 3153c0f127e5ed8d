//! What the upstream is told about the caller: identity headers, and tokens of the gateway's own.

use std::{path::Path, thread::sleep, time::Duration};

use bearergate::{
    clock::Timestamp,
    config,
    gateway::signing_keys,
    jwt::{Algorithm, Expectations, KeySet, Origin, SigningKey, UnverifiedToken, sign},
};
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, NOW, Upstream,
    client::header,
    deployment::{SECRET, deploy},
};

/// A gateway with this `[identity_headers]`, whose clients have tokens of `https://id`.
struct Api {
    gateway: Gateway,
    clock: bearergate::clock::Clock,
    upstream: Upstream,
    folder: tempfile::TempDir,
}

const ISSUERS: &str = r#"
[issuer.main]
issuer = "https://id"
secret = { env = "KEY" }
[issuer.internal]
issuer = "https://gateway.internal"
audience = "orders"
signing_keys = "keys"
max_life = "5m"
[[route]]
match = "* /**"
[[route]]
match = "* /public/**"
access = "public"
[[route]]
match = "* /maybe"
access = "optional"
[[route]]
match = "* /callback"
issuers = ["internal"]
"#;

impl Api {
    fn new(identity_headers: &str) -> Self {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
        let text = format!("[identity_headers]\n{identity_headers}\n{ISSUERS}");
        let (gateway, clock) = deploy(&text, folder.path(), upstream.address);
        Self { gateway, clock, upstream, folder }
    }

    /// The status, and the head that the upstream received.
    fn get(&self, path: &str, token: Option<&str>, fields: &str) -> Result<String, u16> {
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: api\r\n{authorization}{fields}\r\n");
        match self.gateway.connect().send(request).response().status {
            200 => Ok(self.upstream.received()),
            refused => Err(refused),
        }
    }

    fn published(&self) -> Vec<u8> {
        Client::connect(self.gateway.running.address()).get("/.well-known/jwks.json").body
    }

    /// What the upstream makes of a token, by the keys that are published.
    fn verified(&self, token: &str) -> (String, Value) {
        let (keys, _) = KeySet::from_jwks(&self.published(), Origin::File).unwrap();
        let unverified = UnverifiedToken::parse(token, 8192).unwrap();
        let key = keys.select(unverified.header()).unwrap();
        let id = key.key_id().unwrap().to_owned();
        (id, unverified.verify_signature(key).unwrap().into_claims().to_json())
    }
}

/// A client's token with these claims, good for `life` seconds.
fn token(life: u64, claims: &Value) -> String {
    let mut all = json!({ "iss": "https://id", "sub": "alice", "exp": NOW + life });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET.as_bytes()).unwrap();
    sign(&key, None, all.as_object().unwrap()).unwrap()
}

fn bearer(head: &str) -> &str {
    header(head, "authorization").unwrap().strip_prefix("Bearer ").unwrap()
}

#[test]
fn the_upstream_gets_a_short_token_of_the_gateways_in_place_of_the_clients() {
    let api = Api::new("resign = { issuer = 'internal', claims = ['email', ['realm_access', 'roles'], 'absent'] }");
    let client = token(3600, &json!({ "email": "a@b", "realm_access": { "roles": ["r"], "x": 1 }, "secret": 1 }));
    let head = api.get("/orders", Some(&client), "").unwrap();
    assert!(!head.contains(&client));
    let (_, claims) = api.verified(bearer(&head));
    let expected = json!({
        "email": "a@b", "realm_access": { "roles": ["r"] }, "iss": "https://gateway.internal", "aud": "orders",
        "sub": "alice", "iat": NOW, "exp": NOW + 60,
    });
    assert_eq!(claims, expected);
    let again = api.get("/orders", Some(&client), "").unwrap();
    assert_eq!(bearer(&again), bearer(&head), "minted once");
    api.clock.advance(Duration::from_secs(50));
    let later = api.get("/orders", Some(&client), "").unwrap();
    assert_eq!(api.verified(bearer(&later)).1["exp"], NOW + 110);
}

#[test]
fn nobodys_token_reaches_the_upstream_where_the_gateways_stands() {
    let api = Api::new("resign = { issuer = 'internal' }");
    let client = token(3600, &json!({}));
    for (path, token) in [("/public/x", None), ("/public/x", Some(client.as_str())), ("/maybe", None)] {
        let head = api.get(path, token, "").unwrap();
        assert_eq!(header(&head, "authorization"), None, "{path}: {head}");
    }
    let head = api.get("/public/x", None, "Authorization: Basic eDp5\r\n").unwrap();
    assert_eq!(header(&head, "authorization"), None, "{head}");
    let head = api.get("/maybe", Some(&client), "").unwrap();
    assert_eq!(api.verified(bearer(&head)).1["sub"], "alice");
    let nominated = api.get("/orders", Some(&client), "Connection: authorization\r\n").unwrap();
    assert_eq!(api.verified(bearer(&nominated)).1["sub"], "alice");
}

#[test]
fn a_token_for_the_upstream_gets_nobody_in_but_where_a_route_says_so() {
    let api = Api::new("resign = { issuer = 'internal' }");
    let head = api.get("/orders", Some(&token(3600, &json!({}))), "").unwrap();
    let internal = bearer(&head);
    for (path, expected) in [("/orders", Err(401)), ("/maybe", Err(401)), ("/callback", Ok(()))] {
        assert_eq!(api.get(path, Some(internal), "").map(drop), expected, "{path}");
    }
    assert_eq!(api.get("/callback", Some(&token(3600, &json!({}))), ""), Err(401), "it names the other issuer");
}

#[test]
fn beside_the_clients_token_it_has_a_header_of_its_own_that_no_client_can_send() {
    let api = Api::new("resign = { issuer = 'internal', header = 'X-Internal-Token' }");
    let client = token(3600, &json!({}));
    let forged = "X-Internal-Token: a\r\nx_internal_token: b\r\nX.Internal.Token: c\r\n";
    let head = api.get("/orders", Some(&client), forged).unwrap();
    assert_eq!(bearer(&head), client);
    assert_eq!(head.to_ascii_lowercase().matches("internal").count(), 1, "{head}");
    assert_eq!(api.verified(header(&head, "x-internal-token").unwrap()).1["sub"], "alice");
    let head = api.get("/public/x", None, forged).unwrap();
    assert!(!head.to_ascii_lowercase().contains("internal"), "{head}");
}

#[test]
fn it_ends_with_the_clients_token() {
    let api = Api::new("resign = { issuer = 'internal', lifetime = '5m' }");
    let head = api.get("/orders", Some(&token(7, &json!({}))), "").unwrap();
    assert_eq!(api.verified(bearer(&head)).1["exp"], NOW + 7);
}

#[test]
fn a_rotated_key_signs_for_the_upstream_without_a_restart() {
    let api = Api::new("resign = { issuer = 'internal' }");
    let client = token(3600, &json!({}));
    let first = api.verified(bearer(&api.get("/orders", Some(&client), "").unwrap())).0;
    rotate(&api.folder.path().join("keys"));
    let published = || -> Value { serde_json::from_slice(&api.published()).unwrap() };
    for _ in 0..100 {
        if published()["keys"].as_array().unwrap().len() == 3 {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    let now = published();
    assert_eq!(now["keys"].as_array().unwrap().len(), 3, "{now}");
    api.clock.advance(Duration::from_secs(60));
    let head = api.get("/orders", Some(&client), "").unwrap();
    let (second, _) = api.verified(bearer(&head));
    assert_ne!(second, first);
    assert_eq!(now["keys"][0]["kid"], second.as_str(), "the current one is the first that is published");
}

fn rotate(folder: &Path) {
    let issuer = config::Issuer {
        name: "internal".to_owned(),
        algorithms: vec![Algorithm::Es256],
        keys: config::KeySource::SigningKeys(folder.to_owned()),
        expectations: Expectations::default(),
        permissions: Vec::new(),
    };
    signing_keys::generate(folder, &issuer).unwrap();
    signing_keys::rotate(folder, &issuer, Timestamp::from_secs(NOW)).unwrap().unwrap();
}

#[test]
fn claims_of_every_shape_arrive_joined_or_as_json() {
    let api = Api::new(
        "X-Roles = ['realm_access', 'roles']\nX-Perms = { claim = 'permissions', format = 'json' }\n\
         X-Url = 'https://example.com/roles'\nX-Age = 'age'\nX-Absent = { claim = 'absent', format = 'json' }\n\
         authorization = 'strip'",
    );
    let claims = json!({
        "realm_access": { "roles": ["a b", "c"] }, "permissions": ["X, Y", "\u{e9}\r\n"], "https://example.com/roles": "one",
        "age": 7, "https://example": { "com/roles": "two" },
    });
    let head = api.get("/orders", Some(&token(3600, &claims)), "X-Absent: forged\r\n").unwrap();
    for (name, expected) in [
        ("x-roles", Some("a b,c")),
        ("x-perms", Some(r#"["X, Y","\u00e9\r\n"]"#)),
        ("x-url", Some("one")),
        ("x-age", Some("7")),
        ("x-absent", None),
        ("authorization", None),
    ] {
        assert_eq!(header(&head, name), expected, "{name}: {head}");
    }
    let large = json!({ "permissions": "x".repeat(5000), "https://example.com/roles": "x".repeat(5000) });
    assert_eq!(api.get("/orders", Some(&token(3600, &large)), ""), Err(401), "too long for a header");
}
