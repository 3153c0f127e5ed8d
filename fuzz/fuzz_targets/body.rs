//! Any bytes as the body of an endpoint with members of all kinds but objects: what is read is what the fields describe and is
//! read again as the same; what is refused has an answer in each shape.

#![no_main]

use bearergate::accounts::{
    email::Email,
    validation::{Field, Kind, Rule, Shape, read},
};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let fields = fields();
    let json = HeaderValue::from_static("application/json");
    for shape in [Shape::FastApi, Shape::Fields, Shape::Flat] {
        match read(Some(&json), bytes, &fields, shape) {
            Ok(values) => {
                for (member, value) in &values {
                    let field = fields.iter().find(|field| field.member == *member).expect("only described members");
                    assert!(is_right(field, value), "{member}: {value}");
                }
                assert!(fields.iter().all(|field| !field.required || values.contains_key(&field.member)));
                let again = read(Some(&json), Value::from(values.clone()).to_string().as_bytes(), &fields, shape);
                assert_eq!(again.as_ref(), Ok(&values));
            }
            Err(invalid) => {
                assert!(!invalid.message().is_empty());
                for shape in [Shape::FastApi, Shape::Fields, Shape::Flat] {
                    let (status, answer) = invalid.render(shape);
                    assert!(status.is_client_error() && answer.as_object().is_some_and(|answer| !answer.is_empty()));
                }
            }
        }
    }
});

fn fields() -> [Field; 8] {
    let field = |member, kind, rule| Field { nullable: true, rule, ..Field::new(member, kind) };
    [
        Field { required: true, ..Field::new("e", Kind::Email) },
        Field { required: true, secret: true, ..Field::new("p", Kind::Text) },
        field("t", Kind::Text, None),
        field("z", Kind::Text, Some(Rule::TimeZone)),
        field("i", Kind::Integer, None),
        field("r", Kind::Integer, Some(Rule::Range { min: 1, max: 8 })),
        field("b", Kind::Boolean, None),
        Field { blank_is_missing: true, ..field("c", Kind::Text, Some(Rule::OneOf(vec!["x".into(), "y".into()]))) },
    ]
}

fn is_right(field: &Field, value: &Value) -> bool {
    match (field.kind, value) {
        (_, Value::Null) => field.nullable,
        (Kind::Email, Value::String(text)) => Email::parse(text).is_ok(),
        (Kind::Text, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) | (Kind::Object, Value::Object(_)) => true,
        (Kind::Integer, Value::Number(number)) => {
            number.as_i64().is_some_and(|number| field.member != "r" || (1..=8).contains(&number))
        }
        _ => false,
    }
}
