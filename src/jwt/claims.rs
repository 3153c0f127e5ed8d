//! The claims set (RFC 7519 §4), with exact types.
//!
//! 1. It is one JSON object; no member is named twice, at any depth.
//! 2. `exp` is there. It, `nbf` and `iat` are numbers of seconds, integer or not, from 0 to
//!    [`Timestamp::MAX_SECONDS`]. What is finer than a millisecond is rounded so that the token lives shorter.
//! 3. `iss` and `jti` are strings; `aud` is a string or an array of strings.
//! 4. `sub` is a string, not empty and without control characters: it ends up in headers and logs.
//!
//! The claims that an issuer answers with when it is asked about a token (RFC 7662 §2.2) have the same types, and `exp` may
//! be missing: the answer itself says that the token is good.
//!
//! Other claims are whatever they are. Another claim that names the subject ([`Claims::subject_text`]) may also be a
//! non-negative integer.

use std::fmt;

use crate::clock::Timestamp;

use super::{
    ClaimPath, InvalidToken, Json, Number, Part, Value,
    verify::{self, Parts},
};

/// What a token says about its subject. Proven only in a [`SignedToken`](super::SignedToken).
#[derive(Clone)]
pub struct Claims {
    json: Json,
    issuer: Option<u32>,
    subject: Option<u32>,
    audience: Option<u32>,
    id: Option<u32>,
    expires_at: Timestamp,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
}

impl Claims {
    /// From the decoded bytes.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        let json = Json::parse(bytes).map_err(|error| InvalidToken::Json { part: Part::Payload, error })?;
        Self::read(json, None)
    }

    /// From the answer of an issuer that was asked about a token. Without `exp` they end at the [last point in
    /// time](Timestamp::MAX).
    pub(crate) fn from_introspection(answer: Json) -> Result<Self, InvalidToken> {
        Self::read(answer, Some(Timestamp::MAX))
    }

    /// The claims of a token that was read before, and is read again. Were it not as it was, it would claim nothing.
    pub(crate) fn of_verified(token: &str) -> Self {
        let payload = Parts::split(token, usize::MAX).and_then(|parts| verify::decode(Part::Payload, parts.payload));
        payload.and_then(Self::parse).unwrap_or_else(|_| Self {
            json: Json::empty_object(),
            issuer: None,
            subject: None,
            audience: None,
            id: None,
            expires_at: Timestamp::default(),
            not_before: None,
            issued_at: None,
        })
    }

    /// In no more memory than they need, to be kept.
    pub(crate) fn fitted(mut self) -> Self {
        self.json.fit();
        self
    }

    /// `end`: where they end without `exp`, if they may be without.
    fn read(json: Json, end: Option<Timestamp>) -> Result<Self, InvalidToken> {
        let Value::Object(mut members) = json.root() else {
            return Err(InvalidToken::NotAnObject(Part::Payload));
        };
        let (mut issuer, mut subject, mut audience, mut id) = (None, None, None, None);
        let (mut expires_at, mut not_before, mut issued_at) = (None, None, None);
        while let Some((name, index)) = members.next_node() {
            let value = || json.value(index);
            match name {
                b"iss" => issuer = string("iss", value()).map(|()| Some(index))?,
                b"jti" => id = string("jti", value()).map(|()| Some(index))?,
                b"sub" => subject = subject_string("sub", value()).map(|_| Some(index))?,
                b"aud" => audience = audiences(value()).map(|()| Some(index))?,
                b"exp" => expires_at = Some(time("exp", value(), f64::floor)?),
                b"nbf" => not_before = Some(time("nbf", value(), f64::ceil)?),
                b"iat" => issued_at = Some(time("iat", value(), f64::floor)?),
                _ => {}
            }
        }
        let expires_at = expires_at.or(end).ok_or_else(|| InvalidToken::MissingClaim("exp".into()))?;
        Ok(Self { json, issuer, subject, audience, id, expires_at, not_before, issued_at })
    }

    /// The top-level claim `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.json.root().get(name)
    }

    /// The claim at `path`.
    #[must_use]
    pub fn at(&self, path: &ClaimPath) -> Option<Value<'_>> {
        let (first, rest) = path.steps();
        rest.iter().try_fold(self.get(first)?, |value, name| value.get(name))
    }

    /// `iss`: who issued the token.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.json.value(self.issuer?).as_str()
    }

    /// `sub`: whom the token is about. Not empty, no control characters.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.json.value(self.subject?).as_str()
    }

    /// The subject by the claim at `path`, if it is there: a string that is not empty and has no control characters, or
    /// a non-negative integer of at most 64 bits (`1`; not `1.5`, `1e0` or `true`), as it is written.
    ///
    /// # Errors
    /// [`InvalidToken::ClaimType`], if it is anything else.
    pub fn subject_text(&self, path: &ClaimPath) -> Result<Option<&str>, InvalidToken> {
        if path.top_level() == Some("sub") {
            return Ok(self.subject());
        }
        match self.at(path) {
            None => Ok(None),
            Some(Value::Number(number)) if number.as_u64().is_some() => Ok(Some(number.as_str())),
            Some(value) => subject_string(&path.to_string(), value).map(Some),
        }
    }

    /// `aud`: whom the token is for. None, if the claim is missing or an empty array.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self.audience.map(|index| self.json.value(index)) {
            Some(Value::String(audience)) => (Some(audience), None),
            Some(Value::Array(audiences)) => (None, Some(audiences)),
            _ => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten().filter_map(|audience| audience.as_str()))
    }

    /// `exp`: from this moment on the token is not accepted. To the millisecond, rounded down. [`Timestamp::MAX`] where
    /// an introspected token has none.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// `nbf`: before this moment the token is not accepted. To the millisecond, rounded up.
    #[must_use]
    pub const fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// `iat`: when the token was issued. To the millisecond, rounded down.
    #[must_use]
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// `jti`: the token's own name.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.json.value(self.id?).as_str()
    }

    /// A copy of all claims, in their order.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.json.root().to_json()
    }
}

fn wrong(claim: &str, expected: &'static str) -> InvalidToken {
    InvalidToken::ClaimType { claim: claim.into(), expected }
}

fn string(name: &str, value: Value<'_>) -> Result<(), InvalidToken> {
    value.as_str().map(|_| ()).ok_or_else(|| wrong(name, "a string"))
}

fn subject_string<'a>(name: &str, value: Value<'a>) -> Result<&'a str, InvalidToken> {
    match value.as_str() {
        Some(text) if !text.is_empty() && !has_control_characters(text) => Ok(text),
        Some(_) => Err(wrong(name, "a text without control characters")),
        None => Err(wrong(name, "of a type that names a subject")),
    }
}

/// C0, DEL and C1. All of ASCII at once, because most subjects are nothing else.
fn has_control_characters(text: &str) -> bool {
    let (mut control, mut other) = (false, false);
    for byte in text.bytes() {
        control |= byte < 0x20 || byte == 0x7f;
        other |= !byte.is_ascii();
    }
    control || other && text.chars().any(char::is_control)
}

fn audiences(value: Value<'_>) -> Result<(), InvalidToken> {
    let fits = match value {
        Value::String(_) => true,
        Value::Array(mut elements) => elements.all(|element| matches!(element, Value::String(_))),
        _ => false,
    };
    fits.then_some(()).ok_or_else(|| wrong("aud", "a string or an array of strings"))
}

/// A `NumericDate`, with `round` for what is finer than a millisecond.
fn time(name: &str, value: Value<'_>, round: fn(f64) -> f64) -> Result<Timestamp, InvalidToken> {
    let time = match value {
        Value::Number(number) => timestamp(number, round),
        _ => None,
    };
    time.ok_or_else(|| wrong(name, "a number of seconds since 1970"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "within the range that is checked; rounding is what is asked for"
)]
fn timestamp(number: Number<'_>, round: fn(f64) -> f64) -> Option<Timestamp> {
    if let Some(seconds) = number.as_u64() {
        return (seconds <= Timestamp::MAX_SECONDS).then(|| Timestamp::from_secs(seconds));
    }
    let seconds = number.as_f64();
    let range = 0.0..Timestamp::MAX_SECONDS as f64;
    range.contains(&seconds).then(|| Timestamp::from_millis(round(seconds * 1000.0) as u64))
}

impl fmt::Debug for Claims {
    /// Shows the times and no other claim.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Claims")
            .field("expires_at", &self.expires_at)
            .field("not_before", &self.not_before)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Claims, InvalidToken> {
        Claims::parse(text.as_bytes().to_vec())
    }

    /// A claims set that is good but for this claim.
    fn with(name: &str, value: &str) -> Result<Claims, InvalidToken> {
        parse(&format!(r#"{{"exp":2000000000,"{name}":{value}}}"#))
    }

    #[test]
    fn the_registered_claims_are_read() {
        let claims = parse(
            r#"{"iss":"i","sub":"s","aud":["a","b"],"exp":9,"nbf":7,"iat":8,"jti":"j","realm_access":{"roles":["r"]}}"#,
        )
        .unwrap();
        assert_eq!((claims.issuer(), claims.subject(), claims.id()), (Some("i"), Some("s"), Some("j")));
        assert_eq!(claims.audience().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(claims.expires_at(), Timestamp::from_secs(9));
        assert_eq!(claims.not_before(), Some(Timestamp::from_secs(7)));
        assert_eq!(claims.issued_at(), Some(Timestamp::from_secs(8)));
        let roles = claims.at(&ClaimPath::nested(["realm_access", "roles"]).unwrap()).unwrap();
        assert_eq!(roles.to_json(), serde_json::json!(["r"]));
        assert!(claims.at(&ClaimPath::from("realm_access.roles")).is_none());
        assert!(claims.at(&ClaimPath::nested(["iss", "roles"]).unwrap()).is_none());
    }

    #[test]
    fn a_life_without_end_is_refused() {
        assert_eq!(parse("{}").unwrap_err(), InvalidToken::MissingClaim("exp".into()));
        for exp in ["null", r#""2000000000""#, "true", "[2000000000]", "{}", "-1", "-0.5", "1e30", "18446744073709551"]
        {
            let checked = parse(&format!(r#"{{"exp":{exp}}}"#));
            if exp == "18446744073709551" {
                assert_eq!(checked.unwrap().expires_at().as_secs(), Timestamp::MAX_SECONDS);
            } else {
                assert!(matches!(checked, Err(InvalidToken::ClaimType { .. })), "{exp}");
            }
        }
        for exp in ["18446744073709552", "18446744073709551615", "18446744073709551616", "18446744073709551.5"] {
            assert!(matches!(parse(&format!(r#"{{"exp":{exp}}}"#)), Err(InvalidToken::ClaimType { .. })), "{exp}");
        }
        for exp in ["1e400", "NaN", "Infinity", "01", "+1", "1."] {
            assert!(matches!(parse(&format!(r#"{{"exp":{exp}}}"#)), Err(InvalidToken::Json { .. })), "{exp}");
        }
    }

    #[test]
    fn an_introspected_life_may_be_without_end_and_everything_else_has_its_type() {
        let answer = |text: &str| Claims::from_introspection(Json::parse(text.as_bytes().to_vec()).unwrap());
        let claims = answer(r#"{"active":true,"sub":"s"}"#).unwrap();
        assert_eq!((claims.expires_at(), claims.subject()), (Timestamp::MAX, Some("s")));
        assert_eq!(answer(r#"{"active":true,"exp":9}"#).unwrap().expires_at(), Timestamp::from_secs(9));
        for wrong in [r#"{"exp":null}"#, r#"{"exp":"9"}"#, r#"{"exp":-1}"#, r#"{"sub":7}"#, r#"{"aud":{}}"#] {
            assert!(matches!(answer(wrong), Err(InvalidToken::ClaimType { .. })), "{wrong}");
        }
        assert_eq!(answer("[]").unwrap_err(), InvalidToken::NotAnObject(Part::Payload));
    }

    #[test]
    fn fractions_are_rounded_so_that_the_token_lives_shorter() {
        let claims = parse(r#"{"exp":1.0019,"nbf":1.0011,"iat":2e3}"#).unwrap();
        assert_eq!(claims.expires_at(), Timestamp::from_millis(1001));
        assert_eq!(claims.not_before(), Some(Timestamp::from_millis(1002)));
        assert_eq!(claims.issued_at(), Some(Timestamp::from_secs(2000)));
    }

    #[test]
    fn claims_of_a_wrong_type_are_refused() {
        let cases = [
            ("nbf", &["null", r#""1""#, "true", "[]", "-1", "{}"][..]),
            ("iat", &["null", r#""1""#, "false", "[1]", "-1"]),
            ("iss", &["null", "1", r#"["https://id.example.com"]"#, "{}", "true"]),
            ("jti", &["null", "1", "[]"]),
            ("aud", &["null", "1", "{}", r#"["a",1]"#, r#"[["a"]]"#, r#"{"a":true}"#, "true"]),
            ("sub", &["null", "1", "[]", "{}", "true"]),
        ];
        for (name, values) in cases {
            for value in values {
                assert!(matches!(with(name, value), Err(InvalidToken::ClaimType { .. })), "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_subject_that_is_empty_or_has_control_characters_is_refused() {
        for subject in ["", r"\r\n", r"a\u0000", r"\u007f", "a\u{7f}", r"a\u0085b", "\u{9f}", r"\tu1", r"u\u001b[0m"] {
            assert!(
                matches!(with("sub", &format!("\"{subject}\"")), Err(InvalidToken::ClaimType { .. })),
                "{subject:?}"
            );
        }
        assert_eq!(with("sub", r#""J\u00f6rg 1""#).unwrap().subject(), Some("Jörg 1"));
    }

    #[test]
    fn another_subject_claim_may_be_an_integer() {
        let path = ClaimPath::from("user_id");
        for (value, expected) in [("1", "1"), (r#""1""#, "1"), ("18446744073709551615", "18446744073709551615")] {
            assert_eq!(with("user_id", value).unwrap().subject_text(&path), Ok(Some(expected)));
        }
        for value in
            ["1.5", "1e0", "1.0", "-1", "-0", "true", "null", "[1]", "{}", r#""""#, r#""a\n""#, "18446744073709551616"]
        {
            assert!(with("user_id", value).unwrap().subject_text(&path).is_err(), "{value}");
        }
        assert_eq!(with("other", "1").unwrap().subject_text(&path), Ok(None));
    }

    #[test]
    fn an_empty_audience_is_none_and_a_string_is_one() {
        assert_eq!(with("aud", "[]").unwrap().audience().count(), 0);
        assert_eq!(with("aud", r#""a b""#).unwrap().audience().collect::<Vec<_>>(), ["a b"]);
    }

    #[test]
    fn debug_shows_no_claim_but_the_times() {
        let shown = format!("{:?}", with("sub", r#""ann@example.com""#).unwrap());
        assert!(!shown.contains("ann"), "{shown}");
        assert!(shown.contains("2000000000000"), "{shown}");
    }
}
