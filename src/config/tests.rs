//! The configuration from outside: a text goes in, typed values or the rendered mistakes come out.

mod access_log;
mod cors;
mod document;
mod identity;
mod introspection;
mod issuers;
mod mistakes;
mod presets;
mod properties;
mod rate_limits;
mod remote_keys;
mod routes;
mod secrets;
#[cfg(feature = "supabase")]
mod supabase;
mod upstreams;

use std::path::Path;

use super::{Config, Loaded, parse};

/// An upstream, and everything open: nothing else is needed.
const OPEN: &str = r#"
[upstream.default]
servers = ["builtin:echo"]
[[route]]
match = "* /**"
access = "public"
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9000".to_owned()),
        "EMPTY" => Some(String::new()),
        "SECRET" => Some("a secret of thirty-two bytes, or more".to_owned()),
        "SHORT" => Some("too short".to_owned()),
        _ => None,
    }
}

fn read_in(base: &Path, text: &str) -> Result<Loaded, String> {
    parse(text, "gateway.toml", base, &environment).map_err(|mistakes| mistakes.render(false))
}

fn read(text: &str) -> Result<Loaded, String> {
    read_in(Path::new("/etc/bearergate"), text)
}

/// The configuration of a text that must be right, without a warning.
#[track_caller]
fn config(text: &str) -> Config {
    let loaded = read(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

/// The mistakes of a text that must be wrong.
#[track_caller]
fn mistakes(text: &str) -> String {
    read(text).map(|loaded| format!("{:#?}", loaded.config)).expect_err("there is a mistake in it")
}

/// That these, and no others, are the first lines of the mistakes in `text`: the message and its place.
#[track_caller]
fn assert_mistakes(text: &str, expected: &[(&str, &str)]) {
    let rendered = mistakes(text);
    let lines: Vec<&str> = rendered.lines().collect();
    let found: Vec<(&str, &str)> = lines
        .windows(2)
        .filter_map(|pair| {
            let place = pair[1].trim_start().strip_prefix("--> ").unwrap_or_default();
            Some((pair[0].strip_prefix("error: ")?, place))
        })
        .collect();
    assert_eq!(found, expected, "\n{rendered}");
}
