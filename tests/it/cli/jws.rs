//! `jws verify`: a signature alone, with each family of algorithms.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA384, RsaEncoding},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bearergate::jwt::{Algorithm, SigningKey, sign};
use serde_json::{Value, json};

use super::support::{Ended, Folder};
use crate::support::forge::Signer;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn generated(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &SystemRandom::new()).unwrap()
}

fn token(key: &SigningKey) -> String {
    sign(key, None, json!({ "not": "a token's claims" }).as_object().unwrap()).unwrap()
}

/// The public JWK, or that of the secret.
fn jwk(key: &SigningKey) -> Value {
    key.public_jwk().unwrap_or_else(|| serde_json::from_slice(key.to_private_jwk().unwrap().expose()).unwrap())
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

fn verify(folder: &Folder, key: &Value, token: &str) -> Ended {
    folder.write("key.json", key.to_string());
    let option = if key.get("keys").is_some() { "--jwks" } else { "--jwk" };
    folder.run(&["jws", "verify", option, "key.json", token])
}

#[test]
fn each_family_is_verified_and_a_changed_byte_is_not() {
    let folder = Folder::empty();
    for algorithm in [Algorithm::Hs256, Algorithm::Hs512, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = generated(algorithm);
        let text = token(&key);
        let good = verify(&folder, &jwk(&key), &text);
        assert_eq!(good.code, 0, "{good:?}");
        assert!(good.stdout.starts_with(&format!("valid: {algorithm}, key ")), "{}", good.stdout);
        let (_, payload) = text.split_once('.').unwrap();
        let changed = text.replacen(payload, &payload.replacen('e', "f", 1), 1);
        let bad = verify(&folder, &jwk(&key), &changed);
        assert_eq!((bad.code, bad.stdout.as_str()), (1, "not valid: the signature is wrong\n"));
        assert_eq!(verify(&folder, &jwk(&generated(algorithm)), &text).code, 1);
        assert_eq!(folder.run_with_input(&["jws", "verify", "--jwk", "key.json"], &text).code, 1);
    }
    assert_eq!(folder.names(), ["key.json"], "no configuration is read, nothing is made");
}

#[test]
fn rsa_is_verified_in_both_paddings_and_any_payload_is_fine() {
    let folder = Folder::empty();
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let number = |bytes: &[u8]| encode(&bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..]);
    let modulus = number(public.modulus().big_endian_without_leading_zero());
    let exponent = number(public.exponent().big_endian_without_leading_zero());
    let jwk = json!({ "kty": "RSA", "n": modulus, "e": exponent });
    for (alg, padding) in [("RS256", &RSA_PKCS1_SHA256 as &dyn RsaEncoding), ("PS384", &RSA_PSS_SHA384)] {
        for payload in [&b"no JSON"[..], b"", &[0xff]] {
            let message = format!("{}.{}", encode(json!({ "alg": alg }).to_string()), encode(payload));
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            let text = format!("{message}.{}", encode(signature));
            let good = verify(&folder, &jwk, &text);
            assert_eq!(good.code, 0, "{good:?}");
            let mut bound = jwk.clone();
            bound["alg"] = "RS512".into();
            assert_eq!(verify(&folder, &bound, &text).code, 1, "a key is for one algorithm");
        }
    }
}

#[test]
fn the_token_chooses_among_the_keys_of_a_set() {
    let folder = Folder::empty();
    let (one, other, stranger) =
        (generated(Algorithm::Es256), generated(Algorithm::EdDsa), generated(Algorithm::Es256));
    let set = json!({ "keys": [jwk(&one), jwk(&other)] });
    for key in [&one, &other] {
        let ended = verify(&folder, &set, &token(key));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains(key.key_id().unwrap()), "{}", ended.stdout);
    }
    let ended = verify(&folder, &set, &token(&stranger));
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("no key has the id"), "{}", ended.stdout);
    let ended = verify(&folder, &set, &token(&generated(Algorithm::Hs256)));
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "not valid: no key for HS256\n"));
}

#[test]
fn a_secret_file_is_verified_with_the_algorithm_that_is_said() {
    let folder = Folder::empty();
    let key = SigningKey::from_weak_secret(Algorithm::Hs256, b"short").unwrap();
    folder.write("secret", "short\n");
    let verify = |alg| folder.run(&["jws", "verify", "--secret-file", "secret", "--alg", alg, &token(&key)]);
    let good = verify("HS256");
    assert_eq!((good.code, good.stdout.as_str()), (0, "valid: HS256, key without an id\n"));
    assert_eq!(verify("HS384").code, 1);
    assert_eq!(verify("ES256").code, 2);
    assert_eq!(verify("none").code, 2);
    assert!(!format!("{good:?}").contains("short"));
}

#[test]
fn a_public_key_is_never_a_secret() {
    let folder = Folder::empty();
    let public = jwk(&generated(Algorithm::Es256));
    let forged = Signer::secret(public.to_string().as_bytes()).sign(r#"{"alg":"HS256"}"#, "{}");
    for key in [public.clone(), without(public, "alg")] {
        let ended = verify(&folder, &key, &forged);
        assert_eq!(ended.code, 1, "{ended:?}");
    }
    let secret = without(jwk(&generated(Algorithm::Hs256)), "alg");
    assert_eq!(verify(&folder, &secret, &token(&generated(Algorithm::Es256))).code, 1);
}

#[test]
fn what_is_no_jws_is_not_valid_and_what_is_no_key_is_bad_usage() {
    let folder = Folder::empty();
    let key = generated(Algorithm::Es256);
    for text in ["a", "a.b", "a.b.c.d", "..", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30."] {
        let ended = verify(&folder, &jwk(&key), text);
        assert_eq!(ended.code, 1, "{text}: {ended:?}");
        assert!(ended.stdout.starts_with("not valid: "));
    }
    let private: Value = serde_json::from_slice(key.to_private_jwk().unwrap().expose()).unwrap();
    let secret = private["d"].as_str().unwrap().to_owned();
    for wrong in [json!({}), json!([]), json!({ "keys": 1 }), json!({ "kty": "RSA" }), private] {
        let ended = verify(&folder, &wrong, &token(&key));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{wrong}: {ended:?}");
        assert!(ended.stderr.contains("key.json") && !ended.stderr.contains(&secret), "{}", ended.stderr);
    }
    assert_eq!(folder.run(&["jws", "verify", "--jwk", "none.json", "a.b.c"]).code, 2);
    assert_eq!(folder.run(&["jws", "verify", "--jwk", "a", "--jwks", "b", "a.b.c"]).code, 2);
}
