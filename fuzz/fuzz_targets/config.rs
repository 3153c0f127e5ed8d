//! Any text as gateway.toml: read, or refused with words; never a panic.

#![no_main]

use std::path::Path;

use bearergate::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A file that the text names would be read: one that is there could be anything, so there is none.
    let nowhere = Path::new("/nonexistent");
    let environment = |name: &str| (name.len() % 2 == 0).then(|| format!("${{{name}}} value"));
    match config::parse(text, "gateway.toml", nowhere, &environment) {
        Ok(loaded) => assert!(!loaded.config.routes.is_empty()),
        Err(mistakes) => assert!(mistakes.render(false).starts_with("error: ")),
    }
});
