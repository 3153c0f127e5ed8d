//! What is wrong with a body.

use std::{fmt, iter};

use super::{Field, HIDDEN, Kind, LONGEST_TEXT, Rule, Syntax};
use crate::{accounts::password::UnacceptablePassword, jwt};

/// Why a body is not accepted: at least one error.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// In a box, because results are moved.
    first: Box<FieldError>,
    others: Vec<FieldError>,
}

/// What is wrong with a member, or with the body.
#[derive(Clone, PartialEq)]
pub struct FieldError {
    member: Option<String>,
    problem: Problem,
    /// What was given, as it may be shown.
    input: serde_json::Value,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The body is none of JSON by its content type.
    UnsupportedMediaType {
        /// The content type; empty without one, or if it is no ASCII.
        given: String,
    },
    /// There is no body.
    NoBody,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not strict JSON.
    Malformed(Syntax),
    /// The body is JSON, but no object.
    NotAnObject {
        /// What it is.
        got: JsonType,
    },
    /// A required member is not there.
    Missing,
    /// A member is null that must not be.
    Null {
        /// What it holds.
        expected: Kind,
    },
    /// A text is empty that must not be.
    Blank,
    /// A value is of another type.
    Type {
        /// What the member holds.
        expected: Kind,
        /// What it was given.
        got: JsonType,
    },
    /// A text that is read as an integer is none.
    IntegerText,
    /// A number that is read as an integer has a fraction.
    Fraction,
    /// An integer does not fit into 64 bits.
    IntegerSize,
    /// A text or a number that is read as a boolean is none.
    BooleanText,
    /// A text has U+0000 in it.
    NullCharacter,
    /// A text is no e-mail address.
    Email {
        /// Why, in the words of Python's `email-validator`.
        reason: String,
    },
    /// An integer is out of its range.
    OutOfRange {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// It is greater than that, not less than the least.
        above: bool,
    },
    /// A value does not keep another rule.
    Rule(Rule),
    /// A password is not good enough.
    Password(UnacceptablePassword),
}

/// The type of a JSON value, with integers apart from other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction or an exponent.
    Integer,
    /// Any other number.
    Float,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Invalid {
    /// That a caller has found `problem` in `member`; what was given is not shown.
    #[must_use]
    pub fn at(member: impl Into<String>, problem: Problem) -> Self {
        Self::one(FieldError { member: Some(member.into()), problem, input: HIDDEN.into() })
    }

    /// The same, with what was given. No secret may be in it.
    #[must_use]
    pub fn at_input(member: impl Into<String>, problem: Problem, input: serde_json::Value) -> Self {
        Self::one(FieldError { member: Some(member.into()), problem, input })
    }

    pub(super) fn of_body(problem: Problem, input: serde_json::Value) -> Self {
        Self::one(FieldError { member: None, problem, input })
    }

    pub(super) fn collected(errors: Vec<FieldError>) -> Option<Self> {
        let mut errors = errors.into_iter();
        Some(Self { first: Box::new(errors.next()?), others: errors.collect() })
    }

    fn one(first: FieldError) -> Self {
        Self { first: Box::new(first), others: Vec::new() }
    }

    /// Whether something required is missing and nothing before it is wrong, so that an endpoint's own text about what it
    /// requires is the right answer.
    #[must_use]
    pub fn missing(&self) -> bool {
        matches!(self.first.problem, Problem::Missing | Problem::NoBody)
    }

    /// What is wrong first, in the order of the fields.
    #[must_use]
    pub fn first(&self) -> &FieldError {
        &self.first
    }

    /// What is wrong first, without where.
    #[must_use]
    pub fn kind(&self) -> &Problem {
        &self.first.problem
    }

    /// All that is wrong, in the order of the fields.
    pub fn errors(&self) -> impl Iterator<Item = &FieldError> {
        iter::once(&*self.first).chain(&self.others)
    }

    /// What is wrong first, as a text that names the member: `email is required`. Nothing that was given is in it.
    #[must_use]
    pub fn message(&self) -> String {
        self.first.to_string()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(formatter)
    }
}

impl std::error::Error for Invalid {}

/// That `field` is not in the object `given`, which is shown without secrets. What no field describes may be a misspelt
/// secret.
pub(super) fn missing(field: &Field, given: Option<jwt::Value<'_>>, fields: &[Field]) -> FieldError {
    let any_secret = fields.iter().any(|field| field.secret);
    let mut shown = serde_json::Map::new();
    if let Some(jwt::Value::Object(members)) = given {
        for (name, value) in members {
            let secret = fields.iter().find(|field| field.member == name).map_or(any_secret, |field| field.secret);
            shown.insert(name.to_owned(), if secret { HIDDEN.into() } else { value.to_json() });
        }
    }
    FieldError { member: Some(field.member.clone()), problem: Problem::Missing, input: shown.into() }
}

/// What is wrong with the value of `field`.
pub(super) fn wrong(field: &Field, problem: Problem, value: Option<jwt::Value<'_>>) -> FieldError {
    let input = match value {
        Some(value) if !field.secret => value.to_json(),
        _ => HIDDEN.into(),
    };
    FieldError { member: Some(field.member.clone()), problem, input }
}

impl FieldError {
    /// The member; without one it is the body.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(super) const fn input(&self) -> &serde_json::Value {
        &self.input
    }
}

impl fmt::Debug for FieldError {
    /// Without what was given: it may be a person's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, problem, .. } = self;
        formatter.debug_struct("FieldError").field("member", member).field("problem", problem).finish_non_exhaustive()
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = self.member.as_deref().unwrap_or("the body");
        match &self.problem {
            Problem::UnsupportedMediaType { .. } => write!(formatter, "{member} must be application/json"),
            Problem::NotUtf8 => write!(formatter, "{member} must be UTF-8"),
            Problem::Malformed(syntax) => write!(formatter, "{member} must be JSON: {syntax}"),
            Problem::NotAnObject { .. } => write!(formatter, "{member} must be an object"),
            Problem::NoBody | Problem::Missing => write!(formatter, "{member} is required"),
            Problem::Null { .. } => write!(formatter, "{member} must not be null"),
            Problem::Blank => write!(formatter, "{member} must not be empty"),
            Problem::Type { expected, .. } => write!(formatter, "{member} must be {}", expected.described()),
            Problem::IntegerText | Problem::Fraction => {
                write!(formatter, "{member} must be {}", Kind::Integer.described())
            }
            Problem::IntegerSize => write!(formatter, "{member} must be an integer of 64 bits"),
            Problem::BooleanText => write!(formatter, "{member} must be {}", Kind::Boolean.described()),
            Problem::NullCharacter => write!(formatter, "{member} must not contain null characters"),
            Problem::Email { .. } => write!(formatter, "{member} must be {}", Kind::Email.described()),
            Problem::OutOfRange { min, max, .. } => write!(formatter, "{member} must be between {min} and {max}"),
            Problem::Rule(rule) => write!(formatter, "{member} must {rule}"),
            Problem::Password(problem) => write!(formatter, "{member} {}", described(*problem)),
        }
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, at, line, column } = self;
        write!(formatter, "{fault}: line {line} column {column} (char {at})")
    }
}

impl fmt::Display for Rule {
    /// Behind "must".
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { min, max } => write!(formatter, "be between {min} and {max}"),
            Self::TimeZone => formatter.write_str("be an IANA time zone"),
            Self::Prefix(prefix) => write!(formatter, "start with {prefix}"),
            Self::MaxLength(most) => write!(formatter, "have at most {most} characters"),
            Self::OneOf(values) => write!(formatter, "be one of {}", values.join(", ")),
        }
    }
}

impl Kind {
    const fn described(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Email => "an e-mail address",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::Object => "an object",
        }
    }
}

/// Behind the member's name.
pub(super) fn described(problem: UnacceptablePassword) -> String {
    match problem {
        UnacceptablePassword::TooShort { min } => format!("must have at least {min} characters"),
        UnacceptablePassword::TooLong { max } => format!("must have at most {max} bytes"),
        UnacceptablePassword::Common => "is one of the most common passwords".into(),
        UnacceptablePassword::TooWeak { .. } => "is too easy to guess".into(),
    }
}

impl Problem {
    /// That a text has more than [`LONGEST_TEXT`] characters.
    #[must_use]
    pub const fn too_long() -> Self {
        Self::Rule(Rule::MaxLength(LONGEST_TEXT))
    }

    /// Whether the value is of its kind and only breaks its [`Rule`].
    #[must_use]
    pub const fn breaks_rule(&self) -> bool {
        matches!(self, Self::OutOfRange { .. } | Self::Rule(_))
    }
}

impl JsonType {
    pub(super) fn of(value: jwt::Value<'_>) -> Self {
        match value {
            jwt::Value::Null => Self::Null,
            jwt::Value::Bool(_) => Self::Boolean,
            jwt::Value::Number(number) if super::number::is_integer(number.as_str()) => Self::Integer,
            jwt::Value::Number(_) => Self::Float,
            jwt::Value::String(_) => Self::Text,
            jwt::Value::Array(_) => Self::Array,
            jwt::Value::Object(_) => Self::Object,
        }
    }

    /// As Python calls it.
    pub(super) const fn in_python(self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Boolean => "bool",
            Self::Integer => "int",
            Self::Float => "float",
            Self::Text => "str",
            Self::Array => "list",
            Self::Object => "dict",
        }
    }
}
