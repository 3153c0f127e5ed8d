use aws_lc_rs::rand::SystemRandom;
use serde_json::json;

use crate::jwt::{SigningKey, tests::rsa_key};

use super::*;

fn key(algorithm: Algorithm, key_id: Option<&str>) -> VerifyingKey {
    if algorithm.key_type() == "RSA" {
        return rsa_key(algorithm).with_key_id(key_id.unwrap().to_owned());
    }
    if algorithm.is_symmetric() {
        let key = VerifyingKey::from_secret(algorithm, &[7; 32]).unwrap();
        return key_id.map_or(key.clone(), |key_id| key.with_key_id(key_id.to_owned()));
    }
    let key = SigningKey::generate(algorithm, &SystemRandom::new()).unwrap();
    key.with_key_id(key_id.unwrap().to_owned()).verifying_key().clone()
}

fn header(algorithm: Algorithm, key_id: Option<&str>) -> Header {
    let mut header = json!({ "alg": algorithm.name() });
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    Header::parse(header.to_string().into_bytes()).unwrap()
}

fn jwks(keys: &[serde_json::Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

#[test]
fn a_named_key_is_that_key_or_none() {
    let set = KeySet::new(vec![
        key(Algorithm::Es256, Some("a")),
        key(Algorithm::Es256, Some("b")),
        key(Algorithm::Rs256, Some("r")),
    ])
    .unwrap();
    assert_eq!(set.select(&header(Algorithm::Es256, Some("b"))).unwrap().key_id(), Some("b"));
    let mismatch = InvalidToken::AlgorithmMismatch { header: Algorithm::Es256, key: Algorithm::Rs256 };
    assert_eq!(set.select(&header(Algorithm::Es256, Some("r"))).unwrap_err(), mismatch);
    for key_id in ["../../../dev/null", "a' OR 1=1--", "|sleep 9", "a\r\nX: 1", "a\0", "", "A", &"k".repeat(8192)] {
        let refused = set.select(&header(Algorithm::Es256, Some(key_id))).unwrap_err();
        assert_eq!(refused, InvalidToken::UnknownKey(Shown::new(key_id)));
        let shown = refused.to_string();
        assert!(shown.len() < 100 && !shown.contains(char::is_control), "{shown}");
    }
}

#[test]
fn without_a_name_it_is_the_only_key_of_the_algorithm() {
    let set = KeySet::new(vec![
        key(Algorithm::Es256, Some("a")),
        key(Algorithm::Es256, Some("b")),
        key(Algorithm::Rs256, Some("r")),
    ])
    .unwrap();
    assert_eq!(set.select(&header(Algorithm::Rs256, None)).unwrap().key_id(), Some("r"));
    let refused = |algorithm| set.select(&header(algorithm, None)).unwrap_err();
    assert_eq!(refused(Algorithm::Es256), InvalidToken::AmbiguousKey(Algorithm::Es256));
    assert_eq!(refused(Algorithm::Rs512), InvalidToken::NoKey(Algorithm::Rs512));
    assert_eq!(refused(Algorithm::Hs256), InvalidToken::NoKey(Algorithm::Hs256));
}

#[test]
fn a_lone_key_without_an_id_answers_to_any_name() {
    let set = KeySet::new(vec![key(Algorithm::Hs256, None), key(Algorithm::Es256, Some("a"))]).unwrap();
    assert_eq!(set.select(&header(Algorithm::Hs256, Some("x"))).unwrap().key_id(), None);
    assert!(matches!(set.select(&header(Algorithm::Es256, Some("x"))), Err(InvalidToken::UnknownKey(_))));
    assert!(matches!(set.select(&header(Algorithm::Hs256, Some("a"))), Err(InvalidToken::AlgorithmMismatch { .. })));
}

#[test]
fn one_bad_key_among_good_ones_is_left_out_and_named() {
    let good = key(Algorithm::Es256, Some("good")).public_jwk().unwrap();
    let mut bad = key(Algorithm::Es256, Some("bad")).public_jwk().unwrap();
    bad["x"] = "AAAA".into();
    let unknown = json!({ "kty": "AKP", "kid": "pq" });
    let (set, skipped) = KeySet::from_jwks(&jwks(&[bad, unknown, json!(1), good]), Origin::Remote).unwrap();
    assert_eq!(set.keys().len(), 1);
    assert_eq!(skipped.iter().map(|key| key.position).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(skipped[0].to_string(), "key 1 (`bad`): the JWK's `x` is missing or malformed");
    assert_eq!(skipped[2].to_string(), "key 3: the JWK's `kty` is missing or malformed");
}

#[test]
fn a_key_id_twice_refuses_the_set() {
    let one = key(Algorithm::Es256, Some("a")).public_jwk().unwrap();
    let other = key(Algorithm::Es384, Some("a")).public_jwk().unwrap();
    let refused = KeySet::from_jwks(&jwks(&[one, other]), Origin::File).unwrap_err();
    assert_eq!(refused, KeySetError::DuplicateKeyId(Shown::new("a")));
    let keys = vec![key(Algorithm::Es256, Some("a")), key(Algorithm::EdDsa, Some("a"))];
    assert!(matches!(KeySet::new(keys), Err(KeySetError::DuplicateKeyId(_))));
}

#[test]
fn a_secret_is_taken_from_a_file_and_never_from_afar() {
    let secret = json!({ "kty": "oct", "alg": "HS256", "kid": "s", "k": "A".repeat(43) });
    assert_eq!(KeySet::from_jwks(&jwks(std::slice::from_ref(&secret)), Origin::File).unwrap().0.keys().len(), 1);
    let good = key(Algorithm::Es256, Some("good")).public_jwk().unwrap();
    let (set, skipped) = KeySet::from_jwks(&jwks(&[secret, good]), Origin::Remote).unwrap();
    assert_eq!((set.keys().len(), &skipped[0].error), (1, &KeyError::JwkSymmetric));
}

#[test]
fn a_private_key_is_refused_wherever_it_comes_from() {
    let private = SigningKey::generate(Algorithm::EdDsa, &SystemRandom::new()).unwrap().to_private_jwk().unwrap();
    let private: serde_json::Value = serde_json::from_slice(private.expose()).unwrap();
    for origin in [Origin::File, Origin::Remote] {
        let Err(KeySetError::NoUsableKey(skipped)) = KeySet::from_jwks(&jwks(std::slice::from_ref(&private)), origin)
        else {
            panic!("a private key is used");
        };
        assert_eq!(skipped[0].error, KeyError::JwkPrivate);
    }
}

#[test]
fn only_the_accepted_algorithms_are_used() {
    let keys = [
        key(Algorithm::Es256, Some("a")).public_jwk().unwrap(),
        key(Algorithm::EdDsa, Some("b")).public_jwk().unwrap(),
    ];
    let (set, skipped) = KeySet::from_jwks_among(&jwks(&keys), Origin::Remote, &[Algorithm::EdDsa]).unwrap();
    assert_eq!(set.keys()[0].key_id(), Some("b"));
    assert_eq!(skipped[0].error, KeyError::NotAccepted(Algorithm::Es256));
}

#[test]
fn what_is_no_key_set_is_refused() {
    let read = |text: &str| KeySet::from_jwks(text.as_bytes(), Origin::Remote).unwrap_err();
    for text in ["{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
        assert_eq!(read(text), KeySetError::NoKeys, "{text}");
    }
    assert_eq!(read(r#"{"keys":[]}"#), KeySetError::NoUsableKey(Vec::new()));
    for text in ["", "<html>", r#"{"keys":[],"keys":[]}"#, r#"{"keys":[{"kid":"a","kid":"b"}]}"#] {
        assert!(matches!(read(text), KeySetError::Json(_)), "{text}");
    }
    assert!(KeySet::new(Vec::new()).unwrap().is_empty());
}
