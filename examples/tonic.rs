//! A tonic service behind the gate: `cargo run --example tonic --features tonic`, then paste what it prints, which is
//! this example as a client.
//!
//! `service` and `who_am_i_by` stand for what tonic makes of
//! `service Identity { rpc WhoAmI(google.protobuf.Empty) returns (google.protobuf.StringValue); }`.

mod support;

use axum::{Router, extract, routing::post};
use bearergate::{
    authn::Principal,
    layer::{BearerLayer, GrpcRefusals},
};
use http::uri::PathAndQuery;
use support::{AnyError, Issuer};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

const PATH: &str = "/example.Identity/WhoAmI";

/// The layer has put whoever sent the request into its extensions. Nobody gets here without a good token.
async fn who_am_i(request: Request<()>) -> Result<Response<String>, Status> {
    let caller = request.extensions().get::<Principal>().and_then(Principal::subject);
    Ok(Response::new(caller.unwrap_or("whoever you are").to_owned()))
}

fn service() -> Routes {
    let answer = |request: extract::Request| async {
        tonic::server::Grpc::new(ProstCodec::<String, ()>::default()).unary(service_fn(who_am_i), request).await
    };
    Routes::from(Router::new().route(PATH, post(answer)))
}

async fn serve(listener: TcpListener, gate: BearerLayer) -> Result<(), AnyError> {
    Ok(Server::builder().layer(gate).add_routes(service()).serve_with_incoming(TcpIncoming::from(listener)).await?)
}

/// The call of a client.
async fn who_am_i_by(channel: Channel, token: Option<&str>) -> Result<String, AnyError> {
    let mut request = Request::new(());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let codec = ProstCodec::<(), String>::default();
    Ok(client.unary(request, PathAndQuery::from_static(PATH), codec).await?.into_inner())
}

fn gate(issuer: &Issuer) -> Result<BearerLayer, AnyError> {
    Ok(BearerLayer::builder().issuer(issuer.settings()?).refuse_with(GrpcRefusals).build()?)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let address = support::address();
    if let Some(token) = std::env::args().nth(2) {
        let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
        println!("you are {}", who_am_i_by(channel, Some(&token)).await?);
        return Ok(());
    }
    let issuer = Issuer::new()?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("cargo run --example tonic --features tonic -- {address} {}", issuer.token()?);
    serve(listener, gate(&issuer)?).await
}

#[tokio::test]
async fn only_a_good_token_is_told_who_it_is() {
    let issuer = Issuer::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, gate(&issuer).unwrap()));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();

    let good = issuer.token().unwrap();
    assert_eq!(who_am_i_by(channel.clone(), Some(&good)).await.unwrap(), "u-1");

    let (expired, forged) = (issuer.expired_token().unwrap(), Issuer::new().unwrap().token().unwrap());
    let refused = [(None, "not_authenticated"), (Some(&expired), "token_expired"), (Some(&forged), "invalid_token")];
    for (token, reason) in refused {
        let error = who_am_i_by(channel.clone(), token.map(String::as_str)).await.unwrap_err();
        let status = error.downcast_ref::<Status>().unwrap();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unauthenticated, reason));
    }
}
