//! The built-in endpoints: one core of commands, with routes, fields and words from the preset's [plan](super::plan).
//!
//! 1. A request that may pass comes with its caller, if its route asks for one. The endpoint is found by its query.
//! 2. What it is told is read from body, query and `Authorization` into `Inputs`.
//! 3. The command does it, in transactions of the [store](super::store), and says what came of it: `Done` or a failure.
//! 4. That is put into the preset's words, or the API's, or those of the framework that it is written in.
//!
//! Whatever is answered is not to be stored (RFC 9111 §5.2.2.5). What is written down of it holds no secret.

mod answer;
mod inputs;
mod known;
mod login;
mod password;
mod profile;
mod refresh;
mod register;
mod reset;
mod settings;
#[cfg(feature = "supabase")]
mod supabase;
mod tally;

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::rand::SecureRandom;
use bytes::Bytes;
use http::{HeaderMap, Response};

pub use self::known::{Stamp, StampNow};
use self::{inputs::Inputs, known::Known};
pub use self::{
    settings::{LinkLives, RefreshSettings, Settings},
    tally::{Count, Tally},
};
#[cfg(feature = "supabase")]
use super::backend::supabase::Supabase;
use super::{
    Uuid,
    command::{Command, FailureKind},
    failure::Failure,
    mail::MailKind,
    minter::{Claimed, Minter},
    model::{Aside, User},
    one_time,
    password::{Hasher, PasswordPolicy},
    plan::{Endpoint, Plan},
    session::{Session, Token},
    store::AccountStore,
    throttle::{MailLimit, Throttle},
};
use crate::{
    authn::{
        Authenticator, CurrentKey, Principal,
        revocation::{Revocation, StoreFuture, Target},
    },
    clock::{Clock, Timestamp},
    rejection::Rejection,
};

/// What the commands are done with.
pub struct Parts {
    /// Where users and sessions are.
    pub store: Arc<dyn AccountStore>,
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Takes revocations.
    pub revoke: Arc<dyn Revoke>,
    /// Who keeps the users.
    pub backend: Backend,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Limits on guessing.
    pub throttle: Arc<Throttle>,
    /// A limit on mails to one user.
    pub mail_limit: Arc<MailLimit>,
    /// Told that there is mail to be sent.
    pub wake_sender: Box<dyn Fn() + Send + Sync>,
    /// For names and tokens.
    pub random: Arc<dyn SecureRandom + Send + Sync>,
    /// The store's stamp: as long as it is the same, what was read there is true.
    pub stamp: StampNow,
    /// What time it is.
    pub clock: Clock,
}

/// Who keeps the users.
pub enum Backend {
    /// The store, with the key that signs their tokens.
    Embedded(CurrentKey),
    /// A Supabase Auth server. What the profiles say beyond it is in the store.
    #[cfg(feature = "supabase")]
    Supabase(Box<Supabase>),
    /// That is not said.
    Unconfigured,
}

/// Takes revocations: in force when it returns, kept if that can be.
pub trait Revoke: Send + Sync {
    /// Revokes.
    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()>;
}

/// The built-in endpoints of an API.
pub struct Accounts {
    plan: Plan,
    settings: Settings,
    backend: Backend,
    store: Arc<dyn AccountStore>,
    authenticator: Arc<Authenticator>,
    revoke: Arc<dyn Revoke>,
    minter: Minter,
    hasher: Hasher,
    throttle: Arc<Throttle>,
    mail_limit: Arc<MailLimit>,
    wake_sender: Box<dyn Fn() + Send + Sync>,
    known: Known,
    clock: Clock,
    tally: Tally,
}

/// A request to an endpoint.
pub struct Call<'c> {
    /// Its header fields.
    pub headers: &'c HeaderMap,
    /// Its path, without the query.
    pub path: &'c str,
    /// Its query.
    pub query: Option<&'c str>,
    /// Its whole body.
    pub body: &'c [u8],
    /// Whose access token it has, if its route asks for one.
    pub caller: Option<&'c Principal>,
    /// Where it comes from.
    pub address: IpAddr,
    /// As the log calls it.
    pub request_id: &'c str,
}

/// What came of a command.
enum Done {
    /// A session, with its tokens.
    Session(Box<Granted>),
    /// A user whose address is to be confirmed first.
    Pending(Box<User>),
    /// A user.
    User(Box<User>),
    /// There is nothing to tell.
    Nothing,
}

/// The tokens of a session.
struct Granted {
    user: User,
    session: Option<Uuid>,
    access_token: String,
    refresh_token: Token,
    life: (Timestamp, Timestamp),
}

impl Accounts {
    /// The endpoints of `plan`.
    #[must_use]
    pub fn new(plan: Plan, settings: Settings, parts: Parts) -> Self {
        let Parts { store, authenticator, revoke, backend, hasher, throttle, mail_limit, .. } = parts;
        let Parts { wake_sender, random, stamp, clock, .. } = parts;
        let revocations = Arc::clone(authenticator.revocations());
        let key = match &backend {
            Backend::Embedded(key) => Some(Arc::clone(key)),
            _ => None,
        };
        let minter = Minter { settings: settings.tokens.clone(), key, revocations, random };
        let tally = Tally::default();
        let known = Known::new(stamp);
        Self {
            plan,
            settings,
            backend,
            store,
            authenticator,
            revoke,
            minter,
            hasher,
            throttle,
            mail_limit,
            wake_sender,
            known,
            clock,
            tally,
        }
    }

    /// What they are like.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a new password has to be.
    #[must_use]
    pub const fn policy(&self) -> PasswordPolicy {
        self.settings.policy
    }

    /// What came of the commands so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many passwords were hashed so far.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hasher.computed()
    }

    /// Whether a request to one of `endpoints` is to be [answered to its end](Command::goes_on_alone) without its client.
    #[must_use]
    pub fn goes_on_alone(&self, endpoints: &[usize]) -> bool {
        endpoints.iter().filter_map(|at| self.plan.endpoints.get(*at)).any(|one| one.command.goes_on_alone())
    }

    /// Answers a request to one of `endpoints`, by their indices in the plan: the first one whose query it has.
    ///
    /// # Errors
    /// What the API's own words for refusals are for.
    pub async fn serve(&self, endpoints: &[usize], call: &Call<'_>) -> Result<Response<Bytes>, Rejection> {
        let endpoints = endpoints.iter().filter_map(|at| self.plan.endpoints.get(*at));
        let Some(endpoint) = endpoints.into_iter().find(|endpoint| inputs::is_meant(endpoint, call.query)) else {
            return Err(Rejection::NoRoute);
        };
        let done = match Inputs::read(self, endpoint, call) {
            Ok(inputs) => {
                let member = inputs.member_of_password(endpoint);
                self.run(endpoint, inputs, call).await.map_err(|failure| failure.about(&member))
            }
            Err(unread) => Err(self.refusal_before(endpoint, call).await.unwrap_or(unread)),
        };
        self.tally.count(endpoint.command, done.as_ref().err().map(|failure| failure.kind));
        match &done {
            Ok(_) => tracing::debug!(command = endpoint.command.as_str(), request_id = call.request_id, "done"),
            Err(failure) => self.log(endpoint.command, failure, call),
        }
        self.answer(endpoint, call, done)
    }

    async fn run(
        &self,
        endpoint: &Endpoint,
        #[cfg_attr(not(feature = "supabase"), expect(unused_mut, reason = "only Supabase takes from it"))]
        mut inputs: Inputs,
        call: &Call<'_>,
    ) -> Result<Done, Failure> {
        match &self.backend {
            Backend::Embedded(_) => {}
            #[cfg(feature = "supabase")]
            Backend::Supabase(supabase) => {
                if let Some(done) = self.ask_supabase(supabase, endpoint, &mut inputs, call).await {
                    return done;
                }
            }
            Backend::Unconfigured => {
                return Err(Failure::new(FailureKind::NotConfigured, "it is not configured who keeps the users"));
            }
        }
        match endpoint.command {
            Command::Register => self.register(inputs, call).await,
            Command::Authenticate => self.authenticate(inputs, call).await,
            Command::AuthenticateByToken => self.authenticate_by_token(inputs, endpoint, call).await,
            Command::Refresh => self.refresh(inputs, call).await,
            Command::LogOut => self.log_out(endpoint, inputs, call).await,
            Command::ReadProfile => self.read_profile(call).await,
            Command::PatchProfile => self.patch_profile(inputs, call).await,
            Command::ChangePassword => self.change_password(inputs, call).await,
            Command::RequestReset => self.request_reset(inputs, call).await,
            Command::ConfirmReset | Command::SetPassword => self.set_by_token(endpoint, inputs, call).await,
            Command::ConfirmEmail => self.confirm_email(inputs, call).await,
        }
    }

    fn log(&self, command: Command, failure: &Failure, call: &Call<'_>) {
        let (command, failure_kind, cause) = (command.as_str(), failure.kind.as_str(), &*failure.cause);
        let (request_id, address) = (call.request_id, call.address);
        if matches!(failure.kind, FailureKind::Unavailable | FailureKind::MailFailed | FailureKind::Unreachable) {
            tracing::error!(command, failure = failure_kind, cause, request_id, %address, "refused");
        } else {
            tracing::info!(command, failure = failure_kind, cause, request_id, %address, "refused");
        }
    }

    /// Begins a session of `user`.
    async fn begin(&self, user: User, aside: Aside) -> Result<Option<Granted>, Failure> {
        let now = self.clock.now();
        let session = Session::start(self.minter.uuid()?, user.id, self.settings.session, now);
        let refresh_token = self.refresh_token(&user, &session)?;
        let version = user.credential_version;
        if !self.store.start_session(session.clone(), refresh_token.hash(), version, aside).await? {
            return Ok(None);
        }
        self.grant(user, &session, refresh_token).map(Some)
    }

    /// The tokens of `user` in `session`.
    fn grant(&self, user: User, session: &Session, refresh_token: Token) -> Result<Granted, Failure> {
        let claimed = self.claimed(&self.plan.claims, &user, Some(session));
        let access = self.minter.access(&claimed, self.clock.now())?;
        let life = (access.issued, access.expires);
        Ok(Granted { user, session: Some(session.id), access_token: access.text, refresh_token, life })
    }

    fn refresh_token(&self, user: &User, session: &Session) -> Result<Token, Failure> {
        if !self.settings.refresh.jwt {
            return Ok(self.minter.opaque()?);
        }
        let claimed = self.claimed(&self.plan.refresh_claims, user, Some(session));
        Ok(self.minter.other(&claimed, self.clock.now(), session.ends)?)
    }

    fn claimed<'c>(
        &'c self,
        claims: &'c crate::contract::template::Template<super::values::Variable>,
        user: &'c User,
        session: Option<&'c Session>,
    ) -> Claimed<'c> {
        Claimed { claims, attributes: &self.plan.attributes, user, session }
    }

    /// From now on the access tokens of these sessions count no more. Where tokens do not name their session, none of the
    /// user's does.
    async fn revoke_sessions(&self, user: &User, ended: &[Uuid]) {
        if self.names_sessions() {
            for session in ended {
                self.revoke(Target::Session(session.to_string())).await;
            }
        } else if !ended.is_empty() {
            self.revoke_all(user).await;
        }
    }

    /// From now on no access token of the user's counts.
    async fn revoke_all(&self, user: &User) {
        self.keep(self.settings.tokens.end_of_tokens(user, self.authenticator.revocations(), self.clock.now())).await;
    }

    async fn revoke(&self, target: Target) {
        self.keep(self.settings.tokens.revocation(target, self.clock.now())).await;
    }

    async fn keep(&self, revocation: Revocation) {
        if let Err(error) = self.revoke.revoke(revocation).await {
            tracing::error!(%error, "a revocation is not kept");
        }
    }

    /// Whether access tokens say which session they are of.
    fn names_sessions(&self) -> bool {
        self.plan.names_sessions
    }

    /// The user's mail, as the store keeps it until it is sent.
    fn mail(&self, kind: MailKind, user: &User, link: Option<(String, Duration)>) -> super::model::NewMail {
        one_time::letter(kind, user, link).into()
    }
}
