//! Any bytes as the answer of a server that is asked about a token (RFC 7662): never a panic, and a token is good only
//! where the answer says so once and plainly.

#![no_main]

use bearergate::authn::introspection::read;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Ok(_)) = read(bytes.to_vec()) {
        let answer: Value = serde_json::from_slice(bytes).expect("what is JSON for us is JSON");
        assert_eq!(answer["active"], true);
        let kind = answer.get("token_type");
        assert!(kind.is_none_or(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))));
    }
});
