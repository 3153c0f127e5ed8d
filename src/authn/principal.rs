//! What a verified token says, made ready for every later request that carries it.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};

use super::{
    grants::{self, PermissionSet, Roles, Vocabulary},
    identity::{self, IdentityHeader},
    resign::Minted,
    role_grants::{Granted, RoleGrants},
};
use crate::{
    clock::Timestamp,
    jwt::{ClaimPath, Claims, InvalidToken},
};

/// Who is calling. A clone costs one reference count; all of it was computed when the token was verified, and is again
/// when the roles of its subject change.
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    profile: Arc<Profile>,
    claims: Claims,
    subject: Option<Box<str>>,
    permissions: PermissionSet,
    granted: Granted,
    identity: Box<[(HeaderName, HeaderValue)]>,
    /// The version of the revocations among which the token was not found.
    cleared: AtomicU64,
    /// What the upstream gets in place of the token.
    resigned: ArcSwapOption<Minted>,
}

/// What is wanted of the tokens of one issuer.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) issuer: Arc<str>,
    pub(super) subject: ClaimPath,
    pub(super) permissions: Vec<ClaimPath>,
    /// How long its tokens are good for after their `exp`.
    pub(super) leeway: Duration,
    pub(super) shared: Arc<Wanted>,
}

/// What is wanted of every token, whoever issued it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) vocabulary: Vocabulary,
    pub(super) roles: Roles,
    pub(super) identity: Vec<IdentityHeader>,
}

impl Principal {
    /// From claims whose signature and values have been checked.
    pub(super) fn new(profile: &Arc<Profile>, claims: Claims, grants: &RoleGrants) -> Result<Self, InvalidToken> {
        let subject: Option<Box<str>> = claims.subject_text(&profile.subject)?.map(Box::from);
        let granted = grants.of(&profile.issuer, subject.as_deref());
        let mut indices = Vec::new();
        let wanted = &profile.shared;
        let given = granted.roles.iter().flat_map(|roles| roles.iter());
        grants::granted(&claims, &profile.permissions, given, &wanted.roles, &mut |name| {
            indices.extend(wanted.vocabulary.index(name));
        });
        let identity = identity::headers(&wanted.identity, &claims)?;
        let permissions = PermissionSet::of(&indices);
        let (profile, cleared, resigned) = (Arc::clone(profile), AtomicU64::new(0), ArcSwapOption::empty());
        Ok(Self(Arc::new(Inner { profile, claims, subject, permissions, granted, identity, cleared, resigned })))
    }

    /// Whom the token is about: the issuer's subject claim, usually `sub` (RFC 7519 §4.1.2). `None` where the token
    /// has none and the configuration does not ask for one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The issuer's name in the configuration (not its `iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.profile.issuer
    }

    /// Everything that the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// When the token ends (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.claims.expires_at()
    }

    /// From when on the token is not accepted: its `exp` and the issuer's leeway.
    pub(super) fn ends_at(&self) -> Timestamp {
        self.expires_at().saturating_add(self.0.profile.leeway)
    }

    /// Whether the principal has `permission`: by the token's claims, or by a role of the token or of the subject.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        let Profile { permissions, shared, .. } = &*self.0.profile;
        if let Some(index) = shared.vocabulary.index(permission) {
            return self.0.permissions.contains(index);
        }
        let mut found = false;
        let given = self.0.granted.roles.iter().flat_map(|roles| roles.iter());
        grants::granted(&self.0.claims, permissions, given, &shared.roles, &mut |name| found |= name == permission);
        found
    }

    /// Those of the permissions that the configuration names which this principal has.
    #[must_use]
    pub fn permissions(&self) -> &PermissionSet {
        &self.0.permissions
    }

    /// For the [revocations](super::revocation): version 0 is the empty list, which revokes nothing.
    pub(super) fn cleared(&self) -> &AtomicU64 {
        &self.0.cleared
    }

    pub(super) fn resigned(&self) -> &ArcSwapOption<Minted> {
        &self.0.resigned
    }

    /// What the subject was granted when this was made.
    pub(super) fn granted(&self) -> &Granted {
        &self.0.granted
    }

    /// The identity headers, ready to be sent.
    #[must_use]
    pub fn identity(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.identity
    }
}

impl fmt::Debug for Principal {
    /// The issuer and the subject; never the claims.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Principal").field("issuer", &self.issuer()).field("subject", &self.subject()).finish()
    }
}
