//! Certificates from an authority that gives them by ACME (RFC 8555), kept in force while the gateway runs.
//!
//! 1. The names are proven on the TLS listener itself (RFC 8737): no other port, no change of DNS.
//! 2. A certificate is renewed when a third of its life is left. One that is kept in the folder counts after a restart; an
//!    authority that is down at a start hinders nothing while it is good.
//! 3. A failure is tried again after a minute, then after twice that and so on, up to six hours: authorities limit how
//!    often one may fail. The certificate that is there goes on being shown.
//! 4. All of it runs on a thread of its own.

mod client;
mod folder;
mod order;

use std::{
    convert::Infallible,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use self::folder::Folder;
use super::tls::Challenges;
use crate::{
    authn::remote::fetch::with_causes,
    clock::{Clock, Timestamp},
    config::tls::{Acme, CertificateFiles},
};

/// The first pause behind a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);
/// How often the clock is looked at: a system's may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The folder can't be read or written.
    #[error("{}: {}", .0.display(), .1)]
    Folder(PathBuf, io::Error),
    /// The file of authorities can't be used.
    #[error("{}: {}", .0.display(), .1)]
    Authorities(PathBuf, String),
    /// The authority answered with an error, or not at all.
    #[error("the authority: {}", with_causes(.0))]
    Authority(instant_acme::Error),
    /// The authority does not give a certificate.
    #[error("the authority gives no certificate: {0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl AcmeError {
    fn other(error: impl ToString) -> Self {
        Self::Other(error.to_string())
    }
}

/// What became of the orders.
#[derive(Debug, Default)]
pub struct AcmeFigures {
    obtained: AtomicU64,
    failed: AtomicU64,
}

impl AcmeFigures {
    /// Certificates that were obtained.
    #[must_use]
    pub fn obtained(&self) -> u64 {
        self.obtained.load(Ordering::Relaxed)
    }

    /// Orders that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Keeps a certificate in force until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    figures: Arc<AcmeFigures>,
    // Dropping it ends the thread.
    _end: mpsc::Sender<Infallible>,
}

impl Keeper {
    /// Starts to look after the certificate. `installed` is called when there is a new one in its file.
    ///
    /// # Errors
    /// [`AcmeError::Folder`]: where nothing can be kept, each start would be another order.
    pub fn start(
        settings: Acme,
        challenges: Challenges,
        clock: Clock,
        installed: impl Fn() + Send + 'static,
    ) -> Result<Self, AcmeError> {
        let folder = Folder::open(&settings.account_folder())?;
        let figures = Arc::new(AcmeFigures::default());
        let mut work = Work { settings, challenges, clock, folder, figures: Arc::clone(&figures), good: None };
        work.find_kept()?;
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("acme".to_owned()).spawn(move || work.run(&ended, installed));
        // An order under way may take a minute; nobody waits for it.
        drop(thread.map_err(AcmeError::other)?);
        Ok(Self { figures, _end: end })
    }

    /// What became of the orders.
    #[must_use]
    pub const fn figures(&self) -> &Arc<AcmeFigures> {
        &self.figures
    }
}

/// When a certificate that is good `from` one time `until` another is to be renewed.
fn due(from: Timestamp, until: Timestamp) -> Timestamp {
    until.saturating_sub(until.since(from) / 3)
}

struct Work {
    settings: Acme,
    challenges: Challenges,
    clock: Clock,
    folder: Folder,
    figures: Arc<AcmeFigures>,
    /// From when and until when the one that is there is good.
    good: Option<(Timestamp, Timestamp)>,
}

impl Work {
    fn find_kept(&mut self) -> Result<(), AcmeError> {
        let Some(pem) = self.folder.certificate()? else { return Ok(()) };
        match self.look_at(&pem) {
            Ok(good) => self.good = Some(good),
            Err(error) => tracing::warn!(%error, "the certificate that was kept will not do; a new one is ordered"),
        }
        Ok(())
    }

    /// From when and until when this certificate is good, if it is for all names.
    fn look_at(&self, pem: &str) -> Result<(Timestamp, Timestamp), AcmeError> {
        let files = CertificateFiles::together(self.settings.certificate());
        let certificate = files.with(pem).parse().map_err(AcmeError::other)?;
        match self.settings.domains.iter().find(|domain| !certificate.names.contains(domain)) {
            Some(domain) => Err(AcmeError::Refused(format!("the certificate is not for {domain}"))),
            None => Ok((certificate.not_before, certificate.not_after)),
        }
    }

    fn run(mut self, ended: &mpsc::Receiver<Infallible>, installed: impl Fn()) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "no certificate can be obtained"),
        };
        // However short the life of what is given, and however often it fails: not before this time again.
        let mut earliest = Timestamp::from_secs(0);
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.clock.now();
            let due = self.good.map_or(now, |(from, until)| due(from, until)).max(earliest);
            if due <= now {
                let renewed = runtime.block_on(self.renew());
                if let Err(error) = renewed {
                    self.figures.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, again_in = ?pause, "no new certificate");
                    earliest = now.saturating_add(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                } else {
                    self.figures.obtained.fetch_add(1, Ordering::Relaxed);
                    installed();
                    pause = FIRST_PAUSE;
                    earliest = now.saturating_add(pause);
                }
            } else if ended.recv_timeout(due.since(now).min(LONGEST_SLEEP)) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    async fn renew(&mut self) -> Result<(), AcmeError> {
        let account = order::account(&self.settings, &self.folder).await?;
        let pem = order::order(&account, &self.settings, &self.challenges).await?;
        let good = self.look_at(&pem)?;
        self.folder.keep_certificate(&pem)?;
        self.good = Some(good);
        tracing::info!(domains = ?self.settings.domains, until = good.1.as_secs(), "a new certificate");
        Ok(())
    }
}
