//! `token inspect`: what is in a token, check by check whether the gateway would accept it, and what it would answer.
//!
//! The verification itself reports how far the token came ([`Authenticator::explain`]), so what is said here is what
//! would happen. Whether the token is revoked, and which roles its subject is granted, is asked of the store, if there is
//! one; what a gateway without one has in memory is not known here. What a broken token seems to say is shown as far as it
//! can be read; nothing of it is proven. Keys are fetched, and an issuer is asked about its token, as the gateway would.

mod contents;

use std::{process::ExitCode, sync::Arc};

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
    authn::{
        Authenticator, AuthnError, Awaited, KeySource, Principal, revocation::RevocationStore, role_grants::GrantStore,
    },
    clock::{Clock, Timestamp},
    config::{self, Config, Issuer},
    contract::{Contract, Facts},
    gateway::explain::{Credentials, Revocations, Trace, detail_of},
    jwt::InvalidToken,
    rejection::Rejection,
    store::{Location, Store},
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
    let authenticator = configuration.authenticator(&clock, |issuer| elsewhere(issuer, &clock))?;
    let (config, now) = (&configuration.config, clock.now());
    let revocations = look_at_store(config.store.as_ref(), &authenticator, now);
    let (trace, outcome) = explained(&credentials, &authenticator)?;

    for (name, source) in authenticator.issuers() {
        if let Some(error) = source.introspection_status().and_then(|status| status.last_error) {
            complain(&format!("{BAD}warning{BAD:#}: issuer `{name}`: {error}"));
        }
    }

    let mut text = if trace.is_opaque() { String::new() } else { contents::show(credentials.token(), now) };
    if let Ok(principal) = &outcome
        && trace.is_asked()
    {
        text.push_str(&contents::answer(principal.claims()));
    }
    text.push_str(&format!("{BOLD}Checks{BOLD:#}"));
    if !trace.is_asked() && !trace.is_signed() && trace.is_read() {
        text.push_str(&format!(" {FAINT}(what an unproven token says, anyone may have written){FAINT:#}"));
    }
    text.push('\n');
    let mut checks = trace.steps(&outcome, &authenticator, &|issuer| keys_of(issuer, config), now);
    checks.push(revocations.step(&outcome));
    text.push_str(&steps::lines(&checks));
    text.push('\n');
    text.push_str(&match (&outcome, &revocations) {
        (Ok(_), Revocations::Unknown(_)) => format!(
            "{BAD}Nobody can tell whether the gateway accepts this token{BAD:#}: it does unless the token is revoked.\n"
        ),
        (Ok(principal), _) => accepted(principal, config, now),
        (Err(error), _) => refused(error, config, &clock),
    });
    print(&text)?;
    let accepted = outcome.is_ok() && !matches!(revocations, Revocations::Unknown(_));
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts what the store says of revocations and of granted roles before `authenticator`. Nothing is made or changed in it.
pub(super) fn look_at_store(location: Option<&Location>, authenticator: &Authenticator, now: Timestamp) -> Revocations {
    let Some(location) = location else { return Revocations::NoStore };
    let found = Store::look_at(location).and_then(|store| {
        let Some(store) = store else { return Ok((Vec::new(), Vec::new())) };
        let looking = store.clone();
        store.wait_for(async move {
            let (revocations, _) = looking.since(0, now).await?;
            let grants = looking.grants(None).await?.map_or_else(Vec::new, |(grants, _)| grants);
            Ok((revocations, grants))
        })
    });
    match found {
        Ok((revocations, grants)) => {
            authenticator.revocations().extend(revocations);
            authenticator.role_grants().replace(grants);
            Revocations::Known
        }
        Err(error) => Revocations::Unknown(error.to_string()),
    }
}

/// The keys as the gateway would fetch them now, or an issuer that is asked.
pub(super) fn elsewhere(issuer: &Issuer, clock: &Clock) -> Option<Arc<KeySource>> {
    let source = match &issuer.keys {
        config::KeySource::Remote { keys, .. } => {
            keys.fetch_once().map(|fetched| KeySource::known(fetched.keys).into()).map_err(|error| error.to_string())
        }
        config::KeySource::Introspection(asked) => {
            asked.clone().start(&issuer.name, clock).map_err(|error| error.to_string())
        }
        _ => return None,
    };
    Some(source.unwrap_or_else(|error| {
        complain(&format!("{BAD}warning{BAD:#}: issuer `{}`: {error}", issuer.name));
        KeySource::pending().into()
    }))
}

/// Where the keys of an issuer come from that has none yet.
pub(super) fn keys_of(issuer: &str, config: &Config) -> String {
    match config.issuers.iter().find(|known| known.name == issuer).map(|issuer| &issuer.keys) {
        Some(config::KeySource::Remote { keys, .. }) => format!("they are fetched from {}", keys.url()),
        Some(config::KeySource::Introspection(asked)) => format!("asked at {}", asked.url()),
        _ => "the gateway makes them at its first start".to_owned(),
    }
}

/// What the gateway would decide; an issuer that has to be asked is waited for.
fn explained(
    credentials: &Credentials,
    authenticator: &Authenticator,
) -> Result<(Trace, Result<Principal, AuthnError>), Failure> {
    let explain = |headers: &HeaderMap, after: Option<&Awaited>| {
        let mut trace = Trace::default();
        let outcome = authenticator.explain(headers, after, |passed| trace.note(passed));
        (trace, outcome)
    };
    // What no header can hold, no request can carry.
    let Ok(value) = HeaderValue::from_str(credentials.value()) else {
        return Ok((Trace::default(), Err(InvalidToken::NotAToken.into())));
    };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    match explain(&headers, None) {
        (_, Err(AuthnError::Awaited { mut awaited, .. })) => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.map_err(|error| Failure::Other(error.to_string()))?.block_on(&mut awaited);
            Ok(explain(&headers, Some(&awaited)))
        }
        explained => Ok(explained),
    }
}

fn accepted(principal: &Principal, config: &Config, now: Timestamp) -> String {
    let subject = principal.subject().map_or_else(|| "nobody in particular".to_owned(), shown);
    let left = Some(principal.expires_at()).filter(|end| *end < Timestamp::MAX);
    let left = left.and_then(|end| times::rounded(end.since(now)));
    let left = left.map_or_else(String::new, |left| format!(", for {left} more"));
    let mut text = format!(
        "{GOOD}The gateway accepts this token{GOOD:#}: it is {subject}'s, from issuer `{}`{left}.\n",
        principal.issuer()
    );
    let internal = config.identity_headers.resign.as_ref().is_some_and(|resign| resign.issuer == principal.issuer());
    if internal {
        text.push_str(
            "  It is one that the gateway makes for the upstream: only routes whose `issuers` name it take it\n",
        );
    }
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
