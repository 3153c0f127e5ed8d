//! Signing: for the tokens that we issue ourselves.

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin},
    hmac,
    rand::{SecureRandom, SystemRandom},
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::{
    Algorithm, Json, JsonError, KeyError, VerifyingKey, base64url,
    key::{PrivateParts, PublicKey, curve, hmac_algorithm},
};

/// A key that signs: HMAC, ECDSA or Ed25519. It carries its public side, under the same id.
pub struct SigningKey {
    material: Material,
    verifying: VerifyingKey,
}

enum Material {
    /// The secret is kept to be written down.
    Secret(Box<hmac::Key>, Zeroizing<Vec<u8>>),
    Elliptic(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
}

impl SigningKey {
    /// A new key. A secret is as long as the algorithm's digest. A key pair gets its thumbprint (RFC 7638) as id; a secret
    /// gets none, because an id made from it would be published.
    ///
    /// ECDSA key pairs are drawn from the cryptographic library's own generator.
    ///
    /// # Errors
    /// [`SignError::Unsupported`] for RSA, [`SignError::Cryptography`] if there is no randomness.
    pub fn generate(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<Self, SignError> {
        if let Some(curve) = curve(algorithm) {
            let pair = EcdsaKeyPair::generate(curve.signing).map_err(|_| SignError::Cryptography)?;
            let public = PublicKey::elliptic(algorithm, pair.public_key().as_ref())?;
            let verifying = VerifyingKey::from_public(algorithm, public);
            return Ok(Self { material: Material::Elliptic(pair), verifying }.with_thumbprint());
        }
        let length = hmac_algorithm(algorithm).map_or(32, |hmac| hmac.tag_len());
        let mut secret = Zeroizing::new(vec![0; length]);
        random.fill(&mut secret).map_err(|_| SignError::Cryptography)?;
        match algorithm.key_type() {
            "oct" => Self::from_secret(algorithm, &secret),
            "OKP" => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&secret).map_err(|_| SignError::Cryptography)?;
                let public = PublicKey::ed25519(pair.public_key().as_ref())?;
                let verifying = VerifyingKey::from_public(algorithm, public);
                Ok(Self { material: Material::Edwards(pair), verifying }.with_thumbprint())
            }
            _ => Err(SignError::Unsupported(algorithm)),
        }
    }

    /// An HMAC key of at least 32 bytes.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_secret`].
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, SignError> {
        Self::hmac(VerifyingKey::from_secret(algorithm, secret)?, secret)
    }

    /// An HMAC key of any length but none, for an existing secret that cannot be replaced yet.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_weak_secret`].
    pub fn from_weak_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, SignError> {
        Self::hmac(VerifyingKey::from_weak_secret(algorithm, secret)?, secret)
    }

    /// A private JSON Web Key: `oct`, `EC` or `OKP`, whose public half fits.
    ///
    /// # Errors
    /// [`SignError`], if it is not JSON or not such a key.
    pub fn from_private_jwk(jwk: &str) -> Result<Self, SignError> {
        let json = Json::parse(jwk.as_bytes().to_vec()).map_err(SignError::Json)?;
        let PrivateParts { verifying, secret, public } = PrivateParts::read(json.root())?;
        let unfit = |_| SignError::Key(KeyError::JwkMember("d"));
        let material = match curve(verifying.algorithm()) {
            _ if public.is_empty() => return Self::hmac(verifying, &secret),
            Some(curve) => Material::Elliptic(
                EcdsaKeyPair::from_private_key_and_public_key(curve.signing, &secret, &public).map_err(unfit)?,
            ),
            None => Material::Edwards(Ed25519KeyPair::from_seed_and_public_key(&secret, &public).map_err(unfit)?),
        };
        Ok(Self { material, verifying })
    }

    /// The key as a private JSON Web Key, to be kept.
    ///
    /// # Errors
    /// [`SignError::Cryptography`], if the library does not give the private half away.
    pub fn to_private_jwk(&self) -> Result<Secret, SignError> {
        let (name, private) = match &self.material {
            Material::Secret(_, secret) => ("k", secret.clone()),
            Material::Elliptic(pair) => {
                let private: EcPrivateKeyBin<'_> =
                    pair.private_key().as_be_bytes().map_err(|_| SignError::Cryptography)?;
                ("d", Zeroizing::new(private.as_ref().to_vec()))
            }
            Material::Edwards(pair) => {
                let seed = pair.seed().map_err(|_| SignError::Cryptography)?;
                let private: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| SignError::Cryptography)?;
                ("d", Zeroizing::new(private.as_ref().to_vec()))
            }
        };
        let mut jwk = self.public_jwk().unwrap_or_else(|| json!({ "kty": "oct", "alg": self.algorithm().name() }));
        if let (None, Some(key_id)) = (jwk.get("kid"), self.key_id()) {
            jwk["kid"] = key_id.into();
        }
        jwk[name] = base64url::encode(&*private).into();
        Ok(Secret::from(jwk.to_string()))
    }

    /// The same key under this id (`kid`).
    #[must_use]
    pub fn with_key_id(self, key_id: String) -> Self {
        Self { verifying: self.verifying.with_key_id(key_id), ..self }
    }

    /// The key that verifies what this one signs, under the same id.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The id that goes into a token's `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.verifying.key_id()
    }

    /// The algorithm that the key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// The JSON Web Key to publish. Nothing for an HMAC key.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        self.verifying.public_jwk()
    }

    fn hmac(verifying: VerifyingKey, secret: &[u8]) -> Result<Self, SignError> {
        let key = hmac::Key::new(hmac_algorithm(verifying.algorithm())?, secret);
        Ok(Self { material: Material::Secret(Box::new(key), Zeroizing::new(secret.to_vec())), verifying })
    }

    /// RFC 7638 §3: the digest of the required members, ordered by name.
    pub(super) fn with_thumbprint(self) -> Self {
        let jwk = self.public_jwk().unwrap_or_default();
        let required: Map<String, Value> = ["crv", "kty", "x", "y"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())))
            .collect();
        let digest = digest::digest(&digest::SHA256, Value::Object(required).to_string().as_bytes());
        self.with_key_id(base64url::encode(digest))
    }

    pub(super) fn push_signature(&self, message: &[u8], signature: &mut String) -> Result<(), SignError> {
        match &self.material {
            Material::Secret(key, _) => base64url::push(signature, hmac::sign(key, message)),
            Material::Elliptic(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message).map_err(|_| SignError::Cryptography)?;
                base64url::push(signature, signed);
            }
            Material::Edwards(pair) => {
                let signed = pair.try_sign(message).map_err(|_| SignError::Cryptography)?;
                base64url::push(signature, signed);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SigningKey {
    /// Shows which key it is, not what it is.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// Signs `claims` as they are: a compact JWS whose header has `alg`, `typ` if given, and the key's id if it has one.
///
/// # Errors
/// [`SignError::Cryptography`].
pub fn sign(key: &SigningKey, typ: Option<&str>, claims: &Map<String, Value>) -> Result<String, SignError> {
    let mut header = Map::new();
    header.insert("alg".to_owned(), key.algorithm().name().into());
    if let Some(typ) = typ {
        header.insert("typ".to_owned(), typ.into());
    }
    if let Some(key_id) = key.key_id() {
        header.insert("kid".to_owned(), key_id.into());
    }
    let mut token = base64url::encode(Value::Object(header).to_string());
    token.push('.');
    base64url::push(&mut token, serde_json::to_vec(claims).map_err(|_| SignError::Claims)?);
    let mut signature = String::new();
    key.push_signature(token.as_bytes(), &mut signature)?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Why a signing key cannot be had, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is not acceptable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not strict JSON.
    #[error("the private key is not strict JSON: {0}")]
    Json(JsonError),
    /// The algorithm is verified, but not signed with.
    #[error("signing with {0} is not supported; use ES256, EdDSA or HS256")]
    Unsupported(Algorithm),
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Claims,
    /// The cryptographic library fails: no randomness or no memory.
    #[error("the cryptographic library failed")]
    Cryptography,
}
