//! Logging in and out.

use std::time::Duration;

use super::{Accounts, Call, Done, Inputs};
use crate::{
    accounts::{
        Uuid,
        command::{FailureKind, Input},
        email::Email,
        failure::Failure,
        model::{Aside, User},
        password::{Password, PasswordHash, Verdict},
        plan::{Endpoint, Scope},
        store::OneTimePurpose,
        throttle::{Throttled, Try},
    },
    authn::{Principal, revocation::Target},
    jwt::Value,
    rejection::Rejection,
};

impl Accounts {
    /// A wrong address and a wrong password are one answer, after the work of one hash. That a user is disabled or not
    /// confirmed is told to whoever knows the password.
    pub(super) async fn authenticate(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let password = inputs.password(&Input::Password);
        let text = inputs.needed(&Input::Email);
        // What is no address is nobody's.
        let email = Email::parse(text).ok();
        let attempt = self.begin_try(Some(email.as_ref().map_or(text, Email::compared)), call)?;
        if self.settings.policy.check_max(&password).is_err() {
            return Err(Failure::credentials("the password is longer than any"));
        }
        let (attempt, (user, known)) = decided(attempt, self.look_up(email, &password).await)?;
        let id = user.as_ref().map(|user| user.id);
        let Some(user) = user.filter(|_| known) else {
            // One write for each, whether there is such a user or not.
            self.store.note(id, Aside::event("login_failed", Some(call.address)), self.clock.now()).await?;
            return Err(Failure::credentials("nobody has this address and password"));
        };
        attempt.succeeded();
        if user.disabled.is_some() {
            return Err(Failure::new(FailureKind::Disabled, "the user is disabled"));
        }
        if self.settings.confirm_email && user.confirmed.is_none() {
            return Err(Failure::new(FailureKind::NotConfirmed, "the address is not confirmed"));
        }
        // Whoever remembers the password needs no link to set another one.
        self.store.forget_one_time(user.id, OneTimePurpose::Reset).await?;
        let granted = self.begin(user, Aside::event("logged_in", Some(call.address))).await?;
        let granted = granted.ok_or_else(|| Failure::credentials("the password was changed at the same time"))?;
        Ok(Done::Session(Box::new(granted)))
    }

    /// Who has this address, and whether the password is theirs.
    async fn look_up(&self, email: Option<Email>, password: &Password) -> Result<(Option<User>, bool), Failure> {
        let user = match email {
            Some(email) => self.store.user_by_email(email).await?,
            None => None,
        };
        let known = self.verify(user.as_ref(), password).await?;
        Ok((user, known))
    }

    /// Whether `password` is the user's. What it is kept as is renewed, if that is not what it would be today.
    pub(super) async fn verify(&self, user: Option<&User>, password: &Password) -> Result<bool, Failure> {
        let kept = user.and_then(|user| user.password.as_deref());
        let hash = kept.map(str::parse::<PasswordHash>).transpose().unwrap_or_else(|error| {
            tracing::error!(%error, user = ?user.map(|user| user.id), "what is kept of a password cannot be used");
            None
        });
        let verdict = self.hasher.verify(password, hash.as_ref()).await?;
        if let (Verdict::Correct { rehash: true }, Some(user)) = (verdict, user) {
            let renewed = self.hasher.hash(password).await?;
            self.store.rehash(user.id, user.credential_version, renewed.as_str().to_owned()).await?;
        }
        Ok(matches!(verdict, Verdict::Correct { .. }))
    }

    pub(super) async fn log_out(
        &self,
        endpoint: &Endpoint,
        mut inputs: Inputs,
        call: &Call<'_>,
    ) -> Result<Done, Failure> {
        let user = self.caller(call).await?;
        let scope = inputs.scope(endpoint)?;
        let own = self.own_session(&user, &mut inputs, call).await?;
        let (now, aside) = (self.clock.now(), Aside::event("logged_out", Some(call.address)));
        match (scope, own) {
            (Scope::Local, Some(session)) => {
                self.store.end_session(session, aside, now).await?;
                self.end_caller(Some(session), call).await;
            }
            (Scope::Others, Some(session)) => {
                let ended = self.store.end_sessions(user.id, Some(session), aside, now).await?;
                if self.names_sessions() {
                    self.revoke_sessions(&user, &ended).await;
                }
            }
            // The token does not say which session it is of. Rather all end than one that should not go on.
            (Scope::Local, None) => {
                self.store.end_sessions(user.id, None, aside, now).await?;
                self.end_caller(None, call).await;
            }
            (Scope::Global, _) | (Scope::Others, None) => {
                self.store.end_sessions(user.id, None, aside, now).await?;
                self.revoke_all(&user).await;
            }
        }
        Ok(Done::Nothing)
    }

    /// The caller's access token counts no more, and neither does any other one of the session.
    async fn end_caller(&self, session: Option<Uuid>, call: &Call<'_>) {
        if let Some(session) = session.filter(|_| self.names_sessions()) {
            self.revoke(Target::Session(session.to_string())).await;
        } else if let Some(id) = call.caller.and_then(|caller| caller.claims().id()) {
            self.revoke(Target::Id(id.to_owned())).await;
        }
    }

    /// The session of the caller: which its token says, or whose refresh token it brings.
    async fn own_session(&self, user: &User, inputs: &mut Inputs, call: &Call<'_>) -> Result<Option<Uuid>, Failure> {
        if let Some(session) = call.caller.and_then(session_of) {
            return Ok(Some(session));
        }
        if inputs.text(&Input::RefreshToken).is_none() {
            return Ok(None);
        }
        let token = inputs.token(&Input::RefreshToken);
        let session = self.store.session_of(token.hash(), self.clock.now()).await?;
        Ok(session.filter(|session| session.user == user.id).map(|session| session.id))
    }

    /// As [`begin_try`](Self::begin_try) where a token is shown that nobody guesses. What others try elsewhere stops
    /// nobody then, so that a link cannot be made useless for whoever was sent it.
    pub(super) fn begin_redemption(&self, account: Option<&str>, call: &Call<'_>) -> Result<Try<'_>, Failure> {
        self.throttle.begin_here(account, call.address).map_err(throttled)
    }

    /// Counts a try before anything is done for it.
    pub(super) fn begin_try(&self, account: Option<&str>, call: &Call<'_>) -> Result<Try<'_>, Failure> {
        self.throttle.begin(account, call.address).map_err(throttled)
    }
}

fn throttled(throttled: Throttled) -> Failure {
    let after = throttled.retry_after.max(Duration::from_secs(1));
    let rejection = Rejection::RateLimited { limit: None, retry_after: after };
    let failure = Failure::new(FailureKind::Throttled, throttled.to_string()).retry(after);
    Failure { rejection: Some(rejection), ..failure }
}

/// Gives the try back where nothing was decided, so that nobody is locked out by a fault of the gateway's.
pub(super) fn decided<'t, T>(attempt: Try<'t>, outcome: Result<T, Failure>) -> Result<(Try<'t>, T), Failure> {
    match outcome {
        Ok(value) => Ok((attempt, value)),
        Err(failure) => {
            if failure.decides_nothing() {
                attempt.undecided();
            }
            Err(failure)
        }
    }
}

/// The session that a token names.
pub(super) fn session_of(caller: &Principal) -> Option<Uuid> {
    ["session_id", "sid"].into_iter().find_map(|claim| match caller.claims().get(claim)? {
        Value::String(session) => session.parse().ok(),
        _ => None,
    })
}
