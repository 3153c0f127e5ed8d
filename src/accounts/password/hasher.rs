//! Computes password hashes, a bounded number at once.
//!
//! 1. `permits` hashes and `line` more may be under way. Whoever comes then is told [`Unhashed::Busy`] at once.
//! 2. Of those, `permits` compute, each on a thread that does nothing else; the others wait, in their order.
//! 3. A waiting future that is dropped leaves the line. Computing cannot be broken off: its permit is free when the thread
//!    is done, whether or not anybody still wants the answer. So the memory is that of `permits` hashes, whatever clients do:
//!    19 MiB each, up to 256 MiB while an imported hash asks for as much.
//!
//! The threads are always the same, and each keeps the 19 MiB: an allocator that gets such pieces back from one thread after
//! the other was seen to keep twenty of them.

use std::{
    fmt,
    num::NonZeroU16,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use aws_lc_rs::rand::SecureRandom;
use tokio::sync::{Semaphore, oneshot};

use super::{Password, PasswordHash, PasswordPolicy, UnacceptablePassword, Verdict};

/// What a hasher that is busy asks for. A full line of 64 is gone in less, unless imported hashes are among it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many passwords are hashed at once, and how many wait. The default: one a core, and 64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HasherLimits {
    /// How many hashes are computed at once.
    pub permits: NonZeroU16,
    /// How many more wait for their turn.
    pub line: u16,
}

/// Why there is no answer about a password. None of these is the client's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unhashed {
    /// As many passwords as may wait are waiting.
    #[error("too many passwords wait to be hashed")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The memory for the hash could not be allocated.
    #[error("there is no memory to hash a password in")]
    NoMemory,
    /// There is no salt without randomness.
    #[error("there is no randomness to salt a password with")]
    NoRandomness,
    /// No thread could be started to compute on: only from [`Hasher::new`].
    #[error("no thread can be started to hash passwords")]
    NoThread,
    /// Computing it ended in a fault of the program.
    #[error("hashing a password was broken off")]
    Interrupted,
}

/// Why there is no hash of a new password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// It may not become a password.
    #[error(transparent)]
    Unacceptable(#[from] UnacceptablePassword),
    /// It could not be hashed.
    #[error(transparent)]
    Unhashed(#[from] Unhashed),
}

/// Computes password hashes. Clones share the permits, the line and the count.
#[derive(Clone)]
pub struct Hasher(Arc<Shared>);

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    /// One for each that computes or waits.
    places: Arc<Semaphore>,
    /// One for each that computes.
    permits: Arc<Semaphore>,
    /// To the threads, which end when this does. Never holds more than there are permits.
    jobs: mpsc::Sender<Job>,
    /// What the password of nobody is compared with.
    nobody: Arc<PasswordHash>,
    random: Arc<dyn SecureRandom + Send + Sync>,
    computed: Arc<AtomicU64>,
}

impl Hasher {
    /// A hasher with these limits, and its threads. Salts come from `random`.
    ///
    /// # Errors
    /// [`Unhashed::NoRandomness`], [`Unhashed::NoThread`].
    pub fn new(limits: HasherLimits, random: impl SecureRandom + Send + Sync + 'static) -> Result<Self, Unhashed> {
        let permits = usize::from(limits.permits.get());
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..permits {
            let queue = queue.clone();
            let thread = thread::Builder::new().name("password".to_owned());
            thread.spawn(move || work_off(&queue)).map_err(|_| Unhashed::NoThread)?;
        }
        Ok(Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(permits + usize::from(limits.line))),
            permits: Arc::new(Semaphore::new(permits)),
            jobs,
            nobody: Arc::new(PasswordHash::of_nobody(&random)?),
            random: Arc::new(random),
            computed: Arc::default(),
        })))
    }

    /// A hash of a new `password`, if `policy` lets it become the password of a user of whom `known` is known: the e-mail
    /// address, names.
    ///
    /// # Errors
    /// A [`NewPasswordError`]. A length or a common password is refused without a place in the line.
    pub async fn hash_new(
        &self,
        password: &Password,
        policy: PasswordPolicy,
        known: &[&str],
    ) -> Result<PasswordHash, NewPasswordError> {
        policy.check(password)?;
        let (password, random) = (password.clone(), self.0.random.clone());
        let known: Vec<String> = known.iter().map(|&known| known.to_owned()).collect();
        let work = move || {
            policy.check_score(&password, &known)?;
            Ok(PasswordHash::new(&password, &*random)?)
        };
        self.compute(work).await?
    }

    /// A new hash of a password that is the user's already: after [`Verdict::Correct`] with `rehash`.
    ///
    /// # Errors
    /// An [`Unhashed`].
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, Unhashed> {
        let (password, random) = (password.clone(), self.0.random.clone());
        self.compute(move || PasswordHash::new(&password, &*random)).await?
    }

    /// Whether `password` is the one of `hash`: what is kept of the user's password, or `None` if there is no such user. Then
    /// and for an unusable hash a new hash's work is done for [`Verdict::Wrong`].
    ///
    /// # Errors
    /// An [`Unhashed`].
    pub async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verdict, Unhashed> {
        let password = password.clone();
        let Some(hash) = hash.filter(|hash| !hash.is_unusable()).cloned() else {
            let nobody = self.0.nobody.clone();
            return self.compute(move || nobody.verify(&password)).await?.map(|_| Verdict::Wrong);
        };
        self.compute(move || hash.verify(&password)).await?
    }

    /// How many hashes have been computed so far.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.0.computed.load(Ordering::Relaxed)
    }

    /// Does `work` on one of the threads, when there is a permit for it.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unhashed> {
        let busy = Unhashed::Busy { retry_after: RETRY_AFTER };
        let place = self.0.places.clone().try_acquire_owned().map_err(|_| busy)?;
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| Unhashed::Interrupted)?;
        let computed = self.0.computed.clone();
        let (answer, answered) = oneshot::channel();
        let job = move || {
            let done = work();
            computed.fetch_add(1, Ordering::Relaxed);
            drop((permit, place));
            // Nobody may be waiting for it any more.
            let _ = answer.send(done);
        };
        self.0.jobs.send(Box::new(job)).map_err(|_| Unhashed::Interrupted)?;
        answered.await.map_err(|_| Unhashed::Interrupted)
    }
}

/// What each thread does until there is no hasher any more.
fn work_off(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A job that panics drops its permit and its answer; its thread is needed for the next one.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hasher").field("computed", &self.computed()).finish_non_exhaustive()
    }
}

impl Default for HasherLimits {
    fn default() -> Self {
        let cores = thread::available_parallelism().ok().and_then(|cores| cores.try_into().ok());
        Self { permits: cores.unwrap_or(NonZeroU16::MIN), line: 64 }
    }
}

#[cfg(test)]
mod tests;
