//! Who is calling: from the request's headers to a [`Principal`], or the reason why there is none.
//!
//! 1. [`bearer`] finds the token (RFC 6750 §2.1). No token is [`NotAuthenticated`](AuthnError::NotAuthenticated).
//! 2. [`cache`] knows the tokens that were verified before: a hit costs a hash, a comparison and two checks.
//! 3. Otherwise the token is parsed, the issuer chosen by `iss`, its key by `kid` ([`key_source`]), the signature
//!    verified and every claim checked ([`jwt`](crate::jwt)). Or the issuer is asked about it ([`introspection`]), which
//!    is the only way with a token that is no JWT.
//! 4. What later requests need of it is computed once and kept as a [`Principal`].
//! 5. Known or new, it must not be revoked ([`revocation`]), and has the roles that its subject is granted now
//!    ([`role_grants`]).
//! 6. A token that is bound to a certificate needs a connection with it ([`binding`]).
//!
//! The vocabulary: *not authenticated* means that nothing was presented; *invalid* that something was, and it is not
//! acceptable; *keys unavailable* that nobody can tell yet, which is never the client's fault and never lets it in.

mod authenticator;
mod awaited;
pub mod bearer;
pub mod binding;
pub mod cache;
mod grants;
mod identity;
pub mod introspection;
pub mod key_source;
mod passed;
mod principal;
#[cfg(feature = "jwks")]
pub mod remote;
mod renewal;
mod resign;
pub mod revocation;
pub mod role_grants;
mod tally;

use std::{sync::Arc, time::Duration};

pub use self::{
    authenticator::{Authenticator, AuthenticatorBuilder, AuthenticatorError, IssuerSettings},
    awaited::Awaited,
    bearer::SchemeMatch,
    binding::ClientCertificate,
    cache::{CacheSettings, CacheStats},
    grants::{PermissionSet, Roles, Vocabulary},
    identity::{HeaderFormat, IdentityHeader},
    introspection::{IntrospectionStatus, Introspector},
    key_source::KeySource,
    passed::Passed,
    principal::Principal,
    renewal::{KeyStatus, Renewal, RenewalSettings, Renewer},
    resign::{CurrentKey, ResignSettings, Resigner},
    revocation::Revocations,
    role_grants::RoleGrants,
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
    /// Somebody is being asked who may know more: worth waiting for, and [authenticating after
    /// it](Authenticator::authenticate_after).
    #[error("{otherwise}")]
    Awaited {
        /// What holds for those who don't wait.
        otherwise: Box<AuthnError>,
        /// What to wait for.
        awaited: Awaited,
    },
    /// The issuer's keys are not known, or it does not answer, so nobody can tell whether the token is good.
    #[error("issuer {issuer:?} cannot be had: its keys are not known, or it does not answer")]
    KeysUnavailable {
        /// The issuer's name in the configuration.
        issuer: Arc<str>,
        /// When it is worth trying again.
        retry_after: Duration,
    },
}
