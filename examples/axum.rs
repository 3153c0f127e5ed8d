//! An axum service behind the gate: `cargo run --example axum --features axum`, then paste what it prints.

#[cfg(test)]
#[path = "support/client.rs"]
mod client;
mod support;

use axum::{Router, routing::get};
use bearergate::{authn::Principal, contract::Preset, layer::BearerLayer};
use support::{AnyError, Issuer};
use tokio::net::TcpListener;

/// The extractor hands over whoever sent the request. Nobody gets here without a good token.
async fn hello(caller: Principal) -> String {
    format!("hello {}\n", caller.subject().unwrap_or("whoever you are"))
}

/// The layer is in front of the routes that were added before it: `/health` is open to everybody.
fn app(gate: BearerLayer) -> Router {
    Router::new().route("/hello", get(hello)).layer(gate).route("/health", get("fine\n"))
}

fn gate(issuer: &Issuer) -> Result<BearerLayer, AnyError> {
    Ok(BearerLayer::builder().issuer(issuer.settings()?).dialect(Preset::HungryMachines).build()?)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let issuer = Issuer::new()?;
    let listener = TcpListener::bind(support::address()).await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/hello -H 'Authorization: Bearer {}'", issuer.token()?);
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
}
