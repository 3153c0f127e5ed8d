//! Which tokens of a real provider pass.

use serde_json::{Value, json};

use super::oidc_provider::{Provider, Trusting, kid};
use crate::support::Client;

#[test]
#[ignore = "needs oidc-provider"]
fn access_tokens_for_us_pass_as_far_as_their_scope_goes() {
    let provider = Provider::start();
    let gateway = Trusting::start(provider.port(), "");
    let (reader, writer) = (provider.shop().token(), provider.shop().token_for("urn:orders", "read write"));
    for _ in 0..2 {
        let answer = gateway.read(&reader);
        let received: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &received["path"]), (200, &json!("/orders/7")));
        let told = &received["headers"];
        assert_eq!((&told["x-client"], &told["x-scope"]), (&json!("shop"), &json!("read")));
    }
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.bear("POST", "/orders/7", &writer).status, 200);
    assert_eq!(client.bear("POST", "/orders/7", &reader).status, 403);
}

#[test]
#[ignore = "needs oidc-provider"]
fn tokens_for_others_of_other_types_altered_or_opaque_are_refused() {
    let provider = Provider::start();
    let gateway = Trusting::start(provider.port(), "");
    let shop = provider.shop();
    let good = shop.token();
    assert_eq!(gateway.status(&good), 200);
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let other = shop.token();
    let (other, _) = other.rsplit_once('.').unwrap();
    for (what, token) in [
        ("for another audience", shop.token_for("urn:invoices", "read")),
        ("no access token by its typ", shop.token_for("urn:untyped", "read")),
        ("opaque", shop.token_for("urn:reports", "read")),
        ("with another token's signature", format!("{other}.{signature}")),
        ("with an altered signature", format!("{unsigned}.{}", signature.chars().rev().collect::<String>())),
        ("without a signature", format!("{unsigned}.")),
    ] {
        let answer = gateway.read(&token);
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!((answer.status, challenge), (401, r#"Bearer error="invalid_token""#), "{what}");
    }
    assert_eq!(gateway.status(&good), 200);
}

#[test]
#[ignore = "needs oidc-provider"]
fn the_providers_keys_are_seen_and_counted() {
    let provider = Provider::start();
    let gateway = Trusting::start(provider.port(), "");
    let kid = kid(&provider.shop().token());
    let keys = gateway.keys();
    assert_eq!(keys["keys"], json!([{ "kid": kid, "algorithm": "ES256" }]));
    assert_eq!((&keys["last_error"], keys["next_refresh"].is_string()), (&Value::Null, true));
    assert_eq!(gateway.admin("/readyz"), "ready\n");
    assert_eq!(["replaced", "unchanged", "failed"].map(|outcome| gateway.refreshes(outcome)), [1, 0, 0]);
    assert!(gateway.admin("/metrics").contains("bearergate_keys_age_seconds{issuer=\"main\"} "));

    let issuer = format!("http://127.0.0.1:{}", provider.port());
    let jwks = format!("{issuer}/jwks");
    for arguments in [&[jwks.as_str()][..], &[&issuer, "--issuer", &issuer]] {
        let ended = gateway.folder.run(&[&["keys", "check"], arguments].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains(&jwks) && ended.stdout.contains(&kid), "{ended:?}");
    }
    let ended = gateway.folder.run(&["keys", "check", &issuer, "--issuer", &format!("{issuer}/")]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("another issuer"), "{ended:?}");
}
