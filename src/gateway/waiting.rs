//! What a request waits for before it is decided again: each thing once, so that two slow parties cannot keep it for ever.

use crate::{
    authn::{AuthnError, Awaited},
    authz::{Denial, OwnerAwaited},
};

/// What a request may have to wait for.
pub(super) enum Wait {
    /// The token's issuer is asked: for new keys, or about the token.
    Issuer(Awaited),
    /// Somebody is asked whose the resource is.
    Owner(OwnerAwaited),
}

impl Wait {
    /// `None`: waiting would not help.
    pub(super) fn for_issuer(error: &AuthnError) -> Option<Self> {
        if let AuthnError::Awaited { awaited, .. } = error { Some(Self::Issuer(awaited.clone())) } else { None }
    }

    /// `None`: waiting would not help.
    pub(super) fn for_owner(denial: &Denial) -> Option<Self> {
        if let Denial::OwnerAwaited(awaited) = denial { Some(Self::Owner(awaited.clone())) } else { None }
    }
}

/// What a request has waited for: for each thing once, so that two slow parties cannot keep it for ever.
#[derive(Default)]
pub(super) struct Waited {
    issuer: Option<Awaited>,
    owner: Option<OwnerAwaited>,
}

impl Waited {
    /// The token's issuer, if that has been waited for.
    pub(super) const fn issuer(&self) -> Option<&Awaited> {
        self.issuer.as_ref()
    }

    /// Whose the resource is, if that has been waited for.
    pub(super) const fn owner(&self) -> Option<&OwnerAwaited> {
        self.owner.as_ref()
    }

    /// Waits, unless that has been done.
    pub(super) async fn add(&mut self, wait: Wait) -> bool {
        match wait {
            Wait::Issuer(mut awaited) if self.issuer.is_none() => {
                (&mut awaited).await;
                self.issuer = Some(awaited);
            }
            Wait::Owner(mut awaited) if self.owner.is_none() => {
                (&mut awaited).await;
                self.owner = Some(awaited);
            }
            Wait::Issuer(_) | Wait::Owner(_) => return false,
        }
        true
    }
}
