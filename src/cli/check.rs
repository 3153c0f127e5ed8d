//! `check`: whether the gateway would start with this configuration. Reads everything, creates nothing.

use std::process::ExitCode;

use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{BOLD, GOOD, complain, print},
};
use crate::{clock::Clock, config::Config, gateway::keys};

pub(super) fn run(configuration: &Configuration) -> Result<ExitCode, Failure> {
    configuration.warn();
    let config = &configuration.config;
    configuration.authenticator(&Clock::system(), |_| None)?;
    for issuer in &config.issuers {
        if keys::find(issuer, Clock::system().now())?.is_none() {
            complain(&format!("{BOLD}note{BOLD:#}: the key of issuer `{}` is made at the first start", issuer.name));
        }
    }
    print(&format!("{} is {GOOD}fine{GOOD:#}: {}\n", configuration.name(), summary(config)))?;
    Ok(ExitCode::SUCCESS)
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
