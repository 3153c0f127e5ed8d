//! Any bytes as an issuer's key set: never a panic, and what is used of it is public, known by one name, and what is
//! published of it is the same key.

#![no_main]

use std::collections::HashSet;

use bearergate::jwt::{Algorithm, KeySet, Origin};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const SECRETS: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];

fuzz_target!(|bytes: &[u8]| {
    let _ = KeySet::from_jwks(bytes, Origin::File);
    let _ = KeySet::from_jwks_among(bytes, Origin::Remote, &[Algorithm::Rs256]);
    let Ok((set, _)) = KeySet::from_jwks(bytes, Origin::Remote) else { return };
    assert!(!set.keys().is_empty());
    let ids: Vec<_> = set.keys().iter().filter_map(|key| key.key_id()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    for key in set.keys() {
        assert!(!SECRETS.contains(&key.algorithm()));
        let jwk = key.public_jwk().expect("it is a public key");
        assert!(["d", "p", "q", "k"].iter().all(|private| jwk.get(private).is_none()));
        let published = json!({ "keys": [jwk] }).to_string();
        let (again, _) = KeySet::from_jwks(published.as_bytes(), Origin::Remote).expect("it is good for others too");
        assert_eq!((again.keys()[0].key_id(), again.keys()[0].algorithm()), (key.key_id(), key.algorithm()));
        assert_eq!(again.keys()[0].public_jwk(), Some(jwk));
    }
});
