//! Keys that are fetched: from a JWKS URL, or from where an issuer's metadata leads; and, for tokens that no key tells
//! anything of, [asking the issuer](Introspection) (cargo feature `jwks`).
//!
//! Each issuer has a thread and a runtime of its own for this, so that no request ever works for a fetch, and requests
//! only look at a [`KeySource`]. What goes wrong leaves the last good keys in place, until they are too old.
//!
//! ```no_run
//! use bearergate::{authn::{IssuerSettings, remote::{PlainHttp, RemoteKeys}}, clock::Clock, jwt::Algorithm};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let iss = "https://id.example.com";
//! let keys = RemoteKeys::discovery(iss, iss, &PlainHttp::default())?.start("main", &Clock::system())?;
//! let issuer = IssuerSettings::with_source("main", keys, vec![Algorithm::Es256]).iss(iss).audience("orders");
//! # let _ = issuer;
//! # Ok(())
//! # }
//! ```

mod discovery;
pub(crate) mod fetch;
mod introspect;
mod refresh;
mod url;

use std::{io, sync::Arc, thread, time::Duration};

use bytes::Bytes;

use self::{fetch::Fetcher, refresh::Fetching};
pub use self::{
    introspect::Introspection,
    url::{KeyUrl, KeyUrlError, PlainHttp},
};
use super::{KeySource, RenewalSettings, introspection::NoAnswer};
use crate::{
    clock::Clock,
    jwt::{Algorithm, KeySet, KeySetError, Shown, SkippedKey},
};

/// Where an issuer's keys are fetched from, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKeys {
    source: Source,
    plain: PlainHttp,
    algorithms: Vec<Algorithm>,
    refresh: Duration,
    wait: Duration,
    renewal: RenewalSettings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Jwks(KeyUrl),
    Discovery { metadata: KeyUrl, issuer: String },
}

/// Keys that were fetched once.
#[derive(Debug)]
pub struct Fetched {
    /// Those that can be used.
    pub keys: KeySet,
    /// Those that were left out.
    pub skipped: Vec<SkippedKey>,
    /// Where they came from.
    pub url: KeyUrl,
    document: Bytes,
}

/// Why no keys were fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Nobody answers, or not with HTTP, or with a certificate of someone else's.
    #[error("the provider cannot be reached: {0}")]
    Connect(String),
    /// It took more than five seconds, or two for a question about a token.
    #[error("the provider did not answer in time")]
    Timeout,
    /// It sent elsewhere, which is not followed.
    #[error("the provider answered with a redirect ({0}), which is not followed")]
    Redirect(u16),
    /// Any other answer than 200.
    #[error("the provider answered with status {0}")]
    Status(u16),
    /// 401: it is the gateway that it does not know.
    #[error("the provider does not accept the gateway's `client_id` and `client_secret` (status 401)")]
    Credentials,
    /// More than 1 MiB.
    #[error("the provider's answer is longer than 1 MiB")]
    TooLarge,
    /// The answer broke off.
    #[error("the provider's answer broke off: {0}")]
    Body(String),
    /// What came says nothing about the token.
    #[error("the provider's answer cannot be used: {0}")]
    Introspection(NoAnswer),
    /// The metadata is none.
    #[error("the metadata cannot be used: {0}")]
    Metadata(String),
    /// The metadata is another issuer's.
    #[error("the metadata is that of another issuer: `{0}`")]
    OtherIssuer(Shown),
    /// The metadata leads to a URL that is not asked.
    #[error("the `jwks_uri` of the metadata {0}")]
    Url(KeyUrlError),
    /// What came is no key set that is accepted.
    #[error(transparent)]
    KeySet(KeySetError),
    /// This machine gives no runtime, or no TLS.
    #[error("nothing can be fetched from here: {0}")]
    Local(String),
}

impl RemoteKeys {
    /// The time between two refreshes unless another is set.
    pub const DEFAULT_REFRESH: Duration = Duration::from_secs(600);
    /// The time between two refreshes that tokens ask for, unless another is set.
    pub const DEFAULT_COOLDOWN: Duration = Duration::from_secs(10);
    /// How long keys are used that cannot be fetched again, unless another time is set.
    pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);
    /// How long a request with an unknown `kid` waits, unless another time is set.
    pub const DEFAULT_WAIT: Duration = Duration::from_secs(2);

    /// The key set at `url` (RFC 7517 §5).
    ///
    /// # Errors
    /// [`KeyUrlError`]: `url` is not `https`, and not that of this machine or of a host in `plain`.
    pub fn jwks(url: &str, plain: &PlainHttp) -> Result<Self, KeyUrlError> {
        Ok(Self::of(Source::Jwks(KeyUrl::parse(url, plain)?), plain))
    }

    /// The key set of the issuer whose metadata is at `url`, to which `/.well-known/openid-configuration` is added unless
    /// it ends in that. The metadata has to name `issuer`.
    ///
    /// # Errors
    /// [`KeyUrlError`], as [`RemoteKeys::jwks`].
    pub fn discovery(url: &str, issuer: impl Into<String>, plain: &PlainHttp) -> Result<Self, KeyUrlError> {
        let metadata = discovery::metadata_url(&KeyUrl::parse(url, plain)?, plain)?;
        Ok(Self::of(Source::Discovery { metadata, issuer: issuer.into() }, plain))
    }

    fn of(source: Source, plain: &PlainHttp) -> Self {
        let renewal = RenewalSettings { cooldown: Self::DEFAULT_COOLDOWN, max_stale: Self::DEFAULT_MAX_STALE };
        Self {
            source,
            plain: plain.clone(),
            algorithms: Vec::new(),
            refresh: Self::DEFAULT_REFRESH,
            wait: Self::DEFAULT_WAIT,
            renewal,
        }
    }

    /// Only keys for these algorithms; none: for any that is not symmetric. See [`KeySet::from_jwks_among`].
    #[must_use]
    pub fn algorithms(mut self, algorithms: Vec<Algorithm>) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// The longest time between two fetches that went well.
    #[must_use]
    pub const fn refresh(mut self, refresh: Duration) -> Self {
        self.refresh = refresh;
        self
    }

    /// The shortest time between two fetches that tokens with an unknown `kid` ask for.
    #[must_use]
    pub const fn cooldown(mut self, cooldown: Duration) -> Self {
        self.renewal.cooldown = cooldown;
        self
    }

    /// How long keys are used after they were last fetched.
    #[must_use]
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.renewal.max_stale = max_stale;
        self
    }

    /// The longest time that a request with an unknown `kid` waits.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Where the fetching starts: the keys or the metadata.
    #[must_use]
    pub const fn url(&self) -> &KeyUrl {
        match &self.source {
            Source::Jwks(url) | Source::Discovery { metadata: url, .. } => url,
        }
    }

    /// Fetches once, and waits for that.
    ///
    /// # Errors
    /// See [`RemoteError`].
    ///
    /// # Panics
    /// Within an asynchronous runtime, whose thread it would block.
    pub fn fetch_once(&self) -> Result<Fetched, RemoteError> {
        let local = |error: io::Error| RemoteError::Local(error.to_string());
        let runtime = runtime().map_err(local)?;
        let fetcher = Fetcher::new().map_err(local)?;
        let mut fetching = Fetching::new(self.clone(), fetcher);
        runtime.block_on(fetching.fetch()).map(|(fetched, _)| fetched)
    }

    /// Begins to fetch, on a thread of its own, until nobody uses the keys any more. `name` is the issuer's in logs.
    ///
    /// # Errors
    /// The system gives no thread, or no TLS.
    pub fn start(self, name: &str, clock: &Clock) -> io::Result<Arc<KeySource>> {
        self.start_then(name, clock, ())
    }

    /// As [`start`](Self::start); `first` is dropped when the first fetch has ended, well or not.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_then(self, name: &str, clock: &Clock, first: impl Send + 'static) -> io::Result<Arc<KeySource>> {
        let (source, renewer) = KeySource::renewed(self.renewal);
        let (runtime, fetcher) = (runtime()?, Fetcher::new()?);
        let (name, clock) = (name.to_owned(), clock.clone());
        let fetching = Fetching::new(self, fetcher);
        thread::Builder::new().name(format!("keys-{name}")).spawn(move || {
            runtime.block_on(refresh::keep_fresh(fetching, renewer, &name, &clock, first));
        })?;
        Ok(source)
    }
}

/// For a thread that fetches or asks.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
