//! `[[route]]`: what is let through, where to, and for whom.
//!
//! 1. The preset's routes come first, the file's are added; where both have the same match, the file's counts.
//! 2. Without any route, everything needs a valid token: `* /**`.
//! 3. Every upstream, ownership and issuer that a route names must be there, and no two routes may tie.

use super::{
    BuiltIn, Upstream,
    context::Context,
    diagnostics::{Diagnostic, Place},
    node::{Entry, Node, Value},
    rate_limit::{RateLimit, RouteLimits},
    reader::{At, Reader},
    values::{Mistake, boolean, known, one_of, owned, parsed},
};
use crate::{
    authn::Vocabulary,
    authz::{Access, Mode, Ownership, PathExceptions, Pattern, RouteError, RouteSpec, Routes, WebSocketToken},
};

/// The upstream of a route that names none.
pub(super) const DEFAULT_UPSTREAM: &str = "default";

/// The names that a route may use.
pub(super) struct Names<'n> {
    pub(super) upstreams: &'n [&'n str],
    /// What is behind these names.
    pub(super) servers: &'n [Upstream],
    pub(super) ownerships: &'n [&'n str],
    pub(super) issuers: &'n [&'n str],
    pub(super) rate_limits: &'n [&'n str],
    /// What becomes of a request that may not pass, unless its route says otherwise.
    pub(super) mode: Mode,
}

/// A route and where its parts stand.
struct Route {
    spec: RouteSpec,
    patterns: Vec<At<Pattern>>,
    place: Place,
    names_upstream: bool,
    limits: RouteLimits,
}

/// Reads the list of routes; `entry` is absent where neither file has one. `limits` are those that have a name; those of
/// single routes are added.
pub(super) fn read(
    entry: Option<&Entry>,
    built_in: Vec<BuiltIn>,
    names: &Names<'_>,
    ownerships: &[(String, Ownership)],
    limits: &mut Vec<RateLimit>,
    context: &Context<'_>,
) -> Vec<RouteSpec> {
    let mut routes = entry.map_or_else(Vec::new, |entry| read_all(entry, names, context));
    if entry.is_none_or(|entry| entry.node.elements().is_empty()) {
        routes.extend(everything(names.mode));
    }
    replace_presets(&mut routes);
    add_built_in(&mut routes, built_in);
    check_default_upstream(&routes, names, context);
    check_unmatched(&routes, names, context);
    check_issuers(&routes, names, context);
    let specs: Vec<RouteSpec> = routes
        .iter_mut()
        .map(|route| RouteSpec {
            patterns: route.patterns.iter().map(|read| read.value.clone()).collect(),
            limits: std::mem::replace(&mut route.limits, RouteLimits::Default).place(limits),
            ..route.spec.clone()
        })
        .collect();
    if let Err(errors) = Routes::build(specs.clone(), ownerships, &mut Vocabulary::default()) {
        // Of an ownership that is wrong it has been said what is wrong.
        let is_new = |error: &RouteError| match error {
            RouteError::UnknownOwnership { ownership, .. } => !names.ownerships.contains(&ownership.as_str()),
            RouteError::Tie { .. } | RouteError::VariableMissing { .. } => true,
        };
        errors.iter().filter(|error| is_new(error)).for_each(|error| report(error, &routes, context));
    }
    specs
}

fn read_all(entry: &Entry, names: &Names<'_>, context: &Context<'_>) -> Vec<Route> {
    let Value::Array(tables) = &entry.node.value else {
        let message = format!("`route` must be a list of tables, not {}", entry.node.kind());
        context.report(Diagnostic::mistake(message).at(entry.place).help("write it as `[[route]]`"));
        return Vec::new();
    };
    let read = |node| Some(read_one(Reader::new(node, node.place, "route".to_owned(), context)?, names));
    tables.iter().filter_map(read).collect()
}

fn read_one(mut reader: Reader<'_>, names: &Names<'_>) -> Route {
    let patterns = reader.some("match", parsed::<Pattern>);
    if patterns.is_none() && reader.entry("match").is_none() {
        reader.missing("match", "add `match = \"GET /path\"`");
    }
    let words = [Access::Token, Access::Public, Access::Optional].map(|access| (access.as_str(), access));
    let access = reader.read_or("access", Access::Token, |node| one_of(node, &words));
    let permissions = values(reader.any("permissions", owned));
    let any_permission = values(reader.some("any_permission", owned).unwrap_or_default());
    let owner = reader.read("owner", |node| known(node, "ownership", names.ownerships));
    let upstream = reader.read("upstream", |node| known(node, "upstream", names.upstreams));
    let issuers = values(reader.some("issuers", |node| known(node, "issuer", names.issuers)).unwrap_or_default());
    let allow = reader.any("allow", parsed::<PathExceptions>).into_iter();
    let names_upstream = reader.entry("upstream").is_some();
    let to = upstream.map(|read| read.value).or_else(|| position(names.upstreams, DEFAULT_UPSTREAM));
    let websocket = websocket(&mut reader, to.and_then(|at| names.servers.get(at)));
    let close_at_exp = reader.read_or("close_at_exp", false, boolean);
    let own_mode = reader.read("mode", mode);
    if let Some(own) = own_mode.as_ref().filter(|own| own.value == Mode::Report && names.mode == Mode::Enforce) {
        let message = "report mode: what this route would refuse is let through, and only recorded";
        reader.context.report(Diagnostic::warning(message).at(own.place));
    }
    for key in ["permissions", "any_permission", "owner", "issuers", "mode", "websocket_token", "close_at_exp"] {
        if let Some(entry) = reader.entry(key).filter(|_| access == Access::Public) {
            let mistake = Mistake::new("has no meaning here: a public route ignores the token");
            reader.report(key, entry.place, mistake.help("leave it out, or set `access = \"token\"`"));
        }
    }
    let own = patterns.iter().flatten().next().map(|read| read.value.to_string()).unwrap_or_default();
    let limits = RouteLimits::read(&mut reader, &own, names.rate_limits);
    let spec = RouteSpec {
        patterns: Vec::new(),
        limits: Vec::new(),
        access,
        permissions,
        any_permission,
        owner: owner.map(|read| names.ownerships[read.value].to_owned()),
        builtin: Vec::new(),
        upstream: to.unwrap_or(0),
        allow: allow.fold(PathExceptions::NONE, |all, one| all.union(one.value)),
        issuers: issuers.into_iter().map(|at| names.issuers[at].to_owned()).collect(),
        mode: own_mode.map_or(names.mode, |own| own.value),
        websocket,
        close_at_exp,
    };
    let place = reader.place;
    reader.finish();
    Route { spec, patterns: patterns.unwrap_or_default(), place, names_upstream, limits }
}

/// `upgrade`, which may name `websocket`, and `websocket_token`. A WebSocket may go to any of the upstream's servers.
fn websocket(reader: &mut Reader<'_>, upstream: Option<&Upstream>) -> Option<WebSocketToken> {
    let upgrade = reader.any("upgrade", |node| one_of(node, &[("websocket", ())]));
    let unable = upstream
        .and_then(|upstream| Some((&upstream.name, upstream.servers.iter().find(|server| server.speaks_http_2())?)));
    if let (Some(first), Some((name, server))) = (upgrade.first(), unable) {
        let cause = format!("needs HTTP/1.1, which is not spoken with \"{server}\" of the upstream \"{name}\"");
        let help = "name an upstream whose servers are all `http://`, `https://` or `unix:`";
        reader.report("upgrade", first.place, Mistake::new(cause).help(help));
    }
    let words = [WebSocketToken::Header, WebSocketToken::Subprotocol].map(|token| (token.as_str(), token));
    let token = reader.read("websocket_token", |node| one_of(node, &words));
    if let Some(token) = token.as_ref().filter(|_| upgrade.is_empty()) {
        let mistake = Mistake::new("has no meaning here: the route does not let a connection become a WebSocket");
        reader.report("websocket_token", token.place, mistake.help("add `upgrade = [\"websocket\"]`"));
    }
    (!upgrade.is_empty()).then(|| token.map_or_else(WebSocketToken::default, |token| token.value))
}

/// `enforce` or `report`.
pub(super) fn mode(node: &Node) -> Result<Mode, Mistake> {
    one_of(node, &[Mode::Enforce, Mode::Report].map(|mode| (mode.as_str(), mode)))
}

fn values<T>(read: Vec<At<T>>) -> Vec<T> {
    read.into_iter().map(|read| read.value).collect()
}

fn position(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

/// The one rule of a configuration without routes.
fn everything(mode: Mode) -> Option<Route> {
    let pattern: Pattern = "* /**".parse().ok()?;
    let place = Place { source: 0, start: 0, end: 0 };
    let patterns = vec![At { value: pattern, place }];
    let spec = RouteSpec { mode, ..RouteSpec::default() };
    Some(Route { spec, patterns, place, names_upstream: false, limits: RouteLimits::Default })
}

/// Takes from the preset's routes what the file's routes match too.
fn replace_presets(routes: &mut Vec<Route>) {
    let from_file: Vec<Pattern> = routes
        .iter()
        .filter(|route| route.place.source == 0)
        .flat_map(|route| route.patterns.iter().map(|read| read.value.clone()))
        .collect();
    for route in routes.iter_mut().filter(|route| route.place.source != 0) {
        route.patterns.retain(|read| !from_file.iter().any(|pattern| pattern.covers_the_same(&read.value)));
    }
    routes.retain(|route| route.place.source == 0 || !route.patterns.is_empty());
}

/// Adds what endpoints answer, unless the file's routes match the same, and takes from the preset's routes what they match.
fn add_built_in(routes: &mut Vec<Route>, built_in: Vec<BuiltIn>) {
    for BuiltIn { endpoints, pattern, wants_caller, issuer, place } in built_in {
        let mut same = routes.iter().filter(|route| route.place.source == 0).flat_map(|route| &route.patterns);
        if same.any(|read| pattern.covers_the_same(&read.value)) {
            continue;
        }
        for route in routes.iter_mut() {
            route.patterns.retain(|read| !pattern.covers_the_same(&read.value));
        }
        let access = if wants_caller { Access::Token } else { Access::Public };
        let issuers = issuer.filter(|_| wants_caller).into_iter().collect();
        let spec = RouteSpec { access, builtin: endpoints, issuers, ..RouteSpec::default() };
        let patterns = vec![At { value: pattern, place }];
        routes.push(Route { spec, patterns, place, names_upstream: true, limits: RouteLimits::Default });
    }
    routes.retain(|route| !route.patterns.is_empty());
}

fn check_default_upstream(routes: &[Route], names: &Names<'_>, context: &Context<'_>) {
    let needs_default = routes.iter().find(|route| !route.names_upstream);
    if let Some(route) = needs_default.filter(|_| position(names.upstreams, DEFAULT_UPSTREAM).is_none()) {
        let diagnostic = Diagnostic::missing("there is no `[upstream.default]`, where requests go")
            .help("add `[upstream.default]` with `servers = [\"http://127.0.0.1:8000\"]`");
        let is_written = route.place.end > 0;
        context.report(if is_written { diagnostic.related(route.place, "this route needs it") } else { diagnostic });
    }
}

/// In report mode the default upstream gets what no route covers.
fn check_unmatched(routes: &[Route], names: &Names<'_>, context: &Context<'_>) {
    let is_missing = position(names.upstreams, DEFAULT_UPSTREAM).is_none();
    // Without it, a route that names no upstream has been reported.
    if names.mode == Mode::Report && is_missing && routes.iter().all(|route| route.names_upstream) {
        let message = "`mode` = \"report\" needs `[upstream.default]`, where requests go that no route covers";
        context.report(Diagnostic::missing(message).help("add it, or set the mode of single routes"));
    }
}

fn check_issuers(routes: &[Route], names: &Names<'_>, context: &Context<'_>) {
    let needs_issuer = routes.iter().find(|route| route.spec.access != Access::Public);
    if let Some(route) = needs_issuer.filter(|_| names.issuers.is_empty()) {
        let diagnostic = Diagnostic::missing("there is no issuer, so no token can be verified")
            .help("add `[issuer.main]` with a key source, or a `preset`");
        let is_written = route.place.end > 0;
        context.report(if is_written { diagnostic.related(route.place, "this route needs one") } else { diagnostic });
    }
}

fn report(error: &RouteError, routes: &[Route], context: &Context<'_>) {
    let named = |text: &str| {
        let patterns = routes.iter().flat_map(|route| &route.patterns);
        patterns.filter(|read| read.value.to_string() == text).map(|read| read.place).collect::<Vec<Place>>()
    };
    let diagnostic = Diagnostic::mistake(error.to_string());
    context.report(match error {
        RouteError::Tie { pattern, other } => match (named(pattern).last(), named(other).first()) {
            (Some(later), Some(earlier)) => diagnostic.at(*later).related(*earlier, "the other one is here"),
            _ => diagnostic,
        },
        RouteError::UnknownOwnership { pattern, .. } | RouteError::VariableMissing { pattern, .. } => {
            match named(pattern).first() {
                Some(place) => diagnostic.at(*place),
                None => diagnostic,
            }
        }
    });
}
