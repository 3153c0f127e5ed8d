use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What is found in pieces of this size; `None` if the document ends first.
fn find_in_pieces(document: &[u8], pointer: &str, size: usize) -> Result<Option<String>, NotFound> {
    let mut finder = Finder::new(pointer);
    for piece in document.chunks(size) {
        if let Some(found) = finder.feed(piece)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[track_caller]
fn find(document: &str, pointer: &str) -> Result<Option<String>, NotFound> {
    let whole = find_in_pieces(document.as_bytes(), pointer, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(find_in_pieces(document.as_bytes(), pointer, size), whole, "{document} in pieces of {size}");
    }
    whole
}

#[track_caller]
fn finds(document: &str, pointer: &str, value: &str) {
    assert_eq!(find(document, pointer), Ok(Some(value.to_owned())), "{pointer} of {document}");
}

#[test]
fn a_value_is_found_wherever_it_stands() {
    finds(r#"{"uuid":"a"}"#, "/uuid", "a");
    finds(r#" { "x" : [1, {"uuid":"no"}, "uuid"], "uuid" : "a" , "y":2}"#, "/uuid", "a");
    finds(r#"{"data":{"x":{"id":0},"id":-12}}"#, "/data/id", "-12");
    finds(r#"[[1],{"id":"no"},{"id":"b"}]"#, "/2/id", "b");
    finds(r#"{"list":[[1,2],"no","c"]}"#, "/list/2", "c");
    finds(r#"{"list":[[1,[2,3]],"no"]}"#, "/list/0/1/0", "2");
    finds(r#"{"0":"zero"}"#, "/0", "zero");
    finds(r#"{"":{"":"e"}}"#, "//", "e");
    finds(r#"{"a/b":{"m~n":"x"}}"#, "/a~1b/m~0n", "x");
    finds(r#"{"~1":"x"}"#, "/~01", "x");
    finds(r#"{"\u0075uid":"\u00e9\""}"#, "/uuid", "é\"");
    finds("{\"id\":7}", "/id", "7");
    finds("{\"id\":0\n}", "/id", "0");
}

#[test]
fn the_first_of_two_counts() {
    finds(r#"{"id":"first","id":"second"}"#, "/id", "first");
    assert_eq!(find(r#"{"data":{"x":1},"data":{"id":"second"}}"#, "/data/id"), Err(NotFound::Absent));
}

#[test]
fn what_is_not_there_is_not_found() {
    for (document, pointer) in [
        ("{}", "/id"),
        ("[]", "/0"),
        (r#"{"x":{"id":"a"}}"#, "/id"),
        (r#"{"id":"a"}"#, "/id/x"),
        (r#"{"id":[]}"#, "/id/0"),
        (r#"["a"]"#, "/1"),
        (r#"["a"]"#, "/00"),
        (r#"["a"]"#, "/-"),
        (r#"{"idx":"a","i":"b","ID":"c"}"#, "/id"),
        (r#""id""#, "/id"),
        ("1", "/id"),
        ("null", "/id"),
    ] {
        assert_eq!(find(document, pointer), Err(NotFound::Absent), "{pointer} of {document}");
    }
}

#[test]
fn a_value_that_names_nothing_is_unusable() {
    let long = format!("\"{}\"", "x".repeat(257));
    let digits = "1".repeat(257);
    for value in ["\"\"", "null", "true", "1.5", "1e3", "01", "-", "{}", "[]", r#""a\u0000""#, &*long, &*digits] {
        assert_eq!(find(&format!("{{\"id\":{value}}}"), "/id"), Err(NotFound::Unusable), "{value}");
    }
    let longest = "é".repeat(128);
    finds(&format!("{{\"id\":\"{longest}\"}}"), "/id", &longest);
    finds(&format!("{{\"id\":\"{}\"}}", r"\u0061".repeat(256)), "/id", &"a".repeat(256));
}

#[test]
fn what_is_no_json_is_said_to_be_none() {
    let deep = "[".repeat(DEEPEST + 1);
    for document in
        ["<html>", "id", "{id:1}", "{\"a\" 1}", "{\"a\":1]", "[1}", "[,1]", "{,}", "{\"a\":\"\n\"}", "}", &*deep]
    {
        assert_eq!(find(document, "/id/x"), Err(NotFound::Malformed), "{document}");
    }
    assert_eq!(find(r#"{"id":"\x"}"#, "/id"), Err(NotFound::Malformed));
}

#[test]
fn while_it_may_come_nothing_is_said() {
    for document in ["", "{", "{\"id\"", "{\"id\":\"a", "{\"id\":12", "[[[[", "{\"x\":\"\\\""] {
        assert_eq!(find(document, "/id"), Ok(None), "{document}");
    }
}

#[test]
fn of_what_is_passed_over_nothing_is_kept() {
    let mut finder = Finder::new("/id");
    finder.feed(b"{\"image\":\"").unwrap();
    for _ in 0..1000 {
        finder.feed(&[b'x'; 10_000]).unwrap();
    }
    finder.feed(b"\",\"").unwrap();
    for _ in 0..1000 {
        finder.feed(&[b'y'; 10_000]).unwrap();
    }
    assert!(finder.captured.capacity() < 64 && finder.open.capacity() < 64);
    assert_eq!(finder.feed(b"\":0,\"id\":\"a\"").unwrap().as_deref(), Some("a"));
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c\"\\\\/~é\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[ab\"/~é]{0,2}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_finds_what_a_whole_parser_finds(
        document in documents(),
        pointer in "(/([ab\"é]|~0|~1|[0-3]){0,2}){1,3}",
        size in 1_usize..8,
    ) {
        let text = document.to_string();
        let expected = document.pointer(&pointer).and_then(|value| match value {
            Value::String(text) if !text.is_empty() && !text.contains('\n') => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            _ => None,
        });
        let found = find_in_pieces(text.as_bytes(), &pointer, size);
        prop_assert_ne!(&found, &Err(NotFound::Malformed));
        prop_assert_eq!(found.ok().flatten(), expected, "{} of {}", pointer, text);
    }

    #[test]
    fn it_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), pointer in "(/[a-c0-2]{0,1}){1,3}") {
        let _ = find_in_pieces(&bytes, &pointer, 3);
    }

    #[test]
    fn nor_with_brackets_and_quotes(text in "[\\[\\]{}\",:a01 \\\\-]{0,40}", pointer in "(/[a0]{0,1}){1,3}") {
        let _ = find_in_pieces(text.as_bytes(), &pointer, 1);
    }
}
