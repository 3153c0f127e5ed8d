//! `token inspect`: what is in a token, check by check whether the gateway would accept it, and what it would answer.
//!
//! The verification itself reports how far the token came ([`Authenticator::explain`]), so what is said here is what
//! would happen. Whether the token is revoked, and which roles its subject is granted, is asked of the store, if there is
//! one; what a gateway without one has in memory is not known here. What a broken token seems to say is shown as far as it
//! can be read; nothing of it is proven. Keys are fetched, and an issuer is asked about its token, as the gateway would.

mod checks;
mod contents;

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use self::checks::{Revocations, Trace, detail_of};
use super::{
    configuration::Configuration,
    failure::Failure,
    presented,
    terminal::{BAD, BOLD, FAINT, GOOD, complain, print, shown},
    times,
};
use crate::{
    authn::{
        Authenticator, AuthnError, KeySource, Principal,
        revocation::RevocationStore,
        role_grants::{GrantStore, RoleGrant},
    },
    clock::{Clock, Timestamp},
    config::{self, Config, Issuer},
    contract::{Contract, Facts},
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
    let (revocations, grants) = stored(config.store.as_ref(), now);
    if let Revocations::Known(known) = &revocations {
        authenticator.revocations().extend(known.iter().cloned());
    }
    authenticator.role_grants().replace(grants);
    let mut trace = Trace::knowing(revocations);
    let outcome = credentials.explain(&authenticator, &mut trace)?;

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
    text.push_str(&trace.lines(&outcome, config, now));
    text.push('\n');
    text.push_str(&match (&outcome, &trace.revocations) {
        (Ok(_), Revocations::Unknown(_)) => format!(
            "{BAD}Nobody can tell whether the gateway accepts this token{BAD:#}: it does unless the token is revoked.\n"
        ),
        (Ok(principal), _) => accepted(principal, config, now),
        (Err(error), _) => refused(error, config, &clock),
    });
    print(&text)?;
    let accepted = outcome.is_ok() && !matches!(trace.revocations, Revocations::Unknown(_));
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the store says, in which nothing is made or changed.
fn stored(location: Option<&Location>, now: Timestamp) -> (Revocations, Vec<RoleGrant>) {
    let Some(location) = location else { return (Revocations::NoStore, Vec::new()) };
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
        Ok((revocations, grants)) => (Revocations::Known(revocations), grants),
        Err(error) => (Revocations::Unknown(error.to_string()), Vec::new()),
    }
}

/// The keys as the gateway would fetch them now, or an issuer that is asked.
fn elsewhere(issuer: &Issuer, clock: &Clock) -> Option<Arc<KeySource>> {
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

/// The value of an `Authorization` field.
struct Credentials(String);

impl Credentials {
    /// A field as `curl -v` shows it, its value, or a token alone.
    fn of(text: &str) -> Self {
        let value = match text.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => value.trim_start(),
            _ => text,
        };
        let has_scheme = value.split_once(' ').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        Self(if has_scheme { value.to_owned() } else { format!("Bearer {value}") })
    }

    fn token(&self) -> &str {
        self.0.split_once(' ').map_or("", |(_, token)| token.trim_start())
    }

    /// What the gateway would decide; an issuer that has to be asked is waited for.
    fn explain(
        &self,
        authenticator: &Authenticator,
        trace: &mut Trace,
    ) -> Result<Result<Principal, AuthnError>, Failure> {
        // What no header can hold, no request can carry.
        let Ok(value) = HeaderValue::from_str(&self.0) else { return Ok(Err(InvalidToken::NotAToken.into())) };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        match authenticator.explain(&headers, |passed| trace.note(passed)) {
            Err(AuthnError::Awaited { mut awaited, .. }) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.map_err(|error| Failure::Other(error.to_string()))?.block_on(&mut awaited);
                Ok(authenticator.authenticate_after(&headers, &awaited))
            }
            outcome => Ok(outcome),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_with_and_without_what_stands_before_it() {
        for text in
            ["a.b.c", "Bearer a.b.c", "bearer  a.b.c", "Authorization: Bearer a.b.c", "authorization:Bearer a.b.c"]
        {
            assert_eq!(Credentials::of(text).token(), "a.b.c", "{text}");
        }
        assert_eq!(Credentials::of("bearer a").0, "bearer a", "an API may take the scheme exactly");
        assert_eq!(Credentials::of("a b").0, "Bearer a b");
    }
}
