//! The headers that tell the upstream who is calling. Only the gateway sets them.
//!
//! 1. Every spelling of a managed name is removed from each request, on public routes too: case never counts, and
//!    what is no letter or digit stands for `-`, because CGI, WSGI and their kin make the same variable of `X-User-Id`
//!    and `X_User.Id`, and some of them of `X~User!Id` too.
//! 2. A request with a principal gets the values that were prepared when its token was verified.
//! 3. `Authorization` is kept for an upstream that looks at the token itself, or stripped.
//! 4. A request with a principal gets a token of the gateway's own, where one is asked for. If that stands in
//!    `Authorization`, the client's never does, on public routes neither.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, header};

use crate::{
    authn::{Principal, Resigner},
    rejection::Rejection,
};

/// When to come again after a token could not be signed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What becomes of the client's `Authorization` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthorizationHeader {
    /// The upstream gets it as it came.
    #[default]
    Keep,
    /// The upstream doesn't see it.
    Strip,
}

/// The names of the identity headers.
#[derive(Clone, Debug, Default)]
pub struct ManagedHeaders {
    names: Vec<HeaderName>,
    authorization: AuthorizationHeader,
    resigner: Option<Arc<Resigner>>,
}

impl ManagedHeaders {
    /// These names are the gateway's alone.
    #[must_use]
    pub const fn new(names: Vec<HeaderName>, authorization: AuthorizationHeader) -> Self {
        Self { names, authorization, resigner: None }
    }

    /// The upstream gets a token of `resigner`'s, too.
    #[must_use]
    pub fn resigned(mut self, resigner: Arc<Resigner>) -> Self {
        if *resigner.header() == header::AUTHORIZATION {
            self.authorization = AuthorizationHeader::Strip;
        } else {
            self.names.push(resigner.header().clone());
        }
        self.resigner = Some(resigner);
        self
    }

    /// The token for a request of `principal`'s, and the header that carries it.
    ///
    /// # Errors
    /// `KeysUnavailable`, if it cannot be signed: nobody can tell the upstream who is calling.
    pub(super) fn resign(&self, principal: &Principal) -> Result<Option<(HeaderName, HeaderValue)>, Rejection> {
        let Some(resigner) = &self.resigner else { return Ok(None) };
        match resigner.value(principal) {
            Ok(value) => Ok(Some((resigner.header().clone(), value))),
            Err(error) => {
                tracing::error!(issuer = resigner.issuer(), %error, "no token for the upstream");
                Err(Rejection::KeysUnavailable { issuer: resigner.issuer().into(), retry_after: TRY_AGAIN })
            }
        }
    }

    /// Whether `name` is a managed name or an alias of one.
    #[must_use]
    pub fn is_managed(&self, name: &HeaderName) -> bool {
        self.names.iter().any(|managed| is_alias(managed.as_str(), name.as_str()))
    }

    /// Whether the upstream doesn't see the client's `Authorization`.
    #[must_use]
    pub fn strips_authorization(&self) -> bool {
        self.authorization == AuthorizationHeader::Strip
    }
}

/// Header names come in lower case, so only the separators are left to compare.
fn is_alias(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| fold(one) == fold(other))
}

/// One spelling for all separators.
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_managed_name_is_managed() {
        let headers = ManagedHeaders::new(
            vec![HeaderName::from_static("x-user-id"), HeaderName::from_static("x_roles")],
            AuthorizationHeader::Keep,
        );
        for alias in ["X-User-Id", "x_user_id", "X.USER.ID", "x-user_id", "X-Roles", "x.roles", "X_ROLES", "x~user!id"]
        {
            assert!(headers.is_managed(&HeaderName::from_bytes(alias.as_bytes()).unwrap()), "{alias}");
        }
        for other in ["x-user-idx", "x-user", "xx-user-id", "x-userid", "user-id"] {
            assert!(!headers.is_managed(&HeaderName::from_bytes(other.as_bytes()).unwrap()), "{other}");
        }
    }
}
