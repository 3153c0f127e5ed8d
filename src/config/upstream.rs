//! `[upstream.*]`: where requests go.

use std::time::Duration;

use http::uri::Authority;

use super::{
    node::Node,
    reader::{At, Reader},
    settings::timeout,
    values::{Mistake, integer, shown, text},
};

/// One upstream and its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// At least one; they are taken in turn.
    pub servers: Vec<Server>,
    /// How long a connection may take to be made, up to a day. Default 1 s.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, up to a day. Default 30 s.
    pub response_timeout: Duration,
    /// How often a request of which nothing was sent is tried again, 0 to 5. Default 1.
    pub retries: u8,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// `http://host:port`; without a port, 80.
    Http {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `h2c://host:port`: HTTP/2 with prior knowledge; without a port, 80.
    H2c {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `builtin:echo`: the embedded server that answers with what it received.
    Echo,
}

impl Upstream {
    pub(super) fn read(name: &str, mut reader: Reader<'_>) -> Self {
        hide_passwords(&mut reader);
        let servers = reader.some("servers", server);
        if servers.is_none() && reader.entry("servers").is_none() {
            reader.missing("servers", "add `servers = [\"http://127.0.0.1:8000\"]`");
        }
        let upstream = Self {
            name: name.to_owned(),
            servers: servers.into_iter().flatten().map(|At { value, .. }| value).collect(),
            connect_timeout: reader.read_or("connect_timeout", Duration::from_secs(1), timeout),
            response_timeout: reader.read_or("response_timeout", Duration::from_secs(30), timeout),
            retries: reader.read_or("retries", 1, |node| {
                integer(node, 0..=5).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
            }),
        };
        reader.unsupported(&["health_check"]);
        reader.finish();
        upstream
    }
}

/// A URL with a password in it is refused; the message must not show it either.
fn hide_passwords(reader: &mut Reader<'_>) {
    let servers = reader.entry("servers").map_or(&[][..], |entry| entry.node.elements());
    for server in servers.iter().filter(|server| server.string().is_some_and(|text| text.contains('@'))) {
        reader.context.problems.hide(server.place);
    }
}

/// `http://host[:port]` or `h2c://host[:port]`, nothing behind it but a single `/`; or `builtin:echo`.
fn server(node: &Node) -> Result<Server, Mistake> {
    const HELP: &str = "write it like \"http://127.0.0.1:8000\"";
    let text = text(node)?;
    let refuse = |what: &str| Err(Mistake::new(format!("must not have {what}")).help(HELP));
    if text.contains('@') {
        return refuse("a user or password");
    }
    if text == "builtin:echo" {
        return Ok(Server::Echo);
    }
    if text.starts_with("builtin:") {
        return Err(Mistake::new(format!("has no \"{}\"", shown(text))).help("there is \"builtin:echo\""));
    }
    if text.starts_with("https://") {
        return Err(Mistake::new("with `https://` is not yet supported"));
    }
    let (rest, speaks_http_2) = match (text.strip_prefix("http://"), text.strip_prefix("h2c://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => {
            let mistake = Mistake::new(format!("must be an `http://` URL, not \"{}\"", shown(text)));
            return Err(mistake.help(format!("{HELP}, or \"h2c://127.0.0.1:50051\" for HTTP/2")));
        }
    };
    if rest.contains('#') {
        return refuse("a fragment");
    }
    if rest.contains('?') {
        return refuse("a query");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('/') {
        return refuse("a path: a request's own path is sent on as it is");
    }
    let wrong = || Mistake::new(format!("has no host and port in \"{}\"", shown(text))).help(HELP);
    let authority: Authority = authority.parse().map_err(|_| wrong())?;
    if authority.host().is_empty() || !port_is_right(&authority) {
        return Err(wrong());
    }
    Ok(if speaks_http_2 { Server::H2c { authority } } else { Server::Http { authority } })
}

/// `http` reads a port only when asked for it: one that is no number from 1 to 65535 looks like none.
fn port_is_right(authority: &Authority) -> bool {
    match authority.port_u16() {
        Some(port) => port != 0,
        None => authority.as_str().len() == authority.host().len(),
    }
}
