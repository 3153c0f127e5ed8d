//! Attributes of users, typed and checked as the configuration defines them.

use clap::Args;
use http::HeaderValue;
use serde_json::{Map, Value};

use crate::{
    accounts::{
        attribute::Attributes,
        validation::{self, Field, Kind, Shape},
    },
    cli::{failure::Failure, roles, terminal::shown},
    config::Config,
};

/// What a new user has beside its address.
#[derive(Debug, Args)]
pub(super) struct About {
    /// A role beside what the tokens say; may be said several times.
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// An attribute of `accounts.attributes`, of its type; may be said several times.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl About {
    /// The attributes.
    pub(super) fn attributes(&self, attributes: &Attributes) -> Result<Map<String, Value>, Failure> {
        let mut set = Map::new();
        for pair in &self.set {
            let (name, text) = pair.split_once('=').ok_or_else(|| Failure::Usage("--set is NAME=VALUE".to_owned()))?;
            let Some(attribute) = attributes.get(name) else {
                let known: Vec<&str> = attributes.names().collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Failure::Usage(format!("there is no attribute `{}`; there are: {known}", shown(name))));
            };
            let value =
                typed(attribute.field.kind, text).map_err(|mistake| Failure::Usage(format!("`{name}` {mistake}")))?;
            if set.insert(name.to_owned(), value).is_some() {
                return Err(Failure::Usage(format!("`{name}` is set twice")));
            }
        }
        checked(attributes, set).map_err(|mistake| Failure::Usage(shown(&mistake)))
    }

    /// Checks the roles, and says which the configuration does not know.
    pub(super) fn check_roles(&self, config: &Config) -> Result<(), Failure> {
        for role in &self.roles {
            roles::check("--role", role).map_err(Failure::Usage)?;
            roles::note_unknown(role, config);
        }
        Ok(())
    }
}

/// What a text says that is to be of this kind.
pub(super) fn typed(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text | Kind::Email => Ok(text.into()),
        Kind::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "is no whole number"),
        Kind::Boolean => boolean(text).map(Value::from),
        Kind::Object => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(object.into()),
            _ => Err("is no JSON object"),
        },
    }
}

/// True or false, in the words of databases and spreadsheets.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" => Ok(true),
        "false" | "f" | "0" | "no" => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

/// `given`, if each is what the configuration says; what it does not know is a text.
pub(super) fn checked(attributes: &Attributes, given: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let fields = given.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| match attributes.get(name) {
        Some(attribute) => attribute.field.clone(),
        None => Field::new(name, Kind::Text),
    });
    let fields: Vec<Field> = fields.collect();
    let json = HeaderValue::from_static("application/json");
    let read = validation::read(Some(&json), Value::Object(given).to_string().as_bytes(), &fields, Shape::Flat);
    let mut read = read.map_err(|invalid| invalid.message())?;
    read.retain(|_, value| !value.is_null());
    Ok(read)
}
