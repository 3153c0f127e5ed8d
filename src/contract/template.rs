//! A JSON body with values in it.
//!
//! A string that is one value and nothing else becomes that value, with its type: `"$status"` the number 403. In a
//! longer text a value is put in as text: `"Permission $permission required"`. `$$` is a dollar sign. The template is
//! a tree of typed values, never a text that is pasted together, so nothing that a client sends can change the shape.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

/// A rendered body, or the pieces of one, with values `V` that are only known when a request is answered.
#[derive(Debug, Clone)]
pub enum Template<V> {
    /// Nothing in it is left to be known.
    Ready(Bytes),
    /// JSON text and values, in their order.
    Pieces(Box<[Piece<V>]>),
}

/// JSON text, a value, or one that goes inside the quotes of a JSON string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<V> {
    /// As it is sent.
    Json(String),
    /// With its type.
    Value(V),
    /// As text.
    Inside(V),
}

/// What a `$name` stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning<V> {
    /// Known beforehand.
    Now(Value),
    /// Known when a request is answered.
    Then(V),
}

/// A `$name` that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable(pub String);

/// What the names in a template mean; `None`: nothing.
pub type Meanings<'m, V> = &'m dyn Fn(&str) -> Option<Meaning<V>>;

impl<V> Template<V> {
    /// Prepares `body`.
    ///
    /// # Errors
    /// A name that means nothing.
    pub fn new(body: &Value, meanings: Meanings<'_, V>) -> Result<Self, UnknownVariable> {
        let mut writer = Writer { pieces: Vec::new(), json: String::new(), meanings };
        writer.value(body)?;
        if writer.pieces.is_empty() {
            return Ok(Self::Ready(Bytes::from(writer.json)));
        }
        writer.pieces.push(Piece::Json(writer.json));
        Ok(Self::Pieces(writer.pieces.into()))
    }

    /// The body, with what `value` gives.
    pub fn render<'v>(&self, value: impl Fn(&V) -> Cow<'v, Value>) -> Bytes {
        let pieces = match self {
            Self::Ready(bytes) => return bytes.clone(),
            Self::Pieces(pieces) => pieces,
        };
        let mut body = String::with_capacity(256);
        for piece in pieces {
            match piece {
                Piece::Json(text) => body.push_str(text),
                Piece::Value(variable) => body.push_str(&value(variable).to_string()),
                Piece::Inside(variable) => push_inside(&mut body, &value(variable)),
            }
        }
        Bytes::from(body)
    }
}

struct Writer<'m, V> {
    pieces: Vec<Piece<V>>,
    json: String,
    meanings: Meanings<'m, V>,
}

impl<V> Writer<'_, V> {
    fn value(&mut self, value: &Value) -> Result<(), UnknownVariable> {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) if !name.is_empty() && name_length(name) == name.len() => match self.meaning(name)? {
                    Meaning::Now(value) => self.json.push_str(&value.to_string()),
                    Meaning::Then(variable) => self.piece(Piece::Value(variable)),
                },
                _ => self.text(text)?,
            },
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
            let (name, behind) = behind.split_at(name_length(behind));
            match self.meaning(name)? {
                Meaning::Now(value) => push_inside(&mut self.json, &value),
                Meaning::Then(variable) => self.piece(Piece::Inside(variable)),
            }
            rest = behind;
        }
        push_escaped(&mut self.json, rest);
        self.json.push('"');
        Ok(())
    }

    fn meaning(&self, name: &str) -> Result<Meaning<V>, UnknownVariable> {
        (self.meanings)(name).ok_or_else(|| UnknownVariable(name.to_owned()))
    }

    fn piece(&mut self, piece: Piece<V>) {
        self.pieces.push(Piece::Json(std::mem::take(&mut self.json)));
        self.pieces.push(piece);
    }
}

/// How much of `text` is a name: words, with a dot between each two.
fn name_length(text: &str) -> usize {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let ends = |at: &usize| match bytes[*at] {
        b'.' => *at == 0 || bytes.get(at + 1).is_none_or(|next| !is_word(*next)),
        byte => !is_word(byte),
    };
    (0..bytes.len()).find(ends).unwrap_or(bytes.len())
}

/// A value inside the quotes of a JSON string; null is nothing.
fn push_inside(json: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_escaped(json, text),
        Value::Null => {}
        other => push_escaped(json, &other.to_string()),
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

    fn meanings(name: &str) -> Option<Meaning<&'static str>> {
        match name {
            "status" => Some(Meaning::Now(json!(403))),
            "path" => Some(Meaning::Then("path")),
            "user.number" => Some(Meaning::Then("number")),
            "user" => Some(Meaning::Then("user")),
            "nothing" => Some(Meaning::Then("nothing")),
            _ => None,
        }
    }

    fn rendered(body: &Value, path: &str) -> Value {
        let template = Template::new(body, &meanings).unwrap();
        let value = |variable: &&str| {
            Cow::Owned(match *variable {
                "number" => json!(7),
                "user" => json!({ "id": 7, "name": "\"" }),
                "nothing" => Value::Null,
                _ => json!(path),
            })
        };
        serde_json::from_slice(&template.render(value)).unwrap()
    }

    #[test]
    fn a_body_without_values_is_ready_made() {
        let body = json!({ "detail": "Not authenticated", "status": "$status", "price": "5 $$", "text": "$status!" });
        let Template::Ready(bytes) = Template::new(&body, &meanings).unwrap() else { panic!("not ready") };
        assert_eq!(bytes, r#"{"detail":"Not authenticated","status":403,"price":"5 $","text":"403!"}"#);
    }

    #[test]
    fn values_are_put_in_with_their_type_and_in_texts_as_text() {
        let body = json!({ "id": "$user.number", "user": "$user", "text": "I am $user.number.", "no": ["$nothing", "-$nothing-"] });
        assert_eq!(
            rendered(&body, "").to_string(),
            r#"{"id":7,"user":{"id":7,"name":"\""},"text":"I am 7.","no":[null,"--"]}"#
        );
    }

    #[test]
    fn an_unknown_value_is_an_error_when_the_template_is_read() {
        for body in [json!("$pth"), json!({ "a": ["$user.name"] }), json!("$"), json!("a $ b"), json!("$.path")] {
            assert!(Template::new(&body, &meanings).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_changes_the_shape(path in "\\PC{0,40}", extra in ".{0,10}") {
            let path = format!("{path}{extra}\"}},{{\"$status");
            let body = json!({ "path": "$path", "text": "at $path!" });
            prop_assert_eq!(rendered(&body, &path), json!({ "path": path.clone(), "text": format!("at {path}!") }));
        }
    }
}
