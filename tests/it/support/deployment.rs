//! A gateway from a `gateway.toml`, as an operator runs it, on a clock that the test turns.

use std::{net::SocketAddr, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use bearergate::{
    clock::{Clock, Timestamp},
    config,
    gateway::{Prepared, Settings, prepare, start},
};

use super::{Client, Gateway, NOW, client::Response};

/// The variable that `secret = { env = "KEY" }` reads.
pub(crate) const SECRET: &str = "a secret of the tests, thirty-two bytes or more";

/// Reads `text`, which may name files of `folder`, with listeners of the system's choice and `upstream` behind it.
pub(crate) fn read(text: &str, folder: &Path, upstream: SocketAddr) -> Result<config::Config, config::Diagnostics> {
    read_with(text, folder, upstream, |_| None)
}

/// As [`read`], with more of an environment.
fn read_with(
    text: &str,
    folder: &Path,
    upstream: SocketAddr,
    more: impl Fn(&str) -> Option<String>,
) -> Result<config::Config, config::Diagnostics> {
    let environment = |name: &str| if name == "KEY" { Some(SECRET.to_owned()) } else { more(name) };
    let listen = "[listen]\naddress = '127.0.0.1:0'\nworkers = 1\n";
    // One that says more of it itself says this too.
    let listen = if text.contains(listen) { "" } else { listen };
    let text = format!(
        "{text}\n{listen}[admin]\naddress = '127.0.0.1:0'\n\
         [upstream.default]\nservers = ['http://{upstream}']\n"
    );
    config::parse(&text, "gateway.toml", folder, &environment).map(|loaded| loaded.config)
}

/// A gateway with this configuration, at [`NOW`], and its clock.
pub(crate) fn deploy(text: &str, folder: &Path, upstream: SocketAddr) -> (Gateway, Clock) {
    deploy_with(text, folder, upstream, |_| None)
}

/// As [`deploy`], with more of an environment.
pub(crate) fn deploy_with(
    text: &str,
    folder: &Path,
    upstream: SocketAddr,
    more: impl Fn(&str) -> Option<String>,
) -> (Gateway, Clock) {
    let clock = Clock::manual(Timestamp::from_secs(NOW));
    let config = read_with(text, folder, upstream, more).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let Prepared { settings, snapshot, .. } = prepare(&config, &clock).unwrap();
    (Gateway::with(&settings, snapshot), clock)
}

impl Gateway {
    pub(crate) fn with(settings: &Settings, snapshot: bearergate::gateway::Snapshot) -> Self {
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        Self { running: start(settings, Arc::clone(&snapshot)).unwrap(), snapshot }
    }
}

impl Client {
    /// One request with these bytes as the value of `Authorization`, and its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, authorization: Option<&[u8]>) -> Response {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: api\r\n").into_bytes();
        if let Some(value) = authorization {
            request.extend([b"Authorization: ", value, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        self.send(request);
        if method == "HEAD" { self.response_to_head() } else { self.response() }
    }

    /// As [`ask`](Self::ask) with a bearer token.
    pub(crate) fn bear(&mut self, method: &str, path: &str, token: &str) -> Response {
        self.ask(method, path, Some(format!("Bearer {token}").as_bytes()))
    }

    /// An answer that has no body, whatever its head says.
    fn response_to_head(&mut self) -> Response {
        let head = self.head();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Response { status: status.unwrap_or_else(|| panic!("{head:?}")), head, body: Vec::new(), complete: true }
    }
}

impl Response {
    /// The fields, sorted, without the date and the body's length, which has to be right.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut fields: Vec<_> = self.head.lines().skip(1).filter_map(field).collect();
        fields.retain(|(name, _)| !["date", "content-length", "connection"].contains(&name.as_str()));
        fields.sort();
        assert_eq!(self.header("content-length"), Some(&*self.body.len().to_string()), "{}", self.head);
        fields
    }

    /// Exactly this status, these fields and this body.
    #[track_caller]
    pub(crate) fn assert_is(&self, what: &str, status: u16, fields: &[(&str, &str)], body: &str) {
        let mut expected: Vec<_> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        expected.sort();
        assert_eq!((self.status, self.text().as_str()), (status, body), "{what}");
        assert_eq!(self.fields(), expected, "{what}");
    }
}
