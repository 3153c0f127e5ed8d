//! From `[accounts]` of a configuration to endpoints that answer, and mail that is sent.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;

use super::super::Revoker;
use crate::{
    accounts::{
        engine::{Accounts, Parts, Settings},
        minter::TokenSettings,
        password::{Hasher, Unhashed},
        throttle::{MailLimit, Throttle},
    },
    authn::{Authenticator, CurrentKey},
    clock::Clock,
    config::{self, Config, Issuer},
    contract::Contract,
    store::Store,
};

/// Endpoints that cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// There is nothing to hash passwords with.
    #[error("passwords cannot be hashed: {0}")]
    Hasher(#[from] Unhashed),
    /// The issuer has no key to sign with.
    #[error("`accounts`: the issuer `{0}` has no key to sign with")]
    NoKey(String),
    /// There is no store.
    #[error("`accounts` needs a store")]
    NoStore,
}

/// Endpoints that answer.
pub struct Running {
    /// Themselves.
    pub accounts: Accounts,
}

/// What they are made of.
pub(in crate::gateway) struct Given<'g> {
    pub(in crate::gateway) store: Option<&'g Store>,
    pub(in crate::gateway) authenticator: &'g Arc<Authenticator>,
    pub(in crate::gateway) revoker: &'g Arc<Revoker>,
    pub(in crate::gateway) key: Option<CurrentKey>,
    pub(in crate::gateway) contract: &'g Contract,
    pub(in crate::gateway) clock: &'g Clock,
}

impl Running {
    /// Starts what `config` asks for.
    ///
    /// # Errors
    /// See [`AccountsError`].
    pub(in crate::gateway) fn start(
        config: &Config,
        accounts: &config::Accounts,
        given: &Given<'_>,
    ) -> Result<Self, AccountsError> {
        let no_key = || AccountsError::NoKey(accounts.issuer.clone());
        let issuer = config.issuers.iter().find(|issuer| issuer.name == accounts.issuer).ok_or_else(no_key)?;
        let store = given.store.ok_or(AccountsError::NoStore)?;
        let parts = Parts {
            store: Arc::new(store.clone()),
            authenticator: Arc::clone(given.authenticator),
            revoke: Arc::clone(given.revoker) as Arc<_>,
            key: given.key.clone().ok_or_else(no_key)?,
            hasher: Hasher::new(accounts.hashing, SystemRandom::new())?,
            throttle: Throttle::new(accounts.throttle, given.clock.clone()),
            mail_limit: MailLimit::new(MailLimit::DEFAULT, given.clock.clone()),
            wake_sender: Box::new(|| {}),
            random: Arc::new(SystemRandom::new()),
            clock: given.clock.clone(),
        };
        let settings = settings(config, accounts, issuer, given.contract);
        Ok(Self { accounts: Accounts::new(accounts.plan.clone(), settings, parts) })
    }
}

fn settings(config: &Config, accounts: &config::Accounts, issuer: &Issuer, contract: &Contract) -> Settings {
    Settings {
        tokens: TokenSettings {
            issuer: issuer.name.clone(),
            expectations: issuer.expectations.clone(),
            access_life: accounts.access_life,
        },
        session: accounts.session,
        refresh: accounts.refresh,
        confirm_email: accounts.confirm_email,
        policy: accounts.policy,
        links: accounts.mail.links.clone(),
        lives: accounts.lives,
        bearer: (contract.scheme(), config.limits.token_bytes),
        challenge: contract.challenge().cloned(),
    }
}
