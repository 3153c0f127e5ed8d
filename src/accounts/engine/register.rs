//! Signing up, and confirming the address.
//!
//! Where addresses are to be confirmed, the answer is the same whether the address is new or somebody's: that one gets a
//! mail. The password is hashed in any case, and both ways write to the store, so that time tells nothing either.

use super::{Accounts, Call, Done, Inputs, login::decided};
use crate::accounts::{
    Uuid,
    command::{FailureKind, Input},
    email::Email,
    failure::Failure,
    mail::MailKind,
    model::{Aside, NewUser, User, UserPatch},
    session::Token,
    store::{Creation, OneTimeKey, OneTimePurpose, Update},
    validation::{Invalid, Problem},
};

impl Accounts {
    pub(super) async fn register(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let email = email(&inputs)?;
        // Who tries addresses until one is taken learns which are; who makes users is not stopped by this.
        let attempt = self.begin_try(None, call)?;
        let password = inputs.password(&Input::Password);
        let known = self.known(&email, &inputs);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hash = match self.hasher.hash_new(&password, self.settings.policy, &known).await {
            Ok(hash) => hash,
            Err(error) => {
                attempt.succeeded();
                return Err(error.into());
            }
        };
        let now = self.clock.now();
        let user = NewUser {
            id: self.minter.uuid()?,
            number: None,
            email: email.clone(),
            joined: now,
            confirmed: (!self.settings.confirm_email).then_some(now),
            disabled: None,
            attributes: self.writable(inputs.attributes),
            password: Some(hash.as_str().to_owned()),
        };
        let asked = user.clone();
        let created = self.store.create_user(user, Aside::event("registered", Some(call.address)), now).await;
        let (attempt, created) = decided(attempt, created.map_err(Failure::from))?;
        match created {
            Creation::Created(user) => {
                attempt.succeeded();
                if self.settings.confirm_email {
                    self.mail_confirmation(&user, call).await?;
                    return Ok(Done::Pending(user));
                }
                let granted = self.begin(*user, Aside::event("logged_in", Some(call.address))).await?;
                granted
                    .map(|granted| Done::Session(Box::new(granted)))
                    .ok_or_else(|| Failure::credentials("it is gone"))
            }
            Creation::EmailTaken if self.settings.confirm_email => {
                self.tell_owner(&email, call).await?;
                Ok(Done::Pending(Box::new(pretended(asked))))
            }
            Creation::EmailTaken | Creation::NumberTaken | Creation::IdTaken => {
                Err(Failure::new(FailureKind::Taken, "the address is another user's"))
            }
        }
    }

    /// Tells whoever has the address that somebody signs up with it; the link again, if it is not confirmed.
    async fn tell_owner(&self, email: &Email, call: &Call<'_>) -> Result<(), Failure> {
        let Some(owner) = self.store.user_by_email(email.clone()).await? else { return Ok(()) };
        if owner.confirmed.is_none() {
            return self.mail_confirmation(&owner, call).await;
        }
        let mut aside = Aside::event("registered_again", Some(call.address));
        if self.mail_limit.begin(owner.email.compared()).is_ok() {
            aside.mails.push(self.mail(MailKind::AlreadyRegistered, &owner, None));
        }
        self.store.note(Some(owner.id), aside, self.clock.now()).await?;
        (self.wake_sender)();
        Ok(())
    }

    pub(super) async fn mail_confirmation(&self, user: &User, call: &Call<'_>) -> Result<(), Failure> {
        let (now, life) = (self.clock.now(), self.settings.lives.confirmation);
        let until = now.saturating_add(life);
        let token = self.one_time_token(user, until)?;
        let mut aside = Aside::event("confirmation_asked", Some(call.address));
        if self.mail_limit.begin(user.email.compared()).is_ok() {
            let link = self.link(MailKind::Confirmation, user, &token, None)?;
            aside.mails.push(self.mail(MailKind::Confirmation, user, Some((link, life))));
        }
        let key = OneTimeKey { token: token.hash(), purpose: OneTimePurpose::Confirmation };
        let kept = self.store.issue_one_time(user.id, key, until, aside, now).await;
        kept.map_err(|error| Failure::new(FailureKind::MailFailed, error.to_string()))?;
        (self.wake_sender)();
        Ok(())
    }

    pub(super) async fn confirm_email(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let attempt = self.begin_redemption(None, call)?;
        let token: Token = inputs.token(&Input::Token);
        let key = OneTimeKey { token: token.hash(), purpose: OneTimePurpose::Confirmation };
        let now = self.clock.now();
        let unknown = || Failure::new(FailureKind::ExpiredLink, "the token is over, used or none");
        let (attempt, user) = decided(attempt, self.store.one_time_user(key, now).await.map_err(Failure::from))?;
        let user: Uuid = user.ok_or_else(unknown)?;
        // In this order: whoever is interrupted in between can use the link again.
        let patch = UserPatch { confirm: true, ..UserPatch::default() };
        let confirmed = self.store.update_user(user, patch, Aside::event("confirmed", Some(call.address)), now).await?;
        self.store.consume_one_time(key, Aside::default(), now).await?;
        attempt.succeeded();
        match confirmed {
            Update::Updated(user, _) => Ok(Done::User(user)),
            Update::EmailTaken | Update::Unknown => Err(unknown()),
        }
    }

    /// What is known of a user who is not there yet, for the judgement of a password.
    fn known(&self, email: &Email, inputs: &Inputs) -> Vec<String> {
        let texts = inputs.attributes.values().filter_map(|value| value.as_str().map(str::to_owned));
        texts.chain([email.as_str().to_owned()]).collect()
    }

    /// Those attributes that users may set, with a value.
    pub(super) fn writable(
        &self,
        given: serde_json::Map<String, serde_json::Value>,
    ) -> serde_json::Map<String, serde_json::Value> {
        let may = |name: &str| self.plan.attributes.get(name).is_none_or(|attribute| attribute.writable);
        given.into_iter().filter(|(name, value)| !value.is_null() && may(name)).collect()
    }
}

/// The address that was given; whose form the body's reader may not have looked at.
pub(super) fn email(inputs: &Inputs) -> Result<Email, Failure> {
    let text = inputs.needed(&Input::Email);
    Email::parse(text).map_err(|error| {
        let member = inputs.member(&Input::Email, "email").to_owned();
        let invalid = Invalid::at(&member, Problem::Email { reason: error.to_string() });
        Failure { kind: FailureKind::InvalidEmail, ..invalid.into() }
    })
}

/// A user as a new one would be.
fn pretended(asked: NewUser) -> User {
    let NewUser { id, email, joined, confirmed, disabled, attributes, .. } = asked;
    User { id, number: 0, email, joined, confirmed, disabled, attributes, password: None, credential_version: 0 }
}
