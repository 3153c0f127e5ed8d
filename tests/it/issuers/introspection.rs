//! Opaque tokens of a real provider, which is asked about each (RFC 7662).

use serde_json::{Value, json};

use super::{
    eventually,
    oidc_provider::{Provider, Trusting},
};
use crate::support::Client;

/// The same provider twice: for tokens with a signature, and for those without. Its client of the gateway has an id and
/// a secret that have to be encoded (RFC 6749 §2.3.1). Both tokens have the same `iss`, and it is checked of both.
fn gateway(port: u16, secret: &'static str, more: &str) -> Trusting {
    let asked = format!(
        "[issuer.opaque]\nissuer = 'http://127.0.0.1:{port}'\naudience = 'reports'\n\
         introspection_url = 'http://127.0.0.1:{port}/token/introspection'\nclient_id = 'gate+way'\n\
         client_secret = {{ env = 'GATEWAY_SECRET' }}\nsubject = 'client_id'\npermissions = ['scope']\n{more}"
    );
    Trusting::start_with(port, &asked, |command| {
        command.env("GATEWAY_SECRET", secret);
    })
}

const SECRET: &str = "s/cr t:+=&";

#[test]
#[ignore = "needs oidc-provider"]
fn opaque_tokens_for_us_pass_beside_signed_ones() {
    let provider = Provider::start();
    let gateway = gateway(provider.port(), SECRET, "");
    let shop = provider.shop();
    let opaque = shop.token_for("urn:reports", "read");
    for _ in 0..2 {
        let answer = gateway.read(&opaque);
        let received: Value = serde_json::from_slice(&answer.body).unwrap();
        let told = &received["headers"];
        assert_eq!((&told["x-client"], &told["x-scope"]), (&json!("shop"), &json!("read")));
    }
    assert_eq!(Client::connect(gateway.address()).bear("POST", "/orders/7", &opaque).status, 403);
    assert_eq!(gateway.status(&shop.token()), 200);
    for (what, token) in [
        ("for another audience", shop.token_for("urn:notes", "read")),
        ("invented", opaque.chars().rev().collect()),
        ("invented, and with what has to be encoded", "a+b/c=".to_owned()),
        ("signed, for another audience", shop.token_for("urn:invoices", "read")),
    ] {
        assert_eq!(gateway.status(&token), 401, "{what}");
    }
}

#[test]
#[ignore = "needs oidc-provider"]
fn a_token_that_is_taken_back_ends_when_the_answer_is_too_old() {
    let provider = Provider::start();
    let gateway = gateway(provider.port(), SECRET, "[cache]\nmax_ttl = '1s'\n");
    let shop = provider.shop();
    let [used, unused] = [(); 2].map(|()| shop.token_for("urn:reports", "read"));
    assert_eq!(gateway.status(&used), 200);
    shop.revoke(&used);
    shop.revoke(&unused);
    assert_eq!(gateway.status(&unused), 401);
    eventually(|| gateway.status(&used) == 401);
}

#[test]
#[ignore = "needs oidc-provider"]
fn a_provider_that_does_not_answer_is_no_reason_to_call_a_token_bad() {
    let provider = Provider::start();
    let shop = provider.shop();
    let stranger = gateway(provider.port(), "not the secret of the gateway", "");
    let refused = stranger.read(&shop.token_for("urn:reports", "read"));
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));

    let gateway = gateway(provider.port(), SECRET, "");
    let [known, unknown] = [(); 2].map(|()| shop.token_for("urn:reports", "read"));
    let signed = shop.token();
    assert_eq!(gateway.status(&known), 200);
    let port = provider.port();
    drop(provider);
    let refused = gateway.read(&unknown);
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));
    assert_eq!((gateway.status(&known), gateway.status(&signed)), (200, 200));

    let provider = Provider::start_on(port);
    let new = provider.shop().token_for("urn:reports", "read");
    eventually(|| gateway.status(&new) == 200);
    assert_eq!(gateway.status(&unknown), 401, "what the provider has forgotten");
}
