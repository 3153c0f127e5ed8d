//! `revoke`: tokens that are not to be accepted any more.
//!
//! The gateway that runs is asked, by its admin listener: there it is in force at once. If none answers, the store is
//! written, from which it is in force when a gateway starts, and within seconds in those that share it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{admin, configuration::Configuration, failure::Failure, terminal::print, times};
use crate::{
    authn::revocation::RevocationStore,
    clock::Clock,
    config::{Config, duration_in},
    gateway::revocation_json,
    store::Store,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The issuer by its name in the configuration; without this, the only one.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Only tokens issued before this: 2025-12-12T10:45:22Z, or seconds since 1970. Without this, now.
    #[arg(long, value_name = "TIME", requires = "subject", value_parser = time)]
    before: Option<String>,
    /// How long the longest-lived of these tokens may still be good: 15m, 1h, 30d. Without this 30d.
    #[arg(long = "for", value_name = "TIME", value_parser = life)]
    life: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// The token with this `jti`.
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// The tokens with this `session_id` or `sid`.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The tokens of this subject that have been issued so far.
    #[arg(long)]
    subject: Option<String>,
}

fn time(text: &str) -> Result<String, String> {
    times::parse(text).map(|_| text.to_owned())
}

fn life(text: &str) -> Result<String, String> {
    duration_in(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "a time is a whole number and its unit: 1h, 30d".to_owned())
}

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let config = &configuration.config;
    let body = body(options, configuration.issuer(options.issuer.as_deref())?);
    if let Some(admin) = &config.admin
        && let Some((status, answer)) = admin::post(admin.address, "/revocations", &body)?
    {
        let told = answer["detail"].as_str().unwrap_or("it is no gateway's answer");
        if status != 200 {
            return Err(Failure::Other(format!("the gateway at {}: {status}: {told}", admin.address)));
        }
        print(&format!("{told}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    write(config, &body)?;
    print("Revoked in the store. No gateway answers here: those that share the store will know within seconds.\n")?;
    Ok(ExitCode::SUCCESS)
}

fn body(options: &Options, issuer: &str) -> Value {
    let Target { jti, session, subject } = &options.target;
    let mut body = json!({ "issuer": issuer });
    let members =
        [("jti", jti), ("session", session), ("subject", subject), ("before", &options.before), ("for", &options.life)];
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    body
}

fn write(config: &Config, body: &Value) -> Result<(), Failure> {
    let Some(location) = &config.store else {
        let message = "no gateway answers, and there is no `store` to write to: nothing is revoked";
        return Err(Failure::Other(message.to_owned()));
    };
    let now = Clock::system().now();
    let revocation = revocation_json::read(body.to_string().as_bytes(), now).map_err(Failure::Usage)?;
    let store = Store::open(location)?;
    let adding = store.clone();
    let _version = store.wait_for(async move { adding.add(&revocation, now).await })?;
    Ok(())
}
