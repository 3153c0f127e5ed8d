//! JSON Web Keys (RFC 7517; RFC 7518 §6; RFC 8037 §2), with `use` and `key_ops` respected.
//!
//! 1. Meant to verify: `use` is `sig` or missing, `key_ops` names `verify` or is missing.
//! 2. No private member.
//! 3. The algorithm: `alg`, else the curve's, else the only accepted one that fits the key's type. One of the accepted ones.
//! 4. Numbers in canonical base64url: coordinates of exactly the curve's length, RSA numbers without leading zeros.

use zeroize::Zeroizing;

use crate::jwt::{Algorithm, Shown, Value, base64url};

use super::{KeyError, PublicKey, VerifyingKey, curve};

pub(super) fn verifying_key(jwk: Value<'_>, accepted: &[Algorithm]) -> Result<VerifyingKey, KeyError> {
    let key_type = text(jwk, "kty")?;
    check_use(jwk, "verify")?;
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"].iter().any(|name| jwk.get(name).is_some()) {
        return Err(KeyError::JwkPrivate);
    }
    let algorithm = algorithm(jwk, key_type, accepted)?;
    let key = match key_type {
        "oct" => VerifyingKey::from_secret(algorithm, &bytes(jwk, "k")?)?,
        "RSA" => {
            let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
            VerifyingKey::from_public(algorithm, PublicKey::rsa(algorithm, &modulus, &exponent)?)
        }
        _ => VerifyingKey::from_public(algorithm, point(jwk, algorithm)?),
    };
    named(key, jwk)
}

/// What a private JWK holds: the key's public side in full, and the bytes that only its owner has.
pub(in crate::jwt) struct PrivateParts {
    pub(in crate::jwt) verifying: VerifyingKey,
    /// `k` or `d`.
    pub(in crate::jwt) secret: Zeroizing<Vec<u8>>,
    /// The public key as its curve writes it; empty for a secret.
    pub(in crate::jwt) public: Vec<u8>,
}

impl PrivateParts {
    /// From a JWK that can sign: `oct`, `EC` or `OKP`.
    pub(in crate::jwt) fn read(jwk: Value<'_>) -> Result<Self, KeyError> {
        let key_type = text(jwk, "kty")?;
        check_use(jwk, "sign")?;
        let algorithm = algorithm(jwk, key_type, &[])?;
        let (verifying, secret, public) = match key_type {
            "oct" => {
                let secret = bytes(jwk, "k")?;
                (VerifyingKey::from_secret(algorithm, &secret)?, secret, Vec::new())
            }
            "EC" | "OKP" => {
                let length = curve(algorithm).map_or(32, |curve| curve.bytes);
                let secret = bytes(jwk, "d")?;
                if secret.len() != length {
                    return Err(KeyError::JwkMember("d"));
                }
                let verifying = VerifyingKey::from_public(algorithm, point(jwk, algorithm)?);
                (verifying, secret, point_bytes(jwk, algorithm)?)
            }
            _ => return Err(KeyError::JwkType(Shown::new(key_type))),
        };
        Ok(Self { verifying: named(verifying, jwk)?, secret: Zeroizing::new(secret), public })
    }
}

fn algorithm(jwk: Value<'_>, key_type: &str, accepted: &[Algorithm]) -> Result<Algorithm, KeyError> {
    let fits = candidates(jwk, key_type)?;
    let algorithm = match (jwk.get("alg"), fits.as_slice()) {
        (Some(alg), fits) => {
            let alg = alg.as_str().ok_or(KeyError::JwkMember("alg"))?;
            let alg = alg.parse().map_err(|_| KeyError::JwkAlgorithm(Shown::new(alg)))?;
            fits.contains(&alg).then_some(alg).ok_or(KeyError::JwkMismatch { alg })?
        }
        (None, [only]) => *only,
        (None, fits) => {
            let mut fits = fits.iter().filter(|fit| accepted.contains(fit));
            match (fits.next(), fits.next()) {
                (Some(only), None) => *only,
                _ => return Err(KeyError::JwkAlgorithmUnknown),
            }
        }
    };
    let is_accepted = accepted.is_empty() || accepted.contains(&algorithm);
    is_accepted.then_some(algorithm).ok_or(KeyError::NotAccepted(algorithm))
}

/// The algorithms that a key of this type and curve can be for.
fn candidates(jwk: Value<'_>, key_type: &str) -> Result<Vec<Algorithm>, KeyError> {
    match key_type {
        "oct" | "RSA" => Ok(Algorithm::ALL.into_iter().filter(|algorithm| algorithm.key_type() == key_type).collect()),
        "EC" | "OKP" => match (key_type, text(jwk, "crv")?) {
            ("EC", "P-256") => Ok(vec![Algorithm::Es256]),
            ("EC", "P-384") => Ok(vec![Algorithm::Es384]),
            ("OKP", "Ed25519") => Ok(vec![Algorithm::EdDsa]),
            (_, other) => Err(KeyError::JwkCurve(Shown::new(other))),
        },
        other => Err(KeyError::JwkType(Shown::new(other))),
    }
}

fn check_use(jwk: Value<'_>, operation: &str) -> Result<(), KeyError> {
    if let Some(usage) = jwk.get("use")
        && usage.as_str().ok_or(KeyError::JwkMember("use"))? != "sig"
    {
        return Err(KeyError::JwkUse);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(mut operations)) => {
            let allowed = operations.any(|allowed| allowed.as_str() == Some(operation));
            allowed.then_some(()).ok_or(KeyError::JwkUse)
        }
        Some(_) => Err(KeyError::JwkMember("key_ops")),
    }
}

fn named(key: VerifyingKey, jwk: Value<'_>) -> Result<VerifyingKey, KeyError> {
    match jwk.get("kid") {
        None => Ok(key),
        Some(key_id) => Ok(key.with_key_id(key_id.as_str().ok_or(KeyError::JwkMember("kid"))?.to_owned())),
    }
}

fn point(jwk: Value<'_>, algorithm: Algorithm) -> Result<PublicKey, KeyError> {
    let bytes = point_bytes(jwk, algorithm)?;
    if curve(algorithm).is_some() { PublicKey::elliptic(algorithm, &bytes) } else { PublicKey::ed25519(&bytes) }
}

fn point_bytes(jwk: Value<'_>, algorithm: Algorithm) -> Result<Vec<u8>, KeyError> {
    let x = bytes(jwk, "x")?;
    let Some(curve) = curve(algorithm) else { return Ok(x) };
    let y = bytes(jwk, "y")?;
    for (name, coordinate) in [("x", &x), ("y", &y)] {
        if coordinate.len() != curve.bytes {
            return Err(KeyError::JwkMember(name));
        }
    }
    Ok([&[0x04][..], &x, &y].concat())
}

/// RFC 7518 §2, Base64urlUInt: the fewest bytes.
fn number(jwk: Value<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    bytes(jwk, name).and_then(|bytes| match bytes.first() {
        None | Some(0) => Err(KeyError::JwkMember(name)),
        Some(_) => Ok(bytes),
    })
}

fn bytes(jwk: Value<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(text(jwk, name)?).ok_or(KeyError::JwkMember(name))
}

fn text<'a>(jwk: Value<'a>, name: &'static str) -> Result<&'a str, KeyError> {
    jwk.get(name).and_then(|value| value.as_str()).ok_or(KeyError::JwkMember(name))
}
