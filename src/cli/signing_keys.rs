//! `keys generate`, `keys list` and `keys rotate`: the keys that an issuer of the configuration signs with.

use std::{path::Path, process::ExitCode};

use clap::Args;

use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{print, shown, table},
    times::dated,
};
use crate::{
    clock::Clock,
    config::{Config, Issuer, KeySource},
    gateway::signing_keys::{self, Stage},
    jwt::SigningKey,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The issuer by its name in the configuration; without this, the only one that has `signing_keys`.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

pub(super) fn generate(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let (issuer, folder) = choose(&configuration.config, options)?;
    let Some(made) = signing_keys::generate(folder, issuer)? else {
        let message = "there is a current key and a next one already; `keys rotate` makes the next one current";
        return Err(Failure::Other(message.to_owned()));
    };
    let what = if made.stage == Stage::Current { "Signs from now on" } else { "Signs after the next `keys rotate`" };
    print(&format!("{what}: {}\n", id(&made.key)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn rotate(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let (issuer, folder) = choose(&configuration.config, options)?;
    let Some(current) = signing_keys::rotate(folder, issuer, Clock::system().now())? else {
        let message = "there is no next key: make one with `keys generate`, and rotate when those who verify know it";
        return Err(Failure::Other(message.to_owned()));
    };
    print(&format!("Signs from now on: {}\n", id(&current)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let (issuer, folder) = choose(&configuration.config, options)?;
    let now = Clock::system().now();
    let rows = signing_keys::list(folder, issuer)?.into_iter().map(|staged| {
        let (stage, accepted) = match staged.stage {
            Stage::Current => ("current", "yes".to_owned()),
            Stage::Next => ("next", "yes".to_owned()),
            Stage::Other => ("other", "yes".to_owned()),
            Stage::Retired(end) if end <= now => ("retired", "no".to_owned()),
            Stage::Retired(end) => ("retired", format!("until {}", dated(end, now))),
        };
        vec![stage.to_owned(), id(&staged.key), staged.key.algorithm().to_string(), accepted]
    });
    print(&table(&["STAGE", "KEY", "ALGORITHM", "ACCEPTED"], rows))?;
    Ok(ExitCode::SUCCESS)
}

fn id(key: &SigningKey) -> String {
    shown(key.key_id().unwrap_or("without an id"))
}

fn choose<'a>(config: &'a Config, options: &Options) -> Result<(&'a Issuer, &'a Path), Failure> {
    let folder = |issuer: &'a Issuer| match &issuer.keys {
        KeySource::SigningKeys(folder) => Some((issuer, folder.as_path())),
        _ => None,
    };
    let signing: Vec<_> = config.issuers.iter().filter_map(folder).collect();
    let named = |name: &str| signing.iter().find(|(issuer, _)| issuer.name == name);
    match (&options.issuer, signing.as_slice()) {
        (None, [only]) => Ok(*only),
        (Some(name), _) if named(name).is_some() => named(name).copied().ok_or_else(|| Failure::Usage(name.clone())),
        (_, []) => Err(Failure::Other("no issuer of the configuration has `signing_keys`".to_owned())),
        _ => {
            let names: Vec<&str> = signing.iter().map(|(issuer, _)| issuer.name.as_str()).collect();
            Err(Failure::Usage(format!("say --issuer with one of: {}", names.join(", "))))
        }
    }
}
