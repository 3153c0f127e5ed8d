//! From what a row says to a user.

use aws_lc_rs::rand::SystemRandom;
use serde_json::{Map, Value};

use super::super::{
    super::roles,
    attributes::{self, checked},
};
use crate::{
    accounts::{
        Uuid, attribute::Attributes, email::Email, model::NewUser, password::PasswordHash, store::NewMember,
        validation::Kind,
    },
    clock::Timestamp,
};

/// What each user has, whatever its attributes are.
const COLUMNS: [&str; 8] =
    ["email", "password_hash", "id", "first_name", "last_name", "date_joined", "roles", "disabled"];
/// What a row cannot do without.
pub(super) const NEEDED: [&str; 2] = ["email", "password_hash"];
/// The greatest whole number that every JSON reader reads as it is (RFC 8259 §6).
const GREATEST: u64 = (1 << 53) - 1;

/// Makes users of rows.
pub(super) struct Members<'a> {
    attributes: &'a Attributes,
    now: Timestamp,
    random: SystemRandom,
}

impl<'a> Members<'a> {
    pub(super) const fn new(attributes: &'a Attributes, now: Timestamp, random: SystemRandom) -> Self {
        Self { attributes, now, random }
    }

    /// Whether a row may say something of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        COLUMNS.contains(&name) || self.attributes.get(name).is_some()
    }

    /// All of those names.
    pub(super) fn names(&self) -> String {
        let more = self.attributes.names().filter(|name| !COLUMNS.contains(name));
        COLUMNS.into_iter().chain(more).collect::<Vec<_>>().join(", ")
    }

    /// What a field of comma-separated values says; an empty one says nothing.
    pub(super) fn typed(&self, name: &str, text: &str) -> Result<Option<Value>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let typed = match name {
            "disabled" => attributes::boolean(text).map(Value::from),
            "roles" => {
                let roles = text.split(';').map(str::trim).filter(|role| !role.is_empty());
                Ok(roles.map(Value::from).collect())
            }
            _ if COLUMNS.contains(&name) => Ok(text.into()),
            _ => {
                let kind = self.attributes.get(name).map_or(Kind::Text, |attribute| attribute.field.kind);
                attributes::typed(kind, text)
            }
        };
        typed.map(Some).map_err(|mistake| format!("`{name}` {mistake}"))
    }

    /// The user that a row says, whose names are all known.
    pub(super) fn member(&self, mut values: Map<String, Value>) -> Result<NewMember, String> {
        values.retain(|_, value| !value.is_null());
        let mut take = |name: &str| values.shift_remove(name);
        let email = text("email", take("email"))?.ok_or("`email` is empty")?;
        let email = Email::parse(&email).map_err(|error| format!("`email` {error}"))?;
        let password = password(take("password_hash"))?;
        let (id, number) = match id(take("id"))? {
            Some(Id::Uuid(id)) => (id, None),
            Some(Id::Number(number)) => (self.new_id()?, Some(number)),
            None => (self.new_id()?, None),
        };
        let joined = joined(take("date_joined"))?.unwrap_or(self.now);
        let roles = roles(take("roles"))?;
        let disabled = match take("disabled") {
            None => false,
            Some(Value::Bool(disabled)) => disabled,
            Some(_) => return Err("`disabled` is neither true nor false".to_owned()),
        };
        let attributes = checked(self.attributes, values)?;
        let disabled = disabled.then_some(self.now);
        // Who could log in elsewhere can do so here.
        let user = NewUser { id, number, email, joined, confirmed: Some(self.now), disabled, attributes, password };
        Ok(NewMember { user, roles })
    }

    fn new_id(&self) -> Result<Uuid, String> {
        Uuid::random(&self.random).map_err(|error| error.to_string())
    }
}

enum Id {
    Uuid(Uuid),
    Number(u64),
}

fn text(name: &str, value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("`{name}` is no text")),
    }
}

/// What is wrong with a hash does not repeat any of it.
fn password(value: Option<Value>) -> Result<Option<String>, String> {
    let Some(text) = text("password_hash", value)? else { return Ok(None) };
    let hash: PasswordHash = text.parse().map_err(|error| format!("`password_hash` is {error}"))?;
    Ok((!hash.is_unusable()).then(|| hash.as_str().to_owned()))
}

fn id(value: Option<Value>) -> Result<Option<Id>, String> {
    let text = match value {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err("`id` is neither a number nor a UUID".to_owned()),
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().ok().filter(|number| (1..=GREATEST).contains(number));
        return number
            .map(|number| Some(Id::Number(number)))
            .ok_or_else(|| format!("`id` is not from 1 to {GREATEST}"));
    }
    text.parse().map(|id| Some(Id::Uuid(id))).map_err(|_| "`id` is neither a number nor a UUID".to_owned())
}

fn joined(value: Option<Value>) -> Result<Option<Timestamp>, String> {
    let text = match value {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => String::new(),
    };
    let mistake = || "`date_joined` is neither like 2025-12-12T10:45:22Z nor in seconds since 1970".to_owned();
    Timestamp::parse(&text).map(Some).ok_or_else(mistake)
}

fn roles(value: Option<Value>) -> Result<Vec<String>, String> {
    let values = match value {
        None => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(value @ Value::String(_)) => vec![value],
        Some(_) => return Err("`roles` is no list of texts".to_owned()),
    };
    let role = |value| match value {
        Value::String(role) => roles::check("a role", &role).map(|()| role),
        _ => Err("`roles` is no list of texts".to_owned()),
    };
    values.into_iter().map(role).collect()
}
