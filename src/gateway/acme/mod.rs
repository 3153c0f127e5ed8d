//! Certificates from an authority that gives them by ACME (RFC 8555), kept in force while the gateway runs.
//!
//! 1. The names are proven on the TLS listener itself ([`order`], RFC 8737): no other port, no change of DNS.
//! 2. A certificate is renewed when a third of its life is left. One that is kept in the folder counts after a restart; an
//!    authority that is down at a start hinders nothing while it is good.
//! 3. A failure is tried again after a minute, then after twice that and so on, up to six hours: authorities limit how
//!    often one may fail. The certificate that is there goes on being shown.
//! 4. All of it runs on a thread of its own.

mod client;
mod folder;
mod order;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::sign::CertifiedKey;

use self::folder::Folder;
use crate::clock::{Clock, Timestamp};

/// The authority that is asked where none is configured: Let's Encrypt.
pub const DEFAULT_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// What is said in ALPN by an authority that looks at a proof (RFC 8737 §4).
pub const ALPN: &[u8] = b"acme-tls/1";
/// The first pause behind a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);
/// How often the clock is looked at: a system's may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// What is asked of which authority.
#[derive(Clone, Debug)]
pub struct AcmeSettings {
    /// The names that the certificate is for. At least one.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as URLs (`mailto:ops@example.com`).
    pub contact: Vec<String>,
    /// The URL of the authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// A file of the only certificates that the authority's own server is trusted by, as PEM; `None`: the machine's.
    pub authorities: Option<PathBuf>,
    /// Where account, key and certificate are kept.
    pub folder: PathBuf,
}

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
    #[error("the authority: {}", causes(.0))]
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

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The proofs that an authority may ask for now, by name.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// What to show for `name` to one who says [`ALPN`] and nothing else.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.lock().get(&name.to_ascii_lowercase()).cloned()
    }

    fn set(&self, name: &str, proof: Option<Arc<CertifiedKey>>) {
        let name = name.to_ascii_lowercase();
        match proof {
            Some(proof) => self.lock().insert(name, proof),
            None => self.lock().remove(&name),
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Where a certificate is to be shown.
pub trait Installer: Send + 'static {
    /// Shows this certificate from now on: a private key and its chain, as PEM. From when and until when it is good.
    ///
    /// # Errors
    /// What is wrong with it.
    fn install(&self, pem: &str) -> Result<(Timestamp, Timestamp), String>;
}

/// Keeps a certificate in force until it is dropped.
#[derive(Debug)]
pub struct Acme {
    figures: Arc<AcmeFigures>,
    // Dropping the sender ends the thread.
    end: Option<mpsc::Sender<std::convert::Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Acme {
    /// Installs the certificate that is kept, if it is one, and starts to look after it.
    ///
    /// # Errors
    /// [`AcmeError::Folder`]: where nothing can be kept, each start would be another order.
    pub fn start(
        settings: AcmeSettings,
        challenges: Challenges,
        installer: impl Installer,
        clock: Clock,
    ) -> Result<Self, AcmeError> {
        let folder = Folder::open(&settings.folder.join(host(&settings.directory)))?;
        let figures = Arc::new(AcmeFigures::default());
        let mut keeper =
            Keeper { settings, challenges, installer, clock, folder, figures: Arc::clone(&figures), good: None };
        keeper.install_kept()?;
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("acme".to_owned()).spawn(move || keeper.run(&ended));
        let thread = thread.map_err(|error| AcmeError::Folder(PathBuf::new(), error))?;
        Ok(Self { figures, end: Some(end), thread: Some(thread) })
    }

    /// What became of the orders.
    #[must_use]
    pub const fn figures(&self) -> &Arc<AcmeFigures> {
        &self.figures
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.end = None;
        // An order under way may take a minute; nobody waits for it.
        drop(self.thread.take());
    }
}

/// The accounts of two authorities are kept apart.
fn host(directory: &str) -> String {
    let host = directory.split_once("://").map_or(directory, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect()
}

/// When a certificate that is good `from` one time `until` another is to be renewed.
fn due(from: Timestamp, until: Timestamp) -> Timestamp {
    until.saturating_sub(until.since(from) / 3)
}

struct Keeper<I> {
    settings: AcmeSettings,
    challenges: Challenges,
    installer: I,
    clock: Clock,
    folder: Folder,
    figures: Arc<AcmeFigures>,
    /// From when and until when the one that is shown is good.
    good: Option<(Timestamp, Timestamp)>,
}

impl<I: Installer> Keeper<I> {
    fn install_kept(&mut self) -> Result<(), AcmeError> {
        let Some(pem) = self.folder.certificate()? else { return Ok(()) };
        match self.installer.install(&pem) {
            Ok(good) => self.good = Some(good),
            Err(error) => tracing::warn!(%error, "the certificate that was kept is of no use; a new one is ordered"),
        }
        Ok(())
    }

    fn run(mut self, ended: &mpsc::Receiver<std::convert::Infallible>) {
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
                if let Err(error) = runtime.block_on(self.renew()) {
                    self.figures.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, again_in = ?pause, "no new certificate");
                    earliest = now.saturating_add(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                } else {
                    self.figures.obtained.fetch_add(1, Ordering::Relaxed);
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
        let good = self.installer.install(&pem).map_err(AcmeError::Refused)?;
        self.folder.keep_certificate(&pem)?;
        self.good = Some(good);
        tracing::info!(domains = ?self.settings.domains, until = good.1.as_secs(), "a new certificate");
        Ok(())
    }
}
