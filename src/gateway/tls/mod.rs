//! TLS with clients: rustls, TLS 1.2 and 1.3, with its defaults for everything that can be chosen.
//!
//! 1. The protocol is agreed on in the handshake (ALPN, RFC 7301): a connection of `h2` is HTTP/2 from its first byte, any
//!    other HTTP/1.1, also without ALPN (RFC 9113 §3.2).
//! 2. A handshake is done by the worker that serves the connection: its arithmetic holds up the others there for a
//!    fraction of a millisecond with ECDSA, and for more than a millisecond with RSA.
//! 3. Sessions are resumed by tickets, which every worker can read and whose keys are changed every few hours. No early
//!    data: it could be sent twice (RFC 8446 §8). Where client certificates are asked for, no session is resumed, so that
//!    each is looked at again on each connection.
//! 4. What is shown and trusted is replaced whole ([`Tls::reload`]) when the files' contents change (`watch`); what
//!    can't be used is not, and it is said why. Open connections keep what they began with.

mod challenges;
pub(super) mod handshake;
pub(super) mod metrics;
mod names;
pub(super) mod watch;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "acme")]
use std::sync::OnceLock;

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::UnixTime,
    server::{NoServerSessionStorage, ProducesTickets, VerifierBuilderError, WebPkiClientVerifier},
    time_provider::TimeProvider,
};

pub use self::challenges::Challenges;
use self::names::Certificates;
#[cfg(feature = "acme")]
use super::acme::Keeper;
use crate::{
    clock::{Clock, Timestamp},
    config::{
        self,
        tls::{Certificate, Contents, TlsError},
    },
};

/// The protocols that are spoken, the preferred one first (RFC 7301 §6).
const PROTOCOLS: [&[u8]; 2] = [H2, b"http/1.1"];
/// HTTP/2 (RFC 9113 §3.1).
pub(super) const H2: &[u8] = b"h2";

/// What the gateway's side of a handshake is made of; it may be replaced while the gateway runs.
pub struct Tls {
    settings: config::Tls,
    clock: Clock,
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwap<Current>,
    /// Of files that could not be used: they are complained about once.
    refused: Mutex<Option<[u8; 32]>>,
    reloads: [AtomicU64; 2],
    challenges: Challenges,
    #[cfg(feature = "acme")]
    keeper: OnceLock<Keeper>,
}

struct Current {
    server: Arc<ServerConfig>,
    digest: [u8; 32],
    /// A name of each certificate, and its end.
    ends: Vec<(String, Timestamp)>,
}

/// Why TLS can't be had as it is configured.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TlsStartError {
    /// A file is not what it has to be.
    #[error(transparent)]
    File(#[from] TlsError),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    /// The authority's certificate cannot be kept.
    #[cfg(feature = "acme")]
    #[error("no certificate can be obtained: {0}")]
    Acme(String),
    /// The client certificates' authorities are of no use.
    #[error("client certificates cannot be verified: {0}")]
    Clients(#[from] VerifierBuilderError),
}

impl Tls {
    /// Reads the files and makes of them what connections need. Not for a worker: it reads files.
    ///
    /// # Errors
    /// See [`TlsStartError`].
    pub fn start(settings: &config::Tls, clock: &Clock) -> Result<Arc<Self>, TlsStartError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tickets = aws_lc_rs::Ticketer::new()?;
        let challenges = Challenges::default();
        let current = Current::new(settings, &settings.contents()?, clock, &provider, &tickets, &challenges)?;
        let tls = Arc::new(Self {
            settings: settings.clone(),
            clock: clock.clone(),
            provider,
            tickets,
            current: ArcSwap::from_pointee(current),
            refused: Mutex::default(),
            reloads: Default::default(),
            challenges,
            #[cfg(feature = "acme")]
            keeper: OnceLock::new(),
        });
        #[cfg(feature = "acme")]
        tls.keep()?;
        Ok(tls)
    }

    /// Reads the files again and uses what is in them, if that is something else than before and can be used. Whether it
    /// was replaced. Not for a worker: it reads files.
    ///
    /// # Errors
    /// See [`TlsStartError`]: then everything stays as it was.
    pub fn reload(&self) -> Result<bool, TlsStartError> {
        let contents = self.settings.contents()?;
        let digest = contents.digest();
        if digest == self.current.load().digest {
            return Ok(false);
        }
        let made =
            Current::new(&self.settings, &contents, &self.clock, &self.provider, &self.tickets, &self.challenges);
        let [replaced, failed] = &self.reloads;
        match made {
            Ok(current) => {
                self.current.store(Arc::new(current));
                replaced.fetch_add(1, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) => {
                // Counted once for each new content, however often it is looked at.
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                if refused.replace(digest) != Some(digest) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    /// Has the certificate of the authority looked after, as long as this lives.
    #[cfg(feature = "acme")]
    fn keep(self: &Arc<Self>) -> Result<(), TlsStartError> {
        let Some(acme) = &self.settings.acme else { return Ok(()) };
        let tls = Arc::downgrade(self);
        let installed = move || {
            if let Some(Err(error)) = tls.upgrade().map(|tls| tls.reload()) {
                tracing::error!(%error, "the certificates stay as they were");
            }
        };
        let keeper = Keeper::start(acme.clone(), self.challenges.clone(), self.clock.clone(), installed);
        let _ = self.keeper.set(keeper.map_err(|error| TlsStartError::Acme(error.to_string()))?);
        Ok(())
    }

    /// How many certificates an authority gave, and how many orders failed.
    #[cfg(feature = "acme")]
    pub(super) fn orders(&self) -> Option<[u64; 2]> {
        self.keeper.get().map(|keeper| [keeper.figures().obtained(), keeper.figures().failed()])
    }

    /// What a connection that begins now begins with.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().server)
    }

    /// A name of each certificate, the first that it is for or its file, and its end.
    #[must_use]
    pub fn ends(&self) -> Vec<(String, Timestamp)> {
        self.current.load().ends.clone()
    }

    /// How often the files were changed and used, and how often they were changed and could not be.
    pub(super) fn reloads(&self) -> [u64; 2] {
        self.reloads.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Current {
    fn new(
        settings: &config::Tls,
        contents: &Contents,
        clock: &Clock,
        provider: &Arc<CryptoProvider>,
        tickets: &Arc<dyn ProducesTickets>,
        challenges: &Challenges,
    ) -> Result<Self, TlsStartError> {
        let certificates = contents.certificates()?;
        warn_of_ends(&certificates, clock.now());
        let builder = ServerConfig::builder_with_details(Arc::clone(provider), Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions()?;
        let roots = contents.client_roots()?.zip(settings.client_auth.as_ref());
        let asks_clients = roots.is_some();
        let builder = match roots {
            Some((roots, auth)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                let verifier = if auth.required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build()?)
            }
            None => builder.with_no_client_auth(),
        };
        let ends = certificates.iter().map(|one| (name_of(one), one.not_after)).collect();
        let mut server = builder.with_cert_resolver(Arc::new(Certificates::new(&certificates, challenges.clone())));
        let protocols = PROTOCOLS.into_iter().chain(settings.acme.iter().map(|_| challenges::ALPN));
        server.alpn_protocols = protocols.map(<[u8]>::to_vec).collect();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        if asks_clients {
            server.send_tls13_tickets = 0;
        } else {
            server.ticketer = Arc::clone(tickets);
        }
        Ok(Self { server: Arc::new(server), digest: contents.digest(), ends })
    }
}

fn name_of(certificate: &Certificate) -> String {
    certificate.names.first().cloned().unwrap_or_else(|| certificate.file.display().to_string())
}

/// A certificate that has ended, or is about to, is shown all the same: some clients don't mind, and the others say what
/// is wrong.
fn warn_of_ends(certificates: &[Certificate], now: Timestamp) {
    const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    for certificate in certificates {
        let (file, not_after) = (certificate.file.display(), certificate.not_after.as_secs());
        if certificate.not_after <= now {
            tracing::warn!(%file, not_after, "the certificate has expired");
        } else if certificate.not_after <= now.saturating_add(SOON) {
            tracing::warn!(%file, not_after, "the certificate expires within a week");
        }
    }
}

/// The gateway's clock, by which client certificates are valid or not.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().as_millis())))
    }
}
