//! The keys that the gateway makes and keeps itself.
//!
//! 1. `signing_keys` is a folder of private JWKs, whose life [`signing_keys`] tells. `current.jwk` signs.
//! 2. A generated secret is a file with one private JWK (`oct`).
//! 3. Keys that are fetched come later, by a thread of their own ([`remote`](crate::authn::remote)); an issuer that is
//!    asked about each token has none.
//! 4. What is not there yet is made: with the mode that keeps it to its owner, under another name first, and then linked
//!    into place. Two gateways that start at once end up with the same key, and nobody reads half a file.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::signing_keys;
use crate::{
    clock::Timestamp,
    config::{Issuer, KeySource},
    jwt::{Algorithm, KeySet, KeySetError, SignError, SigningKey, VerifyingKey},
    secret::Secret,
};

/// What an issuer verifies with, and what it signs with if it can.
pub struct IssuerKeys {
    /// For its tokens; `None` where they are fetched, or there are none.
    pub verifying: Option<KeySet>,
    /// For `token mint`; `None` where no private key is known.
    pub signing: Option<SigningKey>,
}

/// A key that cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no private key that can be used.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SignError,
    },
    /// The key is for an algorithm that the issuer does not use.
    #[error("{}: the key is for {found}, and the issuer `{issuer}` uses {wanted}", path.display())]
    Algorithm {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: Algorithm,
        /// The issuer's name.
        issuer: String,
        /// What it should be for.
        wanted: String,
    },
    /// The keys of a folder cannot stand beside each other.
    #[error("{}: {error}", path.display())]
    Set {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: KeySetError,
    },
    /// This machine gives no thread or no TLS to fetch keys or ask with.
    #[error("issuer `{issuer}` cannot be asked from here: {error}")]
    Fetch {
        /// The issuer's name.
        issuer: String,
        /// Why.
        error: io::Error,
    },
    /// A secret that cannot be a key.
    #[error("the secret of issuer `{issuer}`: {error}")]
    Secret {
        /// The issuer's name.
        issuer: String,
        /// Why.
        error: SignError,
    },
}

pub(super) const CURRENT: &str = "current.jwk";

/// The keys of an issuer. Those that it makes itself and that are not there yet are made now.
///
/// # Errors
/// See [`KeysError`].
pub fn open(issuer: &Issuer, now: Timestamp) -> Result<IssuerKeys, KeysError> {
    load(issuer, open_or_make, now)
}

/// The keys of an issuer; `None` if it makes its own and has not done so yet. Nothing is created.
///
/// # Errors
/// See [`KeysError`].
pub fn find(issuer: &Issuer, now: Timestamp) -> Result<Option<IssuerKeys>, KeysError> {
    match load(issuer, read, now) {
        Err(KeysError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        keys => keys.map(Some),
    }
}

/// How a private key is had from its file.
type ReadKey = fn(&Path, &Issuer) -> Result<SigningKey, KeysError>;

fn load(issuer: &Issuer, private: ReadKey, now: Timestamp) -> Result<IssuerKeys, KeysError> {
    match &issuer.keys {
        KeySource::Fixed(keys) => Ok(IssuerKeys { verifying: Some(keys.clone()), signing: None }),
        KeySource::Remote { .. } | KeySource::Introspection(_) => Ok(IssuerKeys { verifying: None, signing: None }),
        KeySource::Secret { secret, weak, keys } => {
            let signing = secret_key(issuer, secret, *weak)?;
            Ok(IssuerKeys { verifying: Some(keys.clone()), signing })
        }
        KeySource::GeneratedSecret(path) => {
            let key = private(path, issuer)?;
            let verifying = key_set(vec![key.verifying_key().clone()], path)?;
            Ok(IssuerKeys { verifying: Some(verifying), signing: Some(key) })
        }
        KeySource::SigningKeys(folder) => open_folder(folder, issuer, private, now),
    }
}

fn secret_key(issuer: &Issuer, secret: &Secret, weak: bool) -> Result<Option<SigningKey>, KeysError> {
    let Some(algorithm) = issuer.algorithms.first() else { return Ok(None) };
    let make = if weak { SigningKey::from_weak_secret } else { SigningKey::from_secret };
    let key = make(*algorithm, secret.expose());
    key.map(Some).map_err(|error| KeysError::Secret { issuer: issuer.name.clone(), error })
}

fn open_folder(folder: &Path, issuer: &Issuer, private: ReadKey, now: Timestamp) -> Result<IssuerKeys, KeysError> {
    let current = private(&folder.join(CURRENT), issuer)?;
    let keys = signing_keys::accepted(folder, issuer, now)?;
    let keys = keys.iter().map(|staged| staged.key.verifying_key().clone()).collect();
    Ok(IssuerKeys { verifying: Some(key_set(keys, folder)?), signing: Some(current) })
}

pub(super) fn key_set(keys: Vec<VerifyingKey>, path: &Path) -> Result<KeySet, KeysError> {
    KeySet::new(keys).map_err(|error| KeysError::Set { path: path.to_owned(), error })
}

fn open_or_make(path: &Path, issuer: &Issuer) -> Result<SigningKey, KeysError> {
    match read(path, issuer) {
        Err(KeysError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let algorithm = issuer.algorithms.first().copied().unwrap_or(Algorithm::Es256);
    let key_error = |error| KeysError::Key { path: path.to_owned(), error };
    let key = SigningKey::generate(algorithm, &SystemRandom::new()).map_err(key_error)?;
    let jwk = key.to_private_jwk().map_err(key_error)?;
    match write_new(path, jwk.expose()) {
        Ok(()) => tracing::info!(issuer = issuer.name, path = %path.display(), %algorithm, "made a key"),
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(KeysError::Io { path: path.to_owned(), error }),
    }
    read(path, issuer)
}

pub(super) fn read(path: &Path, issuer: &Issuer) -> Result<SigningKey, KeysError> {
    let text = fs::read_to_string(path).map_err(|error| KeysError::Io { path: path.to_owned(), error })?;
    let secret = Secret::from(text);
    let jwk = std::str::from_utf8(secret.expose()).unwrap_or_default();
    let key = SigningKey::from_private_jwk(jwk).map_err(|error| KeysError::Key { path: path.to_owned(), error })?;
    if issuer.algorithms.contains(&key.algorithm()) {
        return Ok(key);
    }
    let wanted = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    Err(KeysError::Algorithm { path: path.to_owned(), found: key.algorithm(), issuer: issuer.name.clone(), wanted })
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner can read, whole or not at all, and never over another.
pub(super) fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    // A name that nobody else has: not another thread, and no process of the same number in another container.
    let mut name = [0; 8];
    SystemRandom::new().fill(&mut name).map_err(io::Error::other)?;
    let unfinished = folder.join(format!(".{file_name}.{:016x}", u64::from_ne_bytes(name)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = io::Write::write_all(&mut file, contents).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    linked
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::jwt::Expectations;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn issuer(algorithm: Algorithm, keys: KeySource) -> Issuer {
        Issuer {
            name: "api".to_owned(),
            algorithms: vec![algorithm],
            keys,
            expectations: Expectations::default(),
            permissions: Vec::new(),
        }
    }

    #[test]
    fn a_folder_of_keys_is_made_once_and_kept_to_its_owner() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("state/keys");
        let issuer = issuer(Algorithm::Es256, KeySource::SigningKeys(folder.clone()));
        let first = open(&issuer, NOW).unwrap().signing.unwrap();
        let second = open(&issuer, NOW).unwrap().signing.unwrap();
        assert_eq!(first.key_id(), second.key_id());
        assert!(first.key_id().is_some());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(CURRENT))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn every_key_of_the_folder_verifies_and_the_current_one_signs() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = issuer(Algorithm::Es256, KeySource::SigningKeys(folder.path().to_owned()));
        let old = open(&issuer, NOW).unwrap().signing.unwrap();
        fs::rename(folder.path().join(CURRENT), folder.path().join("old.jwk")).unwrap();
        let keys = open(&issuer, NOW).unwrap();
        assert_eq!(keys.verifying.as_ref().unwrap().keys().len(), 2);
        assert_ne!(keys.signing.unwrap().key_id(), old.key_id());
    }

    #[test]
    fn looking_for_keys_makes_none() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("keys");
        let issuer = issuer(Algorithm::Es256, KeySource::SigningKeys(folder.clone()));
        assert!(find(&issuer, NOW).unwrap().is_none());
        assert!(!folder.exists());
        let made = open(&issuer, NOW).unwrap().signing.unwrap();
        assert_eq!(find(&issuer, NOW).unwrap().unwrap().signing.unwrap().key_id(), made.key_id());
        fs::write(folder.join(CURRENT), "garbage").unwrap();
        assert!(matches!(find(&issuer, NOW), Err(KeysError::Key { .. })));
    }

    #[test]
    fn two_that_start_at_once_end_up_with_one_key() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("api.secret");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                let issuer = issuer(Algorithm::Hs256, KeySource::GeneratedSecret(path.clone()));
                open(&issuer, NOW).map(|keys| keys.signing.unwrap().to_private_jwk().unwrap().expose().to_vec())
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing unfinished is left");
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_file_that_is_no_key_or_the_wrong_one_is_refused_by_name() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("api.secret");
        fs::write(&path, "garbage").unwrap();
        let hmac = issuer(Algorithm::Hs256, KeySource::GeneratedSecret(path.clone()));
        assert!(open(&hmac, NOW).err().unwrap().to_string().contains("api.secret"));
        fs::remove_file(&path).unwrap();
        open(&hmac, NOW).unwrap();
        let other = issuer(Algorithm::Hs512, KeySource::GeneratedSecret(path));
        assert!(matches!(open(&other, NOW), Err(KeysError::Algorithm { .. })));
    }
}
