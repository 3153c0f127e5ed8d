//! The claims of a token that its issuer's expectations are satisfied with.
//!
//! In order, the later ones over the earlier: issuer, audience, subject, permissions, times and a name of its own
//! (`jti`), the required claims, whatever else the caller sets.

use aws_lc_rs::rand::SecureRandom;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::{clock::Timestamp, config::Issuer, jwt::ClaimPath};

/// Bytes of randomness in a `jti`.
const ID_BYTES: usize = 16;

/// Claims that are being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    issuer: &'a Issuer,
    claims: Map<String, Value>,
}

/// From when to when a token is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
}

impl<'a> Draft<'a> {
    /// What `issuer` would write about `subject`, or about somebody.
    pub(super) fn new(issuer: &'a Issuer, subject: Option<&str>, life: Life, random: &dyn SecureRandom) -> Self {
        let expected = &issuer.expectations;
        let mut draft = Self { issuer, claims: Map::new() };
        if let Some(iss) = &expected.issuer {
            draft.set(&"iss".into(), iss.as_str().into());
        }
        if let Some(audience) = expected.audience.first() {
            draft.set(&"aud".into(), audience.as_str().into());
        }
        draft.set(&expected.subject, subject_value(&expected.subject, subject));
        draft.set(&"iat".into(), life.issued.as_secs().into());
        draft.set(&"exp".into(), life.expires.as_secs().into());
        let mut id = [0; ID_BYTES];
        if random.fill(&mut id).is_ok() {
            draft.set(&"jti".into(), URL_SAFE_NO_PAD.encode_to_string(id).into());
        }
        for required in &expected.required_claims {
            draft.set(&required.path, required.value.clone());
        }
        draft
    }

    /// Sets the claim at `path`; what stands in the way of it is replaced.
    pub(super) fn set(&mut self, path: &ClaimPath, value: Value) {
        path.set(&mut self.claims, value);
    }

    /// Adds permissions to the first claim of the issuer's that can carry them; false if none can.
    pub(super) fn grant(&mut self, permissions: &[String]) -> bool {
        if permissions.is_empty() {
            return true;
        }
        let issuer = self.issuer;
        // Texts of `scope` and `scp` are split at spaces (RFC 8693 §4.2).
        let is_split = |path: &&ClaimPath| matches!(path.names().last(), Some("scope" | "scp"));
        let has_space = permissions.iter().any(|permission| permission.contains(' '));
        let Some(path) = issuer.permissions.iter().find(|path| !(has_space && is_split(path))) else {
            return false;
        };
        let value = if is_split(&path) { permissions.join(" ").into() } else { permissions.into() };
        self.set(path, value);
        true
    }

    /// The claims.
    pub(super) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

/// `sub` is a text (RFC 7519 §4.1.2). Another claim that names the subject is a number with most who have one.
fn subject_value(path: &ClaimPath, subject: Option<&str>) -> Value {
    if path.top_level() == Some("sub") {
        return subject.unwrap_or("demo-user").into();
    }
    let subject = subject.unwrap_or("1");
    subject.parse::<u64>().map_or_else(|_| subject.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use serde_json::json;

    use super::*;
    use crate::{
        config::KeySource,
        jwt::{Algorithm, ClaimValue, Expectations},
    };

    fn issuer(expectations: Expectations, permissions: &[&str]) -> Issuer {
        Issuer {
            name: "api".to_owned(),
            algorithms: vec![Algorithm::Hs256],
            keys: KeySource::GeneratedSecret("nowhere".into()),
            expectations,
            permissions: permissions.iter().map(|name| ClaimPath::from(*name)).collect(),
        }
    }

    fn draft(issuer: &Issuer) -> Draft<'_> {
        let life = Life { issued: Timestamp::from_secs(100), expires: Timestamp::from_secs(200) };
        Draft::new(issuer, None, life, &SystemRandom::new())
    }

    #[test]
    fn everything_that_is_expected_is_written() {
        let expected = Expectations {
            issuer: Some("https://id.example.com".to_owned()),
            audience: vec!["orders".to_owned(), "other".to_owned()],
            required_claims: vec![ClaimValue { path: "token_type".into(), value: "access".into() }],
            subject: "user_id".into(),
            ..Expectations::default()
        };
        let issuer = issuer(expected, &["permissions"]);
        let mut claims = draft(&issuer).into_claims();
        assert_eq!(claims.remove("jti").unwrap().as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": "https://id.example.com", "aud": "orders", "user_id": 1, "iat": 100, "exp": 200, "token_type": "access"
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn permissions_go_where_they_are_read_from() {
        let read = vec!["PLANTS READ".to_owned(), "b".to_owned()];
        let both = issuer(Expectations::default(), &["scope", "permissions"]);
        let mut draft_of_both = draft(&both);
        assert!(draft_of_both.grant(&read));
        assert_eq!(draft_of_both.into_claims()["permissions"], json!(read));
        let mut simple = draft(&both);
        assert!(simple.grant(&["a".to_owned(), "b".to_owned()]));
        assert_eq!(simple.into_claims()["scope"], json!("a b"));
        assert!(!draft(&issuer(Expectations::default(), &["scope"])).grant(&read));
        assert!(!draft(&issuer(Expectations::default(), &[])).grant(&read));
    }

    #[test]
    fn a_nested_claim_is_made_with_what_is_around_it() {
        let issuer = issuer(Expectations::default(), &[]);
        let mut draft = draft(&issuer);
        draft.set(&ClaimPath::nested(["a", "b", "c"]).unwrap(), 1.into());
        draft.set(&ClaimPath::nested(["a", "b", "d"]).unwrap(), 2.into());
        draft.set(&ClaimPath::nested(["sub", "e"]).unwrap(), 3.into());
        let claims = draft.into_claims();
        assert_eq!((&claims["a"], &claims["sub"]), (&json!({ "b": { "c": 1, "d": 2 } }), &json!({ "e": 3 })));
    }
}
