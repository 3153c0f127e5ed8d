//! `store`, and the `database` of a query: a SQLite file or a PostgreSQL database.
//!
//! `"sqlite:PATH"`, relative to the file that says so; or `{ env = "NAME" }` or `{ file = "PATH" }` for what begins with
//! `postgres://` and holds a password (or with `sqlite:`).

use std::path::Path;

use super::{
    diagnostics::Place,
    reader::Reader,
    secrets,
    values::{Mistake, text},
};
use crate::{secret::Secret, store::Location};

const SQLITE: &str = "sqlite:";
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// Reads `key`. `None`: there is none, or it is wrong, which has been said.
pub(super) fn read(reader: &mut Reader<'_>, key: &'static str) -> Option<Location> {
    let entry = reader.entry(key)?;
    if entry.node.table().is_some() {
        let secret = secrets::read(reader, entry)?.secret;
        let known = location(reader, &secret, entry.node.place);
        return known.map_err(|mistake| reader.report(key, entry.node.place, mistake)).ok();
    }
    let written = reader.parse(key, &entry.node, text)?;
    let known = if POSTGRES.iter().any(|scheme| written.value.starts_with(scheme)) {
        reader.context.problems.hide(written.place);
        let mistake = Mistake::new("must not hold a password in the configuration itself");
        Err(mistake.help(format!("write `{key} = {{ env = \"DATABASE_URL\" }}`")))
    } else {
        location(reader, &Secret::from(written.value.to_owned()), written.place)
    };
    known.map_err(|mistake| reader.report(key, written.place, mistake)).ok()
}

fn location(reader: &Reader<'_>, url: &Secret, place: Place) -> Result<Location, Mistake> {
    let text = std::str::from_utf8(url.expose()).unwrap_or_default();
    if let Some(path) = text.strip_prefix(SQLITE) {
        return match path.strip_prefix("//").unwrap_or(path) {
            "" | ":memory:" => Err(Mistake::new("needs the path of a file behind `sqlite:`")),
            path => sqlite(&reader.context.resolve(Path::new(path), place)),
        };
    }
    if POSTGRES.iter().any(|scheme| text.starts_with(scheme)) {
        return postgres(url);
    }
    Err(Mistake::new("must begin with `sqlite:`, or with `postgres://` in a variable or a file"))
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &Path) -> Result<Location, Mistake> {
    Ok(Location::Sqlite(path.to_owned()))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &Path) -> Result<Location, Mistake> {
    Err(Mistake::new("is SQLite's, and this program is built without the feature `sqlite`"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &Secret) -> Result<Location, Mistake> {
    Ok(Location::Postgres(url.clone()))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &Secret) -> Result<Location, Mistake> {
    Err(Mistake::new("is PostgreSQL's, and this program is built without the feature `postgres`"))
}

/// The store of a configuration that names none and needs one.
pub(super) fn generated(state_folder: &Path) -> Location {
    Location::Sqlite(state_folder.join("bearergate.db"))
}
