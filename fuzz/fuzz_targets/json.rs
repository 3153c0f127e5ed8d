//! Any bytes as JSON: accepted exactly when serde_json accepts them, duplicate members and deep nesting excepted, and then
//! read as the same value.

#![no_main]

use bearergate::jwt::{Json, JsonError, JsonProblem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match Json::parse(bytes.to_vec()) {
        Ok(ours) => {
            let theirs = theirs.expect("what we accept is JSON");
            assert!(same(&ours.root().to_json(), &theirs));
        }
        Err(JsonError { problem: JsonProblem::Duplicate | JsonProblem::Depth, .. }) => {}
        // The edge of a double's range: serde_json rounds before it compares.
        Err(JsonError { problem: JsonProblem::Range, .. }) => {}
        Err(error) => assert!(theirs.is_err(), "{error}"),
    }
});

/// Equal but for the last bit of a double: serde_json's fast parser is not exact.
fn same(ours: &serde_json::Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (ours, theirs) {
        (Number(ours), Number(theirs)) => match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= ours.abs() * 1e-12,
            _ => false,
        },
        (Array(ours), Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Object(ours), Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| theirs.get(name).is_some_and(|theirs| same(ours, theirs)))
        }
        _ => ours == theirs,
    }
}
