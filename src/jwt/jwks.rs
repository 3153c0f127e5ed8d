//! Which key a token has to be signed with.
//!
//! 1. The token names a key (`kid`): that key, if it is for the token's algorithm. The only other keys that come into
//!    question are those without an id, a lone PEM or secret: they cannot be named.
//! 2. It names none, or only a key without an id can be meant: the only key of its algorithm. If there are several, none.
//!
//! In a set no id occurs twice. A key that cannot be used is left out and reported, the others are used.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::{Algorithm, Header, InvalidToken, Json, JsonError, KeyError, Shown, Value, VerifyingKey};

/// The keys of an issuer.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

/// Where a key set comes from: how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of the operator's: it may hold secrets (`oct`).
    File,
    /// Fetched from an issuer: public, so a secret in it is none.
    Remote,
}

impl KeySet {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError::DuplicateKeyId`].
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, KeySetError> {
        let mut seen = HashSet::new();
        match keys.iter().filter_map(VerifyingKey::key_id).find(|key_id| !seen.insert(*key_id)) {
            Some(duplicate) => Err(KeySetError::DuplicateKeyId(Shown::new(duplicate))),
            None => Ok(Self { keys }),
        }
    }

    /// The usable keys of a JWK set (RFC 7517 §5), and those that were left out.
    ///
    /// # Errors
    /// [`KeySetError`], if the document is not a JWK set, an id occurs twice, or no key is usable.
    pub fn from_jwks(jwks: &[u8], trust: Origin) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        Self::from_jwks_among(jwks, trust, &[])
    }

    /// As [`KeySet::from_jwks`], with only these algorithms accepted. They also tell what a key is for that does not say
    /// so itself: an RSA key without `alg` is usable if exactly one of them is an RSA algorithm.
    ///
    /// # Errors
    /// As [`KeySet::from_jwks`].
    pub fn from_jwks_among(
        jwks: &[u8],
        trust: Origin,
        algorithms: &[Algorithm],
    ) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        let json = Json::parse(jwks.to_vec()).map_err(KeySetError::Json)?;
        let Some(Value::Array(members)) = json.root().get("keys") else {
            return Err(KeySetError::NoKeys);
        };
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (position, jwk) in members.enumerate() {
            let key_id = jwk.get("kid").and_then(|key_id| key_id.as_str());
            // Of an unusable key too: which of the two is meant cannot be told.
            if let Some(duplicate) = key_id.filter(|key_id| !seen.insert(*key_id)) {
                return Err(KeySetError::DuplicateKeyId(Shown::new(duplicate)));
            }
            match usable(jwk, trust, algorithms) {
                Ok(key) => keys.push(key),
                Err(error) => skipped.push(SkippedKey { position, key_id: key_id.map(Shown::new), error }),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(skipped));
        }
        Ok((Self { keys }, skipped))
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token with this header has to be signed with.
    ///
    /// # Errors
    /// [`InvalidToken::UnknownKey`], `AlgorithmMismatch`, `NoKey` or `AmbiguousKey`.
    pub fn select(&self, header: &Header) -> Result<&VerifyingKey, InvalidToken> {
        let algorithm = header.algorithm();
        let Some(key_id) = header.key_id() else {
            return self.only(algorithm, |_| true).and_then(|key| key.ok_or(InvalidToken::NoKey(algorithm)));
        };
        match self.keys.iter().find(|key| key.key_id() == Some(key_id)) {
            Some(key) if key.algorithm() == algorithm => Ok(key),
            Some(key) => Err(InvalidToken::AlgorithmMismatch { header: algorithm, key: key.algorithm() }),
            None => self
                .only(algorithm, |key| key.key_id().is_none())
                .and_then(|key| key.ok_or_else(|| InvalidToken::UnknownKey(Shown::new(key_id)))),
        }
    }

    fn only(
        &self,
        algorithm: Algorithm,
        eligible: impl Fn(&VerifyingKey) -> bool,
    ) -> Result<Option<&VerifyingKey>, InvalidToken> {
        let mut keys = self.keys.iter().filter(|key| key.algorithm() == algorithm && eligible(key));
        match (keys.next(), keys.next()) {
            (_, Some(_)) => Err(InvalidToken::AmbiguousKey(algorithm)),
            (key, None) => Ok(key),
        }
    }
}

fn usable(jwk: Value<'_>, trust: Origin, algorithms: &[Algorithm]) -> Result<VerifyingKey, KeyError> {
    if trust == Origin::Remote && jwk.get("kty").and_then(|kind| kind.as_str()) == Some("oct") {
        return Err(KeyError::JwkSymmetric);
    }
    VerifyingKey::from_jwk_among(jwk, algorithms)
}

/// A key of a set that is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {}{}: {error}", .position + 1, .key_id.as_ref().map(|id| format!(" (`{id}`)")).unwrap_or_default())]
pub struct SkippedKey {
    /// Which of the set's keys, counted from 0.
    pub position: usize,
    /// Its id.
    pub key_id: Option<Shown>,
    /// Why it is not used.
    pub error: KeyError,
}

/// Why a key set is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not strict JSON.
    #[error("the key set is not strict JSON: {0}")]
    Json(JsonError),
    /// Not an object with an array `keys`.
    #[error("not a JWK set: an object with an array `keys` is expected")]
    NoKeys,
    /// An id occurs twice.
    #[error("the key id `{0}` occurs twice")]
    DuplicateKeyId(Shown),
    /// There is no key, or none that can be used.
    #[error("the key set has no usable key{}", reasons(.0))]
    NoUsableKey(Vec<SkippedKey>),
}

fn reasons(skipped: &[SkippedKey]) -> String {
    skipped.iter().map(|key| format!("; {key}")).collect()
}
