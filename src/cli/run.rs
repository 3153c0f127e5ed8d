//! `run`: the gateway itself.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{banner::Banner, configuration::Configuration, failure::Failure, logging, terminal::print};
use crate::{
    authz::Mode,
    clock::Clock,
    config::{Config, Files},
    gateway::{
        self, Life, Prepared,
        drain::Early,
        handover::{Predecessor, Program},
        reload::{Origin, ReadAgain},
        sockets::Inherited,
        watch::Watch,
    },
};

pub(super) fn run(given: Option<&Path>) -> Result<ExitCode, Failure> {
    // Before anything else: the environment is read, and no thread runs yet.
    let cannot_start = |error: io::Error| Failure::Other(format!("cannot start: {error}"));
    let early = Early::listen().map_err(cannot_start)?;
    let (predecessor, inherited) = match Predecessor::find().map_err(cannot_start)? {
        Some((predecessor, inherited)) => (Some(predecessor), inherited),
        None => (None, Inherited::from_supervisor().map_err(cannot_start)?),
    };
    let program = Program::own().map_err(cannot_start)?;
    let files = Files::default();
    let configuration = &Configuration::load_noting(given, &files)?;
    let watch = Watch::of(&files.list());
    configuration.warn();
    let _log = logging::start()?;
    let clock = Clock::system();
    let Prepared { settings, snapshot, echo } = gateway::prepare(&configuration.config, &clock)?;
    let policy = Arc::clone(&snapshot.policy);
    let origin = Origin { config: configuration.config.clone(), watch, read: read_again(given) };
    let tls = configuration.config.listen.tls.is_some();
    let life = Life { origin: Some(origin), echo, inherited, predecessor, program: Some(program), early: Some(early) };
    // The first policy goes with the first snapshot, so the closure has its own handle to it, and drops it.
    gateway::run(&settings, Arc::new(ArcSwap::from_pointee(snapshot)), life, move |running| {
        tracing::info!(address = %running.address(), tls, "listening");
        if configuration.config.mode == Mode::Report {
            tracing::warn!("report mode: what would be refused is let through");
        }
        let banner = Banner { configuration, routes: policy.routes(), running, now: clock.now() };
        // A gateway whose banner nobody can see serves all the same.
        let _ = print(&banner.to_string());
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration again, and logs what is odd about it. Never the built-in one: a file that is gone is a mistake,
/// and not a reason to serve something else.
fn read_again(given: Option<&Path>) -> ReadAgain {
    let given: Option<PathBuf> = given.map(Path::to_owned);
    Box::new(move |files: &Files| -> Result<Config, String> {
        let configuration =
            Configuration::load_file_noting(given.as_deref(), files).map_err(|failure| failure.to_string())?;
        configuration.log_warnings();
        Ok(configuration.config)
    })
}
