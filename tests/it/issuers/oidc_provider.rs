//! `oidc-provider`, a gateway that trusts it, and their clients.

use std::{net::SocketAddr, process::Command};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::process::{Process, installed, script};
use crate::{
    cli::support::{Folder, Gateway, LISTEN},
    support::{Client, client::Response},
};

/// The provider with a signing key that it made when it started.
pub(super) struct Provider(Process);

impl Provider {
    pub(super) fn start() -> Self {
        Self::start_on(0)
    }

    /// On a port that is known.
    pub(super) fn start_on(port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg(script("oidc-provider/provider.mjs")).arg(installed("oidc-provider")).arg(port.to_string());
        Self(Process::start(&mut command))
    }

    pub(super) fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// Signs with a new key from here on; the old ones are still published.
    pub(super) fn rotate(&mut self) {
        assert_eq!(self.0.ask("rotate"), "rotate");
    }

    /// Publishes the key alone that it signs with.
    pub(super) fn retire(&mut self) {
        assert_eq!(self.0.ask("retire"), "retire");
    }

    /// The client that gets tokens.
    pub(super) const fn shop(&self) -> Shop {
        Shop { provider: self.0.address }
    }
}

/// A client of the provider (RFC 6749 §4.4).
#[derive(Clone, Copy)]
pub(super) struct Shop {
    provider: SocketAddr,
}

impl Shop {
    /// A new access token for the orders, to read.
    pub(super) fn token(self) -> String {
        self.token_for("urn:orders", "read")
    }

    /// A new access token for a resource (RFC 8707).
    pub(super) fn token_for(self, resource: &str, scope: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id=shop&client_secret=the+secret+of+shop&resource={resource}\
             &scope={}",
            scope.replace(' ', "+")
        );
        let answer = post(self.provider, "/token", "application/x-www-form-urlencoded", &form);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Takes a token back (RFC 7009).
    pub(super) fn revoke(self, token: &str) {
        let form = format!("client_id=shop&client_secret=the+secret+of+shop&token={token}");
        let answer = post(self.provider, "/token/revocation", "application/x-www-form-urlencoded", &form);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Sends a body on a connection of its own.
pub(crate) fn post(address: SocketAddr, path: &str, kind: &str, body: &str) -> Response {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    Client::connect(address).send(request).response()
}

/// The `kid` of a token's header.
pub(super) fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The program before the echo, with the provider at a port as its only issuer.
pub(super) struct Trusting {
    gateway: Gateway,
    pub(super) folder: Folder,
}

impl Trusting {
    /// `more` are further lines of the issuer.
    pub(super) fn start(port: u16, more: &str) -> Self {
        Self::start_with(port, more, |_| {})
    }

    /// With what `prepare` adds to the command.
    pub(super) fn start_with(port: u16, more: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = Folder::with(&format!(
            "[issuer.main]\nissuer = 'http://127.0.0.1:{port}'\ndiscovery_url = 'http://127.0.0.1:{port}'\n\
             audience = 'orders'\nalgorithms = ['ES256']\ntyp = 'at+jwt'\npermissions = ['scope']\n{more}\n\
             [[route]]\nmatch = 'GET /orders/**'\npermissions = ['read']\n\
             [[route]]\nmatch = 'POST /orders/**'\npermissions = ['write']\n\
             [[route]]\nmatch = 'GET /public'\naccess = 'public'\n\
             [identity_headers]\n'X-Client' = 'client_id'\n'X-Scope' = 'scope'\n{LISTEN}"
        ));
        let mut command = folder.command(&[]);
        // Nobody reads its log while it runs.
        command.env("RUST_LOG", "off");
        prepare(&mut command);
        Self { gateway: Gateway::spawn(command), folder }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// What is answered to who reads an order.
    pub(super) fn read(&self, token: &str) -> Response {
        Client::connect(self.address()).bear("GET", "/orders/7", token)
    }

    pub(super) fn status(&self, token: &str) -> u16 {
        self.read(token).status
    }

    pub(super) fn admin(&self, path: &str) -> String {
        Client::connect(self.gateway.admin_address()).get(path).text()
    }

    /// What `/keys` says of the issuer.
    pub(super) fn keys(&self) -> Value {
        let keys: Value = serde_json::from_str(&self.admin("/keys")).unwrap();
        keys[0].clone()
    }

    /// How many fetches came out like this.
    pub(super) fn refreshes(&self, outcome: &str) -> usize {
        let start = format!("bearergate_key_refreshes_total{{issuer=\"main\",outcome=\"{outcome}\"}} ");
        let metrics = self.admin("/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}
