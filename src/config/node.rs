//! A TOML document as a tree in which every key and value knows where it stands, and in which file.

use toml::de::{DeTable, DeValue};

use super::{
    diagnostics::{Diagnostic, Place, Problems},
    interpolate::{Environment, interpolate},
};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What TOML knows.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(toml::value::Datetime),
    Array(Vec<Node>),
    Table(Table),
}

/// The entries of a table, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// A key, its place and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn string(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// An array's elements, or the value itself as the only one.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.value {
            Value::Array(elements) => elements,
            _ => std::slice::from_ref(self),
        }
    }

    /// The kind of value, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The same value without its places.
    pub(super) fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::String(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Boolean(value) => toml::Value::Boolean(*value),
            Value::Datetime(date) => toml::Value::Datetime(*date),
            Value::Array(elements) => toml::Value::Array(elements.iter().map(Self::to_toml).collect()),
            Value::Table(table) => toml::Value::Table(table.to_toml()),
        }
    }
}

impl Table {
    /// Reads a TOML document and puts the environment into its strings. What is wrong is reported, and left out.
    pub(super) fn parse(text: &str, source: usize, environment: &Environment<'_>, problems: &Problems) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.push(Diagnostic::syntax(error.message()).at(Place::new(source, span)));
        }
        Conversion { source, environment, problems }.table(document.get_ref())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|entry| entry.key == key)
    }

    pub(super) fn to_toml(&self) -> toml::Table {
        self.0.iter().map(|entry| (entry.key.clone(), entry.node.to_toml())).collect()
    }
}

/// From the parser's tree to ours. The parser refuses to nest deeper than 80, so this recursion ends.
struct Conversion<'a> {
    source: usize,
    environment: &'a Environment<'a>,
    problems: &'a Problems,
}

impl Conversion<'_> {
    fn table(&self, table: &DeTable<'_>) -> Table {
        let entries = table.iter().filter_map(|(key, value)| {
            let place = Place::new(self.source, key.span());
            let node = self.node(value.get_ref(), Place::new(self.source, value.span()))?;
            Some(Entry { key: key.get_ref().clone().into_owned(), place, node })
        });
        Table(entries.collect())
    }

    fn node(&self, value: &DeValue<'_>, place: Place) -> Option<Node> {
        let refuse = |message: String| {
            self.problems.push(Diagnostic::mistake(message).at(place));
            None
        };
        let value = match value {
            DeValue::String(text) => match interpolate(text, self.environment) {
                Ok(text) => Value::String(text),
                Err(message) => return refuse(message),
            },
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return refuse(format!("the number {number} is too large")),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => return refuse(format!("{number} is not a number")),
            },
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(date) => Value::Datetime(*date),
            DeValue::Array(elements) => {
                let node =
                    |one: &toml::Spanned<DeValue<'_>>| self.node(one.get_ref(), Place::new(self.source, one.span()));
                Value::Array(elements.iter().filter_map(node).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Some(Node { value, place })
    }
}
