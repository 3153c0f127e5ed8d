//! One of `servers`: what is spoken, and where.

use std::{fmt, path::PathBuf};

use http::uri::Authority;

use crate::{
    config::{
        node::Node,
        values::{Mistake, shown, text},
    },
    proxy::upstream,
};

/// The path of a Unix socket is at most so long, in bytes (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// `http://host:port`; without a port, 80.
    Http {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `https://host:port`; without a port, 443.
    Https {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `h2c://host:port`: HTTP/2 with prior knowledge; without a port, 80.
    H2c {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `h2://host:port`: HTTP/2 over TLS; without a port, 443.
    H2 {
        /// Host and port as they were written.
        authority: Authority,
    },
    /// `unix:/path`: HTTP/1.1 on a Unix socket.
    Unix {
        /// An absolute one.
        path: PathBuf,
    },
    /// `builtin:echo`: the embedded server that answers with what it received.
    Echo,
}

impl Server {
    /// What the proxy knows it as; `None` for the embedded one, whose address is not known before it runs.
    #[must_use]
    pub fn known(&self) -> Option<upstream::Server> {
        Some(match self {
            Self::Http { authority } => upstream::Server::http1(authority.clone()),
            Self::Https { authority } => upstream::Server::http1(authority.clone()).over_tls(),
            Self::H2c { authority } => upstream::Server::http2(authority.clone()),
            Self::H2 { authority } => upstream::Server::http2(authority.clone()).over_tls(),
            Self::Unix { path } => upstream::Server::unix(path),
            Self::Echo => return None,
        })
    }

    /// Whether it has HTTP/2 and nothing else spoken with it.
    pub(in crate::config) const fn speaks_http_2(&self) -> bool {
        matches!(self, Self::H2c { .. } | Self::H2 { .. })
    }

    pub(super) const fn is_secure(&self) -> bool {
        matches!(self, Self::Https { .. } | Self::H2 { .. })
    }
}

/// As it stands in the configuration.
impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(server) => server.fmt(formatter),
            None => formatter.write_str("builtin:echo"),
        }
    }
}

/// `http://host[:port]`, `https://`, `h2c://` or `h2://`, nothing behind it but a single `/`; `unix:/path`; or `builtin:echo`.
pub(super) fn server(node: &Node) -> Result<Server, Mistake> {
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
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    let known = text.split_once("://").and_then(|(scheme, rest)| Some((rest, make(scheme)?)));
    let Some((rest, make)) = known else {
        let mistake = Mistake::new(format!("must be an `http://` URL, not \"{}\"", shown(text)));
        return Err(mistake.help(format!(
            "{HELP}, \"https://api.internal\", \"unix:/run/api.sock\", or for HTTP/2 \"h2c://127.0.0.1:50051\" or \"h2://…\""
        )));
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
    Ok(make(authority))
}

/// What a server with this scheme is.
fn make(scheme: &str) -> Option<fn(Authority) -> Server> {
    Some(match scheme {
        "http" => |authority| Server::Http { authority },
        "https" => |authority| Server::Https { authority },
        "h2c" => |authority| Server::H2c { authority },
        "h2" => |authority| Server::H2 { authority },
        _ => return None,
    })
}

fn unix(path: &str) -> Result<Server, Mistake> {
    if !path.starts_with('/') {
        return Err(
            Mistake::new("must name a Unix socket by an absolute path").help("write it like \"unix:/run/api.sock\"")
        );
    }
    if path.len() > LONGEST_SOCKET {
        return Err(Mistake::new(format!("has a path of more than {LONGEST_SOCKET} bytes, which no Unix socket has")));
    }
    Ok(Server::Unix { path: path.into() })
}

/// `http` reads a port only when asked for it: one that is no number from 1 to 65535 looks like none.
fn port_is_right(authority: &Authority) -> bool {
    match authority.port_u16() {
        Some(port) => port != 0,
        None => authority.as_str().len() == authority.host().len(),
    }
}
