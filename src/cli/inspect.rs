//! `token inspect`: what is in a token, check by check whether the gateway would accept it, and what it would answer.
//!
//! The verification itself reports how far the token came ([`Authenticator::explain`]), so what is said here is what
//! would happen. What a broken token seems to say is shown as far as it can be read; nothing of it is proven.

mod contents;

use std::process::ExitCode;

use clap::Args;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{
    configuration::Configuration,
    failure::Failure,
    presented, steps,
    terminal::{BAD, BOLD, FAINT, GOOD, complain, print, shown},
    times,
};
use crate::{
    authn::{Authenticator, AuthnError, KeySource, Principal, remote::RemoteKeys},
    clock::{Clock, Timestamp},
    config::{self, Config, Issuer},
    contract::{Contract, Facts},
    gateway::explain::{Credentials, Trace, detail_of},
    jwt::InvalidToken,
    rejection::Rejection,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The token, or a whole `Bearer …`; without this, or with -, standard input.
    token: Option<String>,
    /// Judge as if it were another time: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    at: Option<Timestamp>,
}

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let clock = options.at.map_or_else(Clock::system, Clock::manual);
    let credentials = Credentials::of(&presented::text(options.token.as_deref())?);
    let authenticator = configuration.authenticator(&clock, fetched)?;
    let mut trace = Trace::default();
    let outcome = explained(&credentials, &authenticator, &mut trace);

    let (config, now) = (&configuration.config, clock.now());
    let mut text = contents::show(credentials.token(), now);
    text.push_str(&format!("{BOLD}Checks{BOLD:#}"));
    if !trace.is_signed() && trace.is_read() {
        text.push_str(&format!(" {FAINT}(what an unproven token says, anyone may have written){FAINT:#}"));
    }
    text.push('\n');
    text.push_str(&steps::lines(&trace.steps(&outcome, &authenticator, &|issuer| keys_of(issuer, config), now)));
    text.push('\n');
    text.push_str(&match &outcome {
        Ok(principal) => accepted(principal, config, now),
        Err(error) => refused(error, config, &clock),
    });
    print(&text)?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The keys as the gateway would fetch them now.
pub(super) fn fetched(issuer: &Issuer, keys: &RemoteKeys) -> KeySource {
    match keys.fetch_once() {
        Ok(fetched) => KeySource::known(fetched.keys),
        Err(error) => {
            complain(&format!("{BAD}warning{BAD:#}: issuer `{}`: {error}", issuer.name));
            KeySource::pending()
        }
    }
}

/// Where the keys of an issuer come from that has none yet.
pub(super) fn keys_of(issuer: &str, config: &Config) -> String {
    match config.issuers.iter().find(|known| known.name == issuer).map(|issuer| &issuer.keys) {
        Some(config::KeySource::Remote { keys, .. }) => format!("they are fetched from {}", keys.url()),
        _ => "the gateway makes them at its first start".to_owned(),
    }
}

fn explained(
    credentials: &Credentials,
    authenticator: &Authenticator,
    trace: &mut Trace,
) -> Result<Principal, AuthnError> {
    let mut headers = HeaderMap::new();
    // What no header can hold, no request can carry.
    let value = HeaderValue::from_str(credentials.value()).map_err(|_| InvalidToken::NotAToken)?;
    headers.insert(AUTHORIZATION, value);
    authenticator.explain(&headers, |passed| trace.note(passed))
}

fn accepted(principal: &Principal, config: &Config, now: Timestamp) -> String {
    let subject = principal.subject().map_or_else(|| "nobody in particular".to_owned(), shown);
    let left = times::rounded(principal.expires_at().since(now));
    let left = left.map_or_else(String::new, |left| format!(", for {left} more"));
    let mut text = format!(
        "{GOOD}The gateway accepts this token{GOOD:#}: it is {subject}'s, from issuer `{}`{left}.\n",
        principal.issuer()
    );
    let granted = permissions(config).filter(|name| principal.has_permission(name)).collect::<Vec<_>>();
    let asked = permissions(config).count();
    if asked > 0 {
        let granted = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
        text.push_str(&format!("  Of the {asked} permissions that routes ask for it grants: {granted}\n"));
    }
    for (name, value) in principal.identity() {
        let value = shown(&String::from_utf8_lossy(value.as_bytes()));
        text.push_str(&format!("  The upstream is told {name}: {value}\n"));
    }
    text
}

/// What routes ask for, each name once.
fn permissions(config: &Config) -> impl Iterator<Item = &str> {
    let names = config.routes.iter().flat_map(|route| route.permissions.iter().chain(&route.any_permission));
    let names: std::collections::BTreeSet<&str> = names.map(String::as_str).collect();
    names.into_iter()
}

fn refused(error: &AuthnError, config: &Config, clock: &Clock) -> String {
    let rejection = Rejection::from(error.clone());
    let response =
        Contract::new(config.dialect.clone()).render(&rejection, &Facts { path: "/", request_id: "inspected", clock });
    let mut text = format!(
        "{BAD}The gateway refuses this token{BAD:#}: {}, because {}.\n\
         A client that sends it to a route which asks for one gets {}",
        rejection.reason(),
        detail_of(error),
        response.status()
    );
    for (name, value) in response.headers() {
        text.push_str(&format!("\n  {name}: {}", shown(&String::from_utf8_lossy(value.as_bytes()))));
    }
    let body = String::from_utf8_lossy(response.body());
    if !body.is_empty() {
        text.push_str(&format!("\n  {}", shown(&body)));
    }
    text.push('\n');
    text
}
