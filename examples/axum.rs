//! An axum service behind the gate: `cargo run --example axum --features axum`, then paste what it prints.

#[cfg(test)]
#[path = "support/client.rs"]
mod client;
mod support;

use axum::{Router, extract::Path, routing::get};
use bearergate::{
    authn::Principal,
    authz::{Ownership, OwnershipSource, RouteSpec},
    contract::Preset,
    layer::{BearerLayer, PolicyLayer},
    rejection::Rejection,
};
use serde_json::json;
use support::{AnyError, Issuer};
use tokio::net::TcpListener;

/// The extractor hands over whoever sent the request. Nobody gets here without a good token.
async fn hello(caller: Principal) -> String {
    format!("hello {}\n", caller.subject().unwrap_or("whoever you are"))
}

/// The order is the caller's own: the policy has seen to that. What it can't know, the handler asks itself; the refusal
/// is in the same words.
async fn order(caller: Principal, Path(order): Path<String>) -> Result<String, Rejection> {
    if order.starts_with("archived-") {
        caller.require("ARCHIVE READ")?;
    }
    Ok(format!("order {order}\n"))
}

/// The layer is in front of all routes, and refuses what it has none for.
fn app(gate: PolicyLayer) -> Router {
    Router::new()
        .route("/hello", get(hello))
        .route("/orders/{order}", get(order))
        .route("/health", get("fine\n"))
        .layer(gate)
}

fn gate(issuer: &Issuer) -> Result<PolicyLayer, AnyError> {
    let bearer = BearerLayer::builder().issuer(issuer.settings()?).dialect(Preset::HungryMachines);
    let orders = OwnershipSource::Claim("orders".into());
    let gate = PolicyLayer::builder(bearer)
        .route("GET /health", RouteSpec::public())
        .route("GET /hello", RouteSpec::token())
        .route("GET /orders/{order}", RouteSpec::token().permission("ORDERS READ").owner("order"))
        .ownership("order", Ownership::of("order").unless("ADMIN"), orders);
    Ok(gate.build()?)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let issuer = Issuer::new()?;
    let listener = TcpListener::bind(support::address()).await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/hello -H 'Authorization: Bearer {}'", issuer.token()?);
    let clerk = issuer.token_with(&json!({ "permissions": ["ORDERS READ"], "orders": ["7"] }))?;
    println!("curl -i http://{address}/orders/7 -H 'Authorization: Bearer {clerk}'");
    axum::serve(listener, app(gate(&issuer)?)).await?;
    Ok(())
}

#[tokio::test]
async fn only_a_good_token_is_greeted() {
    let issuer = Issuer::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app(gate(&issuer).unwrap())).into_future());

    client::assert_gated(address, "/hello", &issuer).await;
    assert_eq!(client::get(address, "/health", None).await.1, "fine\n");
    let clerk = json!({ "permissions": ["ORDERS READ"], "orders": ["7", "archived-1"] });
    let clerk = issuer.token_with(&clerk).unwrap();
    for (path, token, status, body) in [
        ("/orders/7", issuer.token().unwrap(), 403, "Forbidden"),
        ("/orders/7", clerk.clone(), 200, "order 7\n"),
        ("/orders/8", clerk.clone(), 403, "Forbidden"),
        ("/orders/archived-1", clerk.clone(), 403, "Forbidden"),
        ("/nowhere", clerk, 404, "Not Found"),
    ] {
        let (head, found) = client::get(address, path, Some(&token)).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{path}: {head}");
        assert!(found.contains(body), "{path}: {found}");
    }
}
