//! Tokens as an attacker writes them: any bytes for a header and a payload, and a signature that is right all the same.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::NOW;

/// Slow to make, so one serves all tests.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// What a token is signed with.
pub(crate) enum Signer {
    Secret(Box<hmac::Key>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(&'static dyn RsaEncoding),
}

impl Signer {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// Without padding of its own: each algorithm is a signer of the one key.
    pub(crate) fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        Self::Rsa(encoding)
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(encoding) => {
                let mut signature = vec![0; RSA.public_modulus_len()];
                RSA.sign(*encoding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// The public JSON Web Key.
    pub(crate) fn jwk(&self, key_id: &str, algorithm: &str) -> Value {
        let mut jwk = match self {
            Self::Secret(_) => panic!("a secret has no public key"),
            Self::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key()) })
            }
            Self::Rsa(_) => {
                let key = RSA.public_key();
                let (modulus, exponent) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA",
                    "n": base64url(modulus.big_endian_without_leading_zero()),
                    "e": base64url(exponent.big_endian_without_leading_zero()),
                })
            }
        };
        jwk["alg"] = algorithm.into();
        jwk["kid"] = key_id.into();
        jwk
    }

    /// A token of these bytes.
    pub(crate) fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_text(&format!("{}.{}", base64url(header), base64url(payload)))
    }

    /// The text, a dot, and the signature over the text.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        format!("{text}.{}", base64url(self.signature(text.as_bytes())))
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token with other bytes as its signature.
pub(crate) fn with_signature(token: &str, alter: impl FnOnce(&mut Vec<u8>)) -> String {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    alter(&mut bytes);
    format!("{text}.{}", base64url(bytes))
}

/// Claims as text, so that they can be wrong in any way.
#[derive(Clone)]
pub(crate) struct ClaimText(Vec<(String, String)>);

impl ClaimText {
    /// Of the issuer, subject and audience that the tests' gateways want; good for ten minutes.
    pub(crate) fn good() -> Self {
        let claims = Self(Vec::new());
        let claims = claims.with("iss", r#""https://id.example.com""#).with("sub", r#""alice""#);
        let claims = claims.with("aud", r#""authenticated""#);
        claims.with("iat", &NOW.to_string()).with("exp", &(NOW + 600).to_string())
    }

    /// With this claim, in the place of one of the same name.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut claims = self.without(name);
        claims.0.push((name.to_owned(), value.to_owned()));
        claims
    }

    /// With this claim, beside any other of the same name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}
