//! Strict JSON (RFC 8259): a document is two allocations, and every value is a view into it.
//!
//! Refused besides what RFC 8259 refuses: more than 32 levels, a member named twice at any depth (compared after
//! unescaping; RFC 7519 §4 and RFC 8725 §2.4), lone surrogates, a byte order mark, numbers beyond the range of a double.

mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 32;

/// A parsed document.
#[derive(Clone)]
pub struct Json {
    /// The document with its strings unescaped in place.
    text: String,
    /// Its values in the order of the document; a member is its name and then its value.
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    /// Where the value's text begins and ends: of a string, what is between the quotes.
    start: u32,
    end: u32,
    /// The node behind this one and all that is in it.
    next: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

impl Json {
    /// Parses exactly one value, with nothing but white space around it. The bytes are taken over and unescaped in place.
    ///
    /// # Errors
    /// What is wrong first, and where.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, JsonError> {
        parser::parse(bytes)
    }

    /// `{}`
    pub(super) fn empty_object() -> Self {
        Self { text: String::new(), nodes: vec![Node { kind: Kind::Object, start: 0, end: 0, next: 1 }] }
    }

    /// Gives back the memory that parsing took and the document does not need.
    pub(super) fn fit(&mut self) {
        self.text.shrink_to_fit();
        self.nodes.shrink_to_fit();
    }

    /// The document's value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// The value of a node that this document's iterators gave out.
    pub(super) fn value(&self, index: u32) -> Value<'_> {
        let node = self.nodes[index as usize];
        let inner = Inner { json: self, at: index + 1, end: node.next };
        match node.kind {
            Kind::Null => Value::Null,
            Kind::True => Value::Bool(true),
            Kind::False => Value::Bool(false),
            Kind::Number => Value::Number(Number(self.text(node))),
            Kind::String => Value::String(self.text(node)),
            Kind::Array => Value::Array(Elements(inner)),
            Kind::Object => Value::Object(Members(inner)),
        }
    }

    fn text(&self, node: Node) -> &str {
        &self.text[node.start as usize..node.end as usize]
    }
}

impl fmt::Debug for Json {
    /// Shows no content: it may be a key's or a person's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Json({} bytes)", self.text.len())
    }
}

/// A view of a value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(Number<'a>),
    /// A string, unescaped.
    String(&'a str),
    /// The values of an array.
    Array(Elements<'a>),
    /// The members of an object.
    Object(Members<'a>),
}

impl<'a> Value<'a> {
    /// The member `name` of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Value::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub const fn as_str(&self) -> Option<&'a str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A copy as serde_json's type. An integer outside 64 bits becomes a double.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(number) => number.to_json(),
            Value::String(text) => serde_json::Value::String((*text).to_owned()),
            Value::Array(elements) => elements.map(|element| element.to_json()).collect(),
            Value::Object(members) => members.map(|(name, value)| (name.to_owned(), value.to_json())).collect(),
        }
    }

    /// Whether this is `other`. An integer is equal to no double: `1` is not `1.0`.
    pub(super) fn equals(&self, other: &serde_json::Value) -> bool {
        match (self, other) {
            (Value::String(text), serde_json::Value::String(other)) => text == other,
            (Value::Bool(value), serde_json::Value::Bool(other)) => value == other,
            _ => self.to_json() == *other,
        }
    }
}

impl fmt::Display for Value<'_> {
    /// JSON without white space. Numbers are as they were written: none is rounded.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text);
        let comma = |at| if at == 0 { "" } else { "," };
        match self {
            Value::Null => formatter.write_str("null"),
            Value::Bool(value) => write!(formatter, "{value}"),
            Value::Number(number) => formatter.write_str(number.as_str()),
            Value::String(text) => write!(formatter, "{}", quoted(text)),
            Value::Array(elements) => {
                formatter.write_str("[")?;
                for (at, element) in elements.enumerate() {
                    write!(formatter, "{}{element}", comma(at))?;
                }
                formatter.write_str("]")
            }
            Value::Object(members) => {
                formatter.write_str("{")?;
                for (at, (name, member)) in members.enumerate() {
                    write!(formatter, "{}{}:{member}", comma(at), quoted(name))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// A number as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a>(&'a str);

impl<'a> Number<'a> {
    /// The text: `-12.5e3`.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// The value, if it is written as a non-negative integer of at most 64 bits: `1`, not `1.0`, `1e0` or `-0`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        // Nothing that has at most 18 digits overflows, and nearly every number is a time.
        let digits = self.0.as_bytes();
        if digits.len() > 18 {
            return self.0.parse().ok();
        }
        let (mut value, mut other) = (0_u64, false);
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            other |= digit > 9;
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        (!other).then_some(value)
    }

    /// The value, if it is written as an integer of at most 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest double; finite, because the parser refuses what is not.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    fn to_json(self) -> serde_json::Value {
        match (self.as_u64(), self.as_i64()) {
            (Some(value), _) => value.into(),
            (None, Some(value)) => value.into(),
            (None, None) => self.as_f64().into(),
        }
    }
}

/// The nodes between two others, one level deep.
#[derive(Clone, Copy)]
struct Inner<'a> {
    json: &'a Json,
    at: u32,
    end: u32,
}

impl Inner<'_> {
    fn next(&mut self) -> Option<u32> {
        let index = self.at;
        if index == self.end {
            return None;
        }
        self.at = self.json.nodes[index as usize].next;
        Some(index)
    }
}

/// The values of an array, in order.
#[derive(Clone, Copy)]
pub struct Elements<'a>(Inner<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let json = self.0.json;
        self.0.next().map(|index| json.value(index))
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(*self).finish()
    }
}

/// The members of an object, in order; no name occurs twice.
#[derive(Clone, Copy)]
pub struct Members<'a>(Inner<'a>);

impl<'a> Members<'a> {
    /// The member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let json = self.0.json;
        let mut members = *self;
        while let Some((member, index)) = members.next_node() {
            if member == name.as_bytes() {
                return Some(json.value(index));
            }
        }
        None
    }

    /// The next member's name, as bytes because they compare faster, and the node of its value, to come back to by
    /// [`Json::value`].
    pub(super) fn next_node(&mut self) -> Option<(&'a [u8], u32)> {
        let json = self.0.json;
        let name = json.nodes[self.0.next()? as usize];
        let value = self.0.next()?;
        Some((&json.text.as_bytes()[name.start as usize..name.end as usize], value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let json = self.0.json;
        let name = json.nodes[self.0.next()? as usize];
        let value = self.0.next()?;
        Some((json.text(name), json.value(value)))
    }
}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(*self).finish()
    }
}

/// Why bytes are not strict JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Where, counted from 0.
    pub at: usize,
}

/// What can be wrong with JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// The document ends too early.
    #[error("unexpected end")]
    End,
    /// A byte that cannot stand here.
    #[error("unexpected byte")]
    Byte,
    /// Something behind the document's value.
    #[error("something behind the value")]
    Trailing,
    /// More than 32 levels of arrays and objects.
    #[error("nesting is too deep")]
    Depth,
    /// A member with the name of an earlier one of the same object.
    #[error("duplicate member")]
    Duplicate,
    /// A raw control character in a string.
    #[error("control character")]
    Control,
    /// A backslash with something behind it that is no escape.
    #[error("bad escape")]
    Escape,
    /// Half of a surrogate pair.
    #[error("lone surrogate")]
    Surrogate,
    /// A number that no double can hold.
    #[error("number out of range")]
    Range,
    /// Bytes that are not UTF-8.
    #[error("bad UTF-8")]
    Utf8,
    /// 4 GiB or more.
    #[error("document too large")]
    Size,
}
