//! `run`: the gateway itself.

use std::{process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;

use super::{banner::Banner, configuration::Configuration, failure::Failure, logging, terminal::print};
use crate::{
    authz::Mode,
    clock::Clock,
    gateway::{self, Prepared},
};

pub(super) fn run(configuration: &Configuration) -> Result<ExitCode, Failure> {
    configuration.warn();
    let _log = logging::start()?;
    let clock = Clock::system();
    // The embedded upstream ends with `echo`.
    let Prepared { settings, snapshot, echo } = gateway::prepare(&configuration.config, &clock)?;
    let policy = Arc::clone(&snapshot.policy);
    let outcome = gateway::run(&settings, Arc::new(ArcSwap::from_pointee(snapshot)), |running| {
        tracing::info!(address = %running.address(), tls = configuration.config.listen.tls.is_some(), "listening");
        if configuration.config.mode == Mode::Report {
            tracing::warn!("report mode: what would be refused is let through");
        }
        let banner = Banner { configuration, routes: policy.routes(), running, now: clock.now() };
        // A gateway whose banner nobody can see serves all the same.
        let _ = print(&banner.to_string());
    });
    drop(echo);
    outcome?;
    Ok(ExitCode::SUCCESS)
}
