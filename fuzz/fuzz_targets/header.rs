//! Any bytes as an `Authorization` field: never a panic, and what is found is a part of it that a token can be.

#![no_main]

use bearergate::authn::{SchemeMatch, bearer};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value.clone());
    for scheme in [SchemeMatch::CaseInsensitive, SchemeMatch::Exact] {
        if let Ok(text) = bearer::token(&headers, scheme, 256).map(|presented| presented.text())
            && let Ok(text) = text
        {
            assert!(!text.is_empty() && text.len() <= 256 && bytes.ends_with(text.as_bytes()));
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"'();:<>@[]{}\\".contains(&byte)));
        }
    }
    headers.append(AUTHORIZATION, value);
    assert!(bearer::token(&headers, SchemeMatch::CaseInsensitive, 256).is_err());
});
