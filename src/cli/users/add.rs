//! `users add`.

use std::process::ExitCode;

use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use serde_json::{Map, Value};

use super::{
    attributes::About,
    desk::Desk,
    password::{self, Source},
    who::email,
};
use crate::{
    accounts::{Uuid, email::Email, model::NewUser},
    cli::{failure::Failure, terminal::print},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The e-mail address.
    #[arg(value_parser = email)]
    email: Email,
    #[command(flatten)]
    password: Source,
    #[command(flatten)]
    about: About,
    /// The address is still to be confirmed; without this it counts as the user's own.
    #[arg(long)]
    unconfirmed: bool,
}

pub(super) fn run(options: &Options, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let attributes = options.about.attributes(&desk.accounts.plan.attributes)?;
    options.about.check_roles(desk.config)?;
    let password = options.password.read()?;
    desk.accounts.policy.check(&password).map_err(|error| Failure::Usage(error.to_string()))?;
    let store = desk.open()?;
    let known = attributes.values().filter_map(|value| value.as_str().map(str::to_owned)).collect();
    let hash = password::hash(password, desk.accounts, (&options.email, known), &store)?;
    let user = NewUser { password: Some(hash), ..new_user(&options.email, attributes, desk)? };
    let user = NewUser { confirmed: user.confirmed.filter(|_| !options.unconfirmed), ..user };
    let user = desk.create(&store, (user, &options.about.roles), "added")?;
    if !options.about.roles.is_empty() {
        desk.tell_gateway();
    }
    print(&format!("Added: {}, number {}.\n", user.id, user.number))?;
    Ok(ExitCode::SUCCESS)
}

/// A user without a password.
pub(super) fn new_user(email: &Email, attributes: Map<String, Value>, desk: &Desk<'_>) -> Result<NewUser, Failure> {
    let id = Uuid::random(&SystemRandom::new()).map_err(|error| Failure::Other(error.to_string()))?;
    let now = desk.now();
    let (email, confirmed) = (email.clone(), Some(now));
    Ok(NewUser { id, number: None, email, joined: now, confirmed, disabled: None, attributes, password: None })
}
