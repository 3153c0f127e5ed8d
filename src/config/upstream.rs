//! `[upstream.*]`: where requests go.

mod health;
mod server;
mod tls;

use std::time::Duration;

use http::HeaderName;

pub use self::server::Server;
use self::{
    health::{ejection, health_check},
    server::server,
};
use super::{
    node::{Node, Value},
    reader::{At, Reader},
    settings::timeout,
    values::{Mistake, duration, integer, one_of, parsed},
};
use crate::proxy::upstream::{Balance, Ejection, HealthCheck, Sticky, Tls};

const HOUR: Duration = Duration::from_secs(3600);

/// One upstream and its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// At least one.
    pub servers: Vec<Server>,
    /// How long a connection may take to be made, up to a day. Default 1 s.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, up to a day. Default 30 s.
    pub response_timeout: Duration,
    /// How often a request of which nothing was sent is tried again, 0 to 5. Default 1.
    pub retries: u8,
    /// How many of the requests may be tried again, in percent. Default 20.
    pub retry_budget: u8,
    /// How requests are spread. Default: the better one of two.
    pub balance: Balance,
    /// Which requests go to the same server. Default: none in particular.
    pub sticky: Option<Sticky>,
    /// When a server is left alone because requests to it fail; `None` if that is switched off.
    pub ejection: Option<Ejection>,
    /// How long the share of a server grows that is back, up to an hour. Default 10 s.
    pub slow_start: Duration,
    /// How the servers are asked whether they are well. Default: not at all.
    pub health_check: Option<HealthCheck>,
    /// How often names are resolved anew, a second to a day. Default 30 s.
    pub resolve: Duration,
    /// How many requests it may have at once, 1 to 10,000,000. Default: as many as come.
    pub max_requests: Option<usize>,
    /// How TLS is spoken, if a server asks for it.
    pub tls: Option<Tls>,
}

impl Upstream {
    pub(super) fn read(name: &str, mut reader: Reader<'_>) -> Self {
        hide_passwords(&mut reader);
        let servers = reader.some("servers", server);
        if servers.is_none() && reader.entry("servers").is_none() {
            reader.missing("servers", "add `servers = [\"http://127.0.0.1:8000\"]`");
        }
        let servers: Vec<Server> = servers.into_iter().flatten().map(|At { value, .. }| value).collect();
        let balances = [("p2c", Balance::P2c), ("round_robin", Balance::RoundRobin)];
        let upstream = Self {
            name: name.to_owned(),
            connect_timeout: reader.read_or("connect_timeout", Duration::from_secs(1), timeout),
            response_timeout: reader.read_or("response_timeout", Duration::from_secs(30), timeout),
            retries: reader.read_or("retries", 1, |node| number(node, 0, 5)),
            retry_budget: reader.read_or("retry_budget", 20, |node| number(node, 0, 100)),
            balance: reader.read_or("balance", Balance::default(), |node| one_of(node, &balances)),
            sticky: sticky(&mut reader),
            ejection: ejection(&mut reader),
            slow_start: reader
                .read_or("slow_start", Duration::from_secs(10), |node| duration(node, Duration::ZERO..=HOUR)),
            health_check: reader.table("health_check").and_then(health_check),
            resolve: reader
                .read_or("resolve", Duration::from_secs(30), |node| duration(node, Duration::from_secs(1)..=24 * HOUR)),
            max_requests: reader
                .read("max_requests", |node| integer(node, 1..=10_000_000))
                .map(|read| usize::try_from(read.value).unwrap_or(usize::MAX)),
            tls: tls::read(&mut reader, servers.iter().any(Server::is_secure)),
            servers,
        };
        reader.finish();
        upstream
    }
}

/// A whole number that a byte holds.
fn number(node: &Node, least: u8, most: u8) -> Result<u8, Mistake> {
    integer(node, u32::from(least)..=u32::from(most)).map(|number| u8::try_from(number).unwrap_or(most))
}

/// A URL with a password in it is refused; the message must not show it either.
fn hide_passwords(reader: &mut Reader<'_>) {
    let servers = reader.entry("servers").map_or(&[][..], |entry| entry.node.elements());
    for server in servers.iter().filter(|server| server.string().is_some_and(|text| text.contains('@'))) {
        reader.context.problems.hide(server.place);
    }
}

/// `"principal"`, `"address"` or `{ header = "X-Session" }`.
fn sticky(reader: &mut Reader<'_>) -> Option<Sticky> {
    let node = &reader.entry("sticky")?.node;
    if let Value::Table(_) = node.value {
        let mut table = reader.table("sticky")?;
        if table.entry("header").is_none() {
            table.missing("header", "name the field: `sticky = { header = \"X-Session\" }`");
        }
        let header = table.read("header", parsed::<HeaderName>);
        table.finish();
        return header.map(|header| Sticky::Header(header.value));
    }
    let read = reader.read("sticky", |node| {
        let help = "or name a header field: `sticky = { header = \"X-Session\" }`";
        let known = one_of(node, &[("principal", 0), ("address", 1)]);
        known.map_err(|mistake| if mistake.help.is_none() { mistake.help(help) } else { mistake })
    });
    read.map(|read| if read.value == 0 { Sticky::Principal } else { Sticky::Address })
}
