//! `[accounts]`: the built-in endpoints. Its presence in the file switches them on; a preset says what they are like.
//!
//! 1. What the endpoints are ([`Plan`]) is read by the accounts themselves; its mistakes are given their places here.
//! 2. The rest is settings, with the preset's values unless the file has its own.
//! 3. They sign with the keys of `issuer.api`, or of the one that `issuer` names; it must be one that signs.
//! 4. Each endpoint is a route. It takes the place of the preset's route with the same match, and the file's route with the
//!    same match takes its place.

mod mail;

use std::{num::NonZeroU16, ops::RangeInclusive, time::Duration};

pub use self::mail::Mail;
#[cfg(feature = "supabase")]
use super::supabase;
use super::{
    BuiltIn,
    context::Context,
    diagnostics::{Diagnostic, Place},
    dialect,
    issuer::Issuer,
    key_source::KeySource,
    node::{Entry, Table},
    reader::Reader,
    values::{Mistake, boolean, duration, integer, known, one_of, size, text},
};
#[cfg(feature = "supabase")]
use crate::accounts::backend::supabase::SupabaseSettings;
use crate::accounts::{
    engine::{LinkLives, RefreshSettings},
    minter::TokenSettings,
    password::{HasherLimits, PasswordPolicy},
    plan::Plan,
    session::SessionLife,
    throttle::{Limit, ThrottleSettings},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIVES: RangeInclusive<Duration> = SECOND..=Duration::from_secs(3650 * 24 * 60 * 60);

/// Who keeps the users.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The gateway, in its store.
    Embedded,
    /// A Supabase Auth server; `None`: which one is not said.
    #[cfg(feature = "supabase")]
    Supabase(Option<Box<SupabaseSettings>>),
}

/// The built-in endpoints.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who keeps the users. Default: the gateway.
    pub backend: Backend,
    /// What they are like.
    pub plan: Plan,
    /// The name of the issuer whose tokens they make.
    pub issuer: String,
    /// How long an access token is good for, a second to ten years. Default 15 minutes.
    pub access_life: Duration,
    /// How long sessions last. Default 30 days, idle or not.
    pub session: SessionLife,
    /// What refresh tokens are like. Default opaque, rotated, with 10 s for a repetition.
    pub refresh: RefreshSettings,
    /// Whether an address has to be confirmed before the first login. Default false.
    pub confirm_email: bool,
    /// What a new password has to be. Default: 8 characters to 1 KiB, not a common one.
    pub policy: PasswordPolicy,
    /// How many passwords are hashed at once, and how many wait. Default: one a core, and 64.
    pub hashing: HasherLimits,
    /// How long the links of mails are good for. Default: an hour, 72 hours, 24 hours.
    pub lives: LinkLives,
    /// Limits on guessing. Default: 10 in 15 minutes at one account, 100 from one address.
    pub throttle: ThrottleSettings,
    /// Mail, and where its links lead.
    pub mail: Mail,
}

impl Accounts {
    /// Reads `[accounts]`. `None`: there is none, or it is wrong, which has been said.
    pub(super) fn read(
        entry: Option<&Entry>,
        names: &[&str],
        issuers: &[Issuer],
        context: &Context<'_>,
    ) -> Option<Self> {
        let entry = entry?;
        let mut reader = Reader::new(&entry.node, entry.place, "accounts".to_owned(), context)?;
        let plan = read_plan(entry, &mut reader, context);
        let backend = backend(&mut reader)?;
        let issuer = match backend {
            Backend::Embedded => signer(&mut reader, names, issuers),
            #[cfg(feature = "supabase")]
            Backend::Supabase(_) => Some("api".to_owned()),
        };
        let session_life = life(&mut reader, "refresh_life", 30 * DAY);
        let idle = life(&mut reader, "idle_life", session_life);
        let accounts = Self {
            backend,
            plan: plan?,
            issuer: issuer?,
            access_life: life(&mut reader, "access_life", 15 * Duration::from_secs(60)),
            session: SessionLife { absolute: session_life, idle: idle.min(session_life) },
            refresh: refresh(reader.table("refresh")),
            confirm_email: reader.read_or("confirm_email", false, boolean),
            policy: policy(&mut reader)?,
            hashing: hashing(reader.table("hashing")),
            lives: LinkLives {
                reset: life(&mut reader, "reset_life", HOUR),
                invitation: life(&mut reader, "invitation_life", 72 * HOUR),
                confirmation: life(&mut reader, "confirmation_life", DAY),
            },
            throttle: throttle(reader.table("throttle")),
            mail: Mail::read(&mut reader)?,
        };
        reader.finish();
        accounts.check_links(entry, context);
        if accounts.confirm_email && accounts.mail.links.is_none() {
            let message =
                "`accounts.confirm_email` needs `accounts.frontend_url` or `accounts.public_url`, where links lead";
            context.report(Diagnostic::missing(message).at(entry.place));
        }
        Some(accounts)
    }

    /// The tokens that they make, whose issuer is this one.
    #[must_use]
    pub fn tokens_of(&self, issuer: &Issuer) -> TokenSettings {
        let (issuer, expectations) = (issuer.name.clone(), issuer.expectations.clone());
        TokenSettings { issuer, expectations, access_life: self.access_life }
    }

    /// Every link has somewhere to lead, and all that it needs.
    fn check_links(&self, entry: &Entry, context: &Context<'_>) {
        const VALUES: [&str; 3] = ["uid", "token", "email"];
        for (kind, pattern) in &self.plan.links {
            if let Some(name) = pattern.names().find(|name| !VALUES.contains(name)) {
                let message = format!("`accounts.links.{}`: there is no value `{name}` for a link", kind.as_str());
                let help = format!("there are {}", VALUES.map(|name| format!("${name}")).join(", "));
                context.report(Diagnostic::mistake(message).at(entry.place).help(help));
            }
        }
    }

    /// Whether it is said who keeps the users.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        match self.backend {
            Backend::Embedded => true,
            #[cfg(feature = "supabase")]
            Backend::Supabase(ref settings) => settings.is_some(),
        }
    }

    /// The routes of the endpoints, each once. `several`: there are other issuers, whose tokens mean nothing here.
    pub(super) fn routes(&self, entry: &Entry, several: bool) -> Vec<BuiltIn> {
        let mut routes: Vec<BuiltIn> = Vec::new();
        for (at, endpoint) in self.plan.endpoints.iter().enumerate() {
            for pattern in &endpoint.patterns {
                match routes.iter_mut().find(|route| route.pattern.covers_the_same(pattern)) {
                    Some(route) => route.endpoints.push(at),
                    None => routes.push(BuiltIn {
                        endpoints: vec![at],
                        pattern: pattern.clone(),
                        wants_caller: endpoint.wants_caller() && self.is_configured(),
                        issuer: several.then(|| self.issuer.clone()),
                        place: place_of(entry, at),
                    }),
                }
            }
        }
        routes
    }
}

fn backend(reader: &mut Reader<'_>) -> Option<Backend> {
    let is_supabase = reader.read_or("backend", false, |node| one_of(node, &[("embedded", false), ("supabase", true)]));
    if !is_supabase {
        return Some(Backend::Embedded);
    }
    #[cfg(feature = "supabase")]
    return supabase::read(reader).map(|settings| Backend::Supabase(settings.map(Box::new)));
    #[cfg(not(feature = "supabase"))]
    {
        let message =
            "`accounts.backend` = \"supabase\" needs the feature `supabase`, which this program is built without";
        reader.context.report(Diagnostic::mistake(message).at(reader.place));
        None
    }
}

fn place_of(entry: &Entry, endpoint: usize) -> Place {
    let endpoints = entry.node.table().and_then(|table| table.get("endpoint"));
    endpoints.and_then(|endpoints| endpoints.node.elements().get(endpoint)).map_or(entry.place, |node| node.place)
}

fn read_plan(entry: &Entry, reader: &mut Reader<'_>, context: &Context<'_>) -> Option<Plan> {
    for key in Plan::KEYS {
        reader.entry(key);
    }
    let own = |one: &&Entry| Plan::KEYS.contains(&one.key.as_str());
    let table = Table(entry.node.table()?.0.iter().filter(own).cloned().collect());
    match Plan::read(&table.to_toml()) {
        Ok(plan) => Some(plan),
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| dialect::report(mistake, entry, context));
            None
        }
    }
}

/// The issuer whose keys sign: `issuer`, or `api`, or the only one that can.
fn signer(reader: &mut Reader<'_>, names: &[&str], issuers: &[Issuer]) -> Option<String> {
    let given = reader.read("issuer", |node| known(node, "issuer", names));
    let place = given.as_ref().map_or(reader.place, |read| read.place);
    let mut signing = issuers.iter().filter(|issuer| issuer.keys.signs());
    let found = match &given {
        Some(read) => issuers.iter().find(|issuer| names.get(read.value) == Some(&issuer.name.as_str())),
        None if reader.entry("issuer").is_some() => return None,
        None => issuers.iter().find(|issuer| issuer.name == "api").or_else(|| signing.next()),
    };
    match found {
        Some(issuer) if issuer.keys.signs() => Some(issuer.name.clone()),
        Some(issuer) => {
            let how = match issuer.keys {
                KeySource::Remote { .. } | KeySource::Introspection(_) => "its keys are somebody else's",
                _ => "it has no private key",
            };
            let message =
                format!("`accounts` needs an issuer that signs, and `issuer.{}` does not: {how}", issuer.name);
            let help = "give it `signing_keys` or a `secret`, or leave its key source out with a preset";
            reader.context.report(Diagnostic::mistake(message).at(place).help(help));
            None
        }
        None => {
            let help = "add `[issuer.api]` with `signing_keys` or a `secret`, or a `preset`";
            let message = "`accounts` needs an issuer that signs";
            reader.context.report(Diagnostic::missing(message).at(place).help(help));
            None
        }
    }
}

fn life(reader: &mut Reader<'_>, key: &'static str, default: Duration) -> Duration {
    reader.read_or(key, default, |node| duration(node, LIVES))
}

fn refresh(reader: Option<Reader<'_>>) -> RefreshSettings {
    let mut refresh = RefreshSettings { jwt: false, rotate: true, reuse_interval: 10 * SECOND };
    let Some(mut reader) = reader else { return refresh };
    refresh.jwt = reader.read_or("kind", refresh.jwt, |node| one_of(node, &[("opaque", false), ("jwt", true)]));
    refresh.rotate = reader.read_or("rotate", refresh.rotate, boolean);
    let interval = |node: &_| duration(node, Duration::ZERO..=HOUR);
    refresh.reuse_interval = reader.read_or("reuse_interval", refresh.reuse_interval, interval);
    reader.finish();
    refresh
}

fn policy(reader: &mut Reader<'_>) -> Option<PasswordPolicy> {
    let place = reader.entry("password").map_or(reader.place, |entry| entry.place);
    let Some(mut own) = reader.table("password") else { return Some(PasswordPolicy::default()) };
    let min = own.read_or("min", 8, |node| integer(node, 1..=1024));
    let max = own.read_or("max", 1024, |node| size(node, 64..=64 << 10));
    let common = own.read_or("common", true, boolean);
    let score = own.read_or("score", 0, |node| integer(node, 0..=4));
    own.finish();
    let to_usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let policy = PasswordPolicy::new(to_usize(min.into()), to_usize(max), common, u8::try_from(score).unwrap_or(4));
    policy.map_err(|mistake| reader.report("password", place, Mistake::new(format!("cannot be: {mistake}")))).ok()
}

fn hashing(reader: Option<Reader<'_>>) -> HasherLimits {
    let mut limits = HasherLimits::default();
    let Some(mut reader) = reader else { return limits };
    let count = |node: &_, least, most| integer(node, least..=most).map(|n| u16::try_from(n).unwrap_or(u16::MAX));
    let permits = reader.read("permits", |node| count(node, 1, 1024)).and_then(|read| NonZeroU16::new(read.value));
    limits.permits = permits.unwrap_or(limits.permits);
    limits.line = reader.read_or("line", limits.line, |node| count(node, 0, 10_000));
    reader.finish();
    limits
}

fn throttle(reader: Option<Reader<'_>>) -> ThrottleSettings {
    let mut settings = ThrottleSettings::default();
    let Some(mut reader) = reader else { return settings };
    let limit = |node: &_| {
        let text = text(node)?;
        Limit::or_off(text).map_err(|error| Mistake::new(format!("is not valid: {error}")))
    };
    settings.account = reader.read_or("account", settings.account, limit);
    settings.address = reader.read_or("address", settings.address, limit);
    reader.finish();
    settings
}
