//! Who the caller is, and what the caller may change of that.

use super::{Accounts, Call, Done, Inputs, login::session_of, register};
use crate::{
    accounts::{
        Uuid,
        command::{FailureKind, Input},
        failure::Failure,
        mail::MailKind,
        model::{Aside, User, UserPatch},
        store::{PasswordChange, Right, Update},
    },
    jwt::InvalidToken,
    rejection::Rejection,
};

impl Accounts {
    pub(super) async fn read_profile(&self, call: &Call<'_>) -> Result<Done, Failure> {
        let subject = call.caller.and_then(|caller| caller.subject()).ok_or_else(gone)?;
        if let Some(user) = self.known.get(subject) {
            return Ok(Done::User(Box::new((*user).clone())));
        }
        let look = self.known.look();
        let user = self.caller(call).await?;
        self.known.put(subject, &user, &look);
        Ok(Done::User(Box::new(user)))
    }

    pub(super) async fn patch_profile(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let user = self.caller(call).await?;
        let email = match inputs.text(&Input::Email) {
            Some(_) => Some(register::email(&inputs)?),
            None => None,
        };
        let is_new = email.as_ref().is_some_and(|email| *email != user.email);
        let has_password = inputs.text(&Input::Password).is_some();
        let password = has_password.then(|| inputs.password(&Input::Password));
        // Looked at before anything is written.
        let hash = match &password {
            Some(password) => Some(self.hasher.hash_new(password, self.settings.policy, &[user.email.as_str()]).await?),
            None => None,
        };
        let attributes = std::mem::take(&mut inputs.attributes);
        let may = |name: &str| self.plan.attributes.get(name).is_none_or(|attribute| attribute.writable);
        let attributes = attributes.into_iter().filter(|(name, _)| may(name)).collect();
        let mut aside = Aside::event("profile_changed", Some(call.address));
        if is_new {
            aside.mails.push(self.mail(MailKind::EmailChanged, &user, None));
        }
        let confirm = is_new && !self.settings.confirm_email;
        let patch = UserPatch { email, confirm, disabled: None, attributes };
        let updated = self.store.update_user(user.id, patch, aside, self.clock.now()).await?;
        let updated = match updated {
            Update::Updated(user, _) => self.addressed(*user, call),
            Update::EmailTaken => return Err(Failure::new(FailureKind::Taken, "the address is another user's")),
            Update::Unknown => return Err(gone()),
        };
        if is_new {
            (self.wake_sender)();
            if self.settings.confirm_email {
                self.mail_confirmation(&updated, call).await?;
            }
        }
        if let Some(hash) = hash {
            let change = PasswordChange {
                right: Right::Verified(updated.id, updated.credential_version),
                password: hash.as_str().to_owned(),
                keep: call.caller.and_then(session_of),
            };
            self.set_password(change, &updated, MailKind::PasswordChanged, call).await?.ok_or_else(gone)?;
        }
        Ok(Done::User(Box::new(updated)))
    }

    /// The user whose access token the request has.
    pub(super) async fn caller(&self, call: &Call<'_>) -> Result<User, Failure> {
        let subject = call.caller.and_then(|caller| caller.subject()).ok_or_else(gone)?;
        let user = if self.settings.tokens.expectations.subject_integer {
            match subject.parse() {
                Ok(number) => self.store.user_by_number(number).await?,
                Err(_) => None,
            }
        } else {
            match subject.parse::<Uuid>() {
                Ok(id) => self.profile(id, call).await?,
                Err(_) => None,
            }
        };
        user.filter(|user| user.disabled.is_none()).ok_or_else(gone)
    }

    /// The user with the address that counts: of one whom somebody else keeps the store has none.
    fn addressed(&self, user: User, call: &Call<'_>) -> User {
        #[cfg(feature = "supabase")]
        if let (super::Backend::Supabase(_), Some(caller)) = (&self.backend, call.caller) {
            return super::supabase::addressed(user, caller);
        }
        let _ = call;
        user
    }

    /// The user of this name. One whom somebody else keeps has a profile from the first time on.
    async fn profile(&self, id: Uuid, call: &Call<'_>) -> Result<Option<User>, Failure> {
        let found = self.store.user_by_id(id).await?;
        #[cfg(feature = "supabase")]
        if let super::Backend::Supabase(_) = self.backend {
            return match (found, call.caller) {
                (found, Some(caller)) => self.remote_profile(id, found, caller).await.map(Some),
                (found, None) => Ok(found),
            };
        }
        let _ = call;
        Ok(found)
    }
}

/// A token of somebody who is not there any more is as good as a revoked one.
pub(super) fn gone() -> Failure {
    Failure::refused(FailureKind::InvalidCredentials, Rejection::InvalidToken(InvalidToken::Revoked))
}
