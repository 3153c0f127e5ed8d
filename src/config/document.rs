//! The document as a whole.

use std::path::PathBuf;

#[cfg(feature = "accounts")]
use super::{Accounts, node::Entry};
use super::{
    BuiltIn,
    access_log::AccessLog,
    context::Context,
    cors::Cors,
    diagnostics::Diagnostic,
    dialect,
    identity::IdentityHeaders,
    introspection,
    issuer::{self, Issuer},
    node::Table,
    ownership::{self, OwnershipSettings},
    rate_limit::RateLimit,
    reader::{At, Reader},
    route::{self, Names},
    settings::{self, Admin, Limits, Listen},
    store,
    upstream::Upstream,
    values::{owned, shown},
};
use crate::{
    authn::{CacheSettings, Roles, Vocabulary},
    authz::{Mode, RouteError, RouteSpec, Routes},
    contract::Dialect,
    store::Location,
};

/// Everything that `gateway.toml` and its preset say. Plain data; `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// The preset, as the file names it.
    pub preset: Option<String>,
    /// What becomes of a request that may not pass, unless its route says otherwise.
    pub mode: Mode,
    /// Where revocations outlive the process; `None`: nowhere.
    pub store: Option<Location>,
    /// Where requests come in.
    pub listen: Listen,
    /// How much of anything is borne.
    pub limits: Limits,
    /// The listener for operators; `None` if it is switched off.
    pub admin: Option<Admin>,
    /// Where requests go; a route names its upstream by the index.
    pub upstreams: Vec<Upstream>,
    /// Whose tokens are accepted. Empty only if every route is public.
    pub issuers: Vec<Issuer>,
    /// Names that stand for several permissions.
    pub roles: Roles,
    /// How many verified tokens are remembered.
    pub cache: CacheSettings,
    /// What is let through: the preset's and the file's. At least one, and no two tie.
    pub routes: Vec<RouteSpec>,
    /// How often somebody may come; a route names its limits by their indices.
    pub rate_limits: Vec<RateLimit>,
    /// How it is told whose a resource is.
    pub ownerships: Vec<OwnershipSettings>,
    /// What the upstream is told about the caller.
    pub identity_headers: IdentityHeaders,
    /// What pages of other origins may do; `None`: that is the upstream's affair.
    pub cors: Option<Cors>,
    /// Where a line for each request is written; `None`: nowhere.
    pub access_log: Option<AccessLog>,
    /// How refusals are worded.
    pub dialect: Dialect,
    /// The built-in endpoints, if they are switched on.
    #[cfg(feature = "accounts")]
    pub accounts: Option<Accounts>,
    /// Where the gateway keeps what it makes itself, such as generated keys. It may not be there yet.
    pub state_folder: PathBuf,
}

impl Config {
    /// The table of all routes. Every permission that they name gets its place in `vocabulary`.
    ///
    /// # Errors
    /// None with a configuration that was read without mistakes.
    pub fn routes(&self, vocabulary: &mut Vocabulary) -> Result<Routes, Vec<RouteError>> {
        let ownerships: Vec<_> = self.ownerships.iter().map(OwnershipSettings::of_routes).collect();
        Routes::build(self.routes.clone(), &ownerships, vocabulary)
    }

    /// The index of the upstream of a request that names none.
    #[must_use]
    pub fn default_upstream(&self) -> usize {
        self.upstreams.iter().position(|upstream| upstream.name == route::DEFAULT_UPSTREAM).unwrap_or(0)
    }

    /// Reads the merged document. `None` only if something was reported that leaves no value.
    pub(super) fn read(
        table: &Table,
        preset: Option<String>,
        generated: &[String],
        context: &Context<'_>,
    ) -> Option<Self> {
        let mut reader = Reader::document(table, context);
        reader.entry("preset");
        let mode = mode(&mut reader);
        let store = store::read(&mut reader, "store");
        let accounts_entry = reader.entry("accounts");
        let cors = reader.table("cors").and_then(Cors::read);
        let access_log = reader.table("access_log").and_then(AccessLog::read);
        let listen = Listen::read(reader.table("listen"));
        let limits = Limits::read(reader.table("limits"));
        let admin = Admin::read(reader.table("admin"));
        check_addresses(&listen, admin.as_ref(), context);
        let cache = settings::read_cache(reader.table("cache"));
        let roles = reader.table("roles").map(roles).unwrap_or_default();
        let dialect = dialect::read(reader.entry("dialect"), context);
        let (upstream_names, upstreams) = upstreams(&mut reader);
        let (issuer_names, issuers) = issuers(&mut reader, generated);
        let identity_headers = IdentityHeaders::read(reader.table("identity_headers"), &issuer_names, &issuers);
        let (ownership_names, ownerships) = ownerships(&mut reader);
        let (limit_names, mut rate_limits) = rate_limits(&mut reader);
        let names = Names {
            upstreams: &upstream_names,
            servers: &upstreams,
            ownerships: &ownership_names,
            issuers: &issuer_names,
            rate_limits: &limit_names,
            mode,
        };
        let known: Vec<_> = ownerships.iter().map(OwnershipSettings::of_routes).collect();
        #[cfg(feature = "accounts")]
        let (accounts, built_in) = accounts(accounts_entry, &issuer_names, &issuers, context);
        #[cfg(not(feature = "accounts"))]
        let built_in = no_accounts(&mut reader);
        let routes = route::read(reader.entry("route"), built_in, &names, &known, &mut rate_limits, context);
        let state_folder = context.state_folder.clone();
        let needs_store = ownership::needs_store(&ownerships) || accounts_entry.is_some();
        let store = store.or_else(|| needs_store.then(|| store::generated(&state_folder)));
        reader.finish();
        Some(Self {
            preset,
            mode,
            store,
            listen,
            limits,
            admin,
            upstreams,
            issuers,
            roles,
            cache,
            routes,
            rate_limits,
            ownerships,
            identity_headers,
            cors,
            access_log,
            dialect: dialect?,
            #[cfg(feature = "accounts")]
            accounts,
            state_folder,
        })
    }
}

/// The built-in endpoints, and the routes that they answer.
#[cfg(feature = "accounts")]
fn accounts(
    entry: Option<&Entry>,
    issuer_names: &[&str],
    issuers: &[Issuer],
    context: &Context<'_>,
) -> (Option<Accounts>, Vec<BuiltIn>) {
    let accounts = Accounts::read(entry, issuer_names, issuers, context);
    let routes = accounts.iter().zip(entry).flat_map(|(accounts, entry)| accounts.routes(entry, issuers.len() > 1));
    let built_in = routes.collect();
    (accounts, built_in)
}

#[cfg(not(feature = "accounts"))]
fn no_accounts(reader: &mut Reader<'_>) -> Vec<BuiltIn> {
    reader.unsupported(&["accounts"]);
    Vec::new()
}

/// Two listeners cannot have one port.
fn check_addresses(listen: &Listen, admin: Option<&Admin>, context: &Context<'_>) {
    let Some(admin) = admin else { return };
    let (one, other) = (listen.address, admin.address);
    let same_host = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    if one.port() == other.port() && one.port() != 0 && same_host {
        let message = format!("`listen.address` ({one}) and `admin.address` ({other}) are in each other's way");
        context.report(Diagnostic::mistake(message).help("give one of them another port"));
    }
}

/// Report mode is loud: nobody is to forget it.
fn mode(reader: &mut Reader<'_>) -> Mode {
    let Some(At { value, place }) = reader.read("mode", route::mode) else { return Mode::default() };
    if value == Mode::Report {
        let message = "report mode: what would be refused is let through, and only recorded";
        let help = "see /report on the admin address, then write `mode = \"enforce\"`";
        reader.context.report(Diagnostic::warning(message).at(place).help(help));
    }
    value
}

fn roles(reader: Reader<'_>) -> Roles {
    let mut roles = Roles::default();
    for entry in reader.entries() {
        if entry.key.is_empty() || entry.key.chars().any(char::is_control) {
            let message = format!("`{}` is not the name of a role", shown(&entry.key));
            reader.context.report(Diagnostic::mistake(message).at(entry.place));
        }
        let permissions = entry.node.elements().iter();
        let permissions = permissions.filter_map(|node| Some(reader.parse(&entry.key, node, owned)?.value));
        roles.insert(&entry.key, permissions);
    }
    roles
}

/// All upstreams, and the names in the same order: those of wrong ones too, so that a route may name them.
fn upstreams<'a>(reader: &mut Reader<'a>) -> (Vec<&'a str>, Vec<Upstream>) {
    reader.named("upstream").into_iter().map(|(name, reader)| (name, Upstream::read(name, reader))).unzip()
}

fn issuers<'a>(reader: &mut Reader<'a>, generated: &[String]) -> (Vec<&'a str>, Vec<Issuer>) {
    let mut names = Vec::new();
    let mut issuers = Vec::new();
    for (name, reader) in reader.named("issuer") {
        let place = reader.place;
        names.push(name);
        let generated = generated.iter().any(|own| own == name);
        issuers.extend(Issuer::read(name, reader, generated).map(|value| At { value, place }));
    }
    issuer::report_ambiguous(&issuers, reader.context);
    introspection::report_second(&issuers, reader.context);
    (names, issuers.into_iter().map(|read| read.value).collect())
}

/// All limits that have a name, and the names. A wrong one leaves none, and then no configuration is used.
fn rate_limits<'a>(reader: &mut Reader<'a>) -> (Vec<&'a str>, Vec<RateLimit>) {
    let mut names = Vec::new();
    let mut limits = Vec::new();
    for (name, reader) in reader.named("rate_limit") {
        names.push(name);
        limits.extend(RateLimit::read(name, reader));
    }
    (names, limits)
}

/// All ownerships, and the names of wrong ones too, so that a route may name them.
fn ownerships<'a>(reader: &mut Reader<'a>) -> (Vec<&'a str>, Vec<OwnershipSettings>) {
    let mut names = Vec::new();
    let mut ownerships = Vec::new();
    for (name, reader) in reader.named("ownership") {
        names.push(name);
        ownerships.extend(OwnershipSettings::read(name, reader));
    }
    (names, ownerships)
}
