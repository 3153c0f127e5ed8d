//! The document as a tree (OpenAPI Specification 3.1.1 §4.3).
//!
//! 1. What begins with `{` is JSON, everything else YAML. A member that stands twice is refused: whose `security` counts
//!    must not depend on the reader. Depth and aliases are limited, so that a small file cannot become a large tree.
//! 2. The version decides whether it is read at all.
//! 3. A reference (`$ref`, §4.8.23) is followed within the document, through a chain of at most [`LONGEST_CHAIN`].

use serde_json::{Map, Value};

use super::{OpenApiError, template::percent_decoded};
use crate::jwt::Json;

/// How deep YAML may be, which is read by recursion; JSON has its own limit.
const DEEPEST: usize = 64;
const MOST_NODES: usize = 2_000_000;
/// How much of YAML may stand for what was said before.
const MOST_REPEATED: usize = 200_000;
const LONGEST_CHAIN: usize = 32;

/// A document whose version is known.
pub(super) struct Source {
    root: Map<String, Value>,
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, OpenApiError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tree = if text.trim_start().starts_with('{') { parse_json(text)? } else { parse_yaml(text)? };
        let Value::Object(root) = tree else {
            return Err(OpenApiError::Version("a document without it".to_owned()));
        };
        if let Some(version) = root.get("swagger") {
            return Err(OpenApiError::Swagger(spelled(version)));
        }
        let version = root.get("openapi").ok_or_else(|| OpenApiError::Version("absent".to_owned()))?;
        let is_known = version.as_str().is_some_and(|text| text.starts_with("3.0.") || text.starts_with("3.1."));
        if is_known { Ok(Self { root }) } else { Err(OpenApiError::Version(spelled(version))) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.root.get(key)
    }

    /// `info.title` and `info.version`.
    pub(super) fn title(&self) -> String {
        let info = |key| self.get("info").and_then(|info| info.get(key)).and_then(Value::as_str);
        format!("{} {}", info("title").unwrap_or("an API"), info("version").unwrap_or_default()).trim_end().to_owned()
    }

    /// The members of `components.<kind>`.
    pub(super) fn components(&self, kind: &str) -> Result<Option<&Map<String, Value>>, OpenApiError> {
        let Some(components) = self.get("components") else { return Ok(None) };
        let components = object(components, "components")?;
        components.get(kind).map(|members| object(members, &format!("components.{kind}"))).transpose()
    }

    /// The object that `node` is, or the one that it refers to in the end.
    pub(super) fn resolve<'a>(&'a self, node: &'a Value, place: &str) -> Result<&'a Map<String, Value>, OpenApiError> {
        let mut found = object(node, place)?;
        for _ in 0..LONGEST_CHAIN {
            let Some(reference) = found.get("$ref") else { return Ok(found) };
            found = self.follow(reference, place)?;
        }
        Err(OpenApiError::form(place, "`$ref` leads round in a circle, or too far"))
    }

    /// The object that `reference` names, which may be a reference itself.
    pub(super) fn follow(&self, reference: &Value, place: &str) -> Result<&Map<String, Value>, OpenApiError> {
        let reference = reference.as_str().ok_or_else(|| OpenApiError::form(place, "`$ref` must be a string"))?;
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(OpenApiError::Elsewhere { place: place.to_owned(), reference: reference.to_owned() });
        };
        let pointer = percent_decoded(pointer);
        let found = self.pointed_at(&pointer);
        let found = found.ok_or_else(|| OpenApiError::form(place, format!("there is no {reference:?}")))?;
        object(found, place)
    }

    /// RFC 6901 §4, from the root.
    fn pointed_at(&self, pointer: &str) -> Option<&Value> {
        let pointer = pointer.strip_prefix('/')?;
        let (first, rest) = pointer.split_once('/').map_or((pointer, None), |(first, rest)| (first, Some(rest)));
        let found = self.root.get(&first.replace("~1", "/").replace("~0", "~"))?;
        rest.map_or(Some(found), |rest| found.pointer(&format!("/{rest}")))
    }
}

fn parse_json(text: &str) -> Result<Value, OpenApiError> {
    let json = Json::parse(text.as_bytes().to_vec());
    let json = json.map_err(|error| OpenApiError::Syntax { format: "JSON", message: error.to_string() })?;
    Ok(json.root().to_json())
}

fn parse_yaml(text: &str) -> Result<Value, OpenApiError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_documents: 1,
            max_nodes: MOST_NODES,
            max_events: 2 * MOST_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| OpenApiError::Syntax { format: "YAML", message: error.to_string() })
}

pub(super) fn object<'a>(node: &'a Value, place: &str) -> Result<&'a Map<String, Value>, OpenApiError> {
    node.as_object().ok_or_else(|| OpenApiError::form(place, format!("must be an object, not {}", kind(node))))
}

pub(super) fn list<'a>(node: &'a Value, place: &str) -> Result<&'a [Value], OpenApiError> {
    let elements = node.as_array().map(Vec::as_slice);
    elements.ok_or_else(|| OpenApiError::form(place, format!("must be a list, not {}", kind(node))))
}

pub(super) fn text<'a>(node: &'a Value, place: &str) -> Result<&'a str, OpenApiError> {
    node.as_str().ok_or_else(|| OpenApiError::form(place, format!("must be a string, not {}", kind(node))))
}

const fn kind(node: &Value) -> &'static str {
    match node {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value for a message.
fn spelled(node: &Value) -> String {
    match node {
        Value::String(_) | Value::Number(_) => node.to_string().chars().take(20).collect(),
        _ => kind(node).to_owned(),
    }
}
