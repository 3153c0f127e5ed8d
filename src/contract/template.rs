//! A JSON body with values in it.
//!
//! A string that is one value and nothing else becomes that value, with its type: `"$status"` the number 403. In a
//! longer text a value is put in as text: `"Permission $permission required"`. `$$` is a dollar sign. The template is
//! a tree of typed values, never a text that is pasted together, so nothing that a client sends can change the shape.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::Facts;

/// A value that is only known when a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Path,
    Timestamp,
    RequestId,
    Permission,
}

/// Names that a template may use, each with what it stands for; `$status` is known beforehand.
const VARIABLES: [(&str, Variable); 4] = [
    ("path", Variable::Path),
    ("timestamp", Variable::Timestamp),
    ("request_id", Variable::RequestId),
    ("permission", Variable::Permission),
];

/// A rendered body, or the pieces of one.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Ready(Bytes),
    Pieces(Box<[Piece]>),
}

/// JSON text, or a value that goes inside the quotes of a JSON string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Json(String),
    Inside(Variable),
}

/// A `$name` that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "${0} is not a value: $path, $status, $timestamp, $request_id and, where a permission is missing, $permission are ($$ is a dollar sign)"
)]
pub(super) struct UnknownVariable(String);

impl Template {
    /// Prepares `body` for answers with `status`. `permission`: whether `$permission` means anything here.
    pub(super) fn new(body: &Value, status: StatusCode, permission: bool) -> Result<Self, UnknownVariable> {
        let mut writer = Writer { pieces: Vec::new(), json: String::new(), status, permission };
        writer.value(body)?;
        if writer.pieces.is_empty() {
            return Ok(Self::Ready(Bytes::from(writer.json)));
        }
        writer.pieces.push(Piece::Json(writer.json));
        Ok(Self::Pieces(writer.pieces.into()))
    }

    pub(super) fn render(&self, facts: &Facts<'_>, permission: Option<&str>) -> Bytes {
        let pieces = match self {
            Self::Ready(bytes) => return bytes.clone(),
            Self::Pieces(pieces) => pieces,
        };
        let mut body = String::with_capacity(256);
        for piece in pieces {
            match piece {
                Piece::Json(text) => body.push_str(text),
                Piece::Inside(Variable::Path) => push_escaped(&mut body, facts.path),
                Piece::Inside(Variable::Timestamp) => body.push_str(&facts.clock.now().to_string()),
                Piece::Inside(Variable::RequestId) => push_escaped(&mut body, facts.request_id),
                Piece::Inside(Variable::Permission) => push_escaped(&mut body, permission.unwrap_or_default()),
            }
        }
        Bytes::from(body)
    }
}

struct Writer {
    pieces: Vec<Piece>,
    json: String,
    status: StatusCode,
    permission: bool,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), UnknownVariable> {
        match value {
            Value::String(text) if text == "$status" => self.json.push_str(self.status.as_str()),
            Value::String(text) => self.text(text)?,
            Value::Array(elements) => {
                self.json.push('[');
                for (at, element) in elements.iter().enumerate() {
                    self.separate(at);
                    self.value(element)?;
                }
                self.json.push(']');
            }
            Value::Object(members) => {
                self.json.push('{');
                for (at, (name, member)) in members.iter().enumerate() {
                    self.separate(at);
                    self.json.push('"');
                    push_escaped(&mut self.json, name);
                    self.json.push_str("\":");
                    self.value(member)?;
                }
                self.json.push('}');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.json.push_str(&value.to_string()),
        }
        Ok(())
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.json.push(',');
        }
    }

    fn text(&mut self, text: &str) -> Result<(), UnknownVariable> {
        self.json.push('"');
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            push_escaped(&mut self.json, before);
            if let Some(behind) = behind.strip_prefix('$') {
                self.json.push('$');
                rest = behind;
                continue;
            }
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
            let (name, behind) = behind.split_at(end);
            self.variable(name)?;
            rest = behind;
        }
        push_escaped(&mut self.json, rest);
        self.json.push('"');
        Ok(())
    }

    fn variable(&mut self, name: &str) -> Result<(), UnknownVariable> {
        if name == "status" {
            self.json.push_str(self.status.as_str());
            return Ok(());
        }
        let known = VARIABLES.into_iter().find(|(known, _)| *known == name).map(|(_, variable)| variable);
        let usable = known.filter(|variable| *variable != Variable::Permission || self.permission);
        let variable = usable.ok_or_else(|| UnknownVariable(name.to_owned()))?;
        self.pieces.push(Piece::Json(std::mem::take(&mut self.json)));
        self.pieces.push(Piece::Inside(variable));
        Ok(())
    }
}

/// The text as it stands between the quotes of a JSON string (RFC 8259 §7).
fn push_escaped(json: &mut String, text: &str) {
    let quoted = Value::from(text).to_string();
    json.push_str(quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::{Clock, Timestamp};

    fn facts<'a>(path: &'a str, clock: &'a Clock) -> Facts<'a> {
        Facts { path, request_id: "r-1", clock }
    }

    #[test]
    fn a_body_without_values_is_ready_made() {
        let body = json!({ "detail": "Not authenticated", "status": "$status", "price": "5 $$" });
        let template = Template::new(&body, StatusCode::UNAUTHORIZED, false).unwrap();
        let Template::Ready(bytes) = template else { panic!("not ready") };
        assert_eq!(bytes, r#"{"detail":"Not authenticated","status":401,"price":"5 $"}"#);
    }

    #[test]
    fn values_are_put_in_with_their_type_and_in_order() {
        let body = json!({ "timestamp": "$timestamp", "status": "$status", "message": "Permission $permission required", "path": "$path" });
        let template = Template::new(&body, StatusCode::FORBIDDEN, true).unwrap();
        assert_eq!(
            template
                .render(&facts("/plants", &Clock::manual(Timestamp::from_secs(1_765_536_322))), Some("PLANTS READ")),
            r#"{"timestamp":"2025-12-12T10:45:22Z","status":403,"message":"Permission PLANTS READ required","path":"/plants"}"#
        );
    }

    #[test]
    fn an_unknown_value_is_an_error_when_the_contract_is_read() {
        assert!(Template::new(&json!("$pth"), StatusCode::OK, false).is_err());
        assert!(Template::new(&json!({ "a": ["$permission"] }), StatusCode::OK, false).is_err());
        assert!(Template::new(&json!("$"), StatusCode::OK, false).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_changes_the_shape(path in "\\PC{0,40}", extra in ".{0,10}") {
            let body = json!({ "path": "$path", "text": "at $path!" });
            let template = Template::new(&body, StatusCode::OK, false).unwrap();
            let path = format!("{path}{extra}\"}},{{\"$status");
            let rendered: Value = serde_json::from_slice(&template.render(&facts(&path, &Clock::system()), None)).unwrap();
            prop_assert_eq!(rendered, json!({ "path": path.clone(), "text": format!("at {path}!") }));
        }
    }
}
