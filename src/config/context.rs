//! What reading needs besides the text: the environment, the folders, and where mistakes go.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    diagnostics::{Diagnostic, Place, Problems},
    interpolate::Environment,
};

/// The largest file that a configuration may consist of or name, in bytes.
pub(super) const LARGEST_FILE: u64 = 4 << 20;

/// Passed to everything that reads a part of the document.
pub(super) struct Context<'a> {
    pub(super) problems: &'a Problems,
    pub(super) environment: &'a Environment<'a>,
    /// The folder of each source: what its relative paths are relative to.
    pub(super) bases: Vec<PathBuf>,
    pub(super) state_folder: PathBuf,
    pub(super) files: &'a Files,
}

/// The files and folders that a configuration was read from, or would have been: those that are missing too.
#[derive(Debug, Default)]
pub struct Files(RefCell<BTreeSet<PathBuf>>);

impl Files {
    /// All of them, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<PathBuf> {
        self.0.borrow().iter().cloned().collect()
    }

    /// That this one was looked at.
    pub fn note(&self, path: &Path) {
        self.0.borrow_mut().insert(path.to_owned());
    }

    /// A whole file, or why it cannot be had.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.note(path);
        read_at_most(path, LARGEST_FILE)
    }
}

impl Context<'_> {
    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// `path` as the file that `place` is in means it.
    pub(super) fn resolve(&self, path: &Path, place: Place) -> PathBuf {
        self.bases.get(place.source).map_or_else(|| path.to_owned(), |base| base.join(path))
    }
}

/// A whole file of at most `most` bytes.
pub(super) fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;

    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it is larger than {} MiB", most >> 20));
    }
    Ok(bytes)
}
