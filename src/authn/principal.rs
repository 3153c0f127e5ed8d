//! What a verified token says, made ready for every later request that carries it.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};

use super::{
    ClientCertificate, binding,
    cache::Standing,
    grants::{self, PermissionSet, Roles, Vocabulary},
    identity::{self, IdentityHeader},
    resign::Minted,
    role_grants::{Granted, RoleGrants},
};
use crate::{
    clock::Timestamp,
    jwt::{Binding, ClaimPath, Claims, InvalidToken},
};

/// Who is calling. A clone costs one reference count; all of it was computed when the token was verified, and is again
/// when the roles of its subject change. Only the claims are read from the token again by the first who asks for them.
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    profile: Arc<Profile>,
    /// The text of the token, which the cache compares, and of which the claims are read.
    token: Box<str>,
    /// Empty until somebody asks for them: they are as large as the token, and few ask. There from the start if the
    /// issuer has told them, because then they are not in the token.
    claims: OnceLock<Box<Claims>>,
    expires_at: Timestamp,
    standing: Standing,
    /// The certificate that it is bound to.
    bound: Option<Box<ClientCertificate>>,
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
    /// From the claims of `token`, whose signature and values have been checked.
    pub(super) fn new(
        profile: &Arc<Profile>,
        token: &str,
        claims: &Claims,
        standing: Standing,
        binding: Binding,
        grants: &RoleGrants,
    ) -> Result<Self, InvalidToken> {
        let bound = binding::certificate_of(claims, binding)?.map(Box::new);
        let subject: Option<Box<str>> = claims.subject_text(&profile.subject)?.map(Box::from);
        let granted = grants.of(&profile.issuer, subject.as_deref());
        let mut indices = Vec::new();
        let wanted = &profile.shared;
        let given = granted.roles.iter().flat_map(|roles| roles.iter());
        grants::granted(claims, &profile.permissions, given, &wanted.roles, &mut |name| {
            indices.extend(wanted.vocabulary.index(name));
        });
        let identity = identity::headers(&wanted.identity, claims)?;
        let permissions = PermissionSet::of(&indices);
        Ok(Self(Arc::new(Inner {
            profile: Arc::clone(profile),
            token: token.into(),
            claims: OnceLock::new(),
            expires_at: claims.expires_at(),
            standing,
            bound,
            subject,
            permissions,
            granted,
            identity,
            cleared: AtomicU64::new(0),
            resigned: ArcSwapOption::empty(),
        })))
    }

    /// With claims that its issuer has told, and that the token does not say.
    pub(super) fn told(self, claims: Claims) -> Self {
        self.0.claims.get_or_init(|| Box::new(claims.fitted()));
        self
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

    /// Everything that the token says. Whoever asks first has it decoded once more, and then it is kept.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.0.claims.get_or_init(|| Box::new(Claims::of_verified(&self.0.token).fitted()))
    }

    /// The claims for somebody who looks once: what is not kept yet is not kept then either.
    pub(super) fn glance(&self) -> Cow<'_, Claims> {
        match self.0.claims.get() {
            Some(claims) => Cow::Borrowed(claims),
            None => Cow::Owned(Claims::of_verified(&self.0.token)),
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.0.token
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// The certificate that the token is bound to, if it is (RFC 8705 §3.1).
    #[must_use]
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.0.bound.as_deref()
    }

    /// When the token ends (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// From when on the token is not accepted: its `exp` and the issuer's leeway.
    pub(crate) fn ends_at(&self) -> Timestamp {
        self.0.standing.expires
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
        grants::granted(self.claims(), permissions, given, &shared.roles, &mut |name| found |= name == permission);
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
