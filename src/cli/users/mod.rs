//! `users`: those of the built-in endpoints.
//!
//! The store is written, and the gateway that runs is told to read it: what changes counts on its next request. Other
//! gateways that share the store follow within two seconds.

mod add;
mod attributes;
mod change;
mod desk;
mod import;
mod invite;
mod list;
mod password;
mod who;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::{desk::Desk, who::Who};
use super::{configuration::Configuration, failure::Failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a user with a password.
    ///
    /// Without an option for the password it is asked for. It has to be what `accounts.password` says.
    Add(add::Options),
    /// Show all users, in the order of their numbers.
    List(list::ListOptions),
    /// Show a user: attributes, roles, how many sessions, what happened last.
    Show(list::ShowOptions),
    /// Let nobody log in as a user: all sessions end, and no access token counts any more.
    Disable(Whose),
    /// Let a user log in again.
    Enable(Whose),
    /// Give a user a role beside what the tokens say.
    Grant(change::GrantOptions),
    /// Take such a role away.
    ///
    /// Ends with 0 if it was granted, with 1 if not.
    RevokeRole(change::GrantOptions),
    /// Mail a user a link to set the first password; the user is made if there is none.
    ///
    /// The last link counts alone. Who has a password already is not invited.
    Invite(invite::Options),
    /// Make the users that a file lists, with the passwords that they have.
    ///
    /// Rows that cannot be imported are told by their line and left out; those whose address is known already are passed
    /// over, so that a file may be imported again. Ends with 0 if none was left out, with 1 if some were.
    Import(import::Options),
    /// Show a user's sessions.
    Sessions(Whose),
    /// End a user's sessions; access tokens of them count no more.
    Logout(change::LogoutOptions),
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// E-mail address, UUID or number.
    who: Who,
}

pub(super) fn run(command: &Command, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let desk = Desk::of(configuration)?;
    match command {
        Command::Add(options) => add::run(options, &desk),
        Command::List(options) => list::list(options, &desk),
        Command::Show(options) => list::show(options, &desk),
        Command::Disable(Whose { who }) => change::disable(who, &desk),
        Command::Enable(Whose { who }) => change::enable(who, &desk),
        Command::Grant(options) => change::grant(options, &desk),
        Command::RevokeRole(options) => change::revoke_role(options, &desk),
        Command::Invite(options) => invite::run(options, &desk),
        Command::Import(options) => import::run(options, &desk),
        Command::Sessions(Whose { who }) => list::sessions(who, &desk),
        Command::Logout(options) => change::logout(options, &desk),
    }
}
