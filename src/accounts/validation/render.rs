//! What is wrong with a body, in the three shapes.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{FieldError, Invalid, JsonType, Kind, Problem, Rule, Shape, invalid::described};
use crate::accounts::password::UnacceptablePassword;

impl Invalid {
    /// The answer: its status, and its body as JSON. It shows no secret.
    ///
    /// For [`Shape::Flat`] it is a fallback, `{"message": …}`: an API that has this shape has an error body of its own.
    #[must_use]
    pub fn render(&self, shape: Shape) -> (StatusCode, Value) {
        match shape {
            Shape::FastApi => self.fastapi(),
            Shape::Fields => self.fields(),
            Shape::Flat => {
                let status = match self.kind() {
                    Problem::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    _ => StatusCode::BAD_REQUEST,
                };
                (status, json!({ "message": self.message() }))
            }
        }
    }

    fn fastapi(&self) -> (StatusCode, Value) {
        if *self.kind() == Problem::NotUtf8 {
            // It cannot be shown, and FastAPI says no more about it.
            return (StatusCode::BAD_REQUEST, json!({ "detail": "There was an error parsing the body" }));
        }
        let detail: Vec<Value> = self.errors().map(pydantic).collect();
        (StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail }))
    }

    fn fields(&self) -> (StatusCode, Value) {
        let detail = |text: String| json!({ "detail": text });
        match self.kind() {
            Problem::UnsupportedMediaType { given } => {
                let text = format!("Unsupported media type \"{given}\" in request.");
                return (StatusCode::UNSUPPORTED_MEDIA_TYPE, detail(text));
            }
            Problem::Malformed(syntax) => {
                return (StatusCode::BAD_REQUEST, detail(format!("JSON parse error - {syntax}")));
            }
            Problem::NotUtf8 => return (StatusCode::BAD_REQUEST, detail("JSON parse error - not UTF-8".into())),
            _ => {}
        }
        let mut fields = Map::new();
        for error in self.errors() {
            let texts = fields.entry(error.member().unwrap_or("non_field_errors")).or_insert_with(|| json!([]));
            if let Value::Array(texts) = texts {
                texts.push(django(error).into());
            }
        }
        (StatusCode::BAD_REQUEST, fields.into())
    }
}

/// One entry of FastAPI's array.
fn pydantic(error: &FieldError) -> Value {
    let (kind, text, context) = pydantic_text(error);
    let mut location = vec![json!("body")];
    location.extend(error.member().map(Value::from));
    if let Problem::Malformed(syntax) = error.problem() {
        location.push(syntax.at.into());
    }
    let mut entry = json!({ "type": kind, "loc": location, "msg": text, "input": error.input() });
    if let (Value::Object(entry), Some(context)) = (&mut entry, context) {
        entry.insert("ctx".into(), context);
    }
    entry
}

type Pydantic = (&'static str, String, Option<Value>);

/// The type, the text and the context.
fn pydantic_text(error: &FieldError) -> Pydantic {
    let plain = |kind: &'static str, text: &str| (kind, text.to_owned(), None);
    // What a validator of the application says.
    let own = || ("value_error", format!("Value error, {error}"), Some(json!({ "error": {} })));
    match error.problem() {
        Problem::UnsupportedMediaType { .. } | Problem::NotAnObject { .. } => {
            plain("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
        }
        Problem::NoBody | Problem::Missing => plain("missing", "Field required"),
        Problem::Malformed(syntax) => {
            ("json_invalid", "JSON decode error".into(), Some(json!({ "error": syntax.fault.to_string() })))
        }
        Problem::Null { expected } | Problem::Type { expected, .. } => match expected {
            Kind::Text | Kind::Email => plain("string_type", "Input should be a valid string"),
            Kind::Integer => plain("int_type", "Input should be a valid integer"),
            Kind::Boolean => plain("bool_type", "Input should be a valid boolean"),
            Kind::Object => plain("dict_type", "Input should be a valid dictionary"),
        },
        Problem::Blank => too_short(1),
        Problem::IntegerText => {
            plain("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        }
        Problem::Fraction => {
            plain("int_from_float", "Input should be a valid integer, got a number with a fractional part")
        }
        Problem::IntegerSize => {
            plain("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size")
        }
        Problem::BooleanText => plain("bool_parsing", "Input should be a valid boolean, unable to interpret input"),
        Problem::Email { reason } => {
            let text = format!("value is not a valid email address: {reason}");
            ("value_error", text, Some(json!({ "reason": reason })))
        }
        Problem::OutOfRange { max, above: true, .. } => {
            let text = format!("Input should be less than or equal to {max}");
            ("less_than_equal", text, Some(json!({ "le": max })))
        }
        Problem::OutOfRange { min, above: false, .. } => {
            let text = format!("Input should be greater than or equal to {min}");
            ("greater_than_equal", text, Some(json!({ "ge": min })))
        }
        Problem::Rule(Rule::MaxLength(most)) => {
            let text = format!("String should have at most {most} character{}", plural(*most));
            ("string_too_long", text, Some(json!({ "max_length": most })))
        }
        Problem::Rule(Rule::OneOf(values)) => {
            let expected = listed(values);
            ("literal_error", format!("Input should be {expected}"), Some(json!({ "expected": expected })))
        }
        Problem::Password(UnacceptablePassword::TooShort { min }) => too_short(*min),
        Problem::NotUtf8 | Problem::NullCharacter | Problem::Rule(_) | Problem::Password(_) => own(),
    }
}

fn too_short(least: usize) -> Pydantic {
    let text = format!("String should have at least {least} character{}", plural(least));
    ("string_too_short", text, Some(json!({ "min_length": least })))
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// `'a', 'b' or 'c'`
fn listed(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// A text of Django REST framework; the two that clients were promised without the period are without it.
fn django(error: &FieldError) -> String {
    match error.problem() {
        Problem::NoBody | Problem::NotAnObject { got: JsonType::Null } => "No data provided".into(),
        Problem::NotAnObject { got } => {
            format!("Invalid data. Expected a dictionary, but got {}.", got.in_python())
        }
        Problem::Missing => "This field is required".into(),
        Problem::Null { .. } => "This field may not be null.".into(),
        Problem::Blank => "This field may not be blank.".into(),
        Problem::Type { expected: Kind::Text, .. } => "Not a valid string.".into(),
        Problem::Type { expected: Kind::Email, .. } | Problem::Email { .. } => "Enter a valid email address.".into(),
        Problem::Type { expected: Kind::Integer, .. }
        | Problem::IntegerText
        | Problem::Fraction
        | Problem::IntegerSize => "A valid integer is required.".into(),
        Problem::Type { expected: Kind::Boolean, .. } | Problem::BooleanText => "Must be a valid boolean.".into(),
        Problem::Type { expected: Kind::Object, got } => {
            format!("Expected a dictionary of items but got type \"{}\".", got.in_python())
        }
        Problem::NullCharacter => "Null characters are not allowed.".into(),
        Problem::OutOfRange { max, above: true, .. } => {
            format!("Ensure this value is less than or equal to {max}.")
        }
        Problem::OutOfRange { min, above: false, .. } => {
            format!("Ensure this value is greater than or equal to {min}.")
        }
        Problem::Rule(Rule::MaxLength(most)) => format!("Ensure this field has no more than {most} characters."),
        Problem::Rule(Rule::OneOf(_) | Rule::TimeZone) => {
            format!("\"{}\" is not a valid choice.", shown(error.input()))
        }
        Problem::Rule(Rule::Prefix(_) | Rule::Range { .. }) => "This value does not match the required pattern.".into(),
        Problem::Password(UnacceptablePassword::TooShort { min }) => {
            format!("Ensure this field has at least {min} characters")
        }
        Problem::Password(UnacceptablePassword::Common) => "This password is too common.".into(),
        Problem::Password(problem) => format!("This field {}.", described(*problem)),
        // The whole answer, and never a field's; see `fields`.
        Problem::UnsupportedMediaType { .. } | Problem::NotUtf8 | Problem::Malformed(_) => error.to_string(),
    }
}

/// A value within a text.
fn shown(input: &Value) -> Cow<'_, str> {
    input.as_str().map_or_else(|| input.to_string().into(), Cow::from)
}
