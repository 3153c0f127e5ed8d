//! `roles grant`, `roles revoke` and `roles list`: roles that somebody has beside what the token says.
//!
//! The store is written, and the gateway that runs is told to read it: the change counts on its next request. Other
//! gateways that share the store follow within two seconds.

use std::process::ExitCode;

use clap::Args;

use super::{
    admin::tell_gateway,
    configuration::Configuration,
    failure::Failure,
    terminal::{BOLD, complain, print, shown, table},
};
use crate::{
    authn::role_grants::{GrantStore, RoleGrant},
    config::Config,
    store::{Location, Store},
};

#[derive(Debug, Args)]
pub(super) struct GrantOptions {
    /// Who, as the issuer's subject claim names it.
    subject: String,
    /// The role: of `[roles]` in the configuration, or a permission by its name.
    role: String,
    /// The subject's issuer by its name in the configuration; without this, the only one.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// Only of this issuer, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Only of this subject.
    #[arg(long)]
    subject: Option<String>,
}

pub(super) fn grant(options: &GrantOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let (grant, store) = (read(options, configuration)?, Store::open(location(configuration)?)?);
    note_unknown(&grant.role, &configuration.config);
    let granting = store.clone();
    let new = store.wait_for(async move { granting.grant(&grant).await })?;
    tell_gateway(configuration);
    print(if new { "Granted.\n" } else { "Granted already.\n" })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke(options: &GrantOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let (grant, store) = (read(options, configuration)?, Store::open(location(configuration)?)?);
    let withdrawing = store.clone();
    let gone = store.wait_for(async move { withdrawing.withdraw(&grant).await })?;
    tell_gateway(configuration);
    print(if gone { "Revoked.\n" } else { "There was no such grant.\n" })?;
    Ok(if gone { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn list(options: &ListOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let Some(store) = Store::look_at(location(configuration)?)? else { return Ok(ExitCode::SUCCESS) };
    let looking = store.clone();
    let found = store.wait_for(async move { looking.grants(None).await })?;
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let wanted = |grant: &RoleGrant| is(&options.issuer, &grant.issuer) && is(&options.subject, &grant.subject);
    let grants = found.map(|(grants, _)| grants).unwrap_or_default().into_iter().filter(wanted);
    let rows = grants.map(|grant| [grant.issuer, grant.subject, grant.role].map(|text| shown(&text)).to_vec());
    print(&table(&["ISSUER", "SUBJECT", "ROLE"], rows))?;
    Ok(ExitCode::SUCCESS)
}

fn read(options: &GrantOptions, configuration: &Configuration) -> Result<RoleGrant, Failure> {
    let issuer = configuration.issuer(options.issuer.as_deref())?.to_owned();
    check("SUBJECT", &options.subject).and_then(|()| check("ROLE", &options.role)).map_err(Failure::Usage)?;
    Ok(RoleGrant { issuer, subject: options.subject.clone(), role: options.role.clone() })
}

/// Whether a name can be one that is kept.
pub(super) fn check(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() || value.len() > 1024 || value.chars().any(char::is_control) {
        return Err(format!("{name} is empty, longer than 1 KiB, or has control characters"));
    }
    Ok(())
}

/// Says so if the configuration knows no such role: it may be misspelt, or come to be later.
pub(super) fn note_unknown(role: &str, config: &Config) {
    let mut asked = config.routes.iter().flat_map(|route| route.permissions.iter().chain(&route.any_permission));
    if !config.roles.contains(role) && !asked.any(|permission| permission == role) {
        let role = shown(role);
        complain(&format!("{BOLD}note{BOLD:#}: the configuration has no role and no permission `{role}`"));
    }
}

fn location(configuration: &Configuration) -> Result<&Location, Failure> {
    let missing = || Failure::Other("the configuration has no `store` in which roles could be kept".to_owned());
    configuration.config.store.as_ref().ok_or_else(missing)
}
