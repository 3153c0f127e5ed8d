//! Tokens that are bound to a key of their bearer's (`cnf`, RFC 7800): whoever has stolen one can't use it.
//!
//! 1. `x5t#S256` binds a token to the client certificate of the TLS connection that it comes over (RFC 8705 §3.1). It is
//!    compared on every request, also with what the cache knows.
//! 2. Any other way of binding (`jkt` of DPoP, RFC 9449, among them) is not supported, and such a token is refused: to
//!    take it for a plain bearer token would be to take the binding away from it.
//! 3. An issuer may have all its tokens bound, or none looked at: see [`Binding`].

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;

use super::AuthnError;
use crate::jwt::{Binding, Claims, InvalidToken, Value};

/// The claim (RFC 7800 §3.1).
const CONFIRMATION: &str = "cnf";
/// Its member that names a certificate (RFC 8705 §3.1).
const THUMBPRINT: &str = "x5t#S256";

/// The certificate that a client has proven to have, by its SHA-256 thumbprint: computed once for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate([u8; 32]);

impl ClientCertificate {
    /// The certificate with this DER encoding. That its owner has its key is for the caller to know.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Self {
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(thumbprint)
    }

    /// As `x5t#S256` has it: 43 characters of base64url.
    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode_to_vec(text).ok()?.try_into().ok().map(Self)
    }

    /// The thumbprint as `x5t#S256` has it: base64url without padding (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode_to_string(self.0)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ClientCertificate").field(&self.thumbprint()).finish()
    }
}

/// The certificate that a token with these claims is bound to, if it is.
pub(super) fn certificate_of(claims: &Claims, binding: Binding) -> Result<Option<ClientCertificate>, InvalidToken> {
    if binding == Binding::Ignored {
        return Ok(None);
    }
    let Some(confirmation) = claims.get(CONFIRMATION) else {
        return if binding == Binding::Required { Err(InvalidToken::NotBound) } else { Ok(None) };
    };
    let wrong = |expected| InvalidToken::ClaimType { claim: CONFIRMATION.into(), expected };
    let Value::Object(members) = confirmation else { return Err(wrong("an object")) };
    let mut certificate = None;
    for (name, value) in members {
        if name != THUMBPRINT {
            return Err(InvalidToken::UnsupportedBinding);
        }
        let parsed = value.as_str().and_then(ClientCertificate::parse);
        certificate = Some(parsed.ok_or_else(|| wrong("the SHA-256 thumbprint of a certificate"))?);
    }
    certificate.map(Some).ok_or_else(|| wrong("an object that names a key"))
}

/// Whether a token that is bound to `bound` may come over a connection whose client has proven to have `presented`.
pub(super) fn check(
    bound: Option<&ClientCertificate>,
    presented: Option<&ClientCertificate>,
) -> Result<(), AuthnError> {
    match (bound, presented) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(InvalidToken::CertificateMissing.into()),
        // A thumbprint is no secret: the certificate goes over the line in TLS 1.2.
        (Some(bound), Some(presented)) if bound == presented => Ok(()),
        (Some(_), Some(_)) => Err(InvalidToken::WrongCertificate.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        authn::{Authenticator, IssuerSettings},
        clock::{Clock, Timestamp},
        jwt::{Algorithm, KeySet, SigningKey, sign},
    };

    fn key() -> SigningKey {
        SigningKey::from_secret(Algorithm::Hs256, b"a secret of thirty-two bytes, or more").unwrap()
    }

    fn authenticator(binding: Binding) -> Authenticator {
        let keys = KeySet::new(vec![key().verifying_key().clone()]).unwrap();
        let issuer = IssuerSettings::new("main", keys).expect(|expected| expected.binding = binding);
        Authenticator::builder().issuer(issuer).clock(Clock::manual(Timestamp::from_secs(1))).build().unwrap()
    }

    fn token(cnf: Option<Value>) -> String {
        let mut claims = json!({ "sub": "alice", "exp": 9 });
        if let Some(cnf) = cnf {
            claims["cnf"] = cnf;
        }
        sign(&key(), None, claims.as_object().unwrap()).unwrap()
    }

    fn outcome(
        authenticator: &Authenticator,
        token: &str,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), &'static str> {
        let headers = [(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())].into_iter().collect();
        match authenticator.authenticate_over(&headers, certificate, None) {
            Ok(_) => Ok(()),
            Err(AuthnError::InvalidToken(cause)) => Err(cause.code()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_bound_token_needs_its_certificate_each_time() {
        let authenticator = authenticator(Binding::Checked);
        let (own, other) = (ClientCertificate::of_der(b"own"), ClientCertificate::of_der(b"other"));
        let bound = token(Some(json!({ "x5t#S256": own.thumbprint() })));
        // The first is verified, the second known already.
        for _ in 0..2 {
            assert_eq!(outcome(&authenticator, &bound, None), Err("certificate_missing"));
            assert_eq!(outcome(&authenticator, &bound, Some(&other)), Err("wrong_certificate"));
            assert_eq!(outcome(&authenticator, &bound, Some(&own)), Ok(()));
        }
        assert_eq!(outcome(&authenticator, &token(None), Some(&own)), Ok(()));
        assert_eq!(outcome(&authenticator, &token(None), None), Ok(()));
        assert!(authenticator.authenticate_token(&bound).is_err());
    }

    #[test]
    fn another_way_of_binding_is_refused_and_so_is_what_binds_to_nothing() {
        let own = ClientCertificate::of_der(b"own");
        let authenticator = authenticator(Binding::Checked);
        for (cnf, code) in [
            (json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }), "unsupported_binding"),
            (json!({ "x5t#S256": own.thumbprint(), "jkt": "x" }), "unsupported_binding"),
            (json!({ "jwk": {} }), "unsupported_binding"),
            (json!({ "x5t#s256": own.thumbprint() }), "unsupported_binding"),
            (json!({ "x5t#S256": format!("{}=", own.thumbprint()) }), "claim_type"),
            (json!({ "x5t#S256": "" }), "claim_type"),
            (json!({ "x5t#S256": 1 }), "claim_type"),
            (json!({}), "claim_type"),
            (json!(null), "claim_type"),
            (json!([own.thumbprint()]), "claim_type"),
        ] {
            assert_eq!(outcome(&authenticator, &token(Some(cnf.clone())), Some(&own)), Err(code), "{cnf}");
        }
    }

    #[test]
    fn an_issuer_may_have_its_tokens_bound_or_not_looked_at() {
        let own = ClientCertificate::of_der(b"own");
        let bound = token(Some(json!({ "x5t#S256": own.thumbprint() })));
        let required = authenticator(Binding::Required);
        assert_eq!(outcome(&required, &token(None), Some(&own)), Err("not_bound"));
        assert_eq!(outcome(&required, &bound, Some(&own)), Ok(()));
        assert_eq!(outcome(&required, &bound, None), Err("certificate_missing"));
        let ignored = authenticator(Binding::Ignored);
        for cnf in [json!({ "jkt": "x" }), json!(1), json!({ "x5t#S256": own.thumbprint() })] {
            assert_eq!(outcome(&ignored, &token(Some(cnf)), None), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn only_its_own_spelling_is_a_thumbprint(text in "[A-Za-z0-9_=+/-]{40,46}", der: Vec<u8>) {
            if let Some(parsed) = ClientCertificate::parse(&text) {
                prop_assert_eq!(parsed.thumbprint(), text);
            }
            let certificate = ClientCertificate::of_der(&der);
            prop_assert_eq!(ClientCertificate::parse(&certificate.thumbprint()), Some(certificate));
        }
    }
}
