//! The log: to stderr, for people on a terminal, as lines of JSON otherwise. `RUST_LOG` says how much. The lines are written
//! by a [thread of their own](super::log_writer).

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

use super::{
    failure::Failure,
    log_writer::{self, LogWriter},
};

/// Begins to log. When what it gives is dropped, everything has been written.
pub(super) fn start() -> Result<LogWriter, Failure> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .map_err(|error| Failure::Usage(format!("the environment variable `RUST_LOG` is wrong: {error}")))?;
    let is_terminal = io::stderr().is_terminal();
    let notice = move |lines: u64| {
        let message = "lines of the log were dropped: they came faster than they could be written";
        if is_terminal {
            format!("  WARN {message} lines={lines}")
        } else {
            serde_json::json!({ "level": "WARN", "message": message, "lines": lines }).to_string()
        }
    };
    let cannot = |error: &dyn std::fmt::Display| Failure::Other(format!("cannot log: {error}"));
    let (queue, writer) =
        log_writer::start(io::stderr(), LogWriter::MOST_WAITING, notice).map_err(|error| cannot(&error))?;
    // A log that can't be written is no reason to panic.
    let log = fmt().with_env_filter(filter).with_writer(queue).log_internal_errors(false);
    let started = if is_terminal {
        let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        log.compact().with_target(false).with_ansi(colours).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    started.map_err(|error| cannot(&error))?;
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a fault of the gateway")));
    Ok(writer)
}
