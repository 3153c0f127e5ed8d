//! What a gateway that runs goes on with when its configuration is replaced: a new configuration never lets in what the
//! old one knew to be revoked, never forgets whose keys these are, and never counts anew what it counts against somebody.
//!
//! 1. The store, what is revoked, who was granted which roles, and the thread that keeps both: the very same ones.
//! 2. Keys that are fetched, where the issuer says the same of where they come from.
//! 3. An upstream that has not changed, with the connections to it; what is counted of one that has.

use std::sync::Arc;

use super::{Echo, Ownerships, Revoker, Snapshot};
use crate::{
    authn::{Authenticator, KeySource},
    config::{self, Config, Issuer, Upstream},
    proxy::upstream::UpstreamSettings,
    store::Store,
};

/// The configuration that is replaced, and what was made of it.
pub(super) struct Before<'a> {
    pub(super) config: &'a Config,
    pub(super) snapshot: &'a Snapshot,
    /// The embedded upstream, if there ever was one.
    pub(super) echo: Option<&'a Echo>,
}

impl<'a> Before<'a> {
    pub(super) fn authenticator(&self) -> &'a Authenticator {
        &self.snapshot.authenticator
    }

    pub(super) fn store(&self) -> Option<Store> {
        self.snapshot.store.clone()
    }

    pub(super) fn revoker(&self) -> Arc<Revoker> {
        Arc::clone(&self.snapshot.revoker)
    }

    pub(super) fn ownerships(&self) -> &'a Ownerships {
        &self.snapshot.ownerships
    }

    #[cfg(feature = "accounts")]
    pub(super) fn accounts(&self) -> Option<&'a super::accounts::Running> {
        self.snapshot.accounts.as_deref()
    }

    /// The keys of `issuer`, if they are fetched from where they were fetched before, in the same way.
    pub(super) fn keys(&self, issuer: &Issuer) -> Option<Arc<KeySource>> {
        let config::KeySource::Remote { keys: wanted, .. } = &issuer.keys else { return None };
        let known = self.config.issuers.iter().find(|known| known.name == issuer.name)?;
        let config::KeySource::Remote { keys, .. } = &known.keys else { return None };
        (keys == wanted).then(|| self.snapshot.authenticator.keys(&issuer.name).cloned())?
    }

    /// The upstream of this name, if nothing was changed of it.
    pub(super) fn upstream(&self, wanted: &Upstream) -> Option<Arc<UpstreamSettings>> {
        let at = self.config.upstreams.iter().position(|known| known == wanted)?;
        self.snapshot.upstreams.get(at).cloned()
    }

    /// The upstream of this name, whatever was changed of it.
    pub(super) fn upstream_named(&self, name: &str) -> Option<&Arc<UpstreamSettings>> {
        self.snapshot.upstreams.iter().find(|known| known.name == name)
    }

    /// From now on the ownerships of `after` are asked; they are told of what is still under way here.
    pub(super) fn hand_over_owners(&self, after: (&Config, &Snapshot)) {
        for (at, settings) in self.config.ownerships.iter().enumerate() {
            let Some(owners) = self.snapshot.policy.owners(at) else { continue };
            let successor = after.0.ownerships.iter().position(|one| one.name == settings.name);
            if let Some(successor) = successor.and_then(|at| after.1.policy.owners(at)) {
                owners.succeed(successor);
            }
        }
    }

    /// From now on the upstreams of `after` count: those that it has not kept are looked after no more, although requests
    /// may still be under way to them.
    pub(super) fn hand_over_upstreams(&self, after: &Snapshot) {
        let is_kept = |one: &&Arc<UpstreamSettings>| after.upstreams.iter().any(|other| Arc::ptr_eq(one, other));
        self.snapshot.upstreams.iter().filter(|one| !is_kept(one)).for_each(|replaced| replaced.retire());
        after.upstreams.iter().for_each(|upstream| upstream.begin());
    }

    /// The issuers whose keys are known here and are not in `after`: their users would be refused.
    pub(super) fn keys_lost(&self, after: &Snapshot) -> Vec<String> {
        let now = after.clock.now();
        let known = self.snapshot.authenticator.issuers().filter(|(_, keys)| keys.is_available(now));
        let is_lost = |name: &str| after.authenticator.keys(name).is_some_and(|keys| !keys.is_available(now));
        known.map(|(name, _)| name).filter(|name| is_lost(name)).map(str::to_owned).collect()
    }

    /// The issuers that are gone, and what is revoked of theirs: a name that they have now is another issuer's.
    pub(super) fn revocations_without_issuer(&self, after: &Config) -> Vec<String> {
        let is_gone = |name: &String| !after.issuers.iter().any(|issuer| issuer.name == *name);
        let revoked = self.snapshot.revoker.revocations().list();
        let mut gone: Vec<String> = revoked.into_iter().map(|revocation| revocation.issuer).filter(is_gone).collect();
        gone.sort_unstable();
        gone.dedup();
        gone
    }
}
