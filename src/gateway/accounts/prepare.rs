//! From `[accounts]` of a configuration to endpoints that answer, and mail that is sent.

use std::{convert::Infallible, io, sync::Arc, thread, time::Duration};

use aws_lc_rs::rand::SystemRandom;
use tokio::{
    sync::oneshot,
    time::{Instant, interval_at},
};

use super::super::Revoker;
#[cfg(feature = "supabase")]
use crate::accounts::backend::supabase::Supabase;
use crate::{
    accounts::{
        engine::{Accounts, Backend, Parts, Settings, StampNow},
        mail::{MailFigures, MailMistake, Mailer, Sender},
        password::{Hasher, Unhashed},
        store::AccountStore,
        throttle::{MailLimit, Throttle},
    },
    authn::{Authenticator, CurrentKey},
    clock::Clock,
    config::{self, Config, Issuer},
    contract::Contract,
    store::{Location, Store, stamp_of_file},
};

/// How often what is over is forgotten.
const TIDYING: Duration = Duration::from_secs(60 * 60);
/// How long the audit trail goes back.
const EVENTS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

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
    /// Mail cannot be sent as it is configured.
    #[error("`accounts.mail`: {0}")]
    Mail(#[from] MailMistake),
    /// A thread cannot be started.
    #[error("`accounts`: {0}")]
    Thread(#[from] io::Error),
    /// There is no store.
    #[error("`accounts` needs a store")]
    NoStore,
}

/// Endpoints that answer, and mail that is sent as long as this lasts.
pub struct Running {
    /// Themselves.
    pub accounts: Accounts,
    /// What becomes of the mail.
    pub mail: Arc<MailFigures>,
    /// Whether mail only goes to the log.
    pub only_logs: bool,
    throttle: Arc<Throttle>,
    mail_limit: Arc<MailLimit>,
    _sending: oneshot::Sender<Infallible>,
}

/// What they are made of.
pub(in crate::gateway) struct Given<'g> {
    pub(in crate::gateway) store: Option<&'g Store>,
    pub(in crate::gateway) authenticator: &'g Arc<Authenticator>,
    pub(in crate::gateway) revoker: &'g Arc<Revoker>,
    pub(in crate::gateway) key: Option<CurrentKey>,
    pub(in crate::gateway) contract: &'g Contract,
    pub(in crate::gateway) clock: &'g Clock,
    /// Those of the configuration that this one replaces: what they have counted goes on to count.
    pub(in crate::gateway) before: Option<&'g Running>,
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
        let mailer = Mailer::new(&accounts.mail.settings)?;
        let only_logs = mailer.only_logs();
        let sender = Sender::new(mailer, Arc::new(store.clone()), given.clock.clone(), Arc::new(SystemRandom::new()));
        let sender = match given.before {
            Some(before) => sender.counting(Arc::clone(&before.mail)),
            None => sender,
        };
        let (waker, mail) = (sender.waker(), sender.figures());
        let tidying = tidy(store.clone(), given.clock.clone());
        let sending = work(sender, tidying)?;
        let backend = match &accounts.backend {
            config::Backend::Embedded => Backend::Embedded(given.key.clone().ok_or_else(no_key)?),
            #[cfg(feature = "supabase")]
            config::Backend::Supabase(None) => Backend::Unconfigured,
            #[cfg(feature = "supabase")]
            config::Backend::Supabase(Some(settings)) => {
                Backend::Supabase(Box::new(Supabase::start((**settings).clone(), given.clock)?))
            }
        };
        let (throttle, mail_limit) = limits(accounts, given);
        let parts = Parts {
            store: Arc::new(store.clone()),
            authenticator: Arc::clone(given.authenticator),
            revoke: Arc::clone(given.revoker) as Arc<_>,
            backend,
            hasher: Hasher::new(accounts.hashing, SystemRandom::new())?,
            throttle: Arc::clone(&throttle),
            mail_limit: Arc::clone(&mail_limit),
            wake_sender: Box::new(move || waker.wake()),
            random: Arc::new(SystemRandom::new()),
            stamp: stamps(config.store.as_ref()),
            clock: given.clock.clone(),
        };
        let settings = settings(config, accounts, issuer, given.contract);
        let accounts = Accounts::new(accounts.plan.clone(), settings, parts);
        Ok(Self { accounts, mail, only_logs, throttle, mail_limit, _sending: sending })
    }
}

/// What is counted against those who guess, and against those who have mail sent. New limits begin anew.
fn limits(accounts: &config::Accounts, given: &Given<'_>) -> (Arc<Throttle>, Arc<MailLimit>) {
    let known = given.before.map(|before| &before.throttle).filter(|known| *known.settings() == accounts.throttle);
    let throttle = known.map_or_else(|| Throttle::new(accounts.throttle, given.clock.clone()).into(), Arc::clone);
    let mail_limit = given.before.map(|before| Arc::clone(&before.mail_limit));
    let new = || MailLimit::new(MailLimit::DEFAULT, given.clock.clone()).into();
    (throttle, mail_limit.unwrap_or_else(new))
}

/// What tells that something was written to a file: its log has grown, or was begun anew. A server tells nothing.
fn stamps(store: Option<&Location>) -> StampNow {
    match store {
        Some(Location::Sqlite(path)) => {
            let path = path.clone();
            Box::new(move || stamp_of_file(&path))
        }
        _ => Box::new(|| None),
    }
}

/// Sends mail and tidies up, on a thread of its own, until what this gives is dropped.
fn work(
    sender: Sender,
    tidying: impl Future<Output = Infallible> + Send + 'static,
) -> io::Result<oneshot::Sender<Infallible>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sending, stopped) = oneshot::channel::<Infallible>();
    let stop = async {
        // Nothing is ever sent.
        let _ = stopped.await;
    };
    let work = async move {
        tokio::select! {
            () = sender.run(stop) => {}
            never = tidying => match never {},
        }
    };
    thread::Builder::new().name("mail".to_owned()).spawn(move || runtime.block_on(work))?;
    Ok(sending)
}

/// Forgets every hour what is over.
async fn tidy(store: Store, clock: Clock) -> Infallible {
    let mut hours = interval_at(Instant::now() + TIDYING, TIDYING);
    loop {
        hours.tick().await;
        let now = clock.now();
        match store.tidy(now, now.saturating_sub(EVENTS_KEPT)).await {
            Ok(forgotten) => tracing::debug!(forgotten, "the accounts are tidied up"),
            Err(error) => tracing::warn!(%error, "the accounts cannot be tidied up"),
        }
    }
}

fn settings(config: &Config, accounts: &config::Accounts, issuer: &Issuer, contract: &Contract) -> Settings {
    Settings {
        tokens: accounts.tokens_of(issuer),
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
