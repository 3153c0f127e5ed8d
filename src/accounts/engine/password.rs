//! A new password for whoever knows the old one.

use super::{
    Accounts, Call, Done, Inputs,
    login::{decided, session_of},
};
use crate::accounts::{
    command::{FailureKind, Input},
    failure::Failure,
    mail::MailKind,
    model::{Aside, User},
    store::{PasswordChange, PasswordChanged, Right},
};

impl Accounts {
    pub(super) async fn change_password(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let user = self.caller(call).await?;
        let (current, new) = (inputs.password(&Input::CurrentPassword), inputs.password(&Input::Password));
        self.settings.policy.check(&new).map_err(Failure::password)?;
        let attempt = self.begin_try(Some(user.email.compared()), call)?;
        let wrong = || Failure::new(FailureKind::WrongPassword, "the current password is another one");
        let (attempt, known) = match self.settings.policy.check_max(&current) {
            Ok(()) => decided(attempt, self.verify(Some(&user), &current).await)?,
            Err(_) => (attempt, false),
        };
        if !known {
            let noted = Aside::event("password_change_failed", Some(call.address));
            self.store.note(Some(user.id), noted, self.clock.now()).await?;
            return Err(wrong());
        }
        attempt.succeeded();
        let hash = self.hasher.hash_new(&new, self.settings.policy, &[user.email.as_str()]).await?;
        let change = PasswordChange {
            right: Right::Verified(user.id, user.credential_version),
            password: hash.as_str().to_owned(),
            keep: call.caller.and_then(session_of),
        };
        self.set_password(change, &user, MailKind::PasswordChanged, call).await?.ok_or_else(wrong)?;
        Ok(Done::User(Box::new(user)))
    }

    /// Sets it, tells the user, and ends what the old one had begun. `None`: the right was none any more.
    pub(super) async fn set_password(
        &self,
        change: PasswordChange,
        user: &User,
        told: MailKind,
        call: &Call<'_>,
    ) -> Result<Option<PasswordChanged>, Failure> {
        let kept = change.keep.filter(|_| self.names_sessions());
        let mut aside = Aside::event("password_set", Some(call.address));
        aside.mails.push(self.mail(told, user, None));
        let change = PasswordChange { keep: kept, ..change };
        let Some(changed) = self.store.set_password(change, aside, self.clock.now()).await? else { return Ok(None) };
        (self.wake_sender)();
        if kept.is_some() {
            self.revoke_sessions(user, &changed.ended).await;
        } else {
            self.revoke_all(user).await;
        }
        Ok(Some(changed))
    }
}
