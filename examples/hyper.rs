//! A plain hyper service behind the gate: `cargo run --example hyper`, then paste what it prints.

#[cfg(test)]
#[path = "support/client.rs"]
mod client;
mod support;

use std::convert::Infallible;

use bearergate::{authn::Principal, contract::Preset, layer::BearerLayer};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use support::{AnyError, Issuer};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

/// The layer has put whoever sent the request into its extensions. Nobody gets here without a good token.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = request.extensions().get::<Principal>().and_then(Principal::subject);
    Ok(Response::new(Full::from(format!("hello {}\n", caller.unwrap_or("whoever you are")))))
}

async fn serve(listener: TcpListener, gate: BearerLayer) -> Result<(), AnyError> {
    let service = TowerToHyperService::new(gate.layer(service_fn(hello)));
    loop {
        let (stream, _) = listener.accept().await?;
        let mut server = http1::Builder::new();
        let connection = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

fn gate(issuer: &Issuer) -> Result<BearerLayer, AnyError> {
    Ok(BearerLayer::builder().issuer(issuer.settings()?).dialect(Preset::HungryMachines).build()?)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let issuer = Issuer::new()?;
    let listener = TcpListener::bind(support::address()).await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/ -H 'Authorization: Bearer {}'", issuer.token()?);
    serve(listener, gate(&issuer)?).await
}

#[tokio::test]
async fn only_a_good_token_is_greeted() {
    let issuer = Issuer::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, gate(&issuer).unwrap()));

    client::assert_gated(address, "/", &issuer).await;
}
