//! The closed list of refusals, each with its cause.
//!
//! The client learns the reason, in the words of the [contract](crate::contract); the cause is for the log and the
//! metrics.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    authn::AuthnError,
    authz::{Denial, PathError},
    jwt::InvalidToken,
};

/// When to ask again for what a source of ownership did not tell.
const OWNER_UNKNOWN_RETRY: Duration = Duration::from_secs(1);

/// Why a request was refused, as configurations, logs and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No token was presented.
    NotAuthenticated,
    /// The token is correctly signed and past its expiry.
    TokenExpired,
    /// The token is not acceptable.
    InvalidToken,
    /// A permission is missing.
    PermissionMissing,
    /// The resource is somebody else's.
    NotOwner,
    /// No rule covers the request.
    NoRoute,
    /// The request could mean two things.
    BadRequest,
    /// The head or the body is over its limit.
    TooLarge,
    /// The caller sends too many requests.
    RateLimited,
    /// The issuer's keys are not known.
    KeysUnavailable,
    /// The gateway has too much to do, or cannot be told now what it needs to know.
    Overloaded,
    /// The upstream did not answer, or not with HTTP.
    UpstreamUnreachable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
}

impl Reason {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; 13] = [
        Self::NotAuthenticated,
        Self::TokenExpired,
        Self::InvalidToken,
        Self::PermissionMissing,
        Self::NotOwner,
        Self::NoRoute,
        Self::BadRequest,
        Self::TooLarge,
        Self::RateLimited,
        Self::KeysUnavailable,
        Self::Overloaded,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
    ];

    /// The name in `[dialect]`, in logs and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "not_authenticated",
            Self::TokenExpired => "token_expired",
            Self::InvalidToken => "invalid_token",
            Self::PermissionMissing => "permission_missing",
            Self::NotOwner => "not_owner",
            Self::NoRoute => "no_route",
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Overloaded => "overloaded",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A refusal with its cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No token was presented.
    #[error("no credentials were presented")]
    NotAuthenticated,
    /// The token is correctly signed and past its expiry.
    #[error("the token is past its expiry")]
    TokenExpired,
    /// The token is not acceptable.
    #[error("the token is not acceptable: {0}")]
    InvalidToken(InvalidToken),
    /// A permission is missing.
    #[error("permission {permission:?} is missing")]
    PermissionMissing {
        /// Which one.
        permission: Arc<str>,
    },
    /// The resource is somebody else's, or nobody's.
    #[error("the resource is not the caller's")]
    NotOwner,
    /// No rule covers the request.
    #[error("no route matches")]
    NoRoute,
    /// The request could mean two things.
    #[error("{0}")]
    BadRequest(BadRequest),
    /// Something is over its limit.
    #[error("{0}")]
    TooLarge(TooLarge),
    /// The caller sends too many requests.
    #[error("too many requests{}", .limit.as_ref().map(|limit| format!(": the limit {limit:?}")).unwrap_or_default())]
    RateLimited {
        /// The limit's name in the configuration; `None`: too many tries at the built-in endpoints.
        limit: Option<Arc<str>>,
        /// When to try again.
        retry_after: Duration,
    },
    /// The issuer's keys are not known.
    #[error("issuer {issuer:?} cannot be had: its keys are not known, or it does not answer")]
    KeysUnavailable {
        /// The issuer's name in the configuration.
        issuer: Arc<str>,
        /// When to try again.
        retry_after: Duration,
    },
    /// The gateway has too much to do.
    #[error("too many requests in flight")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The upstream has as many requests as it may.
    #[error("the upstream {upstream:?} has as many requests in flight as it may")]
    UpstreamOverloaded {
        /// Its name in the configuration.
        upstream: Arc<str>,
        /// When to try again.
        retry_after: Duration,
    },
    /// Nobody can tell now whose the resource is.
    #[error("it cannot be told who owns a {ownership:?}: {cause}")]
    OwnerUnknown {
        /// The ownership's name in the configuration.
        ownership: Arc<str>,
        /// Why.
        cause: Arc<str>,
    },
    /// The upstream did not answer, or not with HTTP.
    #[error("the upstream cannot be reached: {0}")]
    UpstreamUnreachable(String),
    /// The upstream did not answer in time.
    #[error("the upstream did not answer in time: {0}")]
    UpstreamTimeout(String),
}

/// What is wrong with the request itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// Its head is not one of HTTP/1.1 (RFC 9112 §2 to §5).
    #[error("the head could not be read: {0}")]
    Head(String),
    /// The path is not canonical.
    #[error("{0}")]
    Path(#[from] PathError),
    /// A method that is never forwarded.
    #[error("the method is never forwarded")]
    Method,
    /// The `Host` is missing, doubled or no host (RFC 9112 §3.2).
    #[error("the host is not acceptable: {0}")]
    Host(&'static str),
    /// The request target names another host, or is of a form that is not served (RFC 9112 §3.2).
    #[error("the request target is not acceptable: {0}")]
    Target(&'static str),
    /// It asks for WebSocket in a way that is not served (RFC 6455 §4.2.1).
    #[error("the upgrade is not acceptable: {0}")]
    Upgrade(&'static str),
    /// The body broke off, or was not what its framing said.
    #[error("the request body could not be read: {0}")]
    Body(String),
}

/// Which limit was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// The header fields (RFC 6585 §5).
    #[error("the request's head is over its limit")]
    Head,
    /// The content (RFC 9110 §15.5.14).
    #[error("the request's body is over its limit")]
    Body,
}

impl Rejection {
    /// The reason, without the cause.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NotAuthenticated => Reason::NotAuthenticated,
            Self::TokenExpired => Reason::TokenExpired,
            Self::InvalidToken(_) => Reason::InvalidToken,
            Self::PermissionMissing { .. } => Reason::PermissionMissing,
            Self::NotOwner => Reason::NotOwner,
            Self::NoRoute => Reason::NoRoute,
            Self::BadRequest(_) => Reason::BadRequest,
            Self::TooLarge(_) => Reason::TooLarge,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::KeysUnavailable { .. } => Reason::KeysUnavailable,
            Self::Overloaded { .. } | Self::UpstreamOverloaded { .. } | Self::OwnerUnknown { .. } => Reason::Overloaded,
            Self::UpstreamUnreachable(_) => Reason::UpstreamUnreachable,
            Self::UpstreamTimeout(_) => Reason::UpstreamTimeout,
        }
    }

    /// When it is worth trying again, for `Retry-After` (RFC 9110 §10.2.3).
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. }
            | Self::KeysUnavailable { retry_after, .. }
            | Self::UpstreamOverloaded { retry_after, .. }
            | Self::Overloaded { retry_after } => Some(*retry_after),
            Self::OwnerUnknown { .. } => Some(OWNER_UNKNOWN_RETRY),
            Self::NotAuthenticated
            | Self::TokenExpired
            | Self::InvalidToken(_)
            | Self::PermissionMissing { .. }
            | Self::NotOwner
            | Self::NoRoute
            | Self::BadRequest(_)
            | Self::TooLarge(_)
            | Self::UpstreamUnreachable(_)
            | Self::UpstreamTimeout(_) => None,
        }
    }
}

impl From<AuthnError> for Rejection {
    fn from(error: AuthnError) -> Self {
        match error {
            AuthnError::NotAuthenticated => Self::NotAuthenticated,
            AuthnError::TokenExpired => Self::TokenExpired,
            AuthnError::InvalidToken(cause) => Self::InvalidToken(cause),
            AuthnError::Awaited { otherwise, .. } => Self::from(*otherwise),
            AuthnError::KeysUnavailable { issuer, retry_after } => Self::KeysUnavailable { issuer, retry_after },
        }
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::NotAuthenticated => Self::NotAuthenticated,
            Denial::IssuerNotAccepted(_) => Self::InvalidToken(InvalidToken::IssuerNotAcceptedHere),
            Denial::NoRoute => Self::NoRoute,
            Denial::PermissionMissing(permission) => Self::PermissionMissing { permission },
            Denial::NotOwner => Self::NotOwner,
            Denial::OwnerAwaited(awaited) => {
                Self::OwnerUnknown { ownership: awaited.ownership().into(), cause: "it was not waited for".into() }
            }
            Denial::OwnerUnknown { ownership, cause } => Self::OwnerUnknown { ownership, cause },
        }
    }
}

impl From<PathError> for Rejection {
    fn from(error: PathError) -> Self {
        Self::BadRequest(BadRequest::Path(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
        assert_eq!(names.len(), 13);
    }
}
