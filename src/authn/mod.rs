//! Who is calling: from the request's headers to a [`Principal`], or the reason why there is none.
//!
//! 1. [`bearer`] finds the token (RFC 6750 §2.1). No token is [`NotAuthenticated`](AuthnError::NotAuthenticated).
//! 2. [`cache`] knows the tokens that were verified before: a hit costs a hash, a comparison and two checks.
//! 3. Otherwise the token is parsed, the issuer chosen by `iss`, its key by `kid` ([`key_source`]), the signature
//!    verified and every claim checked ([`jwt`](crate::jwt)).
//! 4. What later requests need of it is computed once and kept as a [`Principal`].
//! 5. Known or new, it must not be revoked ([`revocation`]).
//!
//! The vocabulary: *not authenticated* means that nothing was presented; *invalid* that something was, and it is not
//! acceptable; *keys unavailable* that nobody can tell yet, which is never the client's fault and never lets it in.

mod authenticator;
pub mod bearer;
pub mod cache;
mod grants;
mod identity;
pub mod key_source;
mod principal;
#[cfg(feature = "jwks")]
pub mod remote;
mod renewal;
mod resign;
pub mod revocation;

use std::{sync::Arc, time::Duration};

pub use self::{
    authenticator::{Authenticator, AuthenticatorBuilder, AuthenticatorError, IssuerSettings, Passed},
    bearer::SchemeMatch,
    cache::{CacheSettings, CacheStats},
    grants::{PermissionSet, Roles, Vocabulary},
    identity::{HeaderFormat, IdentityHeader},
    key_source::KeySource,
    principal::Principal,
    renewal::{KeyStatus, Renewal, RenewalSettings, Renewer},
    resign::{ResignSettings, Resigner},
    revocation::Revocations,
};
use crate::jwt::InvalidToken;

/// Why there is no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthnError {
    /// No bearer token was presented.
    #[error("no credentials were presented")]
    NotAuthenticated,
    /// The token is correctly signed, and past its `exp` (RFC 7519 §4.1.4).
    #[error("the token is past its expiry")]
    TokenExpired,
    /// Something was presented as a token that is not acceptable.
    #[error("the token is not acceptable: {0}")]
    InvalidToken(#[from] InvalidToken),
    /// No key has the token's `kid`, and the issuer's keys are being fetched anew, which may bring it: worth waiting for,
    /// and authenticating again. Who doesn't wait has an invalid token.
    #[error("the token is not acceptable: {cause}")]
    KeyAwaited {
        /// That the key is not known.
        cause: InvalidToken,
        /// What to wait for.
        renewal: Renewal,
    },
    /// The issuer's keys are not known, so nobody can tell whether the token is good.
    #[error("the keys of issuer {issuer:?} are not known")]
    KeysUnavailable {
        /// The issuer's name in the configuration.
        issuer: Arc<str>,
        /// When it is worth trying again.
        retry_after: Duration,
    },
}
