//! The protected header (RFC 7515 §4): three members are read, four are refused, the rest is not looked at.
//!
//! 1. It is one JSON object.
//! 2. `crit`, `b64`, `zip`, `cty`, with any value: refused. We understand no extension, so a critical one cannot be
//!    honoured (RFC 7515 §4.1.11); unencoded and compressed payloads are no JWT (RFC 7797 §6, RFC 7516 §4.1.3); `cty`
//!    says that a token is inside the token (RFC 7519 §5.2).
//! 3. `alg` is the name of an algorithm that we have. `none` is none.
//! 4. `kid` and `typ` are strings, if they are there.
//!
//! `jwk`, `jku`, `x5u` and `x5c` would let a token bring its own key: ignored, never fetched (RFC 8725 §3.10).

mod remembered;

use std::{fmt, sync::Arc};

pub use self::remembered::RememberedHeaders;
use super::{
    Algorithm, InvalidToken, Json, Part, Shown, Value,
    json::{JsonError, Members},
};

/// What the header says. Nothing of it is proven before the signature is. A clone shares what was read.
#[derive(Clone)]
pub struct Header(Arc<Parsed>);

struct Parsed {
    json: Json,
    algorithm: Algorithm,
    key_id: Option<u32>,
    typ: Option<u32>,
}

impl Header {
    /// From the decoded bytes.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        let json = Json::parse(bytes).map_err(|error: JsonError| InvalidToken::Json { part: Part::Header, error })?;
        let Value::Object(members) = json.root() else {
            return Err(InvalidToken::NotAnObject(Part::Header));
        };
        let (algorithm, key_id, typ) = read(&json, members)?;
        Ok(Self(Arc::new(Parsed { json, algorithm, key_id, typ })))
    }

    /// `alg`: what the token says it is signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// `kid`: which key the token says it is signed with (RFC 7515 §4.1.4). Any text of a stranger's.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.json.value(self.0.key_id?).as_str()
    }

    /// `typ`: what kind of token it says it is (RFC 7515 §4.1.9).
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.0.json.value(self.0.typ?).as_str()
    }

    /// A copy of all members, for people.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.0.json.root().to_json()
    }
}

fn read(json: &Json, mut members: Members<'_>) -> Result<(Algorithm, Option<u32>, Option<u32>), InvalidToken> {
    let (mut algorithm, mut key_id, mut typ) = (None, None, None);
    let string = |index, name| json.value(index).as_str().ok_or(InvalidToken::HeaderType(name));
    while let Some((name, index)) = members.next_node() {
        match name {
            b"alg" => {
                let name = string(index, "alg")?;
                algorithm = Some(name.parse().map_err(|_| InvalidToken::UnsupportedAlgorithm(Shown::new(name)))?);
            }
            b"kid" => key_id = string(index, "kid").map(|_| Some(index))?,
            b"typ" => typ = string(index, "typ").map(|_| Some(index))?,
            b"crit" => return Err(InvalidToken::ForbiddenHeader("crit")),
            b"b64" => return Err(InvalidToken::ForbiddenHeader("b64")),
            b"zip" => return Err(InvalidToken::ForbiddenHeader("zip")),
            b"cty" => return Err(InvalidToken::ForbiddenHeader("cty")),
            _ => {}
        }
    }
    Ok((algorithm.ok_or(InvalidToken::HeaderType("alg"))?, key_id, typ))
}

impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Header")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id().map(|id| Shown::new(id).to_string()))
            .field("typ", &self.typ().map(|typ| Shown::new(typ).to_string()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, InvalidToken> {
        Header::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn the_three_members_are_read() {
        let header = parse(r#"{"alg":"ES256","kid":"k\u0031","typ":"JWT","x":1}"#).unwrap();
        assert_eq!((header.algorithm(), header.key_id(), header.typ()), (Algorithm::Es256, Some("k1"), Some("JWT")));
        let header = parse(r#"{"alg":"HS256"}"#).unwrap();
        assert_eq!((header.key_id(), header.typ()), (None, None));
    }

    #[test]
    fn an_algorithm_that_is_none_missing_unknown_or_no_string_is_refused() {
        for alg in
            ["none", "None", "NONE", "nOnE", "none ", " none", "", "es256", "ES256 ", "ES256K", "ES512", "RSA1_5"]
        {
            let refused = parse(&format!(r#"{{"alg":"{alg}"}}"#));
            assert_eq!(refused.unwrap_err(), InvalidToken::UnsupportedAlgorithm(Shown::new(alg)));
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":256}"#, r#"{"Alg":"ES256"}"#] {
            assert_eq!(parse(header).unwrap_err(), InvalidToken::HeaderType("alg"), "{header}");
        }
    }

    #[test]
    fn what_asks_for_other_processing_is_refused_whatever_its_value() {
        for name in ["crit", "b64", "zip", "cty"] {
            for value in ["[]", "null", r#"["exp"]"#, "false", "true", r#""JWT""#, r#""DEF""#] {
                let refused = parse(&format!(r#"{{"alg":"ES256","{name}":{value}}}"#));
                assert_eq!(refused.unwrap_err(), InvalidToken::ForbiddenHeader(name));
            }
        }
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        let refused = parse(r#"{"alg":"ES256","\u0063rit":["exp"]}"#);
        assert_eq!(refused.unwrap_err(), InvalidToken::ForbiddenHeader("crit"));
        assert!(matches!(parse(r#"{"alg":"ES256","\u0061lg":"HS256"}"#), Err(InvalidToken::Json { .. })));
    }

    #[test]
    fn kid_and_typ_of_another_type_are_refused() {
        for name in ["kid", "typ"] {
            for value in ["null", "1", "true", "[]", "{}", r#"["a"]"#] {
                let refused = parse(&format!(r#"{{"alg":"ES256","{name}":{value}}}"#));
                assert_eq!(refused.unwrap_err(), InvalidToken::HeaderType(name));
            }
        }
    }

    #[test]
    fn only_one_object_is_a_header() {
        for header in ["[]", "null", r#""ES256""#, "1"] {
            assert_eq!(parse(header).unwrap_err(), InvalidToken::NotAnObject(Part::Header));
        }
        for header in ["", "{", r#"{"alg":"ES256"}{}"#, "\u{feff}{}"] {
            assert!(matches!(parse(header), Err(InvalidToken::Json { part: Part::Header, .. })), "{header}");
        }
    }

    #[test]
    fn debug_escapes_a_strangers_text() {
        let header = parse(r#"{"alg":"ES256","kid":"a\r\nSet-Cookie: b"}"#).unwrap();
        assert!(!format!("{header:?}").contains('\n'));
    }
}
