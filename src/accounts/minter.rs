//! Makes the tokens that a session consists of.
//!
//! An access token says what the preset's `claims` say, what its issuer's tokens have to say, and from when to when it is
//! good, in whole seconds. One that is made in the second in which the subject's older tokens were revoked is dated to
//! the next: otherwise it would be taken for one of those.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand::SecureRandom;
use serde_json::{Map, Value};

use super::{
    NoRandomness, Uuid,
    attribute::Attributes,
    model::User,
    session::{Session, Token},
    values::{Values, Variable},
};
use crate::{
    authn::{
        CurrentKey, Revocations,
        revocation::{Revocation, Target},
    },
    clock::Timestamp,
    contract::template::Template,
    jwt::{Expectations, SignError, sign},
};

/// Whose tokens are made, and how long they are good for.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// What its tokens have to say.
    pub expectations: Expectations,
    /// How long an access token is good for.
    pub access_life: Duration,
}

/// A token cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unminted {
    /// It cannot be signed.
    #[error("a token cannot be signed: {0}")]
    Sign(#[from] SignError),
    /// Its keys are somebody else's.
    #[error("a token cannot be signed: its keys are somebody else's")]
    NoKey,
    /// There is no randomness for its id.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Makes tokens.
pub(super) struct Minter {
    pub(super) settings: TokenSettings,
    pub(super) key: Option<CurrentKey>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) random: Arc<dyn SecureRandom + Send + Sync>,
}

/// An access token and its life.
pub(super) struct AccessToken {
    pub(super) text: String,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
}

/// What a token is made of.
pub(super) struct Claimed<'c> {
    pub(super) claims: &'c Template<Variable>,
    pub(super) attributes: &'c Attributes,
    pub(super) user: &'c User,
    pub(super) session: Option<&'c Session>,
}

impl TokenSettings {
    /// `user`, as tokens name it: by its number where the issuer's subjects are whole numbers, otherwise by its UUID.
    #[must_use]
    pub fn subject(&self, user: &User) -> String {
        if self.expectations.subject_integer { user.number.to_string() } else { user.id.to_string() }
    }

    /// The access tokens that `target` names count no more; remembered until the last that is made now has expired.
    #[must_use]
    pub fn revocation(&self, target: Target, now: Timestamp) -> Revocation {
        // A token that is being made now may be dated to the next second.
        let until = now.saturating_add(self.access_life + Duration::from_secs(2));
        Revocation { issuer: self.issuer.clone(), target, until }
    }

    /// No access token of `user` that was made until `now` counts any more. `revocations`: those that are in force.
    #[must_use]
    pub fn end_of_tokens(&self, user: &User, revocations: &Revocations, now: Timestamp) -> Revocation {
        // After every token that was made until now, and not after those that will be.
        let latest = self.issue_time(user, revocations, now);
        let before = now.max(latest.saturating_add(Duration::from_millis(1)));
        self.revocation(Target::Subject { subject: self.subject(user), before }, now)
    }

    fn issue_time(&self, user: &User, revocations: &Revocations, now: Timestamp) -> Timestamp {
        let revoked = revocations.subject_before(&self.issuer, &self.subject(user));
        let next_second = |before: Timestamp| Timestamp::from_secs(before.as_millis().div_ceil(1000));
        let now = Timestamp::from_secs(now.as_secs());
        revoked.map_or(now, |before| now.max(next_second(before)))
    }
}

impl Minter {
    /// An access token.
    pub(super) fn access(&self, claimed: &Claimed<'_>, now: Timestamp) -> Result<AccessToken, Unminted> {
        let issued = self.issue_time(claimed.user, now);
        let expires = issued.saturating_add(self.settings.access_life);
        let mut claims = self.claims(claimed, (issued, expires))?;
        self.settings.expectations.meet(&mut claims, issued, expires);
        let typ = self.settings.expectations.typ.as_deref().unwrap_or("JWT");
        let text = sign(&self.key()?.load(), Some(typ), &claims)?;
        Ok(AccessToken { text, issued, expires })
    }

    /// A token of another kind that is a JWT all the same, good until `expires`.
    pub(super) fn other(&self, claimed: &Claimed<'_>, now: Timestamp, expires: Timestamp) -> Result<Token, Unminted> {
        let issued = self.issue_time(claimed.user, now);
        let mut claims = self.claims(claimed, (issued, expires))?;
        self.settings.expectations.put_registered(&mut claims, issued, expires);
        Ok(sign(&self.key()?.load(), Some("JWT"), &claims)?.into())
    }

    /// An opaque token.
    pub(super) fn opaque(&self) -> Result<Token, Unminted> {
        Ok(Token::random(&*self.random)?)
    }

    fn key(&self) -> Result<&CurrentKey, Unminted> {
        self.key.as_ref().ok_or(Unminted::NoKey)
    }

    /// A new name.
    pub(super) fn uuid(&self) -> Result<Uuid, NoRandomness> {
        Uuid::random(&*self.random)
    }

    fn issue_time(&self, user: &User, now: Timestamp) -> Timestamp {
        self.settings.issue_time(user, &self.revocations, now)
    }

    fn claims(&self, claimed: &Claimed<'_>, life: (Timestamp, Timestamp)) -> Result<Map<String, Value>, Unminted> {
        let values = Values {
            user: Some(claimed.user),
            session: claimed.session.map(|session| session.id),
            token_id: Some(self.uuid()?),
            life: Some(life),
            ..Values::default()
        };
        let body = claimed.claims.render(|variable| values.get(variable, claimed.attributes));
        Ok(serde_json::from_slice(&body).map_err(|_| SignError::Claims)?)
    }
}
