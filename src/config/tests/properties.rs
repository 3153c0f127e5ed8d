use proptest::prelude::*;

use super::{OPEN, read};

/// Lines that come close to a configuration, to be put together in any order.
const LINES: [&str; 34] = [
    "[listen]",
    "address = \"${PORT}\"",
    "address = ",
    "tls = {",
    "[limits",
    "body_bytes = \"1TiB\"",
    "[upstream.default]",
    "[upstream]",
    "[[upstream]]",
    "servers = [\"http://a\", 1, []]",
    "servers = \"builtin:echo\"",
    "[issuer.a]",
    "[issuer.a.secret]",
    "secret = \"hunter2",
    "secret = { env = \"SECRET\" }",
    "env = \"SECRET\"",
    "algorithms = [\"HS256\", \"ES256\"]",
    "[issuer]",
    "issuer.a = 1",
    "[[route]]",
    "[route]",
    "match = [\"GET /{a}/**\", \"\"]",
    "owner = \"o\"",
    "[ownership.o]",
    "variable = \"a\"",
    "claim = [\"a\", \"b\"]",
    "[identity_headers]",
    "X = \"\"",
    "[dialect]",
    "no_route = { status = 404, body = { a = [1979-05-27, { b = \"$path\" }] } }",
    "[dialect.no_route.body]",
    "preset = \"homsai\"",
    "preset = \"./none.toml\"",
    "é = \"\"\"\u{1}",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_words(text in "\\PC{0,200}") {
        if let Err(rendered) = read(&text) {
            prop_assert!(rendered.starts_with("error: "));
        }
    }

    #[test]
    fn any_lines_are_read_or_refused_and_no_literal_secret_is_shown(
        lines in proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..20),
        end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        if let Err(rendered) = read(&lines.join(end)) {
            prop_assert!(rendered.starts_with("error: "));
            prop_assert!(!rendered.contains("hunter2"), "{}", rendered);
        }
    }

    #[test]
    fn a_cut_or_overwritten_configuration_is_read_or_refused(
        at in 0_usize..OPEN.len(),
        length in 0_usize..20,
        with in "\\PC{0,5}",
    ) {
        let text = format!("{}{with}{}", &OPEN[..at], &OPEN[(at + length).min(OPEN.len())..]);
        if let Err(rendered) = read(&text) {
            prop_assert!(rendered.starts_with("error: "));
        }
    }
}

#[test]
fn a_deep_document_is_refused_not_followed() {
    for text in ["a.".repeat(100_000) + "a = 1", format!("a = {}", "[".repeat(100_000)), "[a.".repeat(50_000)] {
        assert!(read(&text).is_err());
    }
}

#[test]
fn many_mistakes_are_told_in_bearable_time() {
    use std::fmt::Write as _;

    let mut text = String::new();
    (0..5_000).for_each(|number| writeln!(text, "key{number} = 1").unwrap());
    assert_eq!(read(&text).unwrap_err().matches("unknown key").count(), 5_000);
    let one_line = format!("x = [{}]", "${NOWHERE}".repeat(2000));
    assert!(read(&one_line).is_err());
}
