//! Against what FastAPI and Django REST framework were seen to answer: `recorded/record.py`.

use super::*;

const FASTAPI: &str = include_str!("../recorded/fastapi.jsonl");
const DRF: &str = include_str!("../recorded/drf.jsonl");

/// A content type, a body, a status and an answer.
type Row = (Option<String>, String, u16, Value);

fn rows(text: &str) -> Vec<Row> {
    let row = |line| {
        let Value::Array(row) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        let [kind, body, status, answer] = <[Value; 4]>::try_from(row).unwrap();
        let status = u16::try_from(status.as_u64().unwrap()).unwrap();
        (kind.as_str().map(str::to_owned), body.as_str().unwrap().to_owned(), status, answer)
    };
    text.lines().map(row).collect()
}

/// The fields of the recorded endpoints.
fn fields(secret: bool) -> Vec<Field> {
    let nullable = |member, kind| Field { nullable: true, ..Field::new(member, kind) };
    let plans = ["free", "premium"].map(str::to_owned).to_vec();
    vec![
        required("email", Kind::Email),
        Field { secret, ..required("password", Kind::Text) },
        Field { rule: Some(Rule::MaxLength(10)), ..nullable("zip", Kind::Text) },
        nullable("size", Kind::Integer),
        Field { rule: Some(Rule::Range { min: 1, max: 8 }), ..Field::new("region", Kind::Integer) },
        nullable("active", Kind::Boolean),
        nullable("extra", Kind::Object),
        Field { rule: Some(Rule::OneOf(plans)), ..nullable("plan", Kind::Text) },
    ]
}

fn ours(kind: Option<&str>, body: &str, fields: &[Field], shape: Shape) -> (u16, Value) {
    let kind = kind.map(|kind| HeaderValue::from_str(kind).unwrap());
    match read(kind.as_ref(), body.as_bytes(), fields, shape) {
        Ok(values) => (200, values.into()),
        Err(invalid) => {
            let (status, answer) = invalid.render(shape);
            (status.as_u16(), answer)
        }
    }
}

/// Values and their order.
fn same(one: &Value, other: &Value) -> bool {
    let [one, other] = [one, other].map(Value::to_string);
    one == other
}

/// Compares all rows. Those that differ must be the `known` ones: a content type or a part of a body, and why.
fn compare(rows: &[Row], fields: &[Field], shape: Shape, known: &[(&str, &str)]) {
    let mut unexpected = Vec::new();
    let mut met = vec![0; known.len()];
    for (kind, body, status, answer) in rows {
        let ours = ours(kind.as_deref(), body, fields, shape);
        if ours.0 == *status && same(&ours.1, answer) {
            continue;
        }
        match known.iter().position(|(part, _)| kind.as_deref() == Some(part) || body.contains(part)) {
            Some(at) => met[at] += 1,
            None => {
                unexpected.push(format!("{kind:?} {body}\n  theirs {status} {answer}\n  ours   {} {}", ours.0, ours.1));
            }
        }
    }
    assert!(unexpected.is_empty(), "{} differ:\n{}", unexpected.len(), unexpected.join("\n"));
    for ((part, reason), met) in known.iter().zip(met) {
        assert!(met > 0, "{part} is the same as theirs: {reason}");
    }
    assert!(rows.len() > 400);
}

#[test]
fn answers_are_those_of_fastapi() {
    let known = [
        ("\u{feff}", "RFC 8259 §8.1 forbids the mark"),
        ("application/+json", "a suffix of nothing"),
        (r#""size": "9223372036854775808""#, "64 bits are what a store keeps"),
        (r#""size": "-9223372036854775809""#, "the same"),
        (r"\u0000", "no store keeps it"),
        ("a@example.com>", "a name beside the address is none of the address"),
        (&"a".repeat(65), "RFC 5321 §4.5.3.1.1"),
        ("a@xn--a.com", "the reason is shorter"),
        ("a\u{200b}b", "the character is shown by its number"),
        ("ex\u{202e}ample", "the same"),
        ("Alice@EXAMPLE.com", "the text is kept as it was given"),
        ("a@example.test", "a name for tests is good for tests"),
    ];
    compare(&rows(FASTAPI), &fields(false), Shape::FastApi, &known);
}

#[test]
fn answers_are_those_of_django_rest_framework() {
    let known = [
        ("application/problem+json", "is JSON"),
        ("*/*", "is no content type"),
        ("١", "digits are ASCII"),
        (r#""size": "9223372036854775808""#, "64 bits are what a store keeps"),
        (r#""size": "-9223372036854775809""#, "the same"),
        (r#""plan": true"#, "a choice is a text"),
        (r#""plan": ["#, "the same"),
        (r#""plan": {"#, "the same"),
        (r#"\"a\"@"#, "no quoted string is an address here"),
        ("a@[127.0.0.1]", "nor is an address literal"),
        ("a@localhost", "nor is one label"),
        ("a@example.c", "Django asks for two letters at the end"),
        (&"a".repeat(60), "RFC 5321 §4.5.3.1"),
        ("b.cb.c", "the same"),
        ("jürgen@", "RFC 6531"),
        ("a@xn--a.com", "UTS 46"),
        ("ex\u{202e}ample", "what cannot be seen is in no address"),
    ];
    // The documented text is without the period.
    let undotted = |mut row: Row| {
        row.3 = serde_json::from_str(&row.3.to_string().replace("This field is required.", "This field is required"))
            .unwrap();
        row
    };
    let rows: Vec<Row> = rows(DRF).into_iter().map(undotted).collect();
    compare(&rows, &fields(true), Shape::Fields, &known);
}

#[test]
fn with_a_secret_answers_differ_in_what_is_shown_alone() {
    let mut hidden = 0;
    for (kind, body, status, _) in rows(FASTAPI) {
        let [open, secret] = [false, true].map(|secret| ours(kind.as_deref(), &body, &fields(secret), Shape::FastApi));
        if body.contains(r"a\u0000b") {
            continue;
        }
        assert_eq!(open.0, secret.0, "{status} {body}");
        let without_input = |answer: &Value| {
            let mut answer = answer.clone();
            for entry in answer["detail"].as_array_mut().into_iter().flatten() {
                entry["input"].take();
            }
            answer
        };
        assert_eq!(without_input(&open.1), without_input(&secret.1), "{body}");
        hidden += usize::from(open.1 != secret.1);
        assert!(secret.0 == 200 || !secret.1.to_string().contains("hunter22"), "{}", secret.1);
    }
    assert!(hidden > 20, "{hidden}");
}
