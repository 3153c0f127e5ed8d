//! `init`: a gateway.toml from an OpenAPI document. Nothing is written that would not load once a key source is there.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    failure::Failure,
    terminal::{BOLD, complain, print, quoted, shown},
};
use crate::config::openapi::{Document, Draft};

/// So many operations are named in a warning.
const NAMED: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The OpenAPI document, 3.0 or 3.1, in JSON or YAML.
    #[arg(long, value_name = "FILE")]
    from_openapi: PathBuf,
    /// Where the configuration is written.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    output: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// `configuration` is what `--config` names, which other commands read.
pub(super) fn run(options: &Options, configuration: Option<&Path>) -> Result<ExitCode, Failure> {
    if configuration.is_some() {
        return Err(Failure::Usage("init reads no configuration: say where to write it by --output".to_owned()));
    }
    let document = load(&options.from_openapi)?;
    let name = options.from_openapi.file_name().unwrap_or_default().display().to_string();
    let draft = document.draft(&name).map_err(|error| failure(&options.from_openapi, &error.to_string()))?;
    write(options, &draft.text)?;
    for (warning, operations) in &draft.warnings {
        complain(&format!("{BOLD}warning{BOLD:#}: {}{}", shown(warning), named(operations)));
    }
    for (operation, why) in &draft.uncovered {
        complain(&format!("{BOLD}warning{BOLD:#}: not covered: {}: {}", shown(operation), shown(why)));
    }
    if draft.public == draft.routes {
        let message = "the document asks for a token nowhere (`security`), so every route is public";
        complain(&format!("{BOLD}warning{BOLD:#}: {message}"));
    }
    print(&next(&draft, &options.output))?;
    Ok(ExitCode::SUCCESS)
}

/// The document in a file, for a command.
pub(super) fn load(path: &Path) -> Result<Document, Failure> {
    Document::load(path).map_err(|error| failure(path, &error.to_string()))
}

fn failure(path: &Path, message: &str) -> Failure {
    Failure::Other(shown(&format!("{}: {message}", path.display())))
}

fn write(options: &Options, text: &str) -> Result<(), Failure> {
    let mut how = OpenOptions::new();
    how.write(true);
    if options.force {
        how.create(true).truncate(true)
    } else {
        how.create_new(true)
    };
    let written = how.open(&options.output).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let path = shown(&options.output.display().to_string());
        Failure::Other(match error.kind() {
            io::ErrorKind::AlreadyExists => format!("{path} is there already: --force writes over it"),
            _ => format!("{path} cannot be written: {error}"),
        })
    })
}

/// The operations that a warning is about; the first of them, where there are many.
fn named(operations: &[String]) -> String {
    let first: Vec<String> = operations.iter().take(NAMED).map(|name| shown(name)).collect();
    match operations.len().checked_sub(NAMED) {
        _ if operations.is_empty() => String::new(),
        None | Some(0) => format!(" ({})", first.join(", ")),
        Some(more) => format!(" ({}, and {more} more)", first.join(", ")),
    }
}

/// What was written, and what to do with it.
fn next(draft: &Draft, output: &Path) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut text = format!(
        "{} is written: {} operation{} in {} route{}, {} of them public\n\nNext:\n",
        shown(&output.display().to_string()),
        draft.covered,
        plural(draft.covered),
        draft.routes,
        plural(draft.routes),
        draft.public,
    );
    if draft.lacks_keys {
        text.push_str("  [issuer.main]       say where the keys are that sign its tokens, and its audience\n");
    } else if draft.public < draft.routes {
        text.push_str("  [issuer.main]       say its audience\n");
    }
    text.push_str("  [upstream.default]  say where the API itself is\n");
    text + &format!("  bearergate check --config {}\n", quoted(&output.display().to_string()))
}
