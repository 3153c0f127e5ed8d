//! Any text as a path: never a panic, and no path that is accepted for an open rule leaves it when an upstream decodes and
//! tidies it up.

#![no_main]

use std::sync::LazyLock;

use bearergate::{
    authn::Vocabulary,
    authz::{Access, RouteSpec, Routes},
};
use http::Method;
use libfuzzer_sys::fuzz_target;

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let route =
        |pattern: &str, access| RouteSpec { patterns: vec![pattern.parse().unwrap()], access, ..RouteSpec::default() };
    let specs = vec![
        route("* /open/**", Access::Public),
        route("GET /open/secret", Access::Token),
        route("GET /{one}/{two}", Access::Token),
        route("* /**", Access::Token),
    ];
    Routes::build(specs, &[], &mut Vocabulary::default()).unwrap()
});

/// The path as an upstream may read it: decoded, without empty and dot segments.
fn tidied(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    let mut segments = Vec::new();
    for segment in String::from_utf8_lossy(&decoded).split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name.to_owned()),
        }
    }
    segments.join("/")
}

fuzz_target!(|path: &str| {
    let Ok(Some(found)) = ROUTES.find(&Method::GET, path) else { return };
    if found.rule().access() == Access::Public {
        for read in [tidied(path), tidied(&tidied(path))] {
            assert!(read == "open" || read.starts_with("open/"), "{path:?} is read as {read:?}");
            assert!(!read.eq_ignore_ascii_case("open/secret"), "{path:?} is read as {read:?}");
        }
    }
});
