//! Secrets are never written into a configuration: they are named, by `{ env = "NAME" }` or `{ file = "path" }`.
//!
//! 1. A relative path is looked for beside the file that names it, then in `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
//! 2. One line end at the end of a file is not part of the secret. An empty secret is refused.
//! 3. A file that others than its owner can read is warned about.
//! 4. A secret that is written out all the same is refused, and masked in the message.

use std::path::{Path, PathBuf};

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place},
    interpolate::is_variable_name,
    node::Entry,
    reader::{At, Reader},
    values::{Mistake, boolean, path, shown, text},
};
use crate::secret::Secret;

/// A secret as the configuration names it.
pub(super) struct NamedSecret {
    pub(super) secret: Secret,
    /// `weak = true`: accept a short one.
    pub(super) weak: bool,
}

/// Reads the secret that `entry`, a key of `parent`, names.
pub(super) fn read(parent: &Reader<'_>, entry: &Entry) -> Option<NamedSecret> {
    let context = parent.context;
    if entry.node.table().is_none() {
        context.problems.hide(entry.node.place);
        let mistake = Mistake::new("must not stand in the configuration itself")
            .help("write `{ env = \"NAME\" }` or `{ file = \"path\" }`");
        parent.report(&entry.key, entry.node.place, mistake);
        return None;
    }
    let mut reader = Reader::new(&entry.node, entry.node.place, parent.path_of(&entry.key), context)?;
    let variable = reader.read("env", text);
    let file = reader.read("file", path);
    let weak = reader.read_or("weak", false, boolean);
    let named = [reader.entry("env").is_some(), reader.entry("file").is_some()];
    let secret = match (variable, file) {
        (Some(variable), None) if !named[1] => from_environment(&reader, &variable),
        (None, Some(file)) if !named[0] => from_file(&reader, &file),
        _ => {
            if named[0] == named[1] {
                let mistake = Mistake::new("needs exactly one of `env` and `file`");
                parent.report(&entry.key, entry.node.place, mistake);
            }
            None
        }
    };
    reader.finish();
    Some(NamedSecret { secret: secret?, weak })
}

fn from_environment(reader: &Reader<'_>, variable: &At<&str>) -> Option<Secret> {
    let name = variable.value;
    if !is_variable_name(name) {
        // It may be the secret itself.
        reader.context.problems.hide(variable.place);
        reader.report("env", variable.place, Mistake::new("must be the name of an environment variable"));
        return None;
    }
    let refuse = |what: &str| {
        let message = format!("the environment variable `{name}` is {what}");
        reader.context.report(Diagnostic::mistake(message).at(variable.place));
        None
    };
    match (reader.context.environment)(name) {
        None => refuse("not set"),
        Some(value) if value.is_empty() => refuse("empty"),
        Some(value) => Some(Secret::from(value)),
    }
}

fn from_file(reader: &Reader<'_>, file: &At<PathBuf>) -> Option<Secret> {
    let path = find(reader.context, &file.value, file.place);
    let refuse = |what: &str| {
        let message = format!("the secret file `{}` {what}", shown(&path.display().to_string()));
        reader.context.report(Diagnostic::mistake(message).at(file.place));
        None
    };
    let mut bytes = match reader.context.files.read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(&format!("cannot be read: {error}")),
    };
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return refuse("is empty");
    }
    if others_can_read(&path) {
        let message = format!("the secret file `{}` can be read by others", shown(&path.display().to_string()));
        reader.context.report(Diagnostic::warning(message).at(file.place).help("`chmod 600` keeps it to its owner"));
    }
    Some(Secret::new(bytes))
}

/// Beside the file that names it, else among the credentials.
pub(super) fn find(context: &Context<'_>, path: &Path, place: Place) -> PathBuf {
    let beside = context.resolve(path, place);
    if path.is_relative() && !beside.exists() {
        let folder = (context.environment)("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        if let Some(credential) = folder.map(|folder| Path::new(&folder).join(path)).filter(|path| path.exists()) {
            return credential;
        }
    }
    beside
}

#[cfg(unix)]
pub(super) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
pub(super) fn others_can_read(_: &Path) -> bool {
    false
}
