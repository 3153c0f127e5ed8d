//! Roles that somebody was given beside what the token says: by the gateway's own account, from one request to the next.
//!
//! 1. A grant is of one subject of one issuer, by its name in the configuration: others may use the same subjects.
//! 2. A role stands for the permissions that the configuration gives it ([`Roles`](super::Roles)), and for the permission
//!    of its own name, as one in a claim does.
//! 3. Nobody without a subject has any.
//!
//! The list has a version, and a [`Principal`] remembers the one that it was last looked up in. A request whose token is
//! known compares the two: one atomic load. After a change each token is looked up once; if its own roles are others
//! than before, it is verified again as if it had never been seen.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Principal, revocation::StoreFuture};

/// That a subject has a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleGrant {
    /// The issuer's name in the configuration (not its `iss`).
    pub issuer: String,
    /// Who has it, a whole number as decimal digits.
    pub subject: String,
    /// The role.
    pub role: String,
}

/// Where grants outlive the process. Each change gets a version that is higher than all before.
pub trait GrantStore: Send + Sync {
    /// Keeps it. Whether it is new.
    fn grant<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool>;

    /// Forgets it. Whether it was there.
    fn withdraw<'a>(&'a self, grant: &'a RoleGrant) -> StoreFuture<'a, bool>;

    /// All of them and their version, unless that is `known`: then nothing has changed.
    fn grants(&self, known: Option<u64>) -> StoreFuture<'_, Option<(Vec<RoleGrant>, u64)>>;
}

/// The roles that are granted. Shared by an [`Authenticator`](super::Authenticator) and whoever grants.
#[derive(Default)]
pub struct RoleGrants {
    version: AtomicU64,
    issuers: RwLock<HashMap<String, Subjects>>,
}

type Subjects = HashMap<String, Arc<BTreeSet<String>>>;

/// What a principal was granted, and by which version of the list.
#[derive(Default)]
pub(super) struct Granted {
    pub(super) roles: Option<Arc<BTreeSet<String>>>,
    version: AtomicU64,
}

impl RoleGrants {
    /// From the next request on these are the grants, and no others.
    pub fn replace(&self, grants: impl IntoIterator<Item = RoleGrant>) {
        let mut issuers = HashMap::<String, HashMap<String, BTreeSet<String>>>::new();
        for RoleGrant { issuer, subject, role } in grants {
            issuers.entry(issuer).or_default().entry(subject).or_default().insert(role);
        }
        let shared =
            |subjects: HashMap<_, _>| subjects.into_iter().map(|(one, roles)| (one, Arc::new(roles))).collect();
        let issuers = issuers.into_iter().map(|(issuer, subjects)| (issuer, shared(subjects))).collect();
        let mut list = self.issuers.write().unwrap_or_else(PoisonError::into_inner);
        *list = issuers;
        // Under the lock: who sees the new version finds what made it.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// How many subjects have roles.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.issuers.read().unwrap_or_else(PoisonError::into_inner).values().map(HashMap::len).sum()
    }

    /// What `subject` is granted.
    pub(super) fn of(&self, issuer: &str, subject: Option<&str>) -> Granted {
        // Version first: if the list changes in between, the principal is looked up once more next time.
        let version = self.version.load(Ordering::Acquire);
        let list = self.issuers.read().unwrap_or_else(PoisonError::into_inner);
        let roles = subject.and_then(|subject| list.get(issuer)?.get(subject)).cloned();
        Granted { roles, version: AtomicU64::new(version) }
    }

    /// Whether `principal` still has the roles that it was made with, and no others.
    pub(super) fn agree_with(&self, principal: &Principal) -> bool {
        let granted = principal.granted();
        if granted.version.load(Ordering::Relaxed) == self.version.load(Ordering::Acquire) {
            return true;
        }
        let now = self.of(principal.issuer(), principal.subject());
        let agree = now.roles == granted.roles;
        if agree {
            granted.version.store(now.version.into_inner(), Ordering::Relaxed);
        }
        agree
    }
}

impl fmt::Debug for RoleGrants {
    /// How many; not whose.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RoleGrants").field(&self.subjects()).finish()
    }
}

#[cfg(test)]
mod tests;
