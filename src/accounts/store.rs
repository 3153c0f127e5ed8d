//! What a store of users promises.
//!
//! - Every call is one transaction: done whole or not at all, whoever is killed when. What races is decided by the
//!   database, never by who looked first.
//! - What is written beside a change ([`Aside`]) is written with it, and only if it is done.
//! - A store that fails says so; nobody is told "no" because of that.
//!
//! Times are given, randomness too.

use std::time::Duration;

use super::{
    Uuid,
    email::Email,
    minter::TokenSettings,
    model::{Aside, AuditEntry, NewUser, TakenMail, User, UserPatch},
    session::{Rotation, Session, TokenHash},
};
use crate::{authn::revocation::StoreFuture, clock::Timestamp};

/// Everything that accounts keep.
pub trait AccountStore: UserStore + SessionStore + OneTimeStore + OutboxStore + AuditStore {
    /// Forgets sessions and one-time tokens that are over or ended, and events from before `events_before`. How many.
    fn tidy(&self, now: Timestamp, events_before: Timestamp) -> StoreFuture<'_, u64>;
}

/// What has become of a new user.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// It is there.
    Created(Box<User>),
    /// Another one has its address.
    EmailTaken,
    /// Another one has its number.
    NumberTaken,
    /// Another one has its UUID.
    IdTaken,
}

/// A user that is not there yet, and the roles that it is to have.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The user.
    pub user: NewUser,
    /// Granted beside what its tokens say ([`role_grants`](crate::authn::role_grants)).
    pub roles: Vec<String>,
}

/// What has become of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The user as it is now, and the sessions that ended with the change.
    Updated(Box<User>, Vec<Uuid>),
    /// Another user has the new address.
    EmailTaken,
    /// There is no such user.
    Unknown,
}

/// A new password.
#[derive(Clone)]
pub struct PasswordChange {
    /// By which right.
    pub right: Right,
    /// What passwords will be compared with.
    pub password: String,
    /// The session that goes on, if it is the user's.
    pub keep: Option<Uuid>,
}

/// By which right a password is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Whose current credentials were verified, of this version; or an operator looked at the user.
    Verified(Uuid, u64),
    /// A one-time token, which is used up with it.
    OneTime(OneTimeKey),
}

/// A password was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChanged {
    /// Whose.
    pub user: Uuid,
    /// The new version of the credentials.
    pub credential_version: u64,
    /// The sessions that ended.
    pub ended: Vec<Uuid>,
}

/// Users. One address and one number are one user's; addresses are compared as [`Email::compared`].
pub trait UserStore: Send + Sync {
    /// Keeps a new user. Numbers that are not said are given one after the other, without a gap.
    fn create_user(&self, user: NewUser, aside: Aside, now: Timestamp) -> StoreFuture<'_, Creation>;

    /// Keeps new users with their roles in one transaction, each with a copy of `aside`, and says what has become of each:
    /// one that cannot be kept hinders no other. `tokens`: how roles name whose they are.
    fn create_users(
        &self,
        members: Vec<NewMember>,
        tokens: TokenSettings,
        aside: Aside,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Creation>>;

    /// Who has this address.
    fn user_by_email(&self, email: Email) -> StoreFuture<'_, Option<User>>;

    /// Who has this name.
    fn user_by_id(&self, id: Uuid) -> StoreFuture<'_, Option<User>>;

    /// Who has this number.
    fn user_by_number(&self, number: u64) -> StoreFuture<'_, Option<User>>;

    /// The users with numbers above `number`, in their order, at most `most`.
    fn users_after(&self, number: u64, most: u32) -> StoreFuture<'_, Vec<User>>;

    /// Changes a user. Who is disabled loses all sessions and one-time tokens.
    fn update_user(&self, id: Uuid, patch: UserPatch, aside: Aside, now: Timestamp) -> StoreFuture<'_, Update>;

    /// Sets a password: the next version of the credentials. The other sessions end, and so do all one-time tokens.
    /// `None`: the right was none, or is none any more.
    fn set_password(
        &self,
        change: PasswordChange,
        aside: Aside,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<PasswordChanged>>;

    /// Keeps what the same password is compared with from now on (a better hash), unless the version is another one.
    /// Whether it did.
    fn rehash(&self, id: Uuid, credential_version: u64, password: String) -> StoreFuture<'_, bool>;
}

/// A token that is presented for a refresh.
#[derive(Debug, Clone)]
pub struct Presented {
    /// What it is known by.
    pub token: TokenHash,
    /// How long the session may be idle from now on.
    pub idle: Duration,
    /// With what it is replaced; `None`: it stays.
    pub rotation: Option<Rotation>,
}

/// What has become of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It is the first one with this token; or the token stays.
    Fresh(Session),
    /// The token has this child already, and gives it again.
    Repeated {
        /// Whose tokens these are.
        session: Session,
        /// The child's hash.
        child: TokenHash,
        /// The child, sealed with the token.
        sealed: Vec<u8>,
    },
    /// The token had been replaced, so the session has ended by this.
    Reused(Session),
    /// The session was ended before.
    Ended,
    /// The session is over.
    Expired,
    /// No session has this token.
    Unknown,
}

/// Sessions and their refresh tokens.
pub trait SessionStore: Send + Sync {
    /// Keeps a session with its first token, if its user is there, not disabled, and its credentials are still of this
    /// version. Whether it did.
    fn start_session(
        &self,
        session: Session,
        token: TokenHash,
        credential_version: u64,
        aside: Aside,
    ) -> StoreFuture<'_, bool>;

    /// Judges a token, and acts on that ([`Session::judge`]). `aside` is written if it is reused.
    fn refresh(&self, presented: Presented, aside: Aside, now: Timestamp) -> StoreFuture<'_, Refreshed>;

    /// Whose session a token is of that is not over, ended, or replaced; nothing is changed.
    fn session_of(&self, token: TokenHash, now: Timestamp) -> StoreFuture<'_, Option<Session>>;

    /// The sessions of a user that are not over or ended, in the order in which they began.
    fn sessions(&self, user: Uuid, now: Timestamp) -> StoreFuture<'_, Vec<Session>>;

    /// Ends a session. Whether it was not over or ended.
    fn end_session(&self, id: Uuid, aside: Aside, now: Timestamp) -> StoreFuture<'_, bool>;

    /// Ends the sessions of a user but for `keep`. Which were not over or ended.
    fn end_sessions(&self, user: Uuid, keep: Option<Uuid>, aside: Aside, now: Timestamp) -> StoreFuture<'_, Vec<Uuid>>;
}

/// What a one-time token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OneTimePurpose {
    /// To set a new password, because the old one is forgotten.
    Reset,
    /// To set the first password.
    Invitation,
    /// To say that the address is one's own.
    Confirmation,
}

/// A one-time token that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTimeKey {
    /// What it is known by.
    pub token: TokenHash,
    /// What it is presented for; for another purpose it is none.
    pub purpose: OneTimePurpose,
}

/// Tokens that are good once: hashed, for one purpose, for one version of the credentials. The newest counts alone.
pub trait OneTimeStore: Send + Sync {
    /// Keeps a token of a user until `until`, in the place of any other one for the same purpose. Whether there is such a
    /// user who is not disabled; if not, `aside` is written all the same and taken back, so that a store that cannot keep
    /// mail fails for everybody.
    fn issue_one_time(
        &self,
        user: Uuid,
        key: OneTimeKey,
        until: Timestamp,
        aside: Aside,
        now: Timestamp,
    ) -> StoreFuture<'_, bool>;

    /// Whose it is, if it is good; it stays so.
    fn one_time_user(&self, key: OneTimeKey, now: Timestamp) -> StoreFuture<'_, Option<Uuid>>;

    /// Whose it was: it is used up. Of many at once one gets it.
    fn consume_one_time(&self, key: OneTimeKey, aside: Aside, now: Timestamp) -> StoreFuture<'_, Option<Uuid>>;

    /// Forgets those of a user for a purpose. How many.
    fn forget_one_time(&self, user: Uuid, purpose: OneTimePurpose) -> StoreFuture<'_, u64>;
}

/// Mail that waits to be sent. It is gone when it is sent, with the secrets in it.
pub trait OutboxStore: Send + Sync {
    /// Takes at most `most` that are due, the longest due first. Until `lease` nobody else is given them; then, if the
    /// taker has not said what became of them, somebody is.
    fn take_mail(&self, now: Timestamp, lease: Timestamp, most: u32) -> StoreFuture<'_, Vec<TakenMail>>;

    /// It is sent, or given up: forgets it. Whether it was there.
    fn forget_mail(&self, number: u64) -> StoreFuture<'_, bool>;

    /// It could not be sent, and is due again at `next`. Whether this attempt was the last one that took it.
    fn retry_mail(&self, number: u64, attempt: u32, next: Timestamp) -> StoreFuture<'_, bool>;

    /// How many wait, and since when the first of them does.
    fn waiting_mail(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)>;
}

/// What happened, for whoever has to find out later.
pub trait AuditStore: Send + Sync {
    /// Keeps what stands beside no change: a login that failed, and as whom, if that is known; a mail alone.
    fn note(&self, user: Option<Uuid>, aside: Aside, now: Timestamp) -> StoreFuture<'_, ()>;

    /// The newest `most` events of a user, the newest first.
    fn events(&self, user: Uuid, most: u32) -> StoreFuture<'_, Vec<AuditEntry>>;
}

impl OneTimePurpose {
    /// As it is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Invitation => "invitation",
            Self::Confirmation => "confirmation",
        }
    }
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PasswordChange").field("right", &self.right).finish_non_exhaustive()
    }
}
