//! From `gateway.toml` to typed values, with every mistake at once.
//!
//! 1. The text is parsed into a tree in which everything knows its place; `${VAR}` is put in.
//! 2. The preset is laid below it. From here on there is one tree, and messages name the right file.
//! 3. Each part of the tree is read into the type that the rest of the program uses. Whatever is wrong is
//!    written down with its place, and reading goes on: no mistake hides another.
//! 4. What the parts say of each other is checked: names, ties among routes, keys and their algorithms.
//!
//! Unknown keys are mistakes. A key of the format whose feature is not built is refused, never ignored. Files that the
//! configuration names (keys, secrets) are read here, so that a mistake in one is found before anything starts; nothing
//! is created or written.

mod access_log;
#[cfg(feature = "accounts")]
mod accounts;
mod context;
mod cors;
mod diagnostics;
mod dialect;
mod document;
mod identity;
mod interpolate;
mod introspection;
mod issuer;
mod key_source;
mod node;
pub mod openapi;
mod ownership;
mod preset;
mod rate_limit;
mod reader;
mod remote_keys;
mod route;
mod secrets;
mod settings;
mod store;
// Nobody reads it yet.
#[cfg(feature = "supabase")]
mod supabase;
pub mod tls;
mod upstream;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::authz::Pattern;

#[cfg(feature = "accounts")]
pub use self::accounts::{Accounts, Backend, Mail};
pub(crate) use self::values::duration_in;
pub use self::{
    access_log::{AccessLog, AccessLogFormat, AccessLogTarget},
    context::Files,
    cors::{Cors, Origins},
    diagnostics::Diagnostics,
    document::Config,
    identity::{IdentityHeaders, Resign},
    interpolate::Environment,
    issuer::Issuer,
    key_source::KeySource,
    ownership::{OwnerSource, OwnershipSettings},
    rate_limit::{LimitedBy, RateLimit},
    settings::{Admin, Limits, Listen},
    tls::Tls,
    upstream::{Server, Upstream},
};
use self::{
    context::Context,
    diagnostics::{Diagnostic, Place, Problems, Source},
    node::Table,
    reader::Reader,
};

/// A route that built-in endpoints answer.
struct BuiltIn {
    /// Which, by their indices.
    endpoints: Vec<usize>,
    pattern: Pattern,
    /// Whether it asks for an access token.
    wants_caller: bool,
    /// Whose tokens, by its name in the configuration, where there are several.
    issuer: Option<String>,
    place: Place,
}

/// A configuration that can be used, and what is odd about it all the same.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What to tell the operator.
    pub warnings: Diagnostics,
}

/// Reads the configuration at `path`.
///
/// # Errors
/// Every mistake in it; also when the file is missing, unreadable, larger than 4 MiB or not UTF-8.
pub fn load(path: &Path, environment: &Environment<'_>) -> Result<Loaded, Diagnostics> {
    load_noting(path, environment, &Files::default())
}

/// As [`load`]; `files` is told of every file that is looked at, whatever comes of it.
///
/// # Errors
/// As [`load`].
pub fn load_noting(path: &Path, environment: &Environment<'_>, files: &Files) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let text = files.read(path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
    match text {
        Ok(text) => parse_noting(&text, &name, path.parent().unwrap_or(Path::new("")), environment, files),
        Err(error) => {
            let problems = Problems::default();
            problems.push(Diagnostic::mistake(format!("the configuration cannot be read: {error}")));
            Err(problems.finish(vec![Source::new(&name, "")]).0)
        }
    }
}

/// Reads the configuration `text`. `name` is what messages call it, `base` the folder that its paths are relative to.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str, name: &str, base: &Path, environment: &Environment<'_>) -> Result<Loaded, Diagnostics> {
    parse_noting(text, name, base, environment, &Files::default())
}

fn parse_noting(
    text: &str,
    name: &str,
    base: &Path,
    environment: &Environment<'_>,
    files: &Files,
) -> Result<Loaded, Diagnostics> {
    let problems = Problems::default();
    let mut sources = vec![Source::new(name, text)];
    let file = Table::parse(text, 0, environment, &problems);
    let state_folder = state_folder(base, environment);
    let mut context = Context { problems: &problems, environment, bases: vec![base.to_owned()], state_folder, files };
    let preset = Reader::document(&file, &context).read("preset", |node| preset::find(node, base, files));
    #[cfg_attr(not(feature = "supabase"), expect(unused_mut, reason = "only Supabase adds to it"))]
    let (mut table, generated) = match &preset {
        Some(found) => {
            let found = &found.value;
            sources.push(Source::new(&found.name, &found.text));
            context.bases.push(found.base.clone());
            preset::merge(Table::parse(&found.text, 1, environment, &problems), file, &context)
        }
        None => (file, Vec::new()),
    };
    #[cfg(feature = "supabase")]
    supabase::add_issuer(&mut table, &context);
    let preset = preset.map(|found| found.value.preset);
    let config = Config::read(&table, preset, &generated, &context);
    let (mistakes, warnings) = problems.finish(sources);
    match config {
        Some(config) if mistakes.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(mistakes),
    }
}

/// `$STATE_DIRECTORY` (the first of them: systemd.exec(5)), or `bearergate-state` beside the configuration.
fn state_folder(base: &Path, environment: &Environment<'_>) -> PathBuf {
    let given = environment("STATE_DIRECTORY").unwrap_or_default();
    match given.split(':').next() {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => base.join("bearergate-state"),
    }
}
