//! Public keys, ready to verify.

use aws_lc_rs::{
    encoding::AsDer,
    rsa,
    signature::{self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters},
};
use serde_json::{Map, Value};

use crate::jwt::{Algorithm, base64url};

use super::KeyError;

/// A curve of ECDSA's.
pub(in crate::jwt) struct Curve {
    /// Its name in a JWK's `crv`.
    pub(in crate::jwt) name: &'static str,
    /// How many bytes a coordinate and a private key have.
    pub(in crate::jwt) bytes: usize,
    pub(in crate::jwt) signing: &'static EcdsaSigningAlgorithm,
    verification: &'static EcdsaVerificationAlgorithm,
}

/// The algorithm's curve, if it is ECDSA.
pub(in crate::jwt) fn curve(algorithm: Algorithm) -> Option<Curve> {
    match algorithm {
        Algorithm::Es256 => Some(Curve {
            name: "P-256",
            bytes: 32,
            signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            verification: &signature::ECDSA_P256_SHA256_FIXED,
        }),
        Algorithm::Es384 => Some(Curve {
            name: "P-384",
            bytes: 48,
            signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            verification: &signature::ECDSA_P384_SHA384_FIXED,
        }),
        _ => None,
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// What an algorithm's public key has to be.
const fn expected(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "a point on P-256",
        Algorithm::Es384 => "a point on P-384",
        Algorithm::EdDsa => "an Ed25519 key of 32 bytes",
        _ => "an RSA key",
    }
}

pub(super) const fn unfit(algorithm: Algorithm) -> KeyError {
    KeyError::Unfit { algorithm, expected: expected(algorithm) }
}

/// A parsed key, and the members of its JWK without what is said about its use.
pub(in crate::jwt) struct PublicKey {
    parsed: ParsedPublicKey,
    jwk: Map<String, Value>,
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo (RFC 5280 §4.1).
    pub(super) fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        if rsa_parameters(algorithm).is_some() {
            return Self::rsa_from_der(algorithm, der);
        }
        let Some(curve) = curve(algorithm) else {
            let point = spki_tail(der, &signature::ED25519, 44, 32).ok_or(unfit(algorithm))?;
            return Self::ed25519(&point);
        };
        let (length, point) = if curve.bytes == 32 { (91, 65) } else { (120, 97) };
        let point = spki_tail(der, curve.verification, length, point).ok_or(unfit(algorithm))?;
        Self::elliptic(algorithm, &point)
    }

    /// From an uncompressed point (SEC 1 §2.3.3).
    pub(in crate::jwt) fn elliptic(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        let curve = curve(algorithm).ok_or(unfit(algorithm))?;
        let (Some(0x04), true) = (point.first(), point.len() == 1 + 2 * curve.bytes) else {
            return Err(unfit(algorithm));
        };
        let (x, y) = point[1..].split_at(curve.bytes);
        let jwk =
            members(&[("kty", "EC"), ("crv", curve.name), ("x", &base64url::encode(x)), ("y", &base64url::encode(y))]);
        let parsed = ParsedPublicKey::new(curve.verification, point).map_err(|_| unfit(algorithm))?;
        Ok(Self { parsed, jwk })
    }

    /// From the 32 bytes of RFC 8032 §5.1.5.
    pub(in crate::jwt) fn ed25519(point: &[u8]) -> Result<Self, KeyError> {
        let unfit = unfit(Algorithm::EdDsa);
        if point.len() != signature::ED25519_PUBLIC_KEY_LEN {
            return Err(unfit);
        }
        let parsed = ParsedPublicKey::new(&signature::ED25519, point).map_err(|_| unfit)?;
        let jwk = members(&[("kty", "OKP"), ("crv", "Ed25519"), ("x", &base64url::encode(point))]);
        Ok(Self { parsed, jwk })
    }

    /// From big-endian numbers without leading zeros.
    pub(super) fn rsa(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        check_rsa(modulus, exponent)?;
        let components = rsa::PublicKeyComponents { n: modulus, e: exponent };
        let der = components.as_der().map_err(|_| unfit(algorithm))?;
        Self::rsa_from_der(algorithm, der.as_ref())
    }

    fn rsa_from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let parameters = rsa_parameters(algorithm).ok_or(unfit(algorithm))?;
        let key = rsa::PublicKey::from_der(der).map_err(|_| unfit(algorithm))?;
        let modulus = key.modulus().big_endian_without_leading_zero();
        let exponent = key.exponent().big_endian_without_leading_zero();
        check_rsa(modulus, exponent)?;
        let jwk = members(&[("kty", "RSA"), ("n", &base64url::encode(modulus)), ("e", &base64url::encode(exponent))]);
        let parsed = ParsedPublicKey::new(parameters, der).map_err(|_| unfit(algorithm))?;
        Ok(Self { parsed, jwk })
    }

    pub(super) const fn jwk(&self) -> &Map<String, Value> {
        &self.jwk
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

/// RFC 7518 §3.3: 2048 bits or more; above 8192 verifying one token costs too much.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - leading;
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    if exponent.last().is_none_or(|byte| byte % 2 == 0) || exponent == [1] {
        return Err(KeyError::RsaExponent);
    }
    Ok(())
}

/// The key at the end of a SubjectPublicKeyInfo that is exactly `length` bytes long: with a named curve and an
/// uncompressed point there is no other form.
fn spki_tail(
    der: &[u8],
    algorithm: &'static dyn signature::VerificationAlgorithm,
    length: usize,
    key_bytes: usize,
) -> Option<Vec<u8>> {
    let fits = der.len() == length && ParsedPublicKey::new(algorithm, der).is_ok();
    fits.then(|| der[length - key_bytes..].to_vec())
}

fn members(members: &[(&str, &str)]) -> Map<String, Value> {
    members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
}
