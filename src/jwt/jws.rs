//! A signature alone (RFC 7515 §5.2): the payload may be any bytes, and nothing that it says is looked at.
//!
//! The header is as strict as that of a token. A good signature is no reason to let anyone in: see
//! [`UnverifiedToken`](super::UnverifiedToken) for that.

use super::{
    Header, InvalidToken, Part, VerifyingKey, base64url,
    verify::{Parts, decode, prove},
};

/// A JSON Web Signature in compact serialization. Nothing in it is proven.
#[derive(Clone, Debug)]
pub struct Jws<'t> {
    header: Header,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Reads a signature and its payload, of at most `max_bytes` bytes together. The payload may be empty.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text: &'t str, max_bytes: usize) -> Result<Self, InvalidToken> {
        let Parts { header, payload, signature, signed } = Parts::split(text, max_bytes)?;
        let header = Header::parse(decode(Part::Header, header)?)?;
        base64url::decode(payload).ok_or(InvalidToken::Encoding(Part::Payload))?;
        let signature = decode(Part::Signature, signature)?;
        Ok(Self { header, signed, signature })
    }

    /// What the header says, unproven.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Proves that `key` has signed it.
    ///
    /// # Errors
    /// [`InvalidToken::AlgorithmMismatch`] or [`InvalidToken::BadSignature`].
    pub fn verify_signature(&self, key: &VerifyingKey) -> Result<(), InvalidToken> {
        prove(&self.header, key, self.signed, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{Algorithm, SigningKey};

    const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

    fn signed(header: &str, payload: &[u8]) -> String {
        let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
        let message = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let mut text = format!("{message}.");
        key.push_signature(message.as_bytes(), &mut text).unwrap();
        text
    }

    fn verify(text: &str) -> Result<(), InvalidToken> {
        Jws::parse(text, 8192)?.verify_signature(&VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap())
    }

    #[test]
    fn a_payload_of_any_bytes_is_proven() {
        for payload in [&b"{}"[..], b"", b"no JSON", &[0xff, 0x00]] {
            assert_eq!(verify(&signed(r#"{"alg":"HS256"}"#, payload)), Ok(()));
        }
    }

    #[test]
    fn an_altered_payload_a_strict_header_and_bad_base64url_are_refused() {
        let text = signed(r#"{"alg":"HS256"}"#, b"a");
        assert_eq!(verify(&text.replace(".YQ.", ".Yg.")), Err(InvalidToken::BadSignature));
        assert_eq!(verify(&text.replace(".YQ.", ".YR.")), Err(InvalidToken::Encoding(Part::Payload)));
        assert_eq!(verify(&signed(r#"{"alg":"HS256","crit":[]}"#, b"a")), Err(InvalidToken::ForbiddenHeader("crit")));
        let mismatch = InvalidToken::AlgorithmMismatch { header: Algorithm::Hs512, key: Algorithm::Hs256 };
        assert_eq!(verify(&signed(r#"{"alg":"HS512"}"#, b"a")), Err(mismatch));
        for text in ["", ".", "..", "a.b.c.d"] {
            assert!(verify(text).is_err(), "{text}");
        }
    }
}
