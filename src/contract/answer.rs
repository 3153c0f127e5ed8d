//! One answer: status, body and headers, checked when it is read.

use std::{borrow::Cow, ops::RangeInclusive};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};
use toml::{Table, Value};

use super::{
    mistake::{Mistakes, expect_text},
    template::{Meaning, Meanings, Template},
};

/// An answer with values `V` in its body that are only known when it is given.
#[derive(Debug, Clone)]
pub struct Answer<V> {
    status: StatusCode,
    body: Template<V>,
    /// Ready to be sent, the content type among them.
    headers: HeaderMap,
}

const KEYS: [&str; 4] = ["status", "body", "content_type", "headers"];

/// What an answer may say.
#[derive(Clone)]
pub struct Vocabulary<'m, V> {
    /// Its status.
    pub statuses: RangeInclusive<u16>,
    /// What a `$name` means in its body, beside `$status`.
    pub meanings: Meanings<'m, V>,
    /// The names, for whoever writes a wrong one.
    pub names: &'m str,
}

impl<V> Answer<V> {
    /// Reads `{ status, body, content_type, headers }`. Mistakes go to `mistakes`, which knows the answer's name.
    pub fn read(value: &Value, vocabulary: &Vocabulary<'_, V>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let Value::Table(table) = value else {
            mistakes.push(&[], "an answer is a table: { status = 401, body = { detail = \"…\" } }");
            return None;
        };
        for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            mistakes.unknown(&[key], &KEYS);
        }
        let status = read_status(table, &vocabulary.statuses, mistakes)?;
        let body = read_body(table.get("body"), status, vocabulary, mistakes)?;
        let default_type = match table.get("body") {
            Some(Value::String(_)) => Some(HeaderValue::from_static("text/plain; charset=utf-8")),
            Some(_) => Some(HeaderValue::from_static("application/json")),
            None => None,
        };
        let content_type = match table.get("content_type") {
            Some(value) => Some(read_header_value(value, &["content_type"], mistakes)?),
            None => default_type,
        };
        let mut headers = read_headers(table.get("headers"), mistakes)?;
        headers.extend(content_type.map(|value| (CONTENT_TYPE, value)));
        Some(Self { status, body, headers })
    }

    /// What is sent where nothing could be read: it refuses all the same.
    pub(super) fn wordless() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, body: Template::Ready(Bytes::new()), headers: HeaderMap::new() }
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says beside the body, ready to be sent.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body with what `value` gives.
    pub fn body<'v>(&self, value: impl Fn(&V) -> Cow<'v, serde_json::Value>) -> Bytes {
        self.body.render(value)
    }

    /// All of it.
    pub fn render<'v>(&self, value: impl Fn(&V) -> Cow<'v, serde_json::Value>) -> Response<Bytes> {
        let mut response = Response::new(self.body(value));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }

    /// Adds a header unless the answer names it itself.
    pub(super) fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.headers.entry(name).or_insert_with(|| value.clone());
    }
}

fn read_status(table: &Table, statuses: &RangeInclusive<u16>, mistakes: &mut Mistakes<'_>) -> Option<StatusCode> {
    let status = match table.get("status") {
        Some(Value::Integer(code)) => {
            let code = u16::try_from(*code).ok().filter(|code| statuses.contains(code));
            code.and_then(|code| StatusCode::from_u16(code).ok())
        }
        Some(_) => None,
        None => {
            mistakes.push(&[], "an answer needs a status: { status = 401, … }");
            return None;
        }
    };
    if status.is_none() {
        let (least, most) = (statuses.start(), statuses.end());
        mistakes.push(&["status"], &format!("the status here is a number from {least} to {most}"));
    }
    status
}

fn read_body<V>(
    body: Option<&Value>,
    status: StatusCode,
    vocabulary: &Vocabulary<'_, V>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Template<V>> {
    let meanings = |name: &str| match name {
        "status" => Some(Meaning::Now(status.as_u16().into())),
        name => (vocabulary.meanings)(name),
    };
    match body {
        None => Some(Template::Ready(Bytes::new())),
        Some(Value::String(text)) => Some(Template::Ready(Bytes::from(text.clone()))),
        Some(value) => match Template::new(&to_json(value), &meanings) {
            Ok(template) => Some(template),
            Err(unknown) => {
                let (name, names) = (unknown.0, vocabulary.names);
                mistakes.push(&["body"], &format!("${name} is not a value: {names} are ($$ is a dollar sign)"));
                None
            }
        },
    }
}

fn read_headers(headers: Option<&Value>, mistakes: &mut Mistakes<'_>) -> Option<HeaderMap> {
    let table = match headers {
        None => return Some(HeaderMap::new()),
        Some(Value::Table(table)) => table,
        Some(_) => {
            mistakes.push(&["headers"], "headers are a table of names and values");
            return None;
        }
    };
    let mut read = HeaderMap::new();
    for (key, value) in table {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            mistakes.push(&["headers", key], "not a header's name");
            return None;
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, CONTENT_TYPE].contains(&name) {
            mistakes.push(&["headers", key], "the gateway sets this header itself");
            return None;
        }
        read.insert(name, read_header_value(value, &["headers", key], mistakes)?);
    }
    Some(read)
}

fn read_header_value(value: &Value, path: &[&str], mistakes: &mut Mistakes<'_>) -> Option<HeaderValue> {
    let text = expect_text(value, path, mistakes)?;
    let value = HeaderValue::from_str(text).ok();
    if value.is_none() {
        mistakes.push(path, "not a header's value: it has a control character, or one that is not ASCII");
    }
    value
}

/// TOML as JSON, in the order of the file; dates as text.
pub fn to_json(value: &Value) -> serde_json::Value {
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
