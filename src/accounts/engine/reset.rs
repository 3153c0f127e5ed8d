//! A new password for whoever gets the user's mail.
//!
//! The answer to a request for a link is the same for everybody, and so is what is done for it: one look, one write. The
//! link leads where the configuration says, never where the request came from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Map;

use super::{Accounts, Call, Done, Inputs, inputs, login::decided};
use crate::{
    accounts::{
        command::{Bearer, Command, FailureKind, Input},
        email::Email,
        failure::Failure,
        mail::MailKind,
        model::{Aside, User, UserPatch},
        one_time,
        plan::Endpoint,
        session::Token,
        store::{OneTimeKey, OneTimePurpose, PasswordChange, Right, Update},
    },
    authn::AuthnError,
    clock::Timestamp,
    jwt::InvalidToken,
    rejection::Rejection,
};

/// What a link may be for that leads to a new password.
const TO_SET_A_PASSWORD: [OneTimePurpose; 2] = [OneTimePurpose::Reset, OneTimePurpose::Invitation];
const OF_ANY_MAIL: [OneTimePurpose; 3] =
    [OneTimePurpose::Reset, OneTimePurpose::Invitation, OneTimePurpose::Confirmation];

impl Accounts {
    pub(super) async fn request_reset(&self, inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        // Every request counts: nobody is to fill the mailboxes of others.
        let _ = self.begin_try(None, call)?;
        // What is no address is nobody's, unless the preset wants that to be told.
        let user = match Email::parse(inputs.needed(&Input::Email)).ok() {
            Some(email) => self.store.user_by_email(email).await?.filter(|user| user.disabled.is_none()),
            None => None,
        };
        let user = user.filter(|user| self.mail_limit.begin(user.email.compared()).is_ok());
        let kept = self.mail_reset(user, inputs.text(&Input::FrontendUrl), call).await;
        kept.map_err(|failure| Failure { kind: FailureKind::MailFailed, ..failure })?;
        (self.wake_sender)();
        Ok(Done::Nothing)
    }

    /// For nobody all of it is done too, and taken back by the store: so a link that cannot be mailed is one for every
    /// address.
    async fn mail_reset(&self, user: Option<User>, frontend: Option<&str>, call: &Call<'_>) -> Result<(), Failure> {
        let (now, life) = (self.clock.now(), self.settings.lives.reset);
        let user = &match user {
            Some(user) => user,
            None => self.nobody(now)?,
        };
        let until = now.saturating_add(life);
        let token = self.one_time_token(user, until)?;
        let link = self.link(MailKind::Reset, user, &token, frontend)?;
        let mut aside = Aside::event("reset_asked", Some(call.address));
        aside.mails.push(self.mail(MailKind::Reset, user, Some((link, life))));
        let key = OneTimeKey { token: token.hash(), purpose: OneTimePurpose::Reset };
        if !self.store.issue_one_time(user.id, key, until, aside, now).await? {
            let aside = Aside::event("reset_asked_for_nobody", Some(call.address));
            self.store.note(None, aside, now).await?;
        }
        Ok(())
    }

    /// Somebody who is in no store.
    fn nobody(&self, now: Timestamp) -> Result<User, Failure> {
        let email = Email::parse("nobody@gateway.invalid");
        Ok(User {
            id: self.minter.uuid()?,
            number: 0,
            email: email.map_err(|error| Failure::new(FailureKind::MailFailed, error.to_string()))?,
            joined: now,
            confirmed: None,
            disabled: None,
            attributes: Map::new(),
            password: None,
            credential_version: 0,
        })
    }

    /// Sets a password by the token of a mail: of a link for a forgotten one, or of an invitation.
    pub(super) async fn set_by_token(
        &self,
        endpoint: &Endpoint,
        mut inputs: Inputs,
        call: &Call<'_>,
    ) -> Result<Done, Failure> {
        let token = inputs.token(&Input::Token);
        let named = inputs.text(&Input::Uid).map(str::to_owned);
        let attempt = self.begin_redemption(named.as_deref(), call)?;
        let (attempt, named) = match &named {
            Some(uid) => decided(attempt, self.user_of(uid).await.map(Some))?,
            None => (attempt, None),
        };
        let (attempt, (key, user)) = decided(attempt, self.holder_of(&token, endpoint, call).await)?;
        if named.is_some_and(|named| named.id != user.id) {
            return Err(Failure::new(FailureKind::ExpiredLink, "the token is another user's"));
        }
        attempt.succeeded();
        let password = inputs.password(&Input::Password);
        let hash = self.hasher.hash_new(&password, self.settings.policy, &[user.email.as_str()]).await?;
        let change = PasswordChange { right: Right::OneTime(key), password: hash.as_str().to_owned(), keep: None };
        let set = self.set_password(change, &user, MailKind::PasswordResetDone, call).await?;
        set.ok_or_else(|| useless("the token was used at the same time"))?;
        Ok(Done::User(Box::new(user)))
    }

    /// Why whoever sent what cannot be read would have been refused anyway: who may not come in learns nothing of what is
    /// wrong with what he brings.
    pub(super) async fn refusal_before(&self, endpoint: &Endpoint, call: &Call<'_>) -> Option<Failure> {
        if endpoint.bearer != Some(Bearer::OneTimeToken) {
            return None;
        }
        let (_, token) = inputs::presented(self, Bearer::OneTimeToken, call).ok()?;
        let attempt = match self.begin_try(None, call) {
            Ok(attempt) => attempt,
            Err(failure) => return Some(failure),
        };
        match self.holder_of(&token.into(), endpoint, call).await {
            Ok(_) => {
                attempt.succeeded();
                None
            }
            Err(failure) => Some(failure),
        }
    }

    /// Begins a session by the token of a mail, of any: whoever has one reads the mail of the user, and so the address is
    /// the user's.
    pub(super) async fn authenticate_by_token(
        &self,
        mut inputs: Inputs,
        endpoint: &Endpoint,
        call: &Call<'_>,
    ) -> Result<Done, Failure> {
        let token = inputs.token(&Input::Token);
        let attempt = self.begin_try(None, call)?;
        let (key, mut user) = self.holder_of(&token, endpoint, call).await?;
        let now = self.clock.now();
        let used = || useless("the token was used at the same time");
        self.store.consume_one_time(key, Aside::default(), now).await?.ok_or_else(used)?;
        attempt.succeeded();
        if user.confirmed.is_none() {
            let patch = UserPatch { confirm: true, ..UserPatch::default() };
            let aside = Aside::event("confirmed", Some(call.address));
            if let Update::Updated(confirmed, _) = self.store.update_user(user.id, patch, aside, now).await? {
                user = *confirmed;
            }
        }
        let granted = self.begin(user, Aside::event("logged_in_by_token", Some(call.address))).await?;
        let granted = granted.ok_or_else(|| useless("the password was changed at the same time"))?;
        Ok(Done::Session(Box::new(granted)))
    }

    /// Who has a token of a mail that is good at this endpoint.
    async fn holder_of(
        &self,
        token: &Token,
        endpoint: &Endpoint,
        call: &Call<'_>,
    ) -> Result<(OneTimeKey, User), Failure> {
        let now = self.clock.now();
        let purposes: &[OneTimePurpose] =
            if endpoint.command == Command::AuthenticateByToken { &OF_ANY_MAIL } else { &TO_SET_A_PASSWORD };
        for &purpose in purposes {
            let key = OneTimeKey { token: token.hash(), purpose };
            let Some(id) = self.store.one_time_user(key, now).await? else { continue };
            let user = self.store.user_by_id(id).await?.filter(|user| user.disabled.is_none());
            return user.map(|user| (key, user)).ok_or_else(|| useless("its user is gone or disabled"));
        }
        if endpoint.bearer != Some(Bearer::OneTimeToken) {
            return Err(useless("it is over, used or none"));
        }
        // What is in `Authorization` is that token, and may be one of another kind.
        match self.authenticator.authenticate(call.headers) {
            Ok(_) => {
                let rejection = Rejection::PermissionMissing { permission: "set_password".into() };
                Err(Failure::refused(FailureKind::AccessToken, rejection))
            }
            Err(AuthnError::TokenExpired) => Err(Failure::refused(FailureKind::ExpiredLink, Rejection::TokenExpired)),
            Err(_) => Err(useless("it is over, used or none")),
        }
    }

    /// Whom a link names.
    async fn user_of(&self, uid: &str) -> Result<User, Failure> {
        let invalid = || Failure::new(FailureKind::InvalidLink, "the link names nobody");
        let digits = URL_SAFE_NO_PAD.decode(uid).ok().and_then(|digits| String::from_utf8(digits).ok());
        let number = digits.and_then(|digits| {
            let number: u64 = digits.parse().ok()?;
            // In its one spelling, as tries are counted by the text.
            (number.to_string() == digits).then_some(number)
        });
        let number = number.ok_or_else(invalid)?;
        self.store.user_by_number(number).await?.ok_or_else(invalid)
    }

    pub(super) fn one_time_token(&self, user: &User, until: Timestamp) -> Result<Token, Failure> {
        Ok(one_time::token(&self.plan, &self.minter, user, until, self.clock.now())?)
    }

    /// The link of a mail.
    pub(super) fn link(
        &self,
        kind: MailKind,
        user: &User,
        token: &Token,
        frontend: Option<&str>,
    ) -> Result<String, Failure> {
        let link = one_time::link(&self.plan, self.settings.links.as_ref(), kind, (user, token), frontend);
        link.map_err(|error| Failure::new(FailureKind::MailFailed, error.to_string()))
    }
}

fn useless(cause: &'static str) -> Failure {
    let rejection = Rejection::InvalidToken(InvalidToken::Revoked);
    Failure { rejection: Some(rejection), ..Failure::new(FailureKind::ExpiredLink, cause) }
}
