//! `check`: whether the gateway would start with this configuration. Reads everything, creates nothing.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    configuration::Configuration,
    coverage,
    failure::Failure,
    terminal::{BOLD, GOOD, complain, print},
};
use crate::{clock::Clock, config::Config, gateway::keys};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Compare the routes with this OpenAPI document, too: operations that no route covers, routes that ask for less or
    /// more, and routes that no operation has.
    ///
    /// Ends with 1 if an operation is not covered, or a route asks for less than the document.
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
}

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    configuration.warn();
    let config = &configuration.config;
    configuration.authenticator(&Clock::system(), |_| None)?;
    for issuer in &config.issuers {
        if keys::find(issuer, Clock::system().now())?.is_none() {
            complain(&format!("{BOLD}note{BOLD:#}: the key of issuer `{}` is made at the first start", issuer.name));
        }
    }
    print(&format!("{} is {GOOD}fine{GOOD:#}: {}\n", configuration.name(), summary(config)))?;
    options.openapi.as_deref().map_or(Ok(ExitCode::SUCCESS), |path| coverage::run(path, config))
}

fn summary(config: &Config) -> String {
    let routes: usize = config.routes.iter().map(|route| route.patterns.len()).sum();
    let mut parts = vec![
        counted(routes, "route"),
        counted(config.issuers.len(), "issuer"),
        counted(config.upstreams.len(), "upstream"),
    ];
    parts.extend(config.preset.as_ref().map(|preset| format!("preset {preset}")));
    parts.join(", ")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
