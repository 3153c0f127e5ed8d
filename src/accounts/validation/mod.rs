//! From the body of a request to typed values, or to what is wrong with it in the words of a framework. No I/O.
//!
//! 1. The body is strict JSON by its content type and its bytes: UTF-8 without a byte order mark, one value, no member
//!    twice at any depth, at most 32 levels.
//! 2. It is an object, of which only the described members are looked at.
//! 3. Each member is missing, null, or a value of its [`Kind`] that keeps its [`Rule`]. All that is wrong is collected, in
//!    the order of the description.
//!
//! A client knows the errors of the framework that it was written for, and what that framework lets pass. So a [`Shape`]
//! chooses both:
//!
//! - [`Shape::FastApi`]: pydantic 2 behind FastAPI. `"5"`, `5.0` and `true` are integers; an array of errors, 422.
//! - [`Shape::Fields`]: a serializer of Django REST framework. `5` is a text, `"5"` an integer, texts are trimmed; a map of
//!   errors by field, 400. An empty body is an empty object.
//! - [`Shape::Flat`]: nothing is coerced; one text that names the member, 400, for the caller to put into its own answer.
//!
//! What a secret member holds is neither changed nor shown: not in an answer, and not in a `Debug` form.
//!
//! ```
//! use bearergate::accounts::validation::{Field, Kind, Shape, read};
//! use http::HeaderValue;
//!
//! let fields = [Field { required: true, ..Field::new("email", Kind::Email) }];
//! let json = HeaderValue::from_static("application/json");
//! let values = read(Some(&json), br#"{"email":"a@example.com","role":"admin"}"#, &fields, Shape::Fields)?;
//! assert_eq!(serde_json::Value::from(values), serde_json::json!({ "email": "a@example.com" }));
//!
//! let (status, answer) = read(Some(&json), b"{}", &fields, Shape::Fields).unwrap_err().render(Shape::Fields);
//! assert_eq!((status.as_u16(), answer), (400, serde_json::json!({ "email": ["This field is required"] })));
//! # Ok::<(), bearergate::accounts::validation::Invalid>(())
//! ```

mod address;
mod body;
mod invalid;
mod number;
mod render;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

use std::str::FromStr;

use http::HeaderValue;
use serde_json::{Map, Value};

use self::value::Read;
pub use self::{
    invalid::{FieldError, Invalid, JsonType, Problem},
    syntax::{Syntax, SyntaxFault},
};
use crate::jwt;

/// How many characters a text has at most, where no [`Rule::MaxLength`] says it.
pub const LONGEST_TEXT: usize = 10_000;

/// Whether `value` is of this kind as it is.
#[must_use]
pub fn is_of(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text | Kind::Email => value.is_string(),
        Kind::Integer => value.is_i64(),
        Kind::Boolean => value.is_boolean(),
        Kind::Object => value.is_object(),
    }
}

/// Whether `value` can be the field's as it is: of its kind, no longer than a text may be, and it keeps its rule.
#[must_use]
pub fn fits(field: &Field, value: &Value) -> bool {
    let is_text = || value.as_str().is_none_or(|text| value::is_text(field, text));
    is_of(field.kind, value) && is_text() && value::kept(field, value.clone()).is_ok()
}

/// What stands where a value is not shown.
const HIDDEN: &str = "**********";

/// A member of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub member: String,
    /// What it holds.
    pub kind: Kind,
    /// It must be there.
    pub required: bool,
    /// It may be null.
    pub nullable: bool,
    /// It is never shown, trimmed or normalized: a password, a token.
    pub secret: bool,
    /// What it must keep beside its kind.
    pub rule: Option<Rule>,
    /// `""` counts as null.
    pub empty_is_null: bool,
    /// `""` and null count as missing.
    pub blank_is_missing: bool,
}

impl Field {
    /// An optional member that must not be null, is no secret, and has no rule.
    #[must_use]
    pub fn new(member: impl Into<String>, kind: Kind) -> Self {
        Self {
            member: member.into(),
            kind,
            required: false,
            nullable: false,
            secret: false,
            rule: None,
            empty_is_null: false,
            blank_is_missing: false,
        }
    }
}

/// What a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text of at most [`LONGEST_TEXT`] characters. Without U+0000, which a store may not be able to keep, unless it is a
    /// secret.
    Text,
    /// A text that [`Email::parse`](super::email::Email::parse) accepts. The value is the text that was given, except for
    /// space around it where the framework takes that away.
    Email,
    /// An integer of 64 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Any object.
    Object,
}

/// What a value must keep beside its kind. A rule that is for another kind is kept by no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Of an integer, both ends included.
    Range {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Of a text: the name of a time zone in the IANA database that is compiled in, in its exact case.
    TimeZone,
    /// Of a text: it starts with this one.
    Prefix(String),
    /// Of a text: it has at most this many characters (Unicode code points).
    MaxLength(usize),
    /// Of a text: it is one of these.
    OneOf(Vec<String>),
}

/// Whose errors a body gets, and whose coercions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// FastAPI with pydantic 2.
    FastApi,
    /// A serializer of Django REST framework.
    Fields,
    /// One text.
    Flat,
}

impl Shape {
    /// Its name in a configuration: `fastapi`, `fields` or `text`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FastApi => "fastapi",
            Self::Fields => "fields",
            Self::Flat => "text",
        }
    }
}

/// The name is that of no shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a shape of validation errors: fastapi, fields or text")]
pub struct UnknownShape;

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(name: &str) -> Result<Self, UnknownShape> {
        [Self::FastApi, Self::Fields, Self::Flat].into_iter().find(|shape| shape.as_str() == name).ok_or(UnknownShape)
    }
}

/// The values of the `fields` in the body of a request with this content type, as `shape` reads them. Members that are
/// absent are absent here, and members that no field describes are left out.
///
/// # Errors
/// All that is wrong with the body; for [`Shape::Flat`] too, though it shows only the first.
pub fn read(
    content_type: Option<&HeaderValue>,
    body: &[u8],
    fields: &[Field],
    shape: Shape,
) -> Result<Map<String, Value>, Invalid> {
    let json = body::parse(content_type, body, fields, shape)?;
    let given = json.as_ref().map(jwt::Json::root);
    let mut values = Map::new();
    let mut errors = Vec::new();
    for field in fields {
        let value = given.and_then(|given| given.get(&field.member));
        let read = value.map_or(Ok(Read::Absent), |value| value::read(field, value, shape));
        match read {
            Ok(Read::Value(value)) => {
                values.insert(field.member.clone(), value);
            }
            Ok(Read::Absent) if !field.required => {}
            Ok(Read::Absent) => errors.push(invalid::missing(field, given, fields)),
            Err(problem) => errors.push(invalid::wrong(field, problem, value)),
        }
    }
    Invalid::collected(errors).map_or(Ok(values), Err)
}
