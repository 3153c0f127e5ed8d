//! What `run` says when it has started: where it listens, what it does with requests, and how to try it.
//!
//! The token in it is as good as any other, so it is shown only where its being read does no harm: on a terminal, or if
//! the gateway listens to this machine alone with keys that it has made itself. Anywhere else (the log of a service) the
//! line to paste makes its own.

use std::{
    fmt,
    io::{self, IsTerminal},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use aws_lc_rs::rand::SystemRandom;

use super::{
    configuration::Configuration,
    draft::Draft,
    example::{self, Example},
    mint, routes,
    terminal::{BAD, BOLD, FAINT, quoted},
};
use crate::{
    authz::{Mode, Routes},
    clock::Timestamp,
    config::{Config, Issuer, KeySource, Server, Upstream},
    gateway::Running,
};

/// Longer tables are cut.
const MOST_ROUTES: usize = 12;

/// Everything that the banner tells of.
pub(super) struct Banner<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) routes: &'a Routes,
    pub(super) running: &'a Running,
    pub(super) now: Timestamp,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.configuration.config;
        let (version, address, scheme) = (env!("CARGO_PKG_VERSION"), self.running.address(), scheme(config));
        writeln!(formatter, "\n{BOLD}bearergate {version} listens on {scheme}://{address}{BOLD:#}\n")?;
        let mut line = |name: &str, value: &str| writeln!(formatter, "  {FAINT}{name:<14}{FAINT:#} {value}");
        line("configuration", &self.configuration.name())?;
        line("preset", config.preset.as_deref().unwrap_or("none"))?;
        if let Some(reported) = reported(config) {
            line("mode", &format!("{BAD}{reported}{BAD:#}"))?;
        }
        match self.running.admin_address() {
            Some(admin) => line("admin", &format!("http://{admin} (/metrics /livez /readyz /routes /keys /report)"))?,
            None => line("admin", "off")?,
        }
        for upstream in &config.upstreams {
            line("upstream", &described(upstream))?;
        }
        for issuer in &config.issuers {
            line("keys", &format!("{}: {}", issuer.name, keys(issuer)))?;
        }
        writeln!(formatter, "\n{}", routes::list(config, MOST_ROUTES).trim_end())?;
        if let Some(more @ 1..) = routes::count(config).checked_sub(MOST_ROUTES) {
            writeln!(formatter, "… and {more} more: {}", self.configuration.command_line("routes"))?;
        }
        writeln!(formatter, "\n{BOLD}Try:{BOLD:#}")?;
        self.suggest(formatter)
    }
}

impl Banner<'_> {
    fn suggest(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.configuration.config;
        let issuer = mint::of_clients(config).next();
        let Some(example) = example::with_token(config, self.routes, issuer) else {
            return match example::public(config, self.routes) {
                Some(example) => writeln!(formatter, "  {}\n", self.curl(&example)),
                None => writeln!(formatter, "  {}\n", self.configuration.command_line("token mint")),
            };
        };
        let curl = self.curl(&example);
        writeln!(formatter, "  {curl}")?;
        match issuer {
            Some(issuer) => writeln!(formatter, "  {curl} -H {}\n", self.authorization(issuer, &example)),
            None => {
                writeln!(formatter, "  {curl} -H \"Authorization: Bearer $TOKEN\"\n")?;
                let inspect = self.configuration.command_line("token inspect");
                writeln!(formatter, "$TOKEN is one that your issuer gave you; {inspect} explains it.\n")
            }
        }
    }

    fn curl(&self, example: &Example<'_>) -> String {
        let scheme = scheme(&self.configuration.config);
        let url = format!("{scheme}://{}{}", reachable(self.running.address()), example.path);
        format!("curl -i {}", quoted(&url))
    }

    /// The header with a token, as one word of a shell.
    fn authorization(&self, issuer: &Issuer, example: &Example<'_>) -> String {
        if self.may_show_token(issuer)
            && let Some(token) = self.token(issuer, example)
        {
            return quoted(&format!("Authorization: Bearer {token}"));
        }
        let mut command = self.configuration.command_line("token mint");
        command.push_str(&format!(" --issuer {}", quoted(&issuer.name)));
        for permission in asked(example) {
            command.push_str(&format!(" --permission {}", quoted(permission)));
        }
        if let Some((claim, resource)) = &example.owned {
            command.push_str(&format!(" --claim {}", quoted(&format!("{claim}={resource}"))));
        }
        format!("\"Authorization: Bearer $({command})\"")
    }

    fn may_show_token(&self, issuer: &Issuer) -> bool {
        let own_keys = matches!(issuer.keys, KeySource::SigningKeys(_) | KeySource::GeneratedSecret(_));
        io::stdout().is_terminal() || (own_keys && self.running.address().ip().is_loopback())
    }

    fn token(&self, issuer: &Issuer, example: &Example<'_>) -> Option<String> {
        let life = mint::times(issuer, None, false, self.now);
        let mut draft = Draft::new(issuer, None, life, &SystemRandom::new());
        let permissions: Vec<String> = asked(example).cloned().collect();
        if !draft.grant(&permissions) {
            return None;
        }
        if let Some((claim, resource)) = &example.owned {
            draft.set(claim, vec![resource.as_str()].into());
        }
        mint::sign(issuer, None, draft).ok()
    }
}

/// What clients speak.
const fn scheme(config: &Config) -> &'static str {
    if config.listen.tls.is_some() { "https" } else { "http" }
}

/// The permissions that the example's route asks for: all, and of a choice the first.
fn asked<'a>(example: &'a Example<'_>) -> impl Iterator<Item = &'a String> {
    example.route.permissions.iter().chain(example.route.any_permission.first())
}

/// What report mode lets through.
fn reported(config: &Config) -> Option<String> {
    let reported = config.routes.iter().filter(|route| route.mode == Mode::Report).count();
    match config.mode {
        Mode::Report => Some("REPORT: what would be refused is let through, see /report".to_owned()),
        Mode::Enforce if reported > 0 => Some("REPORT on some routes, see /report".to_owned()),
        Mode::Enforce => None,
    }
}

fn described(upstream: &Upstream) -> String {
    let servers: Vec<String> = upstream
        .servers
        .iter()
        .map(|server| match server {
            Server::Echo => format!("{server} (answers with what it received)"),
            server => server.to_string(),
        })
        .collect();
    format!("{}: {}", upstream.name, servers.join(", "))
}

fn keys(issuer: &Issuer) -> String {
    let algorithms: Vec<&str> = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let algorithms = algorithms.join(", ");
    match &issuer.keys {
        KeySource::SigningKeys(folder) => format!("{algorithms}, the gateway's own in {}", folder.display()),
        KeySource::GeneratedSecret(file) => format!("{algorithms}, the gateway's own in {}", file.display()),
        KeySource::Secret { .. } => format!("{algorithms}, a secret that is shared with the issuer"),
        KeySource::Introspection(asked) => format!("none, {} is asked about each token", asked.url()),
        KeySource::Remote { keys, .. } => format!("fetched from {}", keys.url()),
        KeySource::Fixed(keys) => match keys.keys().len() {
            1 => format!("{algorithms}, 1 public key"),
            count => format!("{algorithms}, {count} public keys"),
        },
    }
}

/// An address that can be connected to: every interface is also this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
