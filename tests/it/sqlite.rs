//! The store in a SQLite file.

use std::ops::Deref;

use bearergate::store::Location;
use tempfile::TempDir;

/// A file that is gone with the test.
struct Scratch {
    location: Location,
    _folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(folder.path().join("state.db")), _folder: folder }
    }
}

impl Deref for Scratch {
    type Target = Location;

    fn deref(&self) -> &Location {
        &self.location
    }
}

crate::store::suite!(Scratch::new(), #[cfg(feature = "sqlite")]);

#[cfg(feature = "accounts")]
crate::store::accounts::suite!(Scratch::new(), #[cfg(feature = "sqlite")]);

#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod faults;
