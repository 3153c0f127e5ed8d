//! What a request tells a command.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Accounts, Call};
use crate::{
    accounts::{
        command::{Bearer, Command, FailureKind, Input},
        failure::Failure,
        password::Password,
        plan::{Endpoint, Scope},
        session::Token,
        validation::{self, FieldError, Invalid, Problem, Rule},
    },
    authn::bearer,
    rejection::Rejection,
};

/// What a request tells a command.
#[derive(Default)]
pub(super) struct Inputs {
    texts: HashMap<Input, String>,
    /// Attributes that are to be set; null takes one away.
    pub(super) attributes: Map<String, Value>,
    /// The member that each input came in.
    members: HashMap<Input, String>,
}

/// Whether a request with this `query` is for `endpoint`.
pub(super) fn is_meant(endpoint: &Endpoint, query: Option<&str>) -> bool {
    endpoint.query.iter().all(|(name, value)| parameter(query, name).as_deref() == Some(value))
}

/// The value of a query parameter that is there once.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query?.as_bytes()).filter(|(known, _)| known == name);
    let value = found.next()?.1.into_owned();
    found.next().is_none().then_some(value)
}

impl Inputs {
    pub(super) fn read(accounts: &Accounts, endpoint: &Endpoint, call: &Call<'_>) -> Result<Self, Failure> {
        let mut inputs = Self::default();
        if let Some(bearer) = endpoint.bearer {
            // Before the body: whoever may not come in learns nothing of what is wrong with what he brings.
            let (input, token) = presented(accounts, bearer, call)?;
            inputs.texts.insert(input, token);
        }
        for (name, input) in &endpoint.query_fields {
            inputs.texts.extend(parameter(call.query, name).map(|value| (input.clone(), value)));
        }
        if !endpoint.fields.is_empty() {
            inputs.read_body(accounts, endpoint, call)?;
        }
        inputs.check_needs(endpoint)?;
        Ok(inputs)
    }

    fn read_body(&mut self, accounts: &Accounts, endpoint: &Endpoint, call: &Call<'_>) -> Result<(), Failure> {
        let fields: Vec<_> = endpoint.fields.iter().map(|(field, _)| field.clone()).collect();
        let content_type = call.headers.get(http::header::CONTENT_TYPE);
        let is_optional = endpoint.fields.iter().all(|(field, _)| !field.required);
        if is_optional && call.body.is_empty() && endpoint.command == Command::LogOut {
            return Ok(());
        }
        let mut values = validation::read(content_type, call.body, &fields, accounts.plan.shape)
            .map_err(|invalid| of_body(invalid, accounts, endpoint))?;
        for (field, input) in &endpoint.fields {
            let Some(value) = values.remove(&field.member) else { continue };
            match input {
                Input::Attribute(name) => drop(self.attributes.insert(name.clone(), value)),
                Input::Attributes if has_nul(&value) => {
                    return Err(Invalid::at(&field.member, Problem::NullCharacter).into());
                }
                Input::Attributes => self.attributes.extend(value.as_object().cloned().unwrap_or_default()),
                input => {
                    let Some(text) = value.as_str() else { continue };
                    // Of two names for one input the first that is there counts.
                    self.members.entry(input.clone()).or_insert_with(|| field.member.clone());
                    self.texts.entry(input.clone()).or_insert_with(|| text.to_owned());
                }
            }
        }
        Ok(())
    }

    /// An input may have two names, so that none of them is needed alone.
    fn check_needs(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        let missing = endpoint.command.needs().iter().find(|input| !self.texts.contains_key(input));
        let Some(missing) = missing else { return Ok(()) };
        let member = endpoint.member(missing).unwrap_or("token");
        let invalid = Invalid::at(member, Problem::Missing);
        Err(Failure { kind: FailureKind::Missing, ..invalid.into() })
    }

    pub(super) fn text(&self, input: &Input) -> Option<&str> {
        self.texts.get(input).map(String::as_str)
    }

    /// What was checked to be there.
    pub(super) fn needed(&self, input: &Input) -> &str {
        self.text(input).unwrap_or_default()
    }

    pub(super) fn password(&mut self, input: &Input) -> Password {
        self.texts.remove(input).unwrap_or_default().into()
    }

    pub(super) fn token(&mut self, input: &Input) -> Token {
        self.texts.remove(input).unwrap_or_default().into()
    }

    /// Which sessions a log-out is to end. A misspelt scope must not end less than was meant.
    pub(super) fn scope(&self, endpoint: &Endpoint) -> Result<Scope, Failure> {
        let Some(name) = self.text(&Input::Scope) else { return Ok(endpoint.scope) };
        Scope::named(name).ok_or_else(|| {
            let names = Scope::NAMES.map(str::to_owned).to_vec();
            let invalid = Invalid::at("scope", Problem::Rule(Rule::OneOf(names)));
            Failure { kind: FailureKind::InvalidValue, ..invalid.into() }
        })
    }

    /// The member that the new password came in, or would have.
    pub(super) fn member_of_password(&self, endpoint: &Endpoint) -> String {
        self.member(&Input::Password, endpoint.member(&Input::Password).unwrap_or("password")).to_owned()
    }

    /// The member that `input` came in, for what is wrong with it.
    pub(super) fn member<'i>(&'i self, input: &Input, default: &'i str) -> &'i str {
        self.members.get(input).map_or(default, String::as_str)
    }
}

/// Whether a text in it has U+0000, which PostgreSQL does not keep.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(elements) => elements.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains('\0') || has_nul(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The token in `Authorization` that the endpoint judges itself.
pub(super) fn presented(accounts: &Accounts, bearer: Bearer, call: &Call<'_>) -> Result<(Input, String), Failure> {
    let (scheme, most) = accounts.settings.bearer;
    let (input, kind) = match bearer {
        Bearer::RefreshToken => (Input::RefreshToken, FailureKind::InvalidRefreshToken),
        Bearer::OneTimeToken => (Input::Token, FailureKind::ExpiredLink),
    };
    let token = bearer::token(call.headers, scheme, most).map_err(Rejection::from);
    let text = token.and_then(|token| token.text().map_err(Rejection::InvalidToken));
    text.map(|text| (input, text.to_owned())).map_err(|rejection| Failure::refused(kind, rejection))
}

/// The kind of failure that what is wrong with a body is.
fn of_body(invalid: Invalid, accounts: &Accounts, endpoint: &Endpoint) -> Failure {
    let is_missing = |error: &FieldError| *error.problem() == Problem::Missing;
    // What an endpoint says of what is missing is said whatever else is wrong: nobody is to send the rest first.
    let says_what_it_needs = endpoint.failures.contains_key(&FailureKind::Missing);
    let kind = match invalid.kind() {
        _ if says_what_it_needs && invalid.errors().any(is_missing) => FailureKind::Missing,
        Problem::Missing => FailureKind::Missing,
        Problem::UnsupportedMediaType { .. } => FailureKind::UnsupportedMediaType,
        Problem::NoBody | Problem::NotUtf8 | Problem::Malformed(_) | Problem::NotAnObject { .. } => {
            FailureKind::Malformed
        }
        Problem::Email { .. } => FailureKind::InvalidEmail,
        Problem::Rule(_) | Problem::OutOfRange { .. } => FailureKind::InvalidValue,
        _ => FailureKind::Invalid,
    };
    let of_attribute = |input: &Input| match input {
        Input::Attribute(name) => accounts.plan.attributes.get(name)?.message.clone(),
        _ => None,
    };
    let member = invalid.first().member();
    let field = endpoint.fields.iter().find(|(field, _)| Some(field.member.as_str()) == member);
    let message = field.filter(|_| kind == FailureKind::InvalidValue).and_then(|(_, input)| of_attribute(input));
    let failure = Failure { kind, ..invalid.into() };
    match message {
        Some(message) => Failure { cause: message.into(), ..failure },
        None => failure,
    }
}
