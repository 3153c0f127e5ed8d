//! What the users of an API have beside address and password: `[accounts.attributes]`.

use serde_json::{Map, Value};
use toml::{Table, Value as Toml};

use super::validation::{self, Field, Kind, Rule};
use crate::contract::{answer::to_json, mistake::Mistakes};

/// One attribute.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// What its value has to be, whatever member it comes in.
    pub field: Field,
    /// What is said where nothing was set.
    pub default: Value,
    /// Whether users set it themselves.
    pub writable: bool,
    /// What to say of a value that the rule forbids.
    pub message: Option<String>,
}

/// All of them, in their order.
#[derive(Debug, Clone, Default)]
pub struct Attributes(Vec<(String, Attribute)>);

const KEYS: [&str; 10] =
    ["type", "default", "min", "max", "max_length", "one_of", "prefix", "format", "null", "writable"];
const MORE_KEYS: [&str; 1] = ["message"];

impl Attributes {
    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, attribute)| attribute)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Those of `given` that users of this API have, with a value of the right kind.
    #[must_use]
    pub fn known_of(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let fits = |(name, value): &(&String, &Value)| {
            !value.is_null() && self.get(name).is_some_and(|attribute| validation::fits(&attribute.field, value))
        };
        given.iter().filter(fits).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Reads `[accounts.attributes]`.
    pub(super) fn read(table: &Table, mistakes: &mut Mistakes<'_>) -> Self {
        let mut attributes = Self::default();
        for (name, value) in table {
            let mut mistakes = mistakes.below(name);
            match value {
                Toml::Table(table) => {
                    attributes.0.extend(Attribute::read(name, table, &mut mistakes).map(|a| (name.clone(), a)))
                }
                _ => mistakes.push(&[], "an attribute is a table: { type = \"text\", default = \"\" }"),
            }
        }
        attributes
    }
}

impl Attribute {
    fn read(name: &str, table: &Table, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let known: Vec<&'static str> = KEYS.into_iter().chain(MORE_KEYS).collect();
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            mistakes.unknown(&[key], &known);
        }
        let kind = match table.get("type").and_then(Toml::as_str) {
            Some("text") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("boolean") => Kind::Boolean,
            Some("object") => Kind::Object,
            _ => {
                mistakes.push(&["type"], "the type is \"text\", \"integer\", \"boolean\" or \"object\"");
                return None;
            }
        };
        let rule = read_rule(table, mistakes);
        let (nullable, empty_is_null) = match table.get("null").and_then(Toml::as_str) {
            None if !table.contains_key("null") => (false, false),
            Some("clears") => (true, false),
            Some("or-empty-clears") => (true, true),
            _ => {
                mistakes.push(&["null"], "must be \"clears\" or \"or-empty-clears\"");
                return None;
            }
        };
        let writable = table.get("writable").map_or(Some(true), Toml::as_bool);
        if writable.is_none() {
            mistakes.push(&["writable"], "must be true or false");
        }
        let default = table.get("default").map(to_json).unwrap_or_default();
        let field = Field { nullable, empty_is_null, rule, ..Field::new(name, kind) };
        if !default.is_null() && !validation::is_of(kind, &default) {
            mistakes.push(&["default"], "is not of the attribute's type");
        }
        let message = table.get("message").and_then(Toml::as_str).map(str::to_owned);
        if message.is_none() && table.contains_key("message") {
            mistakes.push(&["message"], "a string is expected");
        }
        Some(Self { field, default, writable: writable?, message })
    }
}

fn read_rule(table: &Table, mistakes: &mut Mistakes<'_>) -> Option<Rule> {
    let integer = |key: &str| table.get(key).and_then(Toml::as_integer);
    let mut rules = Vec::new();
    if table.contains_key("min") || table.contains_key("max") {
        match (integer("min"), integer("max")) {
            (Some(min), Some(max)) if min <= max => rules.push(Rule::Range { min, max }),
            _ => mistakes.push(&["min"], "`min` and `max` are whole numbers, both, and in their order"),
        }
    }
    if table.contains_key("max_length") {
        match integer("max_length").and_then(|length| usize::try_from(length).ok()) {
            Some(length) => rules.push(Rule::MaxLength(length)),
            None => mistakes.push(&["max_length"], "is a number of characters"),
        }
    }
    if let Some(prefix) = table.get("prefix") {
        match prefix.as_str() {
            Some(prefix) => rules.push(Rule::Prefix(prefix.to_owned())),
            None => mistakes.push(&["prefix"], "a string is expected"),
        }
    }
    if let Some(values) = table.get("one_of") {
        let texts = values.as_array().map(|all| all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect());
        match texts {
            Some(texts) => rules.push(Rule::OneOf(texts)),
            None => mistakes.push(&["one_of"], "a list of strings is expected"),
        }
    }
    if let Some(format) = table.get("format") {
        match format.as_str() {
            Some("time-zone") => rules.push(Rule::TimeZone),
            _ => mistakes.push(&["format"], "the one format is \"time-zone\" (IANA)"),
        }
    }
    if rules.len() > 1 {
        mistakes.push(&[], "an attribute has one rule: `min` and `max`, `max_length`, `prefix`, `one_of` or `format`");
    }
    rules.pop()
}
