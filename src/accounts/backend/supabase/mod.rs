//! Accounts that a Supabase Auth server (GoTrue) keeps: it signs up, logs in, refreshes and logs out, and signs the tokens.
//!
//! 1. It is asked over `https`, or over `http` on this machine, with the project's key as `apikey`. Of a client's request
//!    nothing goes there but the values that the call names: no header but the token of whom logs out, no address, no query.
//! 2. Its refusals come as `error_code` and `msg`, as `code` and `message`, or as OAuth's `error` and `error_description`,
//!    by its age. The code decides, else the text; only what can be the outcome of the call is an outcome.
//! 3. Whatever else comes is [`BackendError::Unreachable`], and the [`Cause`] says why, for the log: a redirect (none is
//!    followed), a status of 500 or above, a key that is not accepted, a refusal that nobody knows, an answer that is
//!    longer than 256 KiB or not what is documented, no answer in time.
//! 4. Nothing is sent twice: a refresh token that comes a second time may end its session. A request that was handed to
//!    a pooled connection which turned out to be closed before a byte was written was not sent; it goes to another one.
//!
//! A thread of its own with a runtime of its own does the asking, and so has all connections. A pooled connection is
//! driven by the runtime that opened it: shared among the gateway's workers, each a runtime on its own, it would stand
//! still with the one and end with it. For the few requests of a login one thread is enough, and a caller that goes away
//! does not cut a refresh off whose answer would then be lost.
//!
//! ```no_run
//! use bearergate::{
//!     accounts::{backend::supabase::{Supabase, SupabaseSettings}, email::Email, password::Password},
//!     clock::Clock, secret::Secret,
//! };
//!
//! # async fn login() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Secret::from(std::env::var("SUPABASE_PUBLISHABLE_KEY")?);
//! let supabase = Supabase::start(SupabaseSettings::new("https://project.supabase.co", &key)?, &Clock::system())?;
//! let (email, password) = (Email::parse("ada@example.com")?, Password::from("correct horse".to_owned()));
//! let session = supabase.sign_in(&email, &password).await?;
//! println!("{} is logged in", session.user.id);
//! # Ok(())
//! # }
//! ```

mod answer;
mod asker;
mod settings;

use std::{fmt, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Uri};
use serde_json::{Map, Value, json};

pub use self::settings::{SupabaseMistake, SupabaseSettings};
use self::{
    answer::Call,
    asker::{Questions, Reply},
};
use crate::{
    accounts::{Uuid, email::Email, password::Password, plan::Scope, session::Token},
    clock::Clock,
};

/// A Supabase Auth server. Clones share its connections; it may be used from any runtime. When the last clone is gone,
/// its thread ends.
#[derive(Clone)]
pub struct Supabase {
    questions: Questions,
    sign_up: Uri,
    sign_in: Uri,
    refresh: Uri,
    sign_out: Uri,
    clock: Clock,
}

/// What a login or a refresh gives. Its `Debug` form shows no token.
#[derive(Clone, PartialEq)]
pub struct RemoteSession {
    /// A JWT, signed by the server.
    pub access_token: String,
    /// Good for one refresh.
    pub refresh_token: String,
    /// How long the access token is good for, in seconds.
    pub expires_in: u64,
    /// Until when, in seconds since 1970.
    pub expires_at: u64,
    /// Whose it is.
    pub user: RemoteUser,
}

/// A user as the server tells of one. Its `Debug` form shows the name alone.
#[derive(Clone, PartialEq)]
pub struct RemoteUser {
    /// Its name: the `sub` of its tokens.
    pub id: Uuid,
    /// Its address, as the server writes it; empty if it has none.
    pub email: String,
    /// `user_metadata`: what was sent along at the signup, and what was added since.
    pub metadata: Map<String, Value>,
}

/// What a signup gives.
#[derive(Clone, Debug, PartialEq)]
pub enum SignedUp {
    /// A login at once.
    Session(RemoteSession),
    /// Nothing until the address is confirmed. A server that confirms addresses says the same, with an `id` that is
    /// nobody's, about an address that is taken.
    Pending(RemoteUser),
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// Signup: somebody has this address.
    #[error("the address is taken")]
    UserExists,
    /// Signup: the password is none that the server takes.
    #[error("the password is not acceptable")]
    WeakPassword {
        /// What is wrong with it, in the server's words; at most 300 characters. For the client.
        message: String,
    },
    /// Signup: the server takes the address for none.
    #[error("the address is not acceptable")]
    InvalidEmail,
    /// Signup: nobody may.
    #[error("the server takes no signups")]
    SignupDisabled,
    /// Login: no such user, or another password.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// Login: the address is not confirmed yet.
    #[error("the address is not confirmed")]
    NotConfirmed,
    /// Login: not for this user.
    #[error("the user is banned")]
    Banned,
    /// Refresh: the token is unknown, used, revoked or too old, or its user is banned.
    #[error("the refresh token is not acceptable")]
    InvalidRefreshToken,
    /// The server wants to be asked later.
    #[error("the server has been asked too often")]
    RateLimited {
        /// How much later: one second to one hour.
        retry_after: Duration,
    },
    /// Too many calls wait for the server, or waited for half of the time; nothing was sent.
    #[error("too many calls wait for the server")]
    Busy,
    /// The server cannot be asked, or its answer cannot be used.
    #[error("the server cannot be asked: {0}")]
    Unreachable(Cause),
}

/// Why the server cannot be asked, for the log. There is no secret in it, and nothing that a client sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody answers, or not with HTTP, or with a certificate of someone else's.
    #[error("it cannot be reached: {0}")]
    Connect(String),
    /// The time was over. It may have done what it was asked for.
    #[error("it did not answer in time")]
    Timeout,
    /// It sent elsewhere, which is not followed.
    #[error("it answered with a redirect ({0}), which is not followed")]
    Redirect(u16),
    /// 401: it is the gateway that it does not know.
    #[error("it does not accept the gateway's key (status 401)")]
    Key,
    /// A status that says nothing about the call.
    #[error("it answered with status {0}")]
    Status(u16),
    /// A refusal that is none of the known ones.
    #[error("it refused with status {status}, {}", code.as_deref().unwrap_or("no code"))]
    Refused {
        /// The status.
        status: u16,
        /// Its `error_code`, if that is a word.
        code: Option<String>,
    },
    /// More than 256 KiB.
    #[error("its answer is longer than 256 KiB")]
    TooLarge,
    /// The answer broke off.
    #[error("its answer broke off: {0}")]
    Body(String),
    /// The answer is not what is documented.
    #[error("its answer cannot be used: {0}")]
    Unreadable(&'static str),
    /// The thread that asks has ended.
    #[error("nobody asks it any more")]
    Stopped,
}

impl Supabase {
    /// Begins to answer calls, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread, or no TLS.
    pub fn start(settings: SupabaseSettings, clock: &Clock) -> io::Result<Self> {
        let [sign_up, sign_in, refresh, sign_out] = settings.endpoints();
        Ok(Self { questions: asker::start(settings)?, sign_up, sign_in, refresh, sign_out, clock: clock.clone() })
    }

    /// Makes a user. `data` becomes its metadata, which its tokens carry.
    ///
    /// # Errors
    /// [`BackendError`], those of a signup.
    pub async fn sign_up(
        &self,
        email: &Email,
        password: &Password,
        data: Map<String, Value>,
    ) -> Result<SignedUp, BackendError> {
        let body = json!({ "email": email.as_str(), "password": password.expose(), "data": data });
        let reply = self.ask(&self.sign_up, &body).await?;
        answer::signed_up(&reply, self.clock.now())
    }

    /// Logs a user in.
    ///
    /// # Errors
    /// [`BackendError`], those of a login.
    pub async fn sign_in(&self, email: &Email, password: &Password) -> Result<RemoteSession, BackendError> {
        let body = json!({ "email": email.as_str(), "password": password.expose() });
        let reply = self.ask(&self.sign_in, &body).await?;
        answer::session(Call::SignIn, &reply, self.clock.now())
    }

    /// Uses a refresh token up. Once it is sent, the call goes on though nobody waits for it any more.
    ///
    /// # Errors
    /// [`BackendError`], those of a refresh.
    pub async fn refresh(&self, token: &Token) -> Result<RemoteSession, BackendError> {
        let body = json!({ "refresh_token": token.expose() });
        let reply = self.ask(&self.refresh, &body).await?;
        answer::session(Call::Refresh, &reply, self.clock.now())
    }

    /// Ends sessions of whose access token this is: their refresh tokens are good for nothing from then on.
    ///
    /// # Errors
    /// [`BackendError::RateLimited`], [`BackendError::Busy`] and [`BackendError::Unreachable`].
    pub async fn sign_out(&self, access_token: &str, scope: Scope) -> Result<(), BackendError> {
        let unreadable = || BackendError::Unreachable(Cause::Unreadable("the access token is none"));
        let mut bearer = HeaderValue::try_from(format!("Bearer {access_token}")).map_err(|_| unreadable())?;
        bearer.set_sensitive(true);
        let uri = Uri::try_from(format!("{}?scope={}", self.sign_out, scope.as_str())).map_err(|_| unreadable())?;
        let reply = self.questions.ask(uri, Some(bearer), Bytes::from_static(b"{}")).await?;
        answer::signed_out(&reply, self.clock.now())
    }

    async fn ask(&self, uri: &Uri, body: &Value) -> Result<Reply, BackendError> {
        self.questions.ask(uri.clone(), None, Bytes::from(body.to_string())).await
    }
}

impl fmt::Debug for Supabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Supabase").field("sign_up", &self.sign_up).finish_non_exhaustive()
    }
}

impl fmt::Debug for RemoteSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("RemoteSession");
        shown.field("expires_at", &self.expires_at).field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for RemoteUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RemoteUser").field("id", &self.id).finish_non_exhaustive()
    }
}
