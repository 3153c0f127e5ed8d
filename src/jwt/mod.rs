//! From bytes to claims: what a token says, whether that is proven, and whether it is acceptable. No HTTP, no I/O.
//!
//! Only the compact serialization of a JSON Web Signature (RFC 7515 §7.1) that carries a claims set (RFC 7519) is read.
//! A token passes three gates, and a type stands behind each:
//!
//! 1. [`UnverifiedToken::parse`]: the form. Length, two dots, canonical base64url, strict JSON, claim types. Nothing is
//!    proven; the issuer and the key are chosen by it.
//! 2. [`UnverifiedToken::verify_signature`] gives a [`SignedToken`]: a key of the caller's, bound to one [`Algorithm`],
//!    has signed these bytes. The header never chooses the algorithm, it only has to agree with the key's.
//! 3. [`Expectations::check`]: expiry first, then everything else an issuer's configuration asks for.
//!
//! Refused, always: `alg` `none`, `crit`, `b64`, `zip`, `cty`, duplicate JSON members at any depth, claims of a wrong
//! type, a missing `exp`. Never used: `jwk`, `jku`, `x5u`, `x5c` (RFC 8725 §3.10).
//!
//! ```
//! use bearergate::{clock::Timestamp, jwt::{self, Algorithm, Expectations, SigningKey, UnverifiedToken}};
//!
//! let key = SigningKey::from_secret(Algorithm::Hs256, b"a secret of thirty-two bytes, or more")?;
//! let claims = serde_json::json!({ "sub": "u1", "exp": 2_000_000_000 });
//! let token = jwt::sign(&key, Some("JWT"), claims.as_object().unwrap())?;
//!
//! let signed = UnverifiedToken::parse(&token, 8192)?.verify_signature(key.verifying_key())?;
//! Expectations::default().check(&signed, Timestamp::from_secs(1_900_000_000))?;
//! assert_eq!(signed.claims().subject(), Some("u1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
mod base64url;
mod claim_path;
mod claims;
mod error;
mod expectations;
mod header;
mod json;
mod jwks;
mod jws;
mod key;
mod sign;
mod verify;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claim_path::ClaimPath;
pub use claims::Claims;
pub use error::{InvalidToken, Part, Shown, VerifyError};
pub use expectations::{Binding, Check, ClaimValue, Expectations, Finding, Outcome};
pub use header::{Header, RememberedHeaders};
pub use json::{Elements, Json, JsonError, JsonProblem, Members, Number, Value};
pub use jwks::{KeySet, KeySetError, Origin, SkippedKey};
pub use jws::Jws;
pub use key::{KeyError, VerifyingKey};
pub use sign::{SignError, SigningKey, sign};
pub use verify::{SignedToken, UnverifiedToken};
