//! The command line: one file a command.
//!
//! What a command has to say goes to stdout, everything else (warnings, logs, errors) to stderr. Colours and tables are
//! for a terminal; what is piped is plain text. Nobody reading any more is no error.
//!
//! The process ends with 0, or
//!
//! - 1: something failed; or the answer is no (`explain`, `token inspect`, `jws verify`, `keys check`, `check --openapi`,
//!   `ownership`, `users`, `db status`).
//! - 2: the command line is wrong.
//! - 78: the configuration is missing, unreadable or wrong (`EX_CONFIG` of sysexits.h).

mod admin;
mod banner;
mod bounded;
mod check;
mod completions;
mod configuration;
mod coverage;
mod db;
mod draft;
mod example;
mod explain;
mod failure;
mod init;
mod inspect;
mod jws;
mod keys;
mod log_writer;
mod logging;
mod mint;
mod ownership;
mod presented;
mod revoke;
mod roles;
mod routes;
mod run;
mod signing_keys;
mod steps;
mod terminal;
mod times;
#[cfg(feature = "accounts")]
mod users;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::{configuration::Configuration, failure::Failure};

/// An authentication gateway for HTTP APIs.
///
/// Verifies Bearer tokens, answers in the API's own words, and forwards what is allowed.
#[derive(Debug, Parser)]
#[command(name = "bearergate", version, max_term_width = 100)]
struct Arguments {
    /// The configuration; without this, gateway.toml here, or the built-in one if there is none.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway; the same as no command.
    Run,
    /// Say whether the configuration is fine, and create nothing.
    Check(check::Options),
    /// Show every route, and what it asks for.
    Routes(routes::Options),
    /// Write a configuration from an OpenAPI document.
    Init(init::Options),
    /// Say which rule a request falls under, how each check goes, and what the client would get.
    ///
    /// Ends with 0 if the request would be let through, with 1 if not.
    Explain(explain::Options),
    /// Make tokens, and explain them.
    #[command(subcommand)]
    Token(Token),
    /// The keys that the gateway signs with, and those that it fetches.
    #[command(subcommand)]
    Keys(Keys),
    /// Revoke tokens: one, a session's, or a subject's.
    Revoke(revoke::Options),
    /// Who owns what, where the store is asked for it.
    #[command(subcommand)]
    Ownership(Ownership),
    /// The roles that somebody has beside what the token says.
    #[command(subcommand)]
    Roles(Roles),
    /// The users of the built-in endpoints (`[accounts]`).
    #[cfg(feature = "accounts")]
    #[command(subcommand)]
    Users(users::Command),
    /// The store that the configuration names.
    #[command(subcommand)]
    Db(Db),
    /// JSON Web Signatures.
    #[command(subcommand)]
    Jws(Jws),
    /// Print a completion script for a shell.
    Completions(completions::Options),
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token that an issuer of the configuration accepts, and print it.
    Mint(mint::Options),
    /// Show what is in a token, and say check by check whether the gateway would accept it.
    ///
    /// Ends with 0 if it would, with 1 if not.
    Inspect(inspect::Options),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make the key that signs, or else the one that will sign after the next rotation.
    Generate(signing_keys::Options),
    /// Show every key, and how long it is accepted.
    List(signing_keys::Options),
    /// Sign with the next key from now on, retire the current one, and make another next one.
    Rotate(signing_keys::Options),
    /// Fetch a provider's key set as the gateway would, and show what is in it.
    ///
    /// Ends with 0 if there are keys that can be used, with 1 if not.
    Check(keys::Options),
}

#[derive(Debug, Subcommand)]
enum Ownership {
    /// Add the owners that a file lists to those that are known.
    ///
    /// Ends with 0 if all rows were good, with 1 if not: the bad ones are told and left out.
    Import(ownership::ImportOptions),
    /// Show who owns what, in the form that can be imported.
    List(ownership::ListOptions),
    /// Forget all owners of a resource.
    ///
    /// Ends with 0 if there were any, with 1 if not.
    Forget(ownership::ForgetOptions),
}

#[derive(Debug, Subcommand)]
enum Roles {
    /// Give somebody a role.
    Grant(roles::GrantOptions),
    /// Take a role away.
    ///
    /// Ends with 0 if it was granted, with 1 if not.
    Revoke(roles::GrantOptions),
    /// Show who is granted what.
    List(roles::ListOptions),
}

#[derive(Debug, Subcommand)]
enum Db {
    /// Bring the store to the newest form, and say from which one. A gateway does this itself when it starts.
    Migrate,
    /// Say which form the store has and how much is in it, and change nothing.
    ///
    /// Ends with 0 if it has the newest form, with 1 if not.
    Status,
}

#[derive(Debug, Subcommand)]
enum Jws {
    /// Say whether a signature is right, and look at nothing else: neither at claims nor at their times.
    ///
    /// Ends with 0 if it is, with 1 if not.
    Verify(jws::Options),
}

/// Does what the command line of this process says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version come here too. Whoever doesn't read them needn't.
            let _ = answer.print();
            return if answer.use_stderr() { ExitCode::from(failure::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    dispatch(&arguments).unwrap_or_else(|failure| failure.report())
}

fn dispatch(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let load = || Configuration::load(arguments.config.as_deref());
    match arguments.command.as_ref().unwrap_or(&Command::Run) {
        Command::Run => run::run(arguments.config.as_deref()),
        Command::Check(options) => check::run(options, &Configuration::load_file(arguments.config.as_deref())?),
        Command::Routes(options) => routes::run(options, &load()?),
        Command::Init(options) => init::run(options, arguments.config.as_deref()),
        Command::Explain(options) => explain::run(options, load),
        Command::Token(Token::Mint(options)) => mint::run(options, &load()?),
        Command::Token(Token::Inspect(options)) => inspect::run(options, &load()?),
        Command::Keys(Keys::Generate(options)) => signing_keys::generate(options, &load()?),
        Command::Keys(Keys::List(options)) => signing_keys::list(options, &load()?),
        Command::Keys(Keys::Rotate(options)) => signing_keys::rotate(options, &load()?),
        Command::Keys(Keys::Check(options)) => keys::run(options),
        Command::Revoke(options) => revoke::run(options, &load()?),
        Command::Ownership(Ownership::Import(options)) => ownership::import(options, &load()?),
        Command::Ownership(Ownership::List(options)) => ownership::list(options, &load()?),
        Command::Ownership(Ownership::Forget(options)) => ownership::forget(options, &load()?),
        Command::Roles(Roles::Grant(options)) => roles::grant(options, &load()?),
        Command::Roles(Roles::Revoke(options)) => roles::revoke(options, &load()?),
        Command::Roles(Roles::List(options)) => roles::list(options, &load()?),
        #[cfg(feature = "accounts")]
        Command::Users(command) => users::run(command, &load()?),
        Command::Db(Db::Migrate) => db::migrate(&load()?),
        Command::Db(Db::Status) => db::status(&load()?),
        Command::Jws(Jws::Verify(options)) => jws::run(options),
        Command::Completions(options) => completions::run(options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
