//! The configuration of a command: the file that is named, `gateway.toml` here, or the one that is built in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    failure::Failure,
    terminal::{BOLD, complain, quoted},
};
use crate::{
    authn::{Authenticator, KeySource, Vocabulary},
    clock::Clock,
    config::{self, Config, Diagnostics, Files, Issuer},
    contract::Contract,
    gateway::{PrepareError, keys, prepare},
};

const DEFAULT: &str = "gateway.toml";
/// The file that ships with the program, so that it works wherever it is started.
const BUILT_IN: &str = include_str!("../../gateway.toml");

/// A configuration, and where it comes from.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) config: Config,
    pub(super) source: Source,
    warnings: Diagnostics,
}

#[derive(Debug)]
pub(super) enum Source {
    /// `--config`.
    Given(PathBuf),
    /// `gateway.toml` in the working directory.
    Default,
    /// There is no `gateway.toml`.
    BuiltIn,
}

impl Configuration {
    /// The file that is `given`, or the default one; if that is not there, the built-in one.
    pub(super) fn load(given: Option<&Path>) -> Result<Self, Failure> {
        Self::load_noting(given, &Files::default())
    }

    /// As [`load`](Self::load); `files` is told of every file that is looked at.
    pub(super) fn load_noting(given: Option<&Path>, files: &Files) -> Result<Self, Failure> {
        let missing = fs::symlink_metadata(DEFAULT).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if given.is_some() || !missing {
            return Self::load_file_noting(given, files);
        }
        files.note(Path::new(DEFAULT));
        complain(&format!("{BOLD}note{BOLD:#}: there is no {DEFAULT} here; the built-in one is used"));
        let loaded = config::parse(BUILT_IN, "gateway.toml (built in)", Path::new(""), &environment)?;
        Ok(Self { config: loaded.config, warnings: loaded.warnings, source: Source::BuiltIn })
    }

    /// The file that is `given`, or the default one.
    pub(super) fn load_file(given: Option<&Path>) -> Result<Self, Failure> {
        Self::load_file_noting(given, &Files::default())
    }

    /// As [`load_file`](Self::load_file); `files` is told of every file that is looked at.
    pub(super) fn load_file_noting(given: Option<&Path>, files: &Files) -> Result<Self, Failure> {
        let loaded = config::load_noting(given.unwrap_or(Path::new(DEFAULT)), &environment, files)?;
        let source = given.map_or(Source::Default, |path| Source::Given(path.to_owned()));
        Ok(Self { config: loaded.config, warnings: loaded.warnings, source })
    }

    /// Prints what is odd about it.
    pub(super) fn warn(&self) {
        if !self.warnings.is_empty() {
            complain(&self.warnings.render(true));
        }
    }

    /// Logs what is odd about it.
    pub(super) fn log_warnings(&self) {
        if !self.warnings.is_empty() {
            tracing::warn!("{}", self.warnings);
        }
    }

    /// What to call it.
    pub(super) fn name(&self) -> String {
        match &self.source {
            Source::Given(path) => path.display().to_string(),
            Source::Default => DEFAULT.to_owned(),
            Source::BuiltIn => "built in, because there is no gateway.toml here".to_owned(),
        }
    }

    /// This program with this configuration and `command`, to be pasted into a shell.
    pub(super) fn command_line(&self, command: &str) -> String {
        let program = std::env::args_os().next().map_or_else(|| "bearergate".into(), |name| name.display().to_string());
        match &self.source {
            Source::Given(path) => {
                format!("{} {command} --config {}", quoted(&program), quoted(&path.display().to_string()))
            }
            Source::Default | Source::BuiltIn => format!("{} {command}", quoted(&program)),
        }
    }

    /// The issuer that is named, or the only one.
    pub(super) fn issuer(&self, name: Option<&str>) -> Result<&str, Failure> {
        let names: Vec<&str> = self.config.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        let chosen = match (name, names.as_slice()) {
            (None, [only]) => Some(*only),
            (Some(name), names) => names.iter().find(|known| **known == name).copied(),
            (None, _) => None,
        };
        chosen.ok_or_else(|| Failure::Usage(format!("say --issuer with one of: {}", names.join(", "))))
    }

    /// What decides who is calling, with the keys that are there: none is made, and `elsewhere` gives those that are
    /// fetched, or asks.
    pub(super) fn authenticator(
        &self,
        clock: &Clock,
        elsewhere: impl Fn(&Issuer) -> Option<Arc<KeySource>>,
    ) -> Result<Authenticator, Failure> {
        let config = &self.config;
        let mut vocabulary = Vocabulary::default();
        config.routes(&mut vocabulary).map_err(PrepareError::Routes)?;
        let contract = Contract::new(config.dialect.clone());
        let authenticator = prepare::authenticator(config, vocabulary, &contract, clock, |issuer| {
            if let Some(source) = elsewhere(issuer) {
                return Ok(source);
            }
            let keys = keys::find(issuer, clock.now())?.and_then(|keys| keys.verifying);
            Ok(keys.map_or_else(KeySource::pending, KeySource::known).into())
        });
        Ok(authenticator?)
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
