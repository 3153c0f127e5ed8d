//! `completions`: a script that completes this command line in a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, failure::Failure, terminal::print};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// For which shell.
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "bearergate", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
