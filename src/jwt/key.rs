//! Keys that verify. A key is bound to one algorithm when it is made and is ready to use: nothing is parsed per token.
//!
//! Refused: RSA moduli outside 2048 to 8192 bits and exponents that are even or below 3 (RFC 8725 §3.5), HMAC secrets under
//! 32 bytes (RFC 7518 §3.2 asks for as many as the digest has), points off the curve, a key of another type than the
//! algorithm's, private keys where public ones are due, and a public key as an HMAC secret: whoever has it could sign.

mod jwk;
mod pem;
mod public;
mod secret;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

use super::{Algorithm, Shown, Value};

pub(super) use jwk::PrivateParts;
pub(super) use public::{PublicKey, curve};

/// The shortest HMAC secret that is accepted without asking twice, in bytes.
const SECRET_BYTES: usize = 32;

/// A key that verifies signatures of one algorithm. Cheap to clone.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key_id: Option<Arc<str>>,
    material: Arc<Material>,
}

enum Material {
    Secret(Box<hmac::Key>),
    Public(PublicKey),
}

impl VerifyingKey {
    /// An HMAC key of at least 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`], if the algorithm is not HMAC, or the secret is too short or a public key.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES && !secret.is_empty() {
            return Err(KeyError::WeakSecret { bytes: secret.len() });
        }
        Self::from_weak_secret(algorithm, secret)
    }

    /// An HMAC key of any length but none: for an existing secret that cannot be replaced yet. Short ones can be guessed
    /// from a single token.
    ///
    /// # Errors
    /// [`KeyError`], if the algorithm is not HMAC, or the secret is empty or a public key.
    pub fn from_weak_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let hmac = hmac_algorithm(algorithm)?;
        if secret.is_empty() {
            return Err(KeyError::EmptySecret);
        }
        secret::check(secret)?;
        Ok(Self::new(algorithm, Material::Secret(Box::new(hmac::Key::new(hmac, secret)))))
    }

    /// A public key in PEM: `-----BEGIN PUBLIC KEY-----`, a SubjectPublicKeyInfo (RFC 7468 §13), and nothing else.
    ///
    /// # Errors
    /// [`KeyError`], if it is another kind of PEM, or no acceptable key for the algorithm.
    pub fn from_public_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        if algorithm.is_symmetric() {
            return Err(KeyError::Symmetric(algorithm));
        }
        PublicKey::from_der(algorithm, &pem::public_key(pem)?).map(|key| Self::from_public(algorithm, key))
    }

    /// A JSON Web Key (RFC 7517). Its algorithm is its `alg`, or `algorithm`, or the only one of its curve; what is given
    /// twice has to agree. An `oct` key becomes an HMAC key. `kid` becomes the key's id.
    ///
    /// # Errors
    /// [`KeyError`], if the key is not acceptable, private, or not meant to verify signatures (`use`, `key_ops`).
    pub fn from_jwk(jwk: Value<'_>, algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        jwk::verifying_key(jwk, algorithm.as_slice())
    }

    /// As [`VerifyingKey::from_jwk`]: without `alg`, the one among `allowed` that fits; none other is accepted, unless
    /// `allowed` is empty.
    pub(super) fn from_jwk_among(jwk: Value<'_>, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        jwk::verifying_key(jwk, allowed)
    }

    /// The same key under this id (`kid`).
    #[must_use]
    pub fn with_key_id(self, key_id: String) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }

    /// The id that a token's `kid` names the key by.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The one algorithm that the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The JSON Web Key to publish. Nothing for an HMAC key.
    #[must_use]
    pub fn public_jwk(&self) -> Option<serde_json::Value> {
        let Material::Public(key) = &*self.material else { return None };
        let mut jwk = key.jwk().clone();
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("alg".to_owned(), self.algorithm.name().into());
        if let Some(key_id) = self.key_id() {
            jwk.insert("kid".to_owned(), key_id.into());
        }
        Some(jwk.into())
    }

    pub(super) fn from_public(algorithm: Algorithm, key: PublicKey) -> Self {
        Self::new(algorithm, Material::Public(key))
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key.has_signed(message, signature),
        }
    }

    fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { algorithm, key_id: None, material: Arc::new(material) }
    }
}

impl fmt::Debug for VerifyingKey {
    /// Shows which key it is, not what it is.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

pub(super) const fn hmac_algorithm(algorithm: Algorithm) -> Result<hmac::Algorithm, KeyError> {
    match algorithm {
        Algorithm::Hs256 => Ok(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Ok(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Ok(hmac::HMAC_SHA512),
        _ => Err(KeyError::NotSymmetric(algorithm)),
    }
}

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    // The algorithm's and the kind's.
    /// A secret is given for an algorithm that has key pairs.
    #[error("{0} is verified with a public key, not with a secret")]
    NotSymmetric(Algorithm),
    /// A public key is given for HMAC.
    #[error("{0} is verified with a secret, not with a public key")]
    Symmetric(Algorithm),
    /// The key is no acceptable one for the algorithm: another type, another curve, off the curve, or unreadable.
    #[error("not a public key for {algorithm}: it has to be {expected}")]
    Unfit {
        /// What the key was to be for.
        algorithm: Algorithm,
        /// What it has to be.
        expected: &'static str,
    },
    /// The set of accepted algorithms does not contain the key's.
    #[error("{0} is not among the accepted algorithms")]
    NotAccepted(Algorithm),

    // Too weak.
    /// An HMAC secret under 32 bytes.
    #[error(
        "the secret has {bytes} bytes, and fewer than 32 can be guessed from a token; for a legacy secret that has to stay, \
         set `weak = true` beside it (or use `VerifyingKey::from_weak_secret`)"
    )]
    WeakSecret {
        /// How many it has.
        bytes: usize,
    },
    /// An HMAC secret of no bytes.
    #[error("the secret is empty")]
    EmptySecret,
    /// A PEM as an HMAC secret.
    #[error("the secret is a PEM: a public key is known to everyone and must not be an HMAC secret")]
    PemAsSecret,
    /// A public key in DER, base64 or as a JWK as an HMAC secret.
    #[error("the secret is a public key, which is known to everyone and must not be an HMAC secret")]
    PublicKeyAsSecret,
    /// An RSA modulus outside 2048 to 8192 bits.
    #[error("the RSA key has {bits} bits; 2048 to 8192 are accepted")]
    RsaSize {
        /// How many it has.
        bits: usize,
    },
    /// An RSA exponent that is even or below 3.
    #[error("the RSA key's public exponent has to be odd and at least 3")]
    RsaExponent,

    // The PEM's.
    /// No PEM section, or a broken one.
    #[error("not a PEM: expected one section `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// More than one PEM section.
    #[error("the PEM has more than one section; one public key is expected")]
    SeveralPemSections,
    /// A private key where a public one is due.
    #[error(
        "this is a private key; give its public half (`openssl pkey -in key.pem -pubout`) and keep this one away from here"
    )]
    PrivatePem,
    /// A PKCS#1 key.
    #[error("`RSA PUBLIC KEY` is PKCS#1; convert it: `openssl rsa -RSAPublicKey_in -in key.pem -pubout`")]
    Pkcs1Pem,
    /// An X.509 certificate.
    #[error("this is a certificate; take its public key: `openssl x509 -in cert.pem -noout -pubkey`")]
    CertificatePem,
    /// Another PEM section.
    #[error("a PEM section `{0}` is not a public key; expected `PUBLIC KEY`")]
    OtherPem(Shown),

    // The JWK's.
    /// A member is missing or not what RFC 7517, 7518 or 8037 say.
    #[error("the JWK's `{0}` is missing or malformed")]
    JwkMember(&'static str),
    /// A key type that we have no algorithm for.
    #[error("key type `{0}` is not supported")]
    JwkType(Shown),
    /// A curve that we have no algorithm for.
    #[error("curve `{0}` is not supported")]
    JwkCurve(Shown),
    /// An `alg` that is not supported.
    #[error("algorithm `{0}` is not supported")]
    JwkAlgorithm(Shown),
    /// An `alg` that does not go with the key's type or curve.
    #[error("the JWK says {alg}, which does not fit its type")]
    JwkMismatch {
        /// The `alg`.
        alg: Algorithm,
    },
    /// Neither `alg` nor the type tells the algorithm.
    #[error("the JWK does not say its algorithm, and its type has several; set `algorithms` to the one that it is for")]
    JwkAlgorithmUnknown,
    /// `use` or `key_ops` do not allow to verify signatures.
    #[error("the JWK is not meant to verify signatures (`use` or `key_ops`)")]
    JwkUse,
    /// A private key where a public one is due.
    #[error("the JWK holds a private key; only the public half belongs here")]
    JwkPrivate,
    /// An `oct` key from afar.
    #[error("the JWK is a secret (`oct`), and a published secret is none")]
    JwkSymmetric,
}
