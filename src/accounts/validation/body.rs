//! From bytes to a JSON object.

use http::HeaderValue;

use super::{Field, HIDDEN, Invalid, JsonType, Problem, Shape, syntax};
use crate::jwt::{Json, Value};

/// The object in `body`; `None` is an empty body that counts as one.
pub(super) fn parse(
    content_type: Option<&HeaderValue>,
    body: &[u8],
    fields: &[Field],
    shape: Shape,
) -> Result<Option<Json>, Invalid> {
    if body.is_empty() {
        return match shape {
            Shape::FastApi | Shape::Flat => Err(Invalid::of_body(Problem::NoBody, serde_json::Value::Null)),
            Shape::Fields => Ok(None),
        };
    }
    if !content_type.is_some_and(is_json) {
        let given = content_type.and_then(|given| given.to_str().ok()).unwrap_or_default().to_owned();
        let input = shown(fields, || String::from_utf8_lossy(body).into());
        return Err(Invalid::of_body(Problem::UnsupportedMediaType { given }, input));
    }
    // The parser takes the bytes over and writes into them.
    let json = Json::parse(body.to_vec()).map_err(|error| syntax::explain(body, error)).map_err(of_syntax)?;
    match json.root() {
        Value::Object(_) => Ok(Some(json)),
        other => {
            let input = shown(fields, || other.to_json());
            Err(Invalid::of_body(Problem::NotAnObject { got: JsonType::of(other) }, input))
        }
    }
}

fn of_syntax(problem: Problem) -> Invalid {
    Invalid::of_body(problem, serde_json::Map::new().into())
}

/// What has no members may hold a secret anywhere.
fn shown(fields: &[Field], input: impl FnOnce() -> serde_json::Value) -> serde_json::Value {
    if fields.iter().any(|field| field.secret) { HIDDEN.into() } else { input() }
}

/// `application/json` or `application/*+json`, in any case (RFC 6838 §4.2.8, RFC 9110 §8.3.1), in UTF-8 if it says so.
fn is_json(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence.strip_prefix("application/").is_some_and(|subtype| {
        // No second type behind a comma, and no space.
        let token = subtype.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
        token && (subtype == "json" || subtype.len() > 5 && subtype.ends_with("+json"))
    });
    json && parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|utf| value.eq_ignore_ascii_case(utf))
    })
}
