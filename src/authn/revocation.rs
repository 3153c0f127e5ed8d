//! Tokens that are not accepted any more although their signature and their time are right.
//!
//! 1. A token is revoked by its id (`jti`, RFC 7519 §4.1.7); by its session (`session_id`, or `sid` of OpenID Connect
//!    Front-Channel Logout 1.0 §3); or by its subject, if it was issued before a point in time. A token that does not say
//!    when it was issued counts as issued before.
//! 2. A revocation is for the tokens of one issuer, by its name in the configuration: others may use the same ids.
//! 3. What is compared is what the token says, not its bytes. Who holds an ECDSA signature `(r, s)` can make another
//!    one of it, `(r, n - s)`, that is as good: such a copy says the same, and is revoked with it.
//! 4. A revocation is kept until the tokens that it is for have expired, and then forgotten.
//!
//! The list has a version, and a [`Principal`] remembers the one that it was last looked up in. A request whose token is
//! known compares the two: it costs one atomic load, however long the list is, and only after a change is each token
//! looked up again, once.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Principal;
use crate::{
    clock::{Clock, Timestamp},
    jwt::{Claims, Value},
};

/// The claims that name a session.
const SESSION_CLAIMS: [&str; 2] = ["session_id", "sid"];

/// How often what is over is looked for, at most.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// What a revoked token has in common with no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Its `jti`.
    Id(String),
    /// Its `session_id` or its `sid`.
    Session(String),
    /// Its subject, by the issuer's subject claim, and that it was issued before this time.
    ///
    /// Most issuers write whole seconds: a token that was issued within the second of `before` is revoked too.
    Subject {
        /// The subject, a whole number as decimal digits.
        subject: String,
        /// Tokens with an `iat` at this time or later are not meant.
        before: Timestamp,
    },
}

/// Which tokens are revoked, and until when that has to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The issuer's name in the configuration (not its `iss`).
    pub issuer: String,
    /// Which of its tokens.
    pub target: Target,
    /// When the last of these tokens will have expired. From then on this may be forgotten.
    pub until: Timestamp,
}

/// Where revocations outlive the process.
///
/// Each one that is added gets a version that is higher than all before. Futures are boxed: nothing of this is on the
/// way of a request.
pub trait RevocationStore: Send + Sync {
    /// Keeps it, and forgets what is over at `now`. Its version.
    fn add<'a>(&'a self, revocation: &'a Revocation, now: Timestamp) -> StoreFuture<'a, u64>;

    /// Those with a version above `version` that are not over at `now`, and the version of the newest.
    fn since(&self, version: u64, now: Timestamp) -> StoreFuture<'_, (Vec<Revocation>, u64)>;
}

/// What a store answers with, in time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The store cannot be had or does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[error("the store: {0}")]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// With what it comes from.
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(cause))
    }
}

impl From<String> for StoreError {
    fn from(cause: String) -> Self {
        Self(cause.into())
    }
}

impl From<&str> for StoreError {
    fn from(cause: &str) -> Self {
        Self(cause.into())
    }
}

/// The revocations that are in force. Shared by an [`Authenticator`](super::Authenticator) and whoever revokes.
pub struct Revocations {
    version: AtomicU64,
    lists: RwLock<Lists>,
    clock: Clock,
}

#[derive(Default)]
struct Lists {
    issuers: HashMap<String, List>,
    pruned: Timestamp,
}

/// The revocations of one issuer, each with its end.
#[derive(Default)]
struct List {
    ids: HashMap<String, Timestamp>,
    sessions: HashMap<String, Timestamp>,
    subjects: HashMap<String, IssuedBefore>,
}

struct IssuedBefore {
    before: Timestamp,
    until: Timestamp,
}

impl Revocations {
    /// How long a revocation is remembered unless something else is said: 30 days.
    pub const DEFAULT_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// None yet. By `clock` it is told what is over.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { version: AtomicU64::new(0), lists: RwLock::default(), clock }
    }

    /// Revokes the tokens of `issuer` (its name in the configuration) that `target` names. `life` is how long the
    /// longest-lived of them still has: [`DEFAULT_LIFE`](Self::DEFAULT_LIFE) where that is not known.
    ///
    /// A request that begins after this has returned is not let through with such a token.
    pub fn revoke(&self, issuer: impl Into<String>, target: Target, life: Duration) {
        let until = self.clock.now().saturating_add(life);
        self.extend([Revocation { issuer: issuer.into(), target, until }]);
    }

    /// Adds these to those that are in force. Of two for the same tokens both hold.
    pub fn extend(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let now = self.clock.now();
        let mut lists = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for revocation in revocations {
            lists.insert(revocation);
        }
        if now.since(lists.pruned) >= PRUNE_INTERVAL {
            lists.prune(now);
        }
        // Under the lock: who sees the new version finds what made it.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Those that are in force.
    #[must_use]
    pub fn list(&self) -> Vec<Revocation> {
        let now = self.clock.now();
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut list: Vec<Revocation> = lists.iter().filter(|revocation| revocation.until > now).collect();
        list.sort_unstable_by_key(|revocation| std::cmp::Reverse(revocation.until));
        list
    }

    /// Before when a token of this subject must have been issued to be revoked; `None`: none is for its subject.
    #[must_use]
    pub fn subject_before(&self, issuer: &str, subject: &str) -> Option<Timestamp> {
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.issuers.get(issuer)?.subjects.get(subject).map(|known| known.before)
    }

    /// How many are held in memory. Those that are over are counted until they are forgotten.
    #[must_use]
    pub fn count(&self) -> usize {
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = |list: &List| list.ids.len() + list.sessions.len() + list.subjects.len();
        lists.issuers.values().map(count).sum()
    }

    /// Whether the token of this principal is revoked; `claims` are asked for only if the list has changed.
    pub(super) fn revokes<'c>(&self, principal: &Principal, claims: impl FnOnce() -> Cow<'c, Claims>) -> bool {
        // Version first: if the list changes in between, the principal is looked up once more next time.
        let version = self.version.load(Ordering::Acquire);
        let cleared = principal.cleared();
        if cleared.load(Ordering::Relaxed) == version {
            return false;
        }
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lists.issuers.get(principal.issuer()).is_some_and(|list| list.revokes(principal, &claims())) {
            return true;
        }
        cleared.store(version, Ordering::Relaxed);
        false
    }
}

impl fmt::Debug for Revocations {
    /// How many; not whose.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Revocations").field(&self.count()).finish()
    }
}

impl Lists {
    fn insert(&mut self, Revocation { issuer, target, until }: Revocation) {
        let list = self.issuers.entry(issuer).or_default();
        let later = |known: &mut Timestamp| *known = until.max(*known);
        match target {
            Target::Id(id) => later(list.ids.entry(id).or_default()),
            Target::Session(session) => later(list.sessions.entry(session).or_default()),
            Target::Subject { subject, before } => {
                let known = list.subjects.entry(subject).or_insert(IssuedBefore { before, until });
                known.before = before.max(known.before);
                later(&mut known.until);
            }
        }
    }

    fn prune(&mut self, now: Timestamp) {
        self.issuers.retain(|_, list| {
            list.ids.retain(|_, until| *until > now);
            list.sessions.retain(|_, until| *until > now);
            list.subjects.retain(|_, known| known.until > now);
            !(list.ids.is_empty() && list.sessions.is_empty() && list.subjects.is_empty())
        });
        self.pruned = now;
    }

    fn iter(&self) -> impl Iterator<Item = Revocation> {
        self.issuers.iter().flat_map(|(issuer, list)| {
            let ids = list.ids.iter().map(|(id, until)| (Target::Id(id.clone()), *until));
            let sessions = list.sessions.iter().map(|(session, until)| (Target::Session(session.clone()), *until));
            let subjects = list.subjects.iter().map(|(subject, known)| {
                (Target::Subject { subject: subject.clone(), before: known.before }, known.until)
            });
            let all = ids.chain(sessions).chain(subjects);
            all.map(|(target, until)| Revocation { issuer: issuer.clone(), target, until })
        })
    }
}

impl List {
    fn revokes(&self, principal: &Principal, claims: &Claims) -> bool {
        let issued_before = |known: &IssuedBefore| claims.issued_at().is_none_or(|issued_at| issued_at < known.before);
        claims.id().is_some_and(|id| self.ids.contains_key(id))
            || sessions(claims).any(|session| self.sessions.contains_key(session))
            || principal.subject().and_then(|subject| self.subjects.get(subject)).is_some_and(issued_before)
    }
}

/// The sessions that a token names. Some issuers number theirs.
fn sessions(claims: &Claims) -> impl Iterator<Item = &str> {
    SESSION_CLAIMS.into_iter().filter_map(|claim| match claims.get(claim)? {
        Value::String(session) => Some(session),
        Value::Number(session) => Some(session.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
