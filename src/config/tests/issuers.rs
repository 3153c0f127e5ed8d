use std::{path::Path, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{assert_mistakes, config, mistakes, read_in};
use crate::{
    config::{Issuer, KeySource},
    jwt::{Algorithm, ClaimPath, SigningKey},
};

/// An echo upstream and one issuer with these lines.
fn issuer(lines: &str) -> String {
    format!("upstream.default.servers = 'builtin:echo'\n[issuer.main]\n{lines}\n")
}

#[track_caller]
fn read_issuer(base: &Path, lines: &str) -> Issuer {
    let loaded = read_in(base, &issuer(lines)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config.issuers.into_iter().next().unwrap()
}

#[track_caller]
fn refused(base: &Path, lines: &str) -> String {
    read_in(base, &issuer(lines)).map(|loaded| format!("{:?}", loaded.config.issuers)).unwrap_err()
}

/// A public key for ES256 as a PEM file.
fn pem() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
}

fn jwk(algorithm: Algorithm) -> serde_json::Value {
    SigningKey::generate(algorithm, &SystemRandom::new()).unwrap().public_jwk().unwrap()
}

#[test]
fn everything_that_is_set_arrives() {
    let config = config(&issuer(
        r#"
        issuer = "https://id.example.com"
        audience = ["orders", "stock"]
        algorithms = ["HS256", "HS512"]
        secret = { env = "SECRET" }
        leeway = "30s"
        typ = "at+jwt"
        required_claims = { token_type = "access", version = 2, mfa = true }
        forbidden_claims = { purpose = "set_password" }
        subject = "user_id"
        permissions = ["scope", ["realm_access", "roles"]]
        max_life = "1h"
        "#,
    ));
    let issuer = &config.issuers[0];
    assert_eq!(
        (issuer.name.as_str(), issuer.algorithms.as_slice()),
        ("main", &[Algorithm::Hs256, Algorithm::Hs512][..])
    );
    let expected = &issuer.expectations;
    assert_eq!(expected.issuer.as_deref(), Some("https://id.example.com"));
    assert_eq!(expected.audience, ["orders", "stock"]);
    assert_eq!((expected.leeway, expected.max_life), (Duration::from_secs(30), Some(Duration::from_secs(3600))));
    assert_eq!(expected.typ.as_deref(), Some("at+jwt"));
    let required: Vec<_> = expected.required_claims.iter().map(|claim| claim.value.clone()).collect();
    assert_eq!(required, [json!("access"), json!(2), json!(true)]);
    assert_eq!(expected.forbidden_claims[0].path, ClaimPath::from("purpose"));
    assert_eq!((&expected.subject, expected.subject_required), (&ClaimPath::from("user_id"), true));
    assert_eq!(issuer.permissions, [ClaimPath::from("scope"), ClaimPath::nested(["realm_access", "roles"]).unwrap()]);
    let KeySource::Secret { secret, weak: false, keys } = &issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(secret.expose(), b"a secret of thirty-two bytes, or more");
    assert_eq!(keys.keys().iter().map(|key| key.algorithm()).collect::<Vec<_>>(), issuer.algorithms);
    assert!(!format!("{config:?}").contains("thirty-two"));
}

#[test]
fn what_is_not_set_is_the_least_surprising() {
    let issuer = read_issuer(Path::new("/"), "secret.env = 'SECRET'");
    assert_eq!(issuer.algorithms, [Algorithm::Hs256]);
    assert_eq!(issuer.permissions, ["permissions", "scope", "scp"].map(ClaimPath::from));
    let expected = issuer.expectations;
    assert!(expected.issuer.is_none() && expected.audience.is_empty() && expected.max_life.is_none());
    assert_eq!((expected.leeway, expected.subject), (Duration::ZERO, ClaimPath::from("sub")));
}

#[test]
fn an_issuer_has_exactly_one_key_source() {
    let rendered = refused(Path::new("/"), "issuer = 'a'");
    assert!(rendered.contains("the issuer `main` has no key source\n --> gateway.toml:2:9"), "{rendered}");
    assert!(
        rendered.contains(
            "exactly one of `secret`, `public_key`, `jwks_file`, `jwks_url`, `discovery_url`, `introspection_url`, `signing_keys`"
        ),
        "{rendered}"
    );
    let rendered = refused(Path::new("/"), "secret = { env = 'SECRET' }\nsigning_keys = 'keys'");
    assert!(rendered.contains("the issuer `main` has more than one key source\n --> gateway.toml:4:1"), "{rendered}");
    assert!(rendered.contains("the first is here\n --> gateway.toml:3:1"), "{rendered}");
}

#[test]
fn algorithms_fit_the_key_source() {
    let base = Path::new("/");
    for (lines, why) in [
        ("algorithms = ['ES256']\nsecret.env = 'SECRET'", "has ES256, for which a secret is no key"),
        ("algorithms = ['HS256']\nsigning_keys = 'keys'", "has HS256, for which `signing_keys` is no key"),
        ("algorithms = ['RS256']\nsigning_keys = 'keys'", "has RS256, for which `signing_keys` is no key"),
        (
            "algorithms = ['HS256', 'ES256']\nsecret.env = 'SECRET'",
            "mixes HS256 (a shared secret) with ES256 (a key pair)",
        ),
        ("algorithms = ['HS256', 'HS256']\nsecret.env = 'SECRET'", "has HS256 twice"),
        ("algorithms = ['none']\nsecret.env = 'SECRET'", "must not have \"none\""),
        ("algorithms = ['hs256']\nsecret.env = 'SECRET'", "did you mean `HS256`?"),
        ("algorithms = []\nsecret.env = 'SECRET'", "is an empty list"),
        ("algorithms = [256]\nsecret.env = 'SECRET'", "must be a string, not an integer"),
    ] {
        assert!(refused(base, lines).contains(why), "{why}: {}", refused(base, lines));
    }
}

#[test]
fn signing_keys_are_a_folder_beside_the_file_and_need_not_be_there() {
    let issuer = read_issuer(Path::new("/nowhere"), "signing_keys = 'keys'");
    assert_eq!(issuer.algorithms, [Algorithm::Es256]);
    assert!(matches!(issuer.keys, KeySource::SigningKeys(folder) if folder == Path::new("/nowhere/keys")));
}

#[test]
fn a_public_key_file_is_read_and_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("id.pem"), pem()).unwrap();
    std::fs::write(folder.path().join("bad.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let issuer = read_issuer(folder.path(), "public_key = 'id.pem'\nalgorithms = 'ES256'");
    let KeySource::Fixed(keys) = issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(keys.keys()[0].algorithm(), Algorithm::Es256);
    for (lines, why) in [
        ("public_key = 'none.pem'\nalgorithms = 'ES256'", "names a file that cannot be read"),
        ("public_key = 'bad.pem'\nalgorithms = 'ES256'", "cannot be used for ES256"),
        ("public_key = 'id.pem'\nalgorithms = 'RS256'", "cannot be used for RS256"),
        ("public_key = 'id.pem'\nalgorithms = 'HS256'", "has HS256, for which a public key is no key"),
        ("public_key = 'id.pem'", "needs `algorithms`"),
        ("public_key = { file = 'id.pem' }\nalgorithms = 'ES256'", "must be a string, not a table"),
    ] {
        let rendered = refused(folder.path(), lines);
        assert!(rendered.contains(why) && rendered.contains("--> gateway.toml:"), "{why}: {rendered}");
    }
}

#[test]
fn a_key_set_file_says_its_algorithms_itself() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, keys: serde_json::Value| {
        std::fs::write(folder.path().join(name), json!({ "keys": keys }).to_string()).unwrap();
    };
    let secret = json!({ "kty": "oct", "alg": "HS256", "k": "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb3IgbW9yZQ" });
    write("two.json", json!([jwk(Algorithm::Es256), jwk(Algorithm::EdDsa)]));
    write("mixed.json", json!([jwk(Algorithm::Es256), secret]));
    write("none.json", json!([]));
    let issuer = read_issuer(folder.path(), "jwks_file = 'two.json'");
    assert_eq!(issuer.algorithms, [Algorithm::Es256, Algorithm::EdDsa]);
    let loaded = read_in(folder.path(), &self::issuer("jwks_file = 'two.json'\nalgorithms = ['EdDSA']")).unwrap();
    assert_eq!(loaded.config.issuers[0].algorithms, [Algorithm::EdDsa]);
    assert!(
        loaded.warnings.render(false).contains("a key of `issuer.main.jwks_file` is left out"),
        "{}",
        loaded.warnings
    );
    assert!(refused(folder.path(), "jwks_file = 'mixed.json'").contains("mixes shared secrets with public keys"));
    assert!(refused(folder.path(), "jwks_file = 'none.json'").contains("cannot be used"));
    assert!(refused(folder.path(), "jwks_file = 'two.json'\nalgorithms = ['ES384']").contains("cannot be used"));
}

#[test]
fn two_issuers_that_a_token_could_both_be_of_are_a_mistake() {
    let two = |first: &str, second: &str| {
        format!(
            "upstream.default.servers = 'builtin:echo'\n[issuer.a]\n{first}\nsigning_keys = 'a'\n\
             [issuer.b]\n{second}\nsigning_keys = 'b'\n"
        )
    };
    config(&two("issuer = 'a'", "issuer = 'b'"));
    config(&two("issuer = 'a'", ""));
    let rendered = mistakes(&two("issuer = 'a'", "issuer = 'a'"));
    assert!(rendered.contains("the issuers `a` and `b` have the same `issuer`\n --> gateway.toml:5:9"), "{rendered}");
    assert!(mistakes(&two("", "")).contains("the issuers `a` and `b` have no `issuer`"));
}

#[test]
fn wrong_values_are_told_one_by_one() {
    assert_mistakes(
        &issuer(
            "secret.env = 'SECRET'\nissuer = ''\naudience = [1, 'x']\ntyp = \"a\\n\"\nsubject = []\npermissions = [[], 1]\n\
             required_claims = { a = 1.5, b = ['x'] }\nmax_life = '0s'\nleeway = '10m1s'",
        ),
        &[
            ("`issuer.main.issuer` is empty", "gateway.toml:4:10"),
            ("`issuer.main.audience` must be a string, not an integer", "gateway.toml:5:13"),
            ("`issuer.main.typ` must not contain control characters", "gateway.toml:6:7"),
            ("`issuer.main.subject` is an empty list: name a claim", "gateway.toml:7:11"),
            ("`issuer.main.permissions` is an empty list: name a claim", "gateway.toml:8:16"),
            (
                "`issuer.main.permissions` must be a claim's name or a list of names, not an integer",
                "gateway.toml:8:20",
            ),
            (
                "`issuer.main.required_claims.a` must be a string, a whole number or a boolean, not a float",
                "gateway.toml:9:25",
            ),
            (
                "`issuer.main.required_claims.b` must be a string, a whole number or a boolean, not a list",
                "gateway.toml:9:34",
            ),
            ("`issuer.main.max_life` must be more than 0", "gateway.toml:10:12"),
            ("`issuer.main.leeway` must be a duration, not \"10m1s\"", "gateway.toml:11:10"),
        ],
    );
}
