//! The log: to stderr, for people on a terminal, as lines of JSON otherwise. `RUST_LOG` says how much.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

use super::failure::Failure;

/// Begins to log.
pub(super) fn start() -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .map_err(|error| Failure::Usage(format!("the environment variable `RUST_LOG` is wrong: {error}")))?;
    // A log that can't be written is no reason to panic.
    let log = fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        log.compact().with_target(false).with_ansi(colours).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    started.map_err(|error| Failure::Other(format!("cannot log: {error}")))?;
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a fault of the gateway")));
    Ok(())
}
