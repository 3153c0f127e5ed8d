//! Attacks on tokens, from outside: whole tokens, real keys.

mod claims;
mod forgery;
mod form;
mod properties;

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, KeyPair, RsaSignatureEncoding},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::clock::Timestamp;

use super::*;

pub(super) const LIMIT: usize = 8192;
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

pub(super) static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static ES256: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Es256));
static ES384: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Es384));
static EDDSA: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::EdDsa));
static HS256: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Hs256));
static HS384: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Hs384));
static HS512: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Hs512));

fn generated(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &SystemRandom::new()).unwrap()
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

pub(super) fn rsa_der() -> Vec<u8> {
    use aws_lc_rs::encoding::AsDer;
    RSA.public_key().as_der().unwrap().as_ref().to_vec()
}

pub(super) fn rsa_key(algorithm: Algorithm) -> VerifyingKey {
    VerifyingKey::from_public_pem(algorithm, pem("PUBLIC KEY", &rsa_der()).as_bytes()).unwrap()
}

fn signing(algorithm: Algorithm) -> &'static SigningKey {
    match algorithm {
        Algorithm::Es384 => &ES384,
        Algorithm::EdDsa => &EDDSA,
        Algorithm::Hs256 => &HS256,
        Algorithm::Hs384 => &HS384,
        Algorithm::Hs512 => &HS512,
        _ => &ES256,
    }
}

fn verifying(algorithm: Algorithm) -> VerifyingKey {
    if algorithm.key_type() == "RSA" { rsa_key(algorithm) } else { signing(algorithm).verifying_key().clone() }
}

/// A token with exactly these bytes as header and payload, correctly signed with the test key of `algorithm`.
fn token_of(algorithm: Algorithm, header: &str, payload: &str) -> String {
    let mut token = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let mut signature = String::new();
    let encoding: Option<&'static RsaSignatureEncoding> = match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_SHA512),
        _ => None,
    };
    match encoding {
        Some(encoding) => {
            let mut bytes = vec![0; RSA.public_modulus_len()];
            RSA.sign(encoding, &SystemRandom::new(), token.as_bytes(), &mut bytes).unwrap();
            base64url::push(&mut signature, bytes);
        }
        None => signing(algorithm).push_signature(token.as_bytes(), &mut signature).unwrap(),
    }
    token.push('.');
    token + &signature
}

const PAYLOAD: &str = r#"{"iss":"https://id.example.com","sub":"u1","aud":"orders","exp":1900000060,"iat":1900000000}"#;

fn good(algorithm: Algorithm) -> String {
    token_of(algorithm, &json!({ "alg": algorithm.name(), "typ": "JWT" }).to_string(), PAYLOAD)
}

/// A correctly signed HS256 token with this payload.
fn claiming(payload: &str) -> String {
    token_of(Algorithm::Hs256, r#"{"alg":"HS256"}"#, payload)
}

/// The whole way: form, signature, expectations.
fn verify(token: &str, key: &VerifyingKey, expected: &Expectations) -> Result<SignedToken, VerifyError> {
    let signed = UnverifiedToken::parse(token, LIMIT)?.verify_signature(key)?;
    expected.check(&signed, NOW)?;
    Ok(signed)
}

fn refusal(token: &str, key: &VerifyingKey) -> InvalidToken {
    match verify(token, key, &Expectations::default()) {
        Err(VerifyError::Invalid(reason)) => reason,
        other => panic!("{other:?} instead of a refusal"),
    }
}
