//! One answer of a dialect: status, body and headers, checked when it is read.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};
use toml::{Table, Value};

use super::{
    Facts,
    dialect::{Errors, expect_text},
    template::Template,
};

/// What is sent for one reason.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: StatusCode,
    body: Template,
    /// Ready to be sent, the content type among them.
    headers: HeaderMap,
}

const KEYS: [&str; 4] = ["status", "body", "content_type", "headers"];

impl Answer {
    /// Reads `{ status, body, content_type, headers }`. Mistakes go to `errors`, which knows the answer's name.
    pub(super) fn read(value: &Value, permission: bool, errors: &mut Errors<'_>) -> Option<Self> {
        let Value::Table(table) = value else {
            errors.push(&[], "an answer is a table: { status = 401, body = { detail = \"…\" } }");
            return None;
        };
        for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            errors.unknown(&[key], &KEYS);
        }
        let status = read_status(table, errors)?;
        let body = read_body(table.get("body"), status, permission, errors)?;
        let default_type = match table.get("body") {
            Some(Value::String(_)) => Some(HeaderValue::from_static("text/plain; charset=utf-8")),
            Some(_) => Some(HeaderValue::from_static("application/json")),
            None => None,
        };
        let content_type = match table.get("content_type") {
            Some(value) => Some(read_header_value(value, &["content_type"], errors)?),
            None => default_type,
        };
        let mut headers = read_headers(table.get("headers"), errors)?;
        headers.extend(content_type.map(|value| (CONTENT_TYPE, value)));
        Some(Self { status, body, headers })
    }

    /// What is sent where nothing could be read: it refuses all the same.
    pub(super) fn wordless() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, body: Template::Ready(Bytes::new()), headers: HeaderMap::new() }
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn body(&self, facts: &Facts<'_>, permission: Option<&str>) -> Bytes {
        self.body.render(facts, permission)
    }

    /// Adds a header unless the answer names it itself.
    pub(super) fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.headers.entry(name).or_insert_with(|| value.clone());
    }
}

fn read_status(table: &Table, errors: &mut Errors<'_>) -> Option<StatusCode> {
    let status = match table.get("status") {
        Some(Value::Integer(code @ 400..=599)) => {
            u16::try_from(*code).ok().and_then(|code| StatusCode::from_u16(code).ok())
        }
        Some(_) => None,
        None => {
            errors.push(&[], "an answer needs a status: { status = 401, … }");
            return None;
        }
    };
    if status.is_none() {
        errors.push(&["status"], "the status of a refusal is a number from 400 to 599");
    }
    status
}

fn read_body(body: Option<&Value>, status: StatusCode, permission: bool, errors: &mut Errors<'_>) -> Option<Template> {
    match body {
        None => Some(Template::Ready(Bytes::new())),
        Some(Value::String(text)) => Some(Template::Ready(Bytes::from(text.clone()))),
        Some(value) => match Template::new(&to_json(value), status, permission) {
            Ok(template) => Some(template),
            Err(error) => {
                errors.push(&["body"], &error.to_string());
                None
            }
        },
    }
}

fn read_headers(headers: Option<&Value>, errors: &mut Errors<'_>) -> Option<HeaderMap> {
    let table = match headers {
        None => return Some(HeaderMap::new()),
        Some(Value::Table(table)) => table,
        Some(_) => {
            errors.push(&["headers"], "headers are a table of names and values");
            return None;
        }
    };
    let mut read = HeaderMap::new();
    for (key, value) in table {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            errors.push(&["headers", key], "not a header's name");
            return None;
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, CONTENT_TYPE].contains(&name) {
            errors.push(&["headers", key], "the gateway sets this header itself");
            return None;
        }
        read.insert(name, read_header_value(value, &["headers", key], errors)?);
    }
    Some(read)
}

fn read_header_value(value: &Value, path: &[&str], errors: &mut Errors<'_>) -> Option<HeaderValue> {
    let text = expect_text(value, path, errors)?;
    let value = HeaderValue::from_str(text).ok();
    if value.is_none() {
        errors.push(path, "not a header's value: it has a control character, or one that is not ASCII");
    }
    value
}

/// TOML as JSON, in the order of the file; dates as text.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(elements) => elements.iter().map(to_json).collect(),
        Value::Table(members) => members.iter().map(|(name, member)| (name.clone(), to_json(member))).collect(),
    }
}
