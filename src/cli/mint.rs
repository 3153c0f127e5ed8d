//! `token mint`: a token of one of the configuration's issuers, to try the gateway with.

use std::{process::ExitCode, time::Duration};

use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use serde_json::Value;

use super::{
    configuration::Configuration,
    draft::{Draft, Life},
    failure::Failure,
    terminal::print,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Config, Issuer, duration_in},
    gateway::keys,
    jwt::{self, ClaimPath},
};

/// The life of a token that nobody asked another one for.
pub(super) const DEFAULT_LIFE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The issuer by its name in the configuration; without this, the only one that can sign, or `api`.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Whom the token is about.
    #[arg(long)]
    subject: Option<String>,
    /// How long the token is good: 90s, 15m, 1h, 30d. Without this 1h, or less if the issuer allows less.
    #[arg(long, value_parser = life)]
    life: Option<Duration>,
    /// A claim, set over all others. VALUE is JSON, or else a text. May be repeated.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    /// A permission to grant. May be repeated.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Make a token that has expired a minute ago.
    #[arg(long)]
    expired: bool,
    /// The kind of token in its header; without this the one that the issuer expects, or JWT.
    #[arg(long)]
    typ: Option<String>,
}

fn life(text: &str) -> Result<Duration, String> {
    let life = duration_in(text).filter(|life| *life >= Duration::from_secs(1));
    life.ok_or_else(|| "a life is a whole number and its unit, at least a second: 90s, 15m, 1h, 30d".to_owned())
}

fn claim(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
        }
        _ => Err("a claim is a name, = and a value: plan=pro, plants=[\"a\"]".to_owned()),
    }
}

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let issuer = choose(&configuration.config, options.issuer.as_deref())?;
    let life = times(issuer, options.life, options.expired, Clock::system().now());
    let mut draft = Draft::new(issuer, options.subject.as_deref(), life, &SystemRandom::new());
    if !draft.grant(&options.permissions) {
        let message = format!("no permissions claim of issuer `{}` can carry these permissions", issuer.name);
        return Err(Failure::Usage(message));
    }
    for (name, value) in &options.claims {
        draft.set(&ClaimPath::from(name.as_str()), value.clone());
    }
    let token = sign(issuer, options.typ.as_deref(), draft)?;
    print(&format!("{token}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Signs with the issuer's key, which is made if the issuer makes its own and has none yet.
pub(super) fn sign(issuer: &Issuer, typ: Option<&str>, draft: Draft<'_>) -> Result<String, Failure> {
    let keys = keys::open(issuer, Clock::system().now())?;
    let Some(key) = keys.signing else { return Err(cannot_sign(&issuer.name)) };
    let typ = typ.or(issuer.expectations.typ.as_deref()).unwrap_or("JWT");
    jwt::sign(&key, Some(typ), &draft.into_claims()).map_err(|error| Failure::Other(error.to_string()))
}

/// From when to when a token is good that is made now.
pub(super) fn times(issuer: &Issuer, life: Option<Duration>, expired: bool, now: Timestamp) -> Life {
    let expected = &issuer.expectations;
    let life = life.unwrap_or_else(|| expected.max_life.map_or(DEFAULT_LIFE, |most| most.min(DEFAULT_LIFE)));
    if expired {
        let expires = now.saturating_sub(expected.leeway).saturating_sub(Duration::from_secs(60));
        return Life { issued: expires.saturating_sub(life), expires };
    }
    Life { issued: now, expires: now.saturating_add(life) }
}

/// The issuers that can sign tokens for clients.
pub(super) fn of_clients(config: &Config) -> impl Iterator<Item = &Issuer> {
    let internal = config.identity_headers.resign.as_ref().map(|resign| resign.issuer.as_str());
    config.issuers.iter().filter(move |issuer| issuer.keys.signs() && Some(issuer.name.as_str()) != internal)
}

fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Issuer, Failure> {
    let named = |name: &str| config.issuers.iter().find(|issuer| issuer.name == name);
    if let Some(name) = name {
        let issuer = named(name).ok_or_else(|| {
            let names: Vec<_> = config.issuers.iter().map(|issuer| format!("`{}`", issuer.name)).collect();
            Failure::Usage(format!("there is no issuer `{name}`; there are: {}", names.join(", ")))
        })?;
        return if issuer.keys.signs() { Ok(issuer) } else { Err(cannot_sign(name)) };
    }
    let signing: Vec<_> = of_clients(config).collect();
    match signing.as_slice() {
        [] => Err(Failure::Other("no issuer of the configuration can sign: no private key is known".to_owned())),
        [only] => Ok(only),
        several => several.iter().find(|issuer| issuer.name == "api").copied().ok_or_else(|| {
            let names: Vec<_> = several.iter().map(|issuer| format!("`{}`", issuer.name)).collect();
            Failure::Usage(format!("several issuers can sign; say --issuer with one of {}", names.join(", ")))
        }),
    }
}

fn cannot_sign(name: &str) -> Failure {
    Failure::Other(format!("issuer `{name}` cannot sign: its private key is not known"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_json_or_a_text() {
        assert_eq!(claim("a=1").unwrap(), ("a".to_owned(), json!(1)));
        assert_eq!(claim("a=[\"b\"]").unwrap().1, json!(["b"]));
        assert_eq!(claim("a=b=c").unwrap().1, json!("b=c"));
        assert_eq!(claim("a=").unwrap().1, json!(""));
        assert!(claim("a").is_err() && claim("=1").is_err());
    }

    #[test]
    fn a_life_is_at_least_a_second() {
        assert_eq!(life("15m"), Ok(Duration::from_secs(900)));
        for wrong in ["0s", "999ms", "1", "h", "", "-1h"] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }
}
