//! A new password for whoever gets the user's mail.
//!
//! The answer to a request for a link is the same for everybody, and so is what is done for it: one look, one write. The
//! link leads where the configuration says, never where the request came from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Accounts, Call, Done, Inputs, login::decided};
use crate::{
    accounts::{
        command::{FailureKind, Input},
        email::Email,
        failure::Failure,
        mail::MailKind,
        model::{Aside, User},
        session::Token,
        store::{OneTimeKey, OneTimePurpose, PasswordChange, Right},
    },
    authn::AuthnError,
    clock::Timestamp,
    jwt::InvalidToken,
    rejection::Rejection,
};

impl Accounts {
    pub(super) async fn request_reset(&self, inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        // Every request counts: nobody is to fill the mailboxes of others.
        let _ = self.begin_try(None, call)?;
        // What is no address is nobody's, unless the preset wants that to be told.
        let user = match Email::parse(inputs.needed(&Input::Email)).ok() {
            Some(email) => self.store.user_by_email(email).await?.filter(|user| user.disabled.is_none()),
            None => None,
        };
        let kept = match user.filter(|user| self.mail_limit.begin(user.email.compared()).is_ok()) {
            Some(user) => self.mail_reset(&user, inputs.text(&Input::FrontendUrl), call).await,
            None => {
                let aside = Aside::event("reset_asked_for_nobody", Some(call.address));
                self.store.note(None, aside, self.clock.now()).await.map_err(Failure::from)
            }
        };
        kept.map_err(|failure| Failure { kind: FailureKind::MailFailed, ..failure })?;
        (self.wake_sender)();
        Ok(Done::Nothing)
    }

    async fn mail_reset(&self, user: &User, frontend: Option<&str>, call: &Call<'_>) -> Result<(), Failure> {
        let (now, life) = (self.clock.now(), self.settings.lives.reset);
        let until = now.saturating_add(life);
        let token = self.one_time_token(user, until)?;
        let link = self.link(MailKind::Reset, user, &token, frontend)?;
        let mut aside = Aside::event("reset_asked", Some(call.address));
        aside.mails.push(self.mail(MailKind::Reset, user, Some((link, life))));
        let key = OneTimeKey { token: token.hash(), purpose: OneTimePurpose::Reset };
        self.store.issue_one_time(user.id, key, until, aside, now).await?;
        Ok(())
    }

    /// Sets a password by the token of a mail: of a link for a forgotten one, or of an invitation.
    pub(super) async fn set_by_token(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let token = inputs.token(&Input::Token);
        let named = inputs.text(&Input::Uid).map(str::to_owned);
        let attempt = self.begin_redemption(named.as_deref(), call)?;
        let (attempt, named) = match &named {
            Some(uid) => decided(attempt, self.user_of(uid).await.map(Some))?,
            None => (attempt, None),
        };
        let (attempt, (key, user)) = decided(attempt, self.holder_of(&token, call).await)?;
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

    /// Who has a token of a mail that is good.
    async fn holder_of(&self, token: &Token, call: &Call<'_>) -> Result<(OneTimeKey, User), Failure> {
        let now = self.clock.now();
        for purpose in [OneTimePurpose::Reset, OneTimePurpose::Invitation] {
            let key = OneTimeKey { token: token.hash(), purpose };
            let Some(id) = self.store.one_time_user(key, now).await? else { continue };
            let user = self.store.user_by_id(id).await?.filter(|user| user.disabled.is_none());
            return user.map(|user| (key, user)).ok_or_else(|| useless("its user is gone or disabled"));
        }
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
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(invalid)?;
        // A number has one spelling, so that the tries at one user are counted together.
        if name_in_link(number) != uid {
            return Err(invalid());
        }
        self.store.user_by_number(number).await?.ok_or_else(invalid)
    }

    pub(super) fn one_time_token(&self, user: &User, until: Timestamp) -> Result<Token, Failure> {
        match &self.plan.one_time_claims {
            None => Ok(self.minter.opaque()?),
            Some(claims) => Ok(self.minter.other(&self.claimed(claims, user, None), self.clock.now(), until)?),
        }
    }

    /// The link of a mail.
    pub(super) fn link(
        &self,
        kind: MailKind,
        user: &User,
        token: &Token,
        frontend: Option<&str>,
    ) -> Result<String, Failure> {
        let nowhere = || Failure::new(FailureKind::MailFailed, "no link is configured for the mail");
        let (links, pattern) = self.settings.links.as_ref().zip(self.plan.links.get(&kind)).ok_or_else(nowhere)?;
        let uid = name_in_link(user.number);
        let values = [("uid", uid.as_str()), ("token", token.expose()), ("email", user.email.as_str())];
        let link = links.link(pattern, frontend, &values);
        link.map_err(|error| Failure::new(FailureKind::MailFailed, error.to_string()))
    }
}

/// What a link names a user by.
fn name_in_link(number: u64) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

fn useless(cause: &'static str) -> Failure {
    let rejection = Rejection::InvalidToken(InvalidToken::Revoked);
    Failure { rejection: Some(rejection), ..Failure::new(FailureKind::ExpiredLink, cause) }
}
