//! `GET|HEAD /plants/{plantUuid}`, `* /public/**`: what a rule covers.

use std::{fmt, str::FromStr};

use http::Method;

use crate::authz::path;

/// Methods and a path of literals, `{variables}` and at most one `**` at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Empty: any method.
    pub(super) methods: Vec<Method>,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// As an upstream reads it.
    Literal(Box<str>),
    Variable(Box<str>),
    Rest,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// There is no space between methods and path.
    #[error("a pattern is a method, a space and a path, as in \"GET /plants/{{id}}\" or \"* /public/**\"")]
    Form,
    /// A method that is empty, in lower case, or not a method.
    #[error("{0:?} is not a method: write them in capitals, joined by |, or * for all")]
    Method(String),
    /// `TRACE` and `CONNECT` are never forwarded.
    #[error("{0} is never forwarded")]
    MethodNeverForwarded(Method),
    /// The path is not canonical.
    #[error("{0}")]
    Path(#[from] path::PathError),
    /// Not a variable's name.
    #[error("{0:?} is not a variable: a whole segment in braces is, with letters, digits and _, as in {{plantUuid}}")]
    Variable(String),
    /// The same variable twice.
    #[error("the variable {{{0}}} stands twice in the path")]
    VariableTwice(String),
    /// A `*` that is not `/**` at the end.
    #[error("{0:?}: a star can only stand as /** at the end; one segment is a {{variable}}")]
    Star(String),
}

impl Pattern {
    /// The index of the segment that this variable stands for.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Variable(own) if **own == *name))
    }

    /// Whether it covers this request. The path has been [checked](crate::authz::path).
    #[must_use]
    pub fn covers(&self, method: &Method, path: &str) -> bool {
        let mut texts = path.split('/').skip(1);
        let covered = self.segments.iter().all(|segment| match (segment, texts.next()) {
            (Segment::Literal(literal), Some(text)) => **literal == *path::comparable(text),
            (Segment::Variable(_), Some(text)) => !text.is_empty(),
            (Segment::Rest, Some(_)) => {
                texts.by_ref().for_each(drop);
                true
            }
            (_, None) => false,
        });
        covered && texts.next().is_none() && (self.methods.is_empty() || self.methods.contains(method))
    }

    /// Whether it names one path, without variables and `/**`.
    pub(super) fn is_literal(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Whether both cover the same paths with the same methods, whatever their variables are called.
    #[must_use]
    pub fn covers_the_same(&self, other: &Self) -> bool {
        let same_segment = |(one, another): (&Segment, &Segment)| match (one, another) {
            (Segment::Variable(_), Segment::Variable(_)) => true,
            _ => one == another,
        };
        let same_methods = self.methods.len() == other.methods.len()
            && self.methods.iter().all(|method| other.methods.contains(method));
        same_methods
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same_segment)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (methods, path) = text.split_once(' ').ok_or(PatternError::Form)?;
        let path = path.trim_start_matches(' ');
        let methods = if methods == "*" { Vec::new() } else { parse_methods(methods)? };
        let segments = parse_path(path)?;
        Ok(Self { text: format!("{} {path}", text.split(' ').next().unwrap_or("*")).into(), methods, segments })
    }
}

fn parse_methods(text: &str) -> Result<Vec<Method>, PatternError> {
    let mut methods = Vec::new();
    for name in text.split('|') {
        let method =
            Method::from_bytes(name.as_bytes()).ok().filter(|_| !name.contains(|c: char| c.is_ascii_lowercase()));
        let method = method.filter(|method| *method != "*").ok_or_else(|| PatternError::Method(name.to_owned()))?;
        if method == Method::TRACE || method == Method::CONNECT {
            return Err(PatternError::MethodNeverForwarded(method));
        }
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Ok(methods)
}

fn parse_path(path: &str) -> Result<Vec<Segment>, PatternError> {
    path::check(path)?;
    let mut segments: Vec<Segment> = Vec::new();
    let mut texts = path.split('/').skip(1).peekable();
    while let Some(text) = texts.next() {
        let segment = if text == "**" && texts.peek().is_none() {
            Segment::Rest
        } else if text.contains(['{', '}']) {
            let name = variable_name(text).ok_or_else(|| PatternError::Variable(text.to_owned()))?;
            if segments.iter().any(|other| matches!(other, Segment::Variable(own) if **own == *name)) {
                return Err(PatternError::VariableTwice(name.to_owned()));
            }
            Segment::Variable(name.into())
        } else if text.contains('*') {
            return Err(PatternError::Star(text.to_owned()));
        } else {
            Segment::Literal(path::comparable(text).into())
        };
        segments.push(segment);
    }
    Ok(segments)
}

fn variable_name(segment: &str) -> Option<&str> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    let first_is_fine = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest_is_fine = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    (first_is_fine && rest_is_fine).then_some(name)
}
