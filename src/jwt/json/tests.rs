use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<serde_json::Value, JsonProblem> {
    Json::parse(text.as_bytes().to_vec()).map(|json| json.root().to_json()).map_err(|error| error.problem)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn every_kind_of_value_is_read() {
    let text = r#" { "n" : null , "t":true,"f":false,"i":-12,"d":1.5e-3,"s":"x","a":[1,[],{}],"o":{"k":[{"z":0}]} } "#;
    assert_eq!(parse(text), Ok(serde_json::from_str(text).unwrap()));
    for scalar in ["null", "0", "-0.0", "\"\"", " true\r\n\t", "1E+2", "18446744073709551615", "-9223372036854775808"] {
        assert_eq!(parse(scalar), Ok(serde_json::from_str(scalar).unwrap()), "{scalar}");
    }
}

#[test]
fn a_value_is_written_as_it_was_read_and_no_number_is_rounded() {
    let text = r#"{"":null,"a\"\n":[true,-0,1.50,1E+2,123456789012345678901234567890,[],{},"\\é😀"],"b":{"c":false}}"#;
    assert_eq!(Json::parse(text.into()).unwrap().root().to_string(), text);
}

#[test]
fn strings_are_unescaped() {
    for text in [
        r#""\"\\\/\b\f\n\r\t""#,
        r#""a\u00e9b\u20acc\ud83d\ude00d""#,
        r#""é€😀\u0000\u001f\u007f""#,
        r#"["\u0041","","\\u0041","plain"]"#,
        r#"{"\u006b\n":"v\u0061l"}"#,
    ] {
        assert_eq!(parse(text), Ok(serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"{"x":{"y":[{"a":1,"a":2}]}}"#,
        r#"{"":1,"":2}"#,
        r#"{"😀":1,"\ud83d\ude00":2}"#,
    ] {
        assert_eq!(parse(text), Err(JsonProblem::Duplicate), "{text}");
    }
    assert!(parse(r#"{"a":{"a":{"a":1}},"b":{"a":1},"A":1,"a ":1}"#).is_ok());
}

#[test]
fn a_duplicate_among_many_members_is_found_wherever_it_stands() {
    for count in [2, 15, 16, 17, 18, 500] {
        let members: Vec<String> = (0..count).map(|index| format!("\"m{index}\":{{\"v\":[{index}]}}")).collect();
        assert!(parse(&format!("{{{}}}", members.join(","))).is_ok());
        for (original, copy) in [(0, count), (0, 1), (count - 1, count), (count / 2, count)] {
            let mut members = members.clone();
            members.insert(copy, members[original].clone());
            assert_eq!(parse(&format!("{{{}}}", members.join(","))), Err(JsonProblem::Duplicate), "{count} {copy}");
        }
    }
}

#[test]
fn nesting_is_bounded() {
    assert!(parse(&nested(32)).is_ok());
    assert_eq!(parse(&nested(33)), Err(JsonProblem::Depth));
    assert_eq!(parse(&"[".repeat(10_000)), Err(JsonProblem::Depth));
    assert_eq!(parse(&"{\"a\":".repeat(10_000)), Err(JsonProblem::Depth));
    assert!(parse(&format!("[{}1]", "[],".repeat(10_000))).is_ok());
}

#[test]
fn what_is_no_json_is_refused_with_its_reason() {
    let cases = [
        ("", JsonProblem::End),
        (" ", JsonProblem::End),
        ("{", JsonProblem::End),
        ("{\"a\"", JsonProblem::End),
        ("{\"a\":1", JsonProblem::End),
        ("[1,", JsonProblem::End),
        ("\"abc", JsonProblem::End),
        ("\"abc\\", JsonProblem::End),
        ("\"\\u00", JsonProblem::End),
        ("tru", JsonProblem::End),
        ("-", JsonProblem::End),
        ("1.", JsonProblem::End),
        ("1e", JsonProblem::End),
        ("[1,]", JsonProblem::Byte),
        ("{\"a\":1,}", JsonProblem::Byte),
        ("{,}", JsonProblem::Byte),
        ("{a:1}", JsonProblem::Byte),
        ("{'a':1}", JsonProblem::Byte),
        ("{\"a\" 1}", JsonProblem::Byte),
        ("{1:1}", JsonProblem::Byte),
        ("[1 2]", JsonProblem::Byte),
        ("[1}", JsonProblem::Byte),
        ("NaN", JsonProblem::Byte),
        ("Infinity", JsonProblem::Byte),
        ("+1", JsonProblem::Byte),
        (".5", JsonProblem::Byte),
        ("-a", JsonProblem::Byte),
        ("1.e3", JsonProblem::Byte),
        ("True", JsonProblem::Byte),
        ("\u{feff}{}", JsonProblem::Byte),
        ("// no", JsonProblem::Byte),
        ("\u{b}1", JsonProblem::Byte),
        ("01", JsonProblem::Trailing),
        ("1 2", JsonProblem::Trailing),
        ("{}{}", JsonProblem::Trailing),
        ("{}\0", JsonProblem::Trailing),
        ("0x10", JsonProblem::Trailing),
        ("\"a\nb\"", JsonProblem::Control),
        ("\"\\n\u{1}\"", JsonProblem::Control),
        ("\"\\x41\"", JsonProblem::Escape),
        ("\"\\u00g0\"", JsonProblem::Escape),
        ("\"\\u+041\"", JsonProblem::Escape),
        ("\"\\ud83d\"", JsonProblem::Surrogate),
        ("\"\\ud83dx\"", JsonProblem::Surrogate),
        ("\"\\ud83d\\u0041\"", JsonProblem::Surrogate),
        ("\"\\ude00\"", JsonProblem::Surrogate),
        ("\"\\ud83d\\ud83d\\ude00\"", JsonProblem::Surrogate),
        ("1e400", JsonProblem::Range),
        ("[-1E309]", JsonProblem::Range),
    ];
    for (text, problem) in cases {
        assert_eq!(parse(text), Err(problem), "{text:?}");
    }
    assert_eq!(parse(&"9".repeat(400)), Err(JsonProblem::Range));
    assert!(parse(&format!("0.{}", "9".repeat(400))).is_ok());
}

#[test]
fn bad_utf_8_is_refused_even_beside_an_escape() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc3\"",
        b"\"\xc3\\u0041\xa9\"",
        b"\"\\u0041\xa9\"",
        b"\"\xc3\\n\xa9\"",
        b"{\"\xed\xa0\xbd\":1}",
        b"\"\xf0\x9f\x98\"",
        b"\"\xc0\xaf\"",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
    ] {
        let problem = Json::parse(bytes.to_vec()).unwrap_err().problem;
        assert!(matches!(problem, JsonProblem::Utf8 | JsonProblem::Byte), "{bytes:?}: {problem}");
    }
}

#[test]
fn an_integer_is_only_what_is_written_as_one() {
    let number = |text: &str| {
        let json = Json::parse(text.as_bytes().to_vec()).unwrap();
        let Value::Number(number) = json.root() else { panic!("{text} is a number") };
        (number.as_u64(), number.as_i64(), number.as_f64())
    };
    assert_eq!(number("18446744073709551615"), (Some(u64::MAX), None, 18_446_744_073_709_551_615.0));
    assert_eq!(number("18446744073709551616"), (None, None, 18_446_744_073_709_551_616.0));
    assert_eq!(number("-5"), (None, Some(-5), -5.0));
    assert_eq!(number("1.0"), (None, None, 1.0));
    assert_eq!(number("1e2"), (None, None, 100.0));
}

#[test]
fn debug_shows_no_content() {
    let json = Json::parse(br#"{"k":"secret"}"#.to_vec()).unwrap();
    assert_eq!(format!("{json:?}"), "Json(14 bytes)");
}

/// JSON-like bytes: pieces of the grammar in any order, and some of anything.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\"",
            "\\",
            "\"a\"",
            "\"b\":1",
            "\"\\u0061\"",
            "\\ud83d",
            "\\ude00",
            "\\n",
            "null",
            "true",
            "false",
            "0",
            "-1",
            "1.5",
            "1e3",
            "1e999",
            "01",
            "é",
            "\n",
            "\u{1}",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..3),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Any document that is not deeper than allowed.
fn documents() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        proptest::num::f64::NORMAL.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// `text` with every character of every string written as an escape.
fn escaped(text: &str) -> String {
    let mut inside = false;
    let mut characters = text.chars();
    let mut written = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                inside = !inside;
                written.push('"');
            }
            '\\' => {
                written.push('\\');
                written.extend(characters.next());
            }
            _ if inside => {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).iter().for_each(|unit| written.push_str(&format!("\\u{unit:04x}")));
            }
            _ => written.push(character),
        }
    }
    written
}

proptest! {
    #[test]
    fn any_bytes_are_accepted_exactly_when_serde_json_accepts_them_but_for_duplicates(bytes in pieces()) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        match Json::parse(bytes) {
            Ok(ours) => prop_assert_eq!(ours.root().to_json().to_string(), theirs.unwrap().to_string()),
            Err(JsonError { problem: JsonProblem::Duplicate | JsonProblem::Depth, .. }) => {}
            Err(_) => prop_assert!(theirs.is_err()),
        }
    }

    #[test]
    fn any_document_is_read_as_it_was_written(document in documents()) {
        for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap(), escaped(&document.to_string())] {
            let json = Json::parse(text.into_bytes()).unwrap();
            let read = json.root().to_json();
            prop_assert_eq!(read, document.clone());
        }
    }
}
