//! Any bytes as a header of the PROXY protocol: never a panic; what is read does not depend on what comes behind it, and its
//! beginning is never refused nor taken for all of it.

#![no_main]

use bearergate::gateway::proxy_protocol::{LONGEST, Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    match whole {
        Ok(Parsed::Header { length, .. }) => {
            assert!(length <= bytes.len() && length <= LONGEST);
            assert_eq!(parse(&bytes[..length]), whole);
            for cut in 0..length {
                assert!(
                    matches!(parse(&bytes[..cut]), Ok(Parsed::Incomplete(least)) if cut < least && least <= length)
                );
            }
        }
        Ok(Parsed::Incomplete(least)) => assert!(bytes.len() < least && least <= LONGEST),
        Err(_) => assert_eq!(parse(&[bytes, b"\r\n"].concat()), whole),
    }
});
