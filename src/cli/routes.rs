//! `routes`: every route in the order of the configuration, as a table or as JSON.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{print, table},
};
use crate::{
    authz::{Access, Mode, RouteSpec, WebSocketToken},
    config::Config,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What stands for the upstream of a route that the gateway answers itself.
const BUILT_IN: &str = "(built-in)";

/// What a column says of a route.
type Cell = fn(&RouteSpec, &Config) -> String;

/// The columns of what few routes have.
const SELDOM: [(&str, Cell); 3] = [
    ("RATE LIMIT", |route, config| limits(route, config).join("; ")),
    ("UPGRADE", |route, _| upgrade(route)),
    ("CLOSE AT EXP", |route, _| if route.close_at_exp { "yes".to_owned() } else { String::new() }),
];

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let config = &configuration.config;
    if options.json {
        let routes: Vec<Value> = each(config).map(|(pattern, route)| describe(&pattern, route, config)).collect();
        print(&format!("{:#}\n", Value::from(routes)))?;
    } else {
        print(&list(config, usize::MAX))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many lines [`list`] has at most.
pub(super) fn count(config: &Config) -> usize {
    each(config).count()
}

/// A table of the first `most` routes.
pub(super) fn list(config: &Config, most: usize) -> String {
    // Where no route has one, nobody misses the column.
    let is_used = |(_, cell): &&(&str, Cell)| config.routes.iter().any(|route| !cell(route, config).is_empty());
    let used: Vec<&(&str, Cell)> = SELDOM.iter().filter(is_used).collect();
    let rows = each(config).take(most).map(|(pattern, route)| {
        let (methods, path) = pattern.split_once(' ').unwrap_or(("*", &pattern));
        let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let mut row = vec![
            methods.to_owned(),
            path.to_owned(),
            access(route),
            dash(permissions(route)),
            dash(route.owner.clone().unwrap_or_default()),
            dash(upstream(route, config).unwrap_or_default().to_owned()),
        ];
        row.extend(used.iter().map(|(_, cell)| dash(cell(route, config))));
        row
    });
    let mut names = vec!["METHODS", "PATH", "ACCESS", "PERMISSIONS", "OWNER", "UPSTREAM"];
    names.extend(used.iter().map(|(name, _)| *name));
    table(&names, rows)
}

/// Who is let in, and whether that is only reported.
fn access(route: &RouteSpec) -> String {
    match route.mode {
        Mode::Report if route.access != Access::Public => format!("{}, report only", route.access.as_str()),
        Mode::Report | Mode::Enforce => route.access.as_str().to_owned(),
    }
}

fn each(config: &Config) -> impl Iterator<Item = (String, &RouteSpec)> {
    config.routes.iter().flat_map(|route| route.patterns.iter().map(move |pattern| (pattern.to_string(), route)))
}

fn permissions(route: &RouteSpec) -> String {
    let all = route.permissions.join(", ");
    let any = route.any_permission.join(" or ");
    if all.is_empty() || any.is_empty() { all + &any } else { format!("{all}, and {any}") }
}

fn limits(route: &RouteSpec, config: &Config) -> Vec<String> {
    route.limits.iter().filter_map(|at| config.rate_limits.get(*at)).map(ToString::to_string).collect()
}

/// What a connection may go on with, and where its token may be besides the header.
fn upgrade(route: &RouteSpec) -> String {
    match route.websocket {
        Some(WebSocketToken::Subprotocol) => "websocket, token as subprotocol".to_owned(),
        Some(WebSocketToken::Header) => "websocket".to_owned(),
        None => String::new(),
    }
}

fn upstream<'a>(route: &RouteSpec, config: &'a Config) -> Option<&'a str> {
    if !route.builtin.is_empty() {
        return Some(BUILT_IN);
    }
    config.upstreams.get(route.upstream).map(|upstream| upstream.name.as_str())
}

fn describe(pattern: &str, route: &RouteSpec, config: &Config) -> Value {
    let (methods, path) = pattern.split_once(' ').unwrap_or(("*", pattern));
    json!({
        "methods": methods,
        "path": path,
        "access": route.access.as_str(),
        "mode": route.mode.as_str(),
        "permissions": route.permissions,
        "any_permission": route.any_permission,
        "owner": route.owner,
        "issuers": route.issuers,
        "rate_limits": limits(route, config),
        "upgrade": route.websocket.map_or(&[][..], |_| &["websocket"]),
        "websocket_token": route.websocket.map(WebSocketToken::as_str),
        "close_at_exp": route.close_at_exp,
        "upstream": upstream(route, config).filter(|_| route.builtin.is_empty()),
        "built_in": !route.builtin.is_empty(),
    })
}
