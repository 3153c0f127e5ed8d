//! Any bytes as a revocation, and as a time: never a panic, and what is taken is the same when it is read again as it is
//! shown, within the second that a time is shown in.

#![no_main]

use bearergate::{clock::Timestamp, gateway::revocation_json};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_765_536_322);

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(time) = Timestamp::parse(text)
        && !time.to_string().starts_with('@')
    {
        assert_eq!(Timestamp::parse(&time.to_string()).map(Timestamp::as_secs), Some(time.as_secs()), "{text}");
    }
    let Ok(revocation) = revocation_json::read(bytes, NOW) else { return };
    assert!(!revocation.issuer.is_empty() && revocation.until > NOW);
    let mut shown = revocation_json::show(&revocation);
    let members = shown.as_object_mut().expect("it is an object");
    // What is read says how long, and what is shown, until when.
    members.remove("until").expect("it ends");
    let far = revocation.until.as_secs() > 250_000_000_000;
    if far || members.get("before").and_then(|before| before.as_str()).is_some_and(|before| before.starts_with('@')) {
        return;
    }
    let again = revocation_json::read(shown.to_string().as_bytes(), NOW).unwrap_or_else(|error| panic!("{error}"));
    let mut again = revocation_json::show(&again);
    again.as_object_mut().expect("it is an object").remove("until");
    assert_eq!(again, shown);
});
