//! Signing up, logging in and refreshing where a Supabase Auth server keeps the users.
//!
//! The tokens are Supabase's. What a profile says is the gateway's own: a row under the user's UUID, made when it is asked
//! for the first time, of what the token says (`user_metadata`). Whose address it is is Supabase's affair: it is shown as
//! the token has it, and none is kept.

use serde_json::{Map, Value};

use super::{Accounts, Call, Done, Granted, Inputs, profile};
use crate::{
    accounts::{
        Uuid,
        backend::supabase::{BackendError, RemoteSession, RemoteUser, SignedUp, Supabase},
        command::{Command, FailureKind, Input},
        email::Email,
        failure::Failure,
        model::{Aside, NewUser, User},
        store::Creation,
        validation::{Invalid, Problem},
    },
    authn::Principal,
    clock::Timestamp,
};

impl Accounts {
    /// What comes of a command that Supabase does; `None`: it does not do this one.
    pub(super) async fn ask_supabase(
        &self,
        supabase: &Supabase,
        command: Command,
        inputs: &mut Inputs,
        call: &Call<'_>,
    ) -> Option<Result<Done, Failure>> {
        match command {
            Command::Register => Some(self.sign_up_there(supabase, inputs, call).await),
            Command::Authenticate => Some(self.sign_in_there(supabase, inputs, call).await),
            Command::Refresh => {
                let token = inputs.token(&Input::RefreshToken);
                let refreshed = supabase.refresh(&token).await.map_err(failure);
                Some(refreshed.and_then(|session| self.granted_there(session)))
            }
            Command::LogOut | Command::ReadProfile | Command::PatchProfile => None,
            Command::ChangePassword
            | Command::RequestReset
            | Command::ConfirmReset
            | Command::SetPassword
            | Command::ConfirmEmail => {
                Some(Err(Failure::new(FailureKind::NotConfigured, "this is for Supabase itself to do")))
            }
        }
    }

    async fn sign_up_there(&self, supabase: &Supabase, inputs: &mut Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let email = super::register::email(inputs)?;
        let attempt = self.begin_try(None, call)?;
        let password = inputs.password(&Input::Password);
        self.settings.policy.check(&password).map_err(Failure::password)?;
        let data = std::mem::take(&mut inputs.attributes);
        let data = data.into_iter().filter(|(_, value)| !value.is_null()).collect();
        match supabase.sign_up(&email, &password, data).await {
            Ok(signed_up) => {
                attempt.succeeded();
                match signed_up {
                    SignedUp::Session(session) => self.granted_there(session),
                    SignedUp::Pending(user) => Ok(Done::Pending(Box::new(self.user_there(user)?))),
                }
            }
            Err(error) => {
                if !matches!(error, BackendError::UserExists) {
                    attempt.undecided();
                }
                Err(failure(error))
            }
        }
    }

    async fn sign_in_there(&self, supabase: &Supabase, inputs: &mut Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let text = inputs.needed(&Input::Email);
        let email = Email::parse(text).ok();
        let attempt = self.begin_try(Some(email.as_ref().map_or(text, Email::compared)), call)?;
        let password = inputs.password(&Input::Password);
        let no_one = || Failure::credentials("nobody has this address and password");
        let email = email.ok_or_else(no_one)?;
        self.settings.policy.check_max(&password).map_err(|_| no_one())?;
        match supabase.sign_in(&email, &password).await {
            Ok(session) => {
                attempt.succeeded();
                self.granted_there(session)
            }
            Err(error) => {
                if !matches!(error, BackendError::InvalidCredentials) {
                    attempt.undecided();
                }
                Err(failure(error))
            }
        }
    }

    fn granted_there(&self, session: RemoteSession) -> Result<Done, Failure> {
        let RemoteSession { access_token, refresh_token, expires_in, expires_at, user } = session;
        let until = Timestamp::from_secs(expires_at);
        let life = (Timestamp::from_secs(expires_at.saturating_sub(expires_in)), until);
        let user = self.user_there(user)?;
        Ok(Done::Session(Box::new(Granted {
            user,
            session: None,
            access_token,
            refresh_token: refresh_token.into(),
            life,
        })))
    }

    fn user_there(&self, user: RemoteUser) -> Result<User, Failure> {
        let unreadable = || Failure::new(FailureKind::Unreachable, "the user's address cannot be read");
        Ok(User {
            id: user.id,
            number: 0,
            email: Email::parse(&user.email).map_err(|_| unreadable())?,
            joined: self.clock.now(),
            confirmed: None,
            disabled: None,
            attributes: self.plan.attributes.known_of(&user.metadata),
            password: None,
            credential_version: 0,
        })
    }

    /// The profile of a caller, made if there is none yet; with the address that the token says.
    pub(super) async fn remote_profile(
        &self,
        id: Uuid,
        found: Option<User>,
        caller: &Principal,
    ) -> Result<User, Failure> {
        let mut user = match found {
            Some(user) => user,
            None => self.make_profile(id, caller).await?,
        };
        let claimed = caller.claims().to_json();
        let email = claimed.get("email").and_then(Value::as_str).and_then(|email| Email::parse(email).ok());
        if let Some(email) = email {
            user.email = email;
        }
        Ok(user)
    }

    async fn make_profile(&self, id: Uuid, caller: &Principal) -> Result<User, Failure> {
        let claimed = caller.claims().to_json();
        let metadata = claimed.get("user_metadata").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        let now = self.clock.now();
        let user = NewUser {
            id,
            number: None,
            // Of all profiles no two have one; nobody reads it.
            email: Email::parse(&format!("{id}@profile.invalid")).map_err(|_| profile::gone())?,
            joined: now,
            confirmed: None,
            disabled: None,
            attributes: self.plan.attributes.known_of(&metadata),
            password: None,
        };
        match self.store.create_user(user, Aside::event("profile_made", None), now).await {
            Ok(Creation::Created(user)) => Ok(*user),
            // Two first times at once: one of them has made it.
            Ok(Creation::EmailTaken | Creation::NumberTaken | Creation::IdTaken) => {
                self.store.user_by_id(id).await?.ok_or_else(profile::gone)
            }
            Err(error) => self.store.user_by_id(id).await?.ok_or_else(|| error.into()),
        }
    }
}

fn failure(error: BackendError) -> Failure {
    let cause = error.to_string();
    let new = |kind| Failure::new(kind, cause.clone());
    match error {
        BackendError::UserExists => new(FailureKind::Taken),
        BackendError::WeakPassword { .. } => new(FailureKind::PasswordWeak),
        BackendError::InvalidEmail => {
            let invalid = Invalid::at("email", Problem::Email { reason: "It is not accepted.".to_owned() });
            Failure { kind: FailureKind::InvalidEmail, ..invalid.into() }
        }
        BackendError::SignupDisabled => new(FailureKind::SignupDisabled),
        BackendError::InvalidCredentials => new(FailureKind::InvalidCredentials),
        BackendError::NotConfirmed => new(FailureKind::NotConfirmed),
        BackendError::Banned => new(FailureKind::Disabled),
        BackendError::InvalidRefreshToken => new(FailureKind::InvalidRefreshToken),
        BackendError::RateLimited { retry_after } => new(FailureKind::Throttled).retry(retry_after),
        BackendError::Busy => new(FailureKind::Busy),
        _ => new(FailureKind::Unreachable),
    }
}
