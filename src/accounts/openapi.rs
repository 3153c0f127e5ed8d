//! A document of the endpoints (OpenAPI 3.1): what they take, and every answer that they give.
//!
//! It is made of the [plan](super::plan): whatever a preset says is in it. What the API's words for refusals are for
//! (`[dialect]`) is told by its status alone.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    attribute::Attributes,
    command::{Bearer, Command, FailureKind, Input},
    password::PasswordPolicy,
    plan::{Endpoint, Plan},
    validation::{Field, Kind, Rule, Shape},
    values::Variable,
};
use crate::{contract::Contract, rejection::Reason};

/// What the document says that the plan does not.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What the API is called.
    pub title: &'a str,
    /// What a new password has to be.
    pub policy: PasswordPolicy,
    /// How requests are refused.
    pub contract: &'a Contract,
}

/// The document.
#[must_use]
pub fn document(plan: &Plan, about: &About<'_>) -> Value {
    let mut paths = Map::new();
    for endpoint in &plan.endpoints {
        for pattern in &endpoint.patterns {
            let text = pattern.to_string();
            let Some((methods, path)) = text.split_once(' ') else { continue };
            let item = paths.entry(path).or_insert_with(|| json!({}));
            for method in methods.split('|') {
                let operation = operation(plan, endpoint, about);
                let method = method.to_ascii_lowercase();
                match item.get_mut(&method) {
                    // Told from each other by the query, which OpenAPI does not do.
                    Some(known) => merge(known, &operation),
                    None => item[method] = operation,
                }
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": about.title, "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } } },
    })
}

fn operation(plan: &Plan, endpoint: &Endpoint, about: &About<'_>) -> Value {
    let mut operation = json!({
        "summary": summary(endpoint.command),
        "parameters": parameters(endpoint),
        "responses": responses(plan, endpoint, about),
    });
    if !endpoint.fields.is_empty() {
        let needed = endpoint.command != Command::LogOut;
        let schema = request(endpoint, about.policy);
        operation["requestBody"] =
            json!({ "required": needed, "content": { "application/json": { "schema": schema } } });
    }
    if endpoint.wants_caller() || endpoint.bearer.is_some() {
        operation["security"] = json!([{ "bearer": [] }]);
    }
    operation
}

const fn summary(command: Command) -> &'static str {
    match command {
        Command::Register => "Sign up",
        Command::Authenticate => "Log in",
        Command::Refresh => "Get new tokens for a refresh token",
        Command::LogOut => "Log out",
        Command::ReadProfile => "Who the caller is",
        Command::PatchProfile => "Change the profile",
        Command::ChangePassword => "Change the password",
        Command::RequestReset => "Ask for a link to set a new password",
        Command::ConfirmReset => "Set a new password by the token of a link",
        Command::SetPassword => "Set a password by the token of a mail",
        Command::ConfirmEmail => "Confirm an address",
    }
}

fn parameters(endpoint: &Endpoint) -> Value {
    let told = endpoint.query.iter().map(|(name, value)| {
        json!({ "name": name, "in": "query", "required": true, "schema": { "type": "string", "enum": [value] } })
    });
    let needs = |input: &Input| endpoint.command.needs().contains(input);
    let given = endpoint.query_fields.iter().map(|(name, input)| {
        json!({ "name": name, "in": "query", "required": needs(input), "schema": { "type": "string" } })
    });
    told.chain(given).collect()
}

fn request(endpoint: &Endpoint, policy: PasswordPolicy) -> Value {
    let properties: Map<String, Value> = endpoint
        .fields
        .iter()
        .map(|(field, input)| (field.member.clone(), property(endpoint, field, input, policy)))
        .collect();
    let required: Vec<&str> =
        endpoint.fields.iter().filter(|(field, _)| field.required).map(|(field, _)| field.member.as_str()).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(endpoint: &Endpoint, field: &Field, input: &Input, policy: PasswordPolicy) -> Value {
    let name = match field.kind {
        Kind::Text | Kind::Email => "string",
        Kind::Integer => "integer",
        Kind::Boolean => "boolean",
        Kind::Object => "object",
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), if field.nullable { json!([name, "null"]) } else { json!(name) });
    if field.kind == Kind::Email {
        schema.insert("format".to_owned(), json!("email"));
    }
    if *input == Input::Password && endpoint.command != Command::Authenticate {
        schema.insert("minLength".to_owned(), json!(policy.min()));
    }
    match &field.rule {
        Some(Rule::Range { min, max }) => {
            schema.extend([("minimum".to_owned(), json!(min)), ("maximum".to_owned(), json!(max))]);
        }
        Some(Rule::MaxLength(most)) => drop(schema.insert("maxLength".to_owned(), json!(most))),
        Some(Rule::OneOf(texts)) => drop(schema.insert("enum".to_owned(), json!(texts))),
        Some(Rule::Prefix(prefix)) => {
            let escaped: String = prefix
                .chars()
                .flat_map(|one| if one.is_ascii_alphanumeric() { vec![one] } else { vec!['\\', one] })
                .collect();
            schema.insert("pattern".to_owned(), json!(format!("^({escaped}.*)?$")));
        }
        Some(Rule::TimeZone) | None => {}
    }
    Value::Object(schema)
}

/// Each answer, by its status.
fn responses(plan: &Plan, endpoint: &Endpoint, about: &About<'_>) -> Value {
    let mut found: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
    let mut add = |status: u16, schema: Option<Value>| {
        let schemas = found.entry(status).or_default();
        schemas.extend(schema.filter(|schema| !schemas.contains(schema)));
    };
    let said =
        |words: &Value| words.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    for key in ["answer", "pending"] {
        if let Some((words, status)) = endpoint.source.get(key).and_then(|words| Some((words, said(words)?))) {
            add(status, words.get("body").map(|body| schema_of(body, &plan.attributes)));
        }
    }
    for &kind in FailureKind::ALL.iter().filter(|kind| may_fail(endpoint, **kind)) {
        match plan.words_source(endpoint, kind) {
            Some(words) => {
                add(said(words).unwrap_or_default(), words.get("body").map(|body| schema_of(body, &plan.attributes)));
            }
            None => shaped(plan.shape, kind).into_iter().for_each(|(status, schema)| add(status, Some(schema))),
        }
    }
    for reason in refusals(endpoint) {
        add(about.contract.status(reason).as_u16(), Some(json!({})));
    }
    let described = found.into_iter().map(|(status, schemas)| {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Answer");
        let mut response = json!({ "description": reason });
        let schema = match schemas.len() {
            0 => None,
            // A refusal's body may be anything, whatever the others are.
            _ if schemas.contains(&json!({})) => Some(json!({})),
            1 => schemas.into_iter().next(),
            _ => Some(json!({ "anyOf": schemas })),
        };
        if let Some(schema) = schema {
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
        (status.to_string(), response)
    });
    Value::Object(described.collect())
}

/// Whether `kind` can come of a request to `endpoint`.
fn may_fail(endpoint: &Endpoint, kind: FailureKind) -> bool {
    let command = endpoint.command;
    let has_body = !endpoint.fields.is_empty();
    let sets_password =
        endpoint.fields.iter().any(|(_, input)| *input == Input::Password) && command != Command::Authenticate;
    match kind {
        FailureKind::Missing => has_body || !endpoint.query_fields.is_empty(),
        FailureKind::Invalid | FailureKind::Malformed | FailureKind::UnsupportedMediaType => has_body,
        FailureKind::InvalidValue => endpoint.fields.iter().any(|(field, _)| field.rule.is_some()),
        FailureKind::InvalidEmail => endpoint.fields.iter().any(|(field, _)| field.kind == Kind::Email),
        FailureKind::Taken => matches!(command, Command::Register | Command::PatchProfile),
        FailureKind::InvalidCredentials | FailureKind::NotConfirmed | FailureKind::Disabled => {
            command == Command::Authenticate
        }
        FailureKind::PasswordTooShort
        | FailureKind::PasswordTooLong
        | FailureKind::PasswordCommon
        | FailureKind::PasswordWeak => sets_password,
        FailureKind::InvalidRefreshToken => command == Command::Refresh,
        FailureKind::WrongPassword => command == Command::ChangePassword,
        FailureKind::InvalidLink => command == Command::ConfirmReset,
        FailureKind::ExpiredLink => {
            matches!(command, Command::ConfirmReset | Command::SetPassword | Command::ConfirmEmail)
        }
        FailureKind::AccessToken => command == Command::SetPassword,
        FailureKind::MailFailed => matches!(command, Command::Register | Command::RequestReset | Command::PatchProfile),
        FailureKind::SignupDisabled => command == Command::Register,
        FailureKind::Busy | FailureKind::Throttled => {
            !matches!(command, Command::ReadProfile | Command::Refresh | Command::LogOut)
        }
        FailureKind::Unavailable => true,
        FailureKind::NotConfigured | FailureKind::Unreachable => {
            matches!(command, Command::Register | Command::Authenticate | Command::Refresh)
        }
    }
}

/// What the framework says of a mistake that the preset has no words for.
fn shaped(shape: Shape, kind: FailureKind) -> Option<(u16, Value)> {
    let is_of_body = matches!(
        kind,
        FailureKind::Missing
            | FailureKind::Invalid
            | FailureKind::InvalidValue
            | FailureKind::InvalidEmail
            | FailureKind::Malformed
            | FailureKind::UnsupportedMediaType
            | FailureKind::PasswordTooShort
            | FailureKind::PasswordTooLong
            | FailureKind::PasswordCommon
            | FailureKind::PasswordWeak
    );
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    is_of_body.then(|| match (shape, kind) {
        (Shape::FastApi, _) => {
            let location = json!({ "type": "array", "items": { "type": ["string", "integer"] } });
            let error = json!({
                "type": "object",
                "properties": { "type": { "type": "string" }, "loc": location, "msg": { "type": "string" } },
                "required": ["type", "loc", "msg", "input"],
            });
            let detail = json!({ "type": "array", "items": error });
            (422, json!({ "type": "object", "properties": { "detail": detail }, "required": ["detail"] }))
        }
        (Shape::Fields, FailureKind::UnsupportedMediaType) => (415, detail()),
        (Shape::Fields, FailureKind::Malformed) => {
            (400, json!({ "anyOf": [detail(), { "type": "object", "additionalProperties": texts }] }))
        }
        (Shape::Fields, _) => (400, json!({ "type": "object", "additionalProperties": texts })),
        (Shape::Flat, FailureKind::UnsupportedMediaType) => (415, json!({})),
        (Shape::Flat, _) => (400, json!({})),
    })
}

fn detail() -> Value {
    json!({ "type": "object", "properties": { "detail": { "type": "string" } }, "required": ["detail"] })
}

/// Why the gateway refuses a request before the endpoint has it, or where the preset has no words.
fn refusals(endpoint: &Endpoint) -> Vec<Reason> {
    let mut reasons = vec![Reason::BadRequest, Reason::TooLarge, Reason::RateLimited, Reason::Overloaded];
    if endpoint.wants_caller() || endpoint.bearer.is_some() {
        reasons.extend([Reason::NotAuthenticated, Reason::TokenExpired, Reason::InvalidToken]);
    }
    if endpoint.bearer == Some(Bearer::OneTimeToken) {
        reasons.push(Reason::PermissionMissing);
    }
    if !endpoint.query.is_empty() {
        reasons.push(Reason::NoRoute);
    }
    reasons
}

/// What a body is like that this one becomes.
fn schema_of(body: &Value, attributes: &Attributes) -> Value {
    match body {
        Value::Object(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|(name, member)| (name.clone(), schema_of(member, attributes))).collect();
            let required: Vec<&String> = members.keys().collect();
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        }
        Value::Array(elements) => {
            let items: Vec<Value> = elements.iter().map(|element| schema_of(element, attributes)).collect();
            json!({ "type": "array", "prefixItems": items })
        }
        Value::String(text) => match text.strip_prefix('$') {
            Some("status") => json!({ "type": "integer" }),
            Some(name) => Variable::named(name, attributes)
                .map_or_else(|| json!({ "type": "string" }), |variable| schema_of_variable(&variable, attributes)),
            None if text.contains('$') => json!({ "type": "string" }),
            None => json!({ "const": text }),
        },
        constant => json!({ "const": constant }),
    }
}

fn schema_of_variable(variable: &Variable, attributes: &Attributes) -> Value {
    match variable {
        Variable::ExpiresIn | Variable::ExpiresAt | Variable::UserNumber => json!({ "type": "integer" }),
        Variable::UserConfirmed => json!({ "type": ["string", "null"], "format": "date-time" }),
        Variable::UserJoined | Variable::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Variable::UserId | Variable::Session | Variable::TokenId => json!({ "type": "string", "format": "uuid" }),
        Variable::UserAttributes => json!({ "type": "object" }),
        Variable::Min | Variable::Max => json!({ "type": ["integer", "null"] }),
        Variable::Message | Variable::Field => json!({ "type": ["string", "null"] }),
        Variable::UserAttribute(name) => {
            let attribute = attributes.get(name);
            let kind = attribute.map_or("string", |attribute| match attribute.field.kind {
                Kind::Text | Kind::Email => "string",
                Kind::Integer => "integer",
                Kind::Boolean => "boolean",
                Kind::Object => "object",
            });
            let is_always = attribute.is_some_and(|attribute| !attribute.default.is_null());
            if is_always { json!({ "type": kind }) } else { json!({ "type": [kind, "null"] }) }
        }
        _ => json!({ "type": "string" }),
    }
}

/// One operation for two endpoints that share a route.
fn merge(known: &mut Value, other: &Value) {
    let both = |one: &Value, two: &Value| if one == two { one.clone() } else { json!({ "anyOf": [one, two] }) };
    let media = |value: &Value, at: &str| value.pointer(&format!("{at}/content/application~1json/schema")).cloned();
    if let (Some(one), Some(two)) = (media(known, "/requestBody"), media(other, "/requestBody")) {
        known["requestBody"]["content"]["application/json"]["schema"] = both(&one, &two);
    }
    if let (Some(one), Some(two)) = (known["parameters"].as_array_mut(), other["parameters"].as_array()) {
        for parameter in two {
            match one.iter_mut().find(|known| known["name"] == parameter["name"]) {
                Some(known) => {
                    let values = parameter["schema"]["enum"].as_array().into_iter().flatten().cloned();
                    if let Some(known) = known["schema"]["enum"].as_array_mut() {
                        known.extend(values);
                    }
                }
                None => one.push(parameter.clone()),
            }
        }
    }
    for (status, response) in other["responses"].as_object().into_iter().flatten() {
        let Some(mine) = known["responses"].get(status).cloned() else {
            known["responses"][status] = response.clone();
            continue;
        };
        if let (Some(one), Some(two)) = (media(&mine, ""), media(response, "")) {
            known["responses"][status]["content"]["application/json"]["schema"] = both(&one, &two);
        }
    }
}
