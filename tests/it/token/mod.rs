//! Bad tokens, each sent as a real request: refused in the API's words, nothing reaches the upstream, and the gateway
//! goes on serving.

mod attacks;
mod claims;
mod field;
mod form;
mod signatures;
mod vectors;

use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use bearergate::clock::Clock;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    Client, Gateway, Upstream,
    deployment::deploy,
    forge::{ClaimText, Signer},
};

/// A header that the gateway of [`Front`] accepts.
const HEADER: &str = r#"{"alg":"ES256","kid":"p256","typ":"JWT"}"#;

/// Hungry Machines behind the gateway, with a key of each type, an issuer and a longest life.
struct Front {
    gateway: Gateway,
    clock: Clock,
    upstream: Upstream,
    p256: Signer,
    ed25519: Signer,
    rsa: Signer,
    _folder: TempDir,
}

impl Front {
    fn new() -> Self {
        let (p256, ed25519, rsa) = (Signer::p256(), Signer::ed25519(), Signer::rsa(&RSA_PKCS1_SHA256));
        let keys = [p256.jwk("p256", "ES256"), ed25519.jwk("ed25519", "EdDSA"), rsa.jwk("rsa", "RS256")];
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys.json"), json!({ "keys": keys }).to_string()).unwrap();
        let upstream = Upstream::ok();
        let text = "
            preset = 'hungry-machines'
            [issuer.api]
            issuer = 'https://id.example.com'
            algorithms = ['ES256', 'EdDSA', 'RS256']
            jwks_file = 'keys.json'
            max_life = '1h'
            [identity_headers]
            X-User-Id = 'sub'
        ";
        let (gateway, clock) = deploy(text, folder.path(), upstream.address);
        Self { gateway, clock, upstream, p256, ed25519, rsa, _folder: folder }
    }

    fn good(&self) -> String {
        self.claiming(&ClaimText::good())
    }

    /// A token that is right but for these claims.
    fn claiming(&self, claims: &ClaimText) -> String {
        self.p256.sign(HEADER, claims.json())
    }

    /// A token that is right but for this header.
    fn headed(&self, header: &str) -> String {
        self.p256.sign(header, ClaimText::good().json())
    }

    /// Each of these tokens is refused as invalid.
    #[track_caller]
    fn refuses<N: AsRef<str>, T: AsRef<str>>(&self, cases: impl IntoIterator<Item = (N, T)>) {
        let fields = cases.into_iter().map(|(name, token)| (name, format!("Bearer {}", token.as_ref())));
        self.refuses_fields("Invalid token", fields);
    }

    /// A request with each of these values of `Authorization` is refused with this detail.
    #[track_caller]
    fn refuses_fields<N: AsRef<str>, V: AsRef<[u8]>>(&self, detail: &str, cases: impl IntoIterator<Item = (N, V)>) {
        let mut client = self.gateway.connect();
        for (name, value) in cases {
            let response = client.ask("GET", "/machines", Some(value.as_ref()));
            refused(&response, name.as_ref(), detail);
        }
        self.still_serves(&mut client);
    }

    /// Nothing has reached the upstream; a good request does, on a connection that bad ones came by.
    #[track_caller]
    fn still_serves(&self, client: &mut Client) {
        assert!(self.upstream.received_nothing_else());
        assert_eq!(client.bear("GET", "/machines", &self.good()).text(), "ok");
        assert!(self.upstream.received().contains("x-user-id: alice"));
        assert!(self.upstream.received_nothing_else());
    }
}

/// The answer is this refusal of Hungry Machines', to the letter.
#[track_caller]
fn refused(response: &crate::support::client::Response, name: &str, detail: &str) {
    let challenge = if detail == "Not authenticated" { "Bearer" } else { r#"Bearer error="invalid_token""# };
    let fields = [("content-type", "application/json"), ("www-authenticate", challenge)];
    response.assert_is(name, 401, &fields, &format!(r#"{{"detail":"{detail}"}}"#));
}

#[test]
fn a_good_token_of_each_key_passes() {
    let front = Front::new();
    let claims = ClaimText::good().json();
    let mut client = front.gateway.connect();
    for token in [
        front.good(),
        front.ed25519.sign(r#"{"alg":"EdDSA","kid":"ed25519"}"#, &claims),
        front.rsa.sign(r#"{"alg":"RS256","kid":"rsa"}"#, &claims),
        front.headed(r#"{"alg":"ES256"}"#),
        front.headed("{\"\\u0061lg\" : \"ES256\",\n\"kid\":\"p25\\u0036\"}"),
    ] {
        assert_eq!(client.bear("GET", "/machines", &token).status, 200, "{token}");
    }
}
