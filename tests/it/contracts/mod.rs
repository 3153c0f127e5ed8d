//! The three documented APIs from outside, to the letter: every refusal with its fields, every route.

mod homsai;
mod hungry_machines;
mod uptimehunt;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bearergate::{
    authn::{KeySource, Vocabulary},
    clock::{Clock, Timestamp},
    contract::Contract,
    gateway::{Prepared, Snapshot, prepare, prepare::authenticator},
    proxy::upstream::{Server, UpstreamSettings},
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    Gateway, NOW, Upstream,
    client::Response,
    deployment::{SECRET, read},
    forge::{ClaimText, Signer},
};

/// An API whose keys the test holds, and an upstream that answers everything with 200.
struct Api {
    text: String,
    header: &'static str,
    signer: Signer,
    upstream: Upstream,
    gateway: Gateway,
    clock: Clock,
    folder: TempDir,
}

impl Api {
    /// This preset, with more of a `gateway.toml`.
    fn new(preset: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (signer, header, keys) = if preset == "uptimehunt" {
            (Signer::secret(SECRET.as_bytes()), r#"{"alg":"HS256","typ":"JWT"}"#, "secret = { env = 'KEY' }")
        } else {
            let signer = Signer::p256();
            let keys = json!({ "keys": [signer.jwk("key", "ES256")] });
            std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
            (signer, r#"{"alg":"ES256","typ":"JWT","kid":"key"}"#, "jwks_file = 'keys.json'")
        };
        let text = format!("preset = '{preset}'\n[issuer.api]\n{keys}\n{more}");
        let upstream = Upstream::ok();
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let gateway = start(&text, &folder, upstream.address, &clock, |_| {});
        Self { text, header, signer, upstream, gateway, clock, folder }
    }

    fn token(&self, claims: &ClaimText) -> String {
        self.signer.sign(self.header, claims.json())
    }

    /// The same API before another upstream, with something changed.
    fn variant(&self, upstream: SocketAddr, change: impl FnOnce(&mut Snapshot)) -> Gateway {
        start(&self.text, &self.folder, upstream, &self.clock, change)
    }

    /// The same API, whose keys are not known yet.
    fn without_keys(&self) -> Gateway {
        let config = read(&self.text, self.folder.path(), self.upstream.address).unwrap();
        let contract = Contract::new(config.dialect.clone());
        let pending =
            authenticator(&config, Vocabulary::default(), &contract, &self.clock, |_| Ok(KeySource::pending().into()));
        self.variant(self.upstream.address, |snapshot| snapshot.authenticator = Arc::new(pending.unwrap()))
    }

    /// What each refusal of a good request looks like that has nothing to do with the token: a `POST` to `path` with
    /// `token`, which may do that.
    fn refusals(&self, path: &str, token: &str) -> Vec<(&'static str, Response)> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n");
        let ask = |gateway: &Gateway, rest: &str| gateway.connect().send(format!("{head}{rest}\r\n")).response();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = Upstream::start(|mut line| {
            line.request();
            line.fill();
        });
        let here = self.upstream.address;

        let dots = format!("POST /a/../b HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n");
        let two_hosts = "Host: other\r\n";
        let small = self.variant(here, |snapshot| snapshot.limits.body_bytes = 1000);
        let body = format!("Content-Length: 1001\r\n\r\n{}", "x".repeat(999));
        let late = self.variant(silent.address, |snapshot| {
            let server = Server::http1(silent.address.to_string().parse().unwrap());
            let mut upstream = UpstreamSettings::new("default", vec![server]);
            upstream.response_timeout = Duration::from_millis(100);
            snapshot.upstreams = vec![Arc::new(upstream)];
        });
        let mut refusals = vec![
            ("bad path", self.gateway.connect().send(dots).response()),
            ("bad host", ask(&self.gateway, two_hosts)),
            ("body", ask(&small, &body)),
            ("fields", ask(&self.gateway, &"X: 1\r\n".repeat(99))),
            ("head", ask(&self.gateway, &format!("X: {}\r\n", "x".repeat(33_000)))),
            ("unreachable", ask(&self.variant(nobody, |_| {}), "")),
            ("late", ask(&late, "")),
            ("keys", ask(&self.without_keys(), "")),
        ];
        silent.received();

        let busy = self.variant(silent.address, |snapshot| snapshot.limits.requests = 1);
        let mut first = busy.connect();
        first.send(format!("{head}\r\n"));
        silent.received();
        refusals.push(("busy", ask(&busy, "")));
        assert!(self.upstream.received_nothing_else());
        refusals
    }
}

fn start(
    text: &str,
    folder: &TempDir,
    upstream: SocketAddr,
    clock: &Clock,
    change: impl FnOnce(&mut Snapshot),
) -> Gateway {
    let config = read(text, folder.path(), upstream).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let Prepared { settings, mut snapshot, .. } = prepare(&config, clock).unwrap();
    change(&mut snapshot);
    Gateway::with(&settings, snapshot)
}
