//! From a configuration to what runs: routes, keys, contract and upstreams, all of it or nothing.

use std::{
    convert::Infallible,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    sync::{Arc, mpsc},
};

use arc_swap::ArcSwap;

#[cfg(feature = "accounts")]
use super::accounts::prepare::{AccountsError, Given, Running};
use super::{
    Cors, Echo, Ownerships, Published, RateLimits, Revoker, Settings, Snapshot, Tls,
    before::Before,
    keys::{self, KeysError},
    tls::TlsStartError,
};
use crate::{
    authn::{
        Authenticator, AuthenticatorError, CurrentKey, IssuerSettings, KeySource, ResignSettings, Resigner, Vocabulary,
        remote::RemoteKeys, revocation::StoreError,
    },
    authz::{
        Mode, OwnershipSource, Policy, RouteError, Routes,
        ownership::{Changes, Lookups, Owners, OwnersSettings, OwnershipStore},
    },
    clock::Clock,
    config::{self, Config, Issuer, OwnerSource, OwnershipSettings, Server, Upstream},
    contract::Contract,
    proxy::{
        AuthorizationHeader, ManagedHeaders,
        upstream::{self, Shared, UpstreamSettings},
    },
    store::{Location, Store},
};

/// A gateway that only has to be started.
pub struct Prepared {
    /// What is fixed while it runs.
    pub settings: Settings,
    /// What requests are answered from.
    pub snapshot: Snapshot,
    /// The embedded upstream, if one is configured and none was there before: it lives as long as this.
    pub echo: Option<Echo>,
}

/// Why a configuration that reads well cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// A key that cannot be read or made.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Routes that contradict each other.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<RouteError>),
    /// The certificates, if TLS is asked for, cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsStartError),
    /// Issuers that cannot be told apart.
    #[error(transparent)]
    Issuers(#[from] AuthenticatorError),
    /// The embedded upstream cannot be started.
    #[error("the embedded upstream cannot be started: {0}")]
    Echo(io::Error),
    /// The built-in endpoints cannot be started.
    #[cfg(feature = "accounts")]
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The store cannot be opened, or what is revoked cannot be read from it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Builds everything that `config` asks for.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(config: &Config, clock: &Clock) -> Result<Prepared, PrepareError> {
    prepare_after(None, config, clock)
}

/// As [`prepare`], for a gateway that runs with `before`: what has been learned, revoked and counted goes on.
pub(super) fn prepare_after(
    before: Option<&Before<'_>>,
    config: &Config,
    clock: &Clock,
) -> Result<Prepared, PrepareError> {
    let mut vocabulary = Vocabulary::default();
    let routes = config.routes(&mut vocabulary).map_err(PrepareError::Routes)?;
    let (policy, lookups) = policy(config, routes, clock);
    let contract = Contract::new(config.dialect.clone());
    let (first, fetched) = mpsc::channel::<Infallible>();
    let keys = |issuer: &Issuer| match before.and_then(|before| before.keys(issuer)) {
        Some(known) => Ok(known),
        None => start_keys(issuer, clock, first.clone()),
    };
    let known = before.map(Before::authenticator);
    let authenticator = authenticator_after(known, config, vocabulary, &contract, clock, keys)?;
    drop(first);
    // Nothing is ever sent: this ends when every provider has given keys or has failed, or else with the time.
    let _ = fetched.recv_timeout(RemoteKeys::DEFAULT_WAIT);
    let revocations = Arc::clone(authenticator.revocations());
    let store = before.map_or_else(|| open_store(config), |before| Ok(before.store()))?;
    let owned = before.map(Before::ownerships);
    let ownerships = Ownerships::start(&config.ownerships, lookups, table(config, store.as_ref()), owned)?;
    let revoker = match (before, &store) {
        (Some(before), _) => before.revoker(),
        (None, Some(store)) => {
            let grants = Arc::clone(authenticator.role_grants());
            Arc::new(Revoker::start(store.clone(), revocations, grants, clock.clone())?)
        }
        (None, None) => Arc::new(Revoker::in_memory(revocations)),
    };
    let source = |issuer: &str| authenticator.keys(issuer).cloned();
    let signing = SigningKeys::open(config, clock)?;
    let resigner = resigner(config, &signing, clock).map(Arc::new);
    let published = Published::start(&config.issuers, source, |issuer| signing.of(issuer), clock)?.map(Arc::new);
    let authenticator = Arc::new(authenticator);
    #[cfg(feature = "accounts")]
    let accounts = accounts(config, &signing, &contract, (store.as_ref(), &authenticator, &revoker), before, clock)?;
    let (upstreams, echo) = upstreams(&config.upstreams, before).map_err(PrepareError::Echo)?;
    let identity = &config.identity_headers;
    let authorization =
        if identity.strip_authorization { AuthorizationHeader::Strip } else { AuthorizationHeader::Keep };
    let names = identity.headers.iter().map(|header| header.name.clone()).collect();
    let snapshot = Snapshot {
        authenticator,
        store,
        revoker,
        published,
        policy: Arc::new(policy),
        cors: config.cors.clone().map(Cors::new).map(Arc::new),
        ownerships: Arc::new(ownerships),
        #[cfg(feature = "accounts")]
        accounts: accounts.map(Arc::new),
        contract: Arc::new(contract),
        managed: resigner.into_iter().fold(ManagedHeaders::new(names, authorization), ManagedHeaders::resigned),
        upstreams,
        limits: config.limits,
        rate_limits: Arc::new(RateLimits::new(&config.rate_limits, before.map(|before| &*before.snapshot.rate_limits))),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        proxy_protocol: config.listen.proxy_protocol.clone(),
        tls: config.listen.tls.as_ref().map(|tls| Tls::start(tls, clock)).transpose()?,
        required_keys: required_keys(config),
        clock: clock.clone(),
    };
    Ok(Prepared { settings: settings(config), snapshot, echo })
}

fn settings(config: &Config) -> Settings {
    Settings {
        address: config.listen.address,
        workers: config.listen.workers,
        admin: config.admin.as_ref().map(|admin| admin.address),
        drain_delay: config.listen.drain_delay,
        drain_deadline: config.listen.drain_deadline,
        access_log: config.access_log.clone(),
    }
}

/// The policy, and the questions of each ownership, if somebody has to be asked for it.
pub(crate) fn policy(config: &Config, routes: Routes, clock: &Clock) -> (Policy, Vec<Option<Lookups>>) {
    let source = |settings: &OwnershipSettings| match &settings.source {
        OwnerSource::Claim(claim) => (OwnershipSource::Claim(claim.clone()), None),
        OwnerSource::Table { .. } | OwnerSource::Query { .. } | OwnerSource::Call { .. } => {
            let (owners, asked) =
                Owners::new(OwnersSettings { name: settings.name.clone(), life: settings.cache, clock: clock.clone() });
            (OwnershipSource::Owners(owners), Some(asked))
        }
    };
    let (sources, lookups) = config.ownerships.iter().map(source).unzip();
    let changes = config.ownerships.iter().enumerate().flat_map(|(at, settings)| settings.changes(at));
    let policy = Policy::new(routes, sources, Changes::new(changes.collect()));
    let policy = match config.mode {
        Mode::Enforce => policy,
        Mode::Report => policy.report_unmatched(config.default_upstream()),
    };
    let internal = config.identity_headers.resign.as_ref().map(|resign| resign.issuer.as_str());
    (internal.into_iter().fold(policy, Policy::internal_issuer), lookups)
}

/// The store that is configured, in its folder: the state folder is the gateway's to make.
///
/// # Errors
/// When the folder cannot be made, or as [`Store::open`].
pub fn open_store(config: &Config) -> Result<Option<Store>, StoreError> {
    let Some(location) = &config.store else { return Ok(None) };
    if let Location::Sqlite(path) = location
        && path.parent() == Some(&config.state_folder)
    {
        DirBuilder::new().recursive(true).mode(0o700).create(&config.state_folder).map_err(StoreError::new)?;
    }
    Store::open(location).map(Some)
}

/// The store, if an ownership is a table in it.
fn table(config: &Config, store: Option<&Store>) -> Option<Arc<dyn OwnershipStore>> {
    let is_table = |settings: &OwnershipSettings| matches!(settings.source, OwnerSource::Table { .. });
    let store = store.filter(|_| config.ownerships.iter().any(is_table))?;
    Some(Arc::new(store.clone()))
}

/// The keys that the gateway signs with, by the issuer's name: for the upstream, and for its own users.
struct SigningKeys(Vec<(String, CurrentKey)>);

impl SigningKeys {
    fn open(config: &Config, clock: &Clock) -> Result<Self, KeysError> {
        let resign = config.identity_headers.resign.as_ref().map(|resign| resign.issuer.as_str());
        #[cfg(feature = "accounts")]
        let accounts = config.accounts.as_ref().map(|accounts| accounts.issuer.as_str());
        #[cfg(not(feature = "accounts"))]
        let accounts = None;
        let signs = |issuer: &&Issuer| [resign, accounts].contains(&Some(issuer.name.as_str()));
        let mut keys = Vec::new();
        for issuer in config.issuers.iter().filter(signs) {
            let key = keys::open(issuer, clock.now())?.signing;
            keys.extend(key.map(|key| (issuer.name.clone(), Arc::new(ArcSwap::from_pointee(key)))));
        }
        Ok(Self(keys))
    }

    fn of(&self, issuer: &str) -> Option<CurrentKey> {
        self.0.iter().find(|(name, _)| name == issuer).map(|(_, key)| Arc::clone(key))
    }
}

/// The built-in endpoints, if they are switched on.
#[cfg(feature = "accounts")]
fn accounts(
    config: &Config,
    signing: &SigningKeys,
    contract: &Contract,
    (store, authenticator, revoker): (Option<&Store>, &Arc<Authenticator>, &Arc<Revoker>),
    before: Option<&Before<'_>>,
    clock: &Clock,
) -> Result<Option<Running>, AccountsError> {
    let Some(accounts) = &config.accounts else { return Ok(None) };
    let key = signing.of(&accounts.issuer);
    let before = before.and_then(Before::accounts);
    Running::start(config, accounts, &Given { store, authenticator, revoker, key, contract, clock, before }).map(Some)
}

/// What signs tokens for the upstream, if it gets any.
fn resigner(config: &Config, signing: &SigningKeys, clock: &Clock) -> Option<Resigner> {
    let resign = config.identity_headers.resign.as_ref()?;
    let issuer = config.issuers.iter().find(|issuer| issuer.name == resign.issuer)?;
    let settings = ResignSettings {
        issuer: issuer.name.clone(),
        expectations: issuer.expectations.clone(),
        lifetime: resign.lifetime,
        claims: resign.claims.clone(),
        header: resign.header.clone(),
    };
    Some(Resigner::new(settings, signing.of(&issuer.name)?, clock.clone()))
}

/// The keys of an issuer, or the means to ask it; `first` is dropped when keys have come, or could not be fetched at once.
fn start_keys(issuer: &Issuer, clock: &Clock, first: mpsc::Sender<Infallible>) -> Result<Arc<KeySource>, KeysError> {
    let started = match &issuer.keys {
        config::KeySource::Remote { keys, .. } => keys.clone().start_then(&issuer.name, clock, first),
        config::KeySource::Introspection(asked) => asked.clone().start(&issuer.name, clock),
        _ => {
            let keys = keys::open(issuer, clock.now())?.verifying;
            Ok(Arc::new(keys.map_or_else(KeySource::pending, KeySource::known)))
        }
    };
    started.map_err(|error| KeysError::Fetch { issuer: issuer.name.clone(), error })
}

/// The issuers without whose keys the gateway is not ready.
fn required_keys(config: &Config) -> Vec<String> {
    let requires = |issuer: &&Issuer| matches!(issuer.keys, config::KeySource::Remote { required: true, .. });
    config.issuers.iter().filter(requires).map(|issuer| issuer.name.clone()).collect()
}

/// What decides who is calling, with the keys that `keys` gives for each issuer.
///
/// # Errors
/// [`PrepareError::Keys`] and [`PrepareError::Issuers`].
pub fn authenticator(
    config: &Config,
    vocabulary: Vocabulary,
    contract: &Contract,
    clock: &Clock,
    keys: impl Fn(&Issuer) -> Result<Arc<KeySource>, KeysError>,
) -> Result<Authenticator, PrepareError> {
    authenticator_after(None, config, vocabulary, contract, clock, keys)
}

/// What was revoked and granted `before` is so still.
fn authenticator_after(
    before: Option<&Authenticator>,
    config: &Config,
    vocabulary: Vocabulary,
    contract: &Contract,
    clock: &Clock,
    keys: impl Fn(&Issuer) -> Result<Arc<KeySource>, KeysError>,
) -> Result<Authenticator, PrepareError> {
    let mut builder = Authenticator::builder()
        .vocabulary(vocabulary)
        .roles(config.roles.clone())
        .identity_headers(config.identity_headers.headers.clone())
        .cache(config.cache)
        .scheme(contract.scheme())
        .token_bytes(config.limits.token_bytes)
        .clock(clock.clone());
    if let Some(before) = before {
        builder = builder.revocations(Arc::clone(before.revocations())).role_grants(Arc::clone(before.role_grants()));
    }
    for issuer in &config.issuers {
        builder = builder.issuer(IssuerSettings {
            name: issuer.name.clone(),
            keys: keys(issuer)?,
            algorithms: issuer.algorithms.clone(),
            expectations: issuer.expectations.clone(),
            permissions: issuer.permissions.clone(),
        });
    }
    Ok(builder.build()?)
}

/// The upstreams in the order of the configuration, by which routes name them; one echo serves all that ask for it.
/// One that has not changed is the very same one as before.
fn upstreams(
    configured: &[Upstream],
    before: Option<&Before<'_>>,
) -> io::Result<(Vec<Arc<UpstreamSettings>>, Option<Echo>)> {
    let asks = |upstream: &Upstream| upstream.servers.contains(&Server::Echo);
    let known = before.and_then(|before| before.echo);
    let echo = if known.is_none() && configured.iter().any(asks) { Some(Echo::start()?) } else { None };
    let embedded = known.or(echo.as_ref()).map(Echo::authority).transpose().map_err(io::Error::other)?;
    let found = |server: &Server| server.known().or_else(|| embedded.clone().map(upstream::Server::http1));
    let settings = configured.iter().map(|upstream| {
        if let Some(same) = before.and_then(|before| before.upstream(upstream)) {
            return same;
        }
        let servers = upstream.servers.iter().filter_map(found).collect();
        let previous = before.and_then(|before| before.upstream_named(&upstream.name));
        let settings = UpstreamSettings {
            connect_timeout: upstream.connect_timeout,
            response_timeout: upstream.response_timeout,
            retries: u32::from(upstream.retries),
            retry_budget: upstream.retry_budget,
            balance: upstream.balance,
            sticky: upstream.sticky.clone(),
            ejection: upstream.ejection.clone(),
            slow_start: upstream.slow_start,
            health_check: upstream.health_check.clone(),
            resolve: upstream.resolve,
            max_requests: upstream.max_requests,
            tls: upstream.tls.clone(),
            counters: previous.map(|previous| Arc::clone(&previous.counters)).unwrap_or_default(),
            shared: previous.map(|previous| Shared::after(previous)).unwrap_or_default(),
            ..UpstreamSettings::new(upstream.name.clone(), servers)
        };
        previous.into_iter().for_each(|previous| settings.take_over(previous));
        Arc::new(settings)
    });
    let settings: Vec<_> = settings.collect();
    upstream::watch(&settings)?;
    Ok((settings, echo))
}
