//! What an operator does for users, beside the endpoints and in their way: invitations.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::rand::SecureRandom;

use super::{
    mail::{Links, MailKind},
    minter::{Minter, TokenSettings, Unminted},
    model::{NewMail, User},
    one_time,
    plan::Plan,
    store::{OneTimeKey, OneTimePurpose},
};
use crate::{
    authn::{CurrentKey, Revocations},
    clock::Timestamp,
};

pub use super::one_time::NoLink;

/// What invitations are made with.
pub struct Inviter {
    /// What the API's links and tokens are like.
    pub plan: Plan,
    /// Where links lead.
    pub links: Option<Links>,
    /// How long an invitation is good for.
    pub life: Duration,
    minter: Minter,
}

/// An invitation, to be [kept](super::store::OneTimeStore::issue_one_time) together with its mail. Its `Debug` form does
/// not show the link.
pub struct Invitation {
    /// What is kept of its token.
    pub key: OneTimeKey,
    /// Until when it is good.
    pub until: Timestamp,
    /// The mail.
    pub mail: NewMail,
    /// The link: whoever has it sets the password.
    pub link: String,
}

/// Why there is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotInvited {
    /// There is no token.
    #[error(transparent)]
    Token(#[from] Unminted),
    /// There is no link.
    #[error(transparent)]
    Link(#[from] NoLink),
}

impl Inviter {
    /// One that signs with `key` where the plan's tokens are JWTs. `revocations`: those that are in force.
    #[must_use]
    pub fn new(
        (plan, links, life): (Plan, Option<Links>, Duration),
        tokens: TokenSettings,
        key: CurrentKey,
        revocations: Arc<Revocations>,
        random: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Self {
        Self { plan, links, life, minter: Minter { settings: tokens, key: Some(key), revocations, random } }
    }

    /// An invitation for `user` to set the first password.
    ///
    /// # Errors
    /// See [`NotInvited`].
    pub fn invite(&self, user: &User, now: Timestamp) -> Result<Invitation, NotInvited> {
        let kind = MailKind::Invitation;
        let until = now.saturating_add(self.life);
        let token = one_time::token(&self.plan, &self.minter, user, until, now)?;
        let link = one_time::link(&self.plan, self.links.as_ref(), kind, (user, &token), None)?;
        let mail = one_time::letter(kind, user, Some((link.clone(), self.life))).into();
        let key = OneTimeKey { token: token.hash(), purpose: OneTimePurpose::Invitation };
        Ok(Invitation { key, until, mail, link })
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Invitation").field("until", &self.until).finish_non_exhaustive()
    }
}
