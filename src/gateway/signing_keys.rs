//! The life of a key that the gateway signs with: *next*, *current*, *retired*.
//!
//! 1. `next.jwk` is published, so that everyone who verifies has it before anything is signed with it.
//! 2. `current.jwk` signs.
//! 3. `retired-<kid>.jwk` is accepted until the tokens that it has signed have expired: for the longest life of a token
//!    from `retired_at`, a member of the JWK, on. Then it counts for nothing, and the next rotation removes it.
//!
//! Every file appears whole, under its name, by a rename or a link. A rotation locks the folder (`.lock`) against another
//! one, and against readers, who would otherwise miss the key that is just changing its name. If it is cut off in between,
//! a key may stand there twice: the current one counts, and the next rotation goes on from there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::rand::SystemRandom;
use serde_json::json;

use super::keys::{self, CURRENT, KeysError};
use crate::{
    authn::Revocations,
    clock::Timestamp,
    config::Issuer,
    jwt::{Algorithm, SigningKey},
};

const NEXT: &str = "next.jwk";
const RETIRED: &str = "retired-";
const LOCK: &str = ".lock";
const RETIRED_AT: &str = "retired_at";

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It will sign after the next rotation.
    Next,
    /// It signs.
    Current,
    /// It signs no more, and is accepted until this time.
    Retired(Timestamp),
    /// Somebody else put it there. It is accepted.
    Other,
}

/// A key of the folder.
pub struct StagedKey {
    /// Where it is in its life.
    pub stage: Stage,
    /// The key, with its private half.
    pub key: SigningKey,
    path: PathBuf,
}

/// All keys in the folder, those that are over among them: the current one first, each once.
///
/// # Errors
/// See [`KeysError`]. A folder that is not there has no keys.
pub fn list(folder: &Path, issuer: &Issuer) -> Result<Vec<StagedKey>, KeysError> {
    let _lock = lock_shared(folder).map_err(|error| at(folder, error))?;
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| at(folder, error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| at(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || path.extension().is_none_or(|extension| extension != "jwk") {
            continue;
        }
        let stage = match name {
            NEXT => Stage::Next,
            CURRENT => Stage::Current,
            _ if name.starts_with(RETIRED) => Stage::Retired(end(&path, issuer)?),
            _ => Stage::Other,
        };
        found.push(StagedKey { stage, key: keys::read(&path, issuer)?, path });
    }
    found.sort_by_key(|key| match key.stage {
        Stage::Current => (0, Timestamp::default()),
        Stage::Next => (1, Timestamp::default()),
        Stage::Other => (2, Timestamp::default()),
        Stage::Retired(end) => (3, end),
    });
    let ids: Vec<Option<String>> = found.iter().map(|staged| staged.key.key_id().map(str::to_owned)).collect();
    let mut places = 0..;
    found.retain(|_| {
        let place = places.next().unwrap_or_default();
        ids.get(place).is_none_or(|id| id.is_none() || !ids[..place].contains(id))
    });
    Ok(found)
}

/// The keys that count at `now`.
///
/// # Errors
/// See [`KeysError`].
pub fn accepted(folder: &Path, issuer: &Issuer, now: Timestamp) -> Result<Vec<StagedKey>, KeysError> {
    let mut keys = list(folder, issuer)?;
    keys.retain(|staged| !matches!(staged.stage, Stage::Retired(end) if end <= now));
    Ok(keys)
}

/// Makes the current key if there is none, else the next one; `None` if both are there.
///
/// # Errors
/// See [`KeysError`].
pub fn generate(folder: &Path, issuer: &Issuer) -> Result<Option<StagedKey>, KeysError> {
    let _lock = lock(folder).map_err(|error| at(folder, error))?;
    for (name, stage) in [(CURRENT, Stage::Current), (NEXT, Stage::Next)] {
        let path = folder.join(name);
        if !path.try_exists().map_err(|error| at(&path, error))? {
            let key = make(&path, issuer)?;
            return Ok(Some(StagedKey { stage, key, path }));
        }
    }
    Ok(None)
}

/// The next key becomes the current one, the current one is retired, a next one is made, and what is over at `now` is
/// removed. `None`, and nothing has changed, if there is no next key: nobody could know it yet.
///
/// # Errors
/// See [`KeysError`].
pub fn rotate(folder: &Path, issuer: &Issuer, now: Timestamp) -> Result<Option<SigningKey>, KeysError> {
    let (current, next) = (folder.join(CURRENT), folder.join(NEXT));
    let wanted = {
        // In the middle of another rotation there is no next key for a moment.
        let _lock = lock_shared(folder).map_err(|error| at(folder, error))?;
        read_if_there(&next, issuer)?
    };
    let Some(wanted) = wanted else { return Ok(None) };
    let over: Vec<PathBuf> = list(folder, issuer)?
        .into_iter()
        .filter(|staged| matches!(staged.stage, Stage::Retired(end) if end <= now))
        .map(|staged| staged.path)
        .collect();
    let _lock = lock(folder).map_err(|error| at(folder, error))?;
    let retired = read_if_there(&current, issuer)?;
    if read_if_there(&next, issuer)?.is_none_or(|next| next.key_id() != wanted.key_id()) {
        // Another rotation was faster, and has done what was wanted. To go on would be to sign with an unknown key.
        return Ok(retired);
    }
    if let Some(retired) = retired {
        retire(folder, &retired, now)?;
    }
    fs::rename(&next, &current).map_err(|error| at(&current, error))?;
    make(&next, issuer)?;
    for path in over {
        remove(&path)?;
    }
    Ok(Some(wanted))
}

fn read_if_there(path: &Path, issuer: &Issuer) -> Result<Option<SigningKey>, KeysError> {
    match keys::read(path, issuer) {
        Err(KeysError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn remove(path: &Path) -> Result<(), KeysError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}

fn make(path: &Path, issuer: &Issuer) -> Result<SigningKey, KeysError> {
    let algorithm = issuer.algorithms.first().copied().unwrap_or(Algorithm::Es256);
    let key_error = |error| KeysError::Key { path: path.to_owned(), error };
    let key = SigningKey::generate(algorithm, &SystemRandom::new()).map_err(key_error)?;
    let jwk = key.to_private_jwk().map_err(key_error)?;
    keys::write_new(path, jwk.expose()).map_err(|error| at(path, error))?;
    keys::read(path, issuer)
}

fn retire(folder: &Path, key: &SigningKey, now: Timestamp) -> Result<(), KeysError> {
    // An id is whatever the file says; a file's name is not.
    let id: String =
        key.key_id().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let path = folder.join(format!("{RETIRED}{id}.jwk"));
    let jwk = key.to_private_jwk().map_err(|error| KeysError::Key { path: path.clone(), error })?;
    let mut jwk: serde_json::Value = serde_json::from_slice(jwk.expose()).unwrap_or_default();
    jwk[RETIRED_AT] = json!(now.as_secs());
    let text = crate::secret::Secret::from(jwk.to_string());
    // A rotation that was cut off may have left one with an earlier time.
    remove(&path)?;
    keys::write_new(&path, text.expose()).map_err(|error| at(&path, error))
}

/// When the last token of a retired key has expired.
fn end(path: &Path, issuer: &Issuer) -> Result<Timestamp, KeysError> {
    let text = crate::secret::Secret::new(fs::read(path).map_err(|error| at(path, error))?);
    let jwk: serde_json::Value = serde_json::from_slice(text.expose()).unwrap_or_default();
    let retired_at = jwk[RETIRED_AT].as_u64().filter(|seconds| *seconds <= Timestamp::MAX_SECONDS);
    let retired_at = retired_at.ok_or_else(|| {
        at(path, io::Error::new(io::ErrorKind::InvalidData, "`retired_at` is missing: seconds since 1970"))
    })?;
    Ok(Timestamp::from_secs(retired_at).saturating_add(longest_life(issuer)))
}

/// How long the issuer's tokens are good at most: what it says, or the 30 days for which revocations are kept as well.
fn longest_life(issuer: &Issuer) -> Duration {
    issuer.expectations.max_life.unwrap_or(Revocations::DEFAULT_LIFE).saturating_add(issuer.expectations.leeway)
}

/// Until it is dropped nobody else rotates or reads.
fn lock(folder: &Path) -> io::Result<fs::File> {
    keys::make_folder(folder)?;
    let file = fs::OpenOptions::new().append(true).create(true).open(folder.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Until it is dropped nobody rotates. Where nobody ever has, there is nothing to lock.
fn lock_shared(folder: &Path) -> io::Result<Option<fs::File>> {
    match fs::File::open(folder.join(LOCK)) {
        Ok(file) => file.lock_shared().map(|()| Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn at(path: &Path, error: io::Error) -> KeysError {
    KeysError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::KeySource, jwt::Expectations};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LIFE: Duration = Duration::from_secs(3600);

    fn issuer(folder: &Path) -> Issuer {
        Issuer {
            name: "api".to_owned(),
            algorithms: vec![Algorithm::Es256],
            keys: KeySource::SigningKeys(folder.to_owned()),
            expectations: Expectations { max_life: Some(LIFE), ..Expectations::default() },
            permissions: Vec::new(),
        }
    }

    fn stages(keys: &[StagedKey]) -> Vec<(Stage, String)> {
        keys.iter().map(|staged| (staged.stage, staged.key.key_id().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_key_is_next_then_current_then_retired_then_gone() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("keys");
        let issuer = issuer(&folder);
        assert!(list(&folder, &issuer).unwrap().is_empty());
        assert!(rotate(&folder, &issuer, NOW).unwrap().is_none(), "there is nothing to rotate to");
        let id = |key: &SigningKey| key.key_id().unwrap().to_owned();
        let first = id(&generate(&folder, &issuer).unwrap().unwrap().key);
        let second = id(&generate(&folder, &issuer).unwrap().unwrap().key);
        assert!(generate(&folder, &issuer).unwrap().is_none());
        assert_eq!(id(&rotate(&folder, &issuer, NOW).unwrap().unwrap()), second);
        let now = stages(&accepted(&folder, &issuer, NOW).unwrap());
        let third = now[1].1.clone();
        let end = NOW.saturating_add(LIFE);
        let expected = [(Stage::Current, second.clone()), (Stage::Next, third.clone()), (Stage::Retired(end), first)];
        assert_eq!(now, expected);
        assert_eq!(stages(&accepted(&folder, &issuer, end).unwrap()), expected[..2], "it counts no more");
        assert_eq!(list(&folder, &issuer).unwrap().len(), 3, "and is still there");
        assert_eq!(id(&rotate(&folder, &issuer, end).unwrap().unwrap()), third);
        let later = stages(&list(&folder, &issuer).unwrap());
        assert_eq!((later.len(), &later[2]), (3, &(Stage::Retired(end.saturating_add(LIFE)), second)));
    }

    #[test]
    fn a_rotation_that_was_cut_off_is_gone_on_with() {
        let state = tempfile::tempdir().unwrap();
        let issuer = issuer(state.path());
        let first = generate(state.path(), &issuer).unwrap().unwrap().key;
        generate(state.path(), &issuer).unwrap();
        retire(state.path(), &first, NOW).unwrap();
        let later = NOW.saturating_add(LIFE);
        let found = stages(&accepted(state.path(), &issuer, NOW).unwrap());
        assert_eq!(
            (found.len(), found[0].0),
            (2, Stage::Current),
            "the current key is there twice, and counts as current"
        );
        rotate(state.path(), &issuer, later).unwrap().unwrap();
        let found = stages(&accepted(state.path(), &issuer, later).unwrap());
        let retired = (Stage::Retired(later.saturating_add(LIFE)), first.key_id().unwrap().to_owned());
        assert_eq!((found.len(), &found[2]), (3, &retired), "its time begins when it is really retired");
    }

    #[test]
    fn rotations_at_once_lose_no_key_and_readers_miss_none() {
        let state = tempfile::tempdir().unwrap();
        let (folder, issuer) = (state.path(), issuer(state.path()));
        generate(folder, &issuer).unwrap();
        generate(folder, &issuer).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| drop(rotate(folder, &issuer, NOW).unwrap().unwrap())));
                scope.spawn(|| {
                    for _ in 0..20 {
                        let before = list(folder, &issuer).unwrap();
                        let after = stages(&list(folder, &issuer).unwrap());
                        let kept = |(_, id): &(Stage, String)| after.iter().any(|(_, other)| other == id);
                        assert!(stages(&before).iter().all(kept), "a key was missed");
                    }
                });
            }
        });
        let found = stages(&list(folder, &issuer).unwrap());
        assert!((3..=22).contains(&found.len()), "{found:?}");
        let unfinished = fs::read_dir(folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name != LOCK && name.to_str().unwrap().starts_with('.')
        });
        assert_eq!(unfinished.count(), 0);
    }

    #[test]
    fn a_retired_key_that_does_not_say_since_when_is_a_mistake() {
        let state = tempfile::tempdir().unwrap();
        let issuer = issuer(state.path());
        generate(state.path(), &issuer).unwrap();
        fs::copy(state.path().join(CURRENT), state.path().join("retired-x.jwk")).unwrap();
        let error = list(state.path(), &issuer).err().unwrap().to_string();
        assert!(error.contains("retired-x.jwk") && error.contains("retired_at"), "{error}");
    }
}
