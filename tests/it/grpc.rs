//! gRPC through the gateway: a service and a client of tonic's, with `h2c://` between.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract, routing::post};
use http::uri::PathAndQuery;
use tokio::sync::{mpsc, oneshot};
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc,
    codegen::tokio_stream::{self, StreamExt, wrappers::ReceiverStream},
    service::Routes,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::support::{Gateway, Setup, token};

type Codec = ProstCodec<String, String>;
type Messages = ReceiverStream<Result<String, Status>>;

/// What the service has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    cancelled: AtomicUsize,
}

/// Counts when it is dropped before it has been disarmed.
struct Armed(Arc<Seen>);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

async fn echo(request: Request<String>) -> Result<Response<String>, Status> {
    let caller = request.metadata().get("x-user-id").cloned();
    let told = request.metadata().get("x-told").cloned();
    let mut response = Response::new(request.into_inner());
    for (name, value) in [("x-caller", caller), ("x-told", told)] {
        if let Some(value) = value {
            response.metadata_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn join(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let (mut messages, mut joined) = (request.into_inner(), String::new());
    while let Some(message) = messages.message().await? {
        joined.push_str(&message);
    }
    Ok(Response::new(joined))
}

/// As many messages as the request says, and then an error.
async fn count(request: Request<String>) -> Result<Response<Messages>, Status> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0..request.into_inner().parse().unwrap() {
            let _ = sender.send(Ok(i32::to_string(&number))).await;
        }
        let _ = sender.send(Err(Status::data_loss("no more"))).await;
    });
    Ok(Response::new(ReceiverStream::new(receiver)))
}

/// Answers each message as it comes.
async fn chat(request: Request<Streaming<String>>) -> Result<Response<Messages>, Status> {
    let (sender, receiver) = mpsc::channel(1);
    let mut messages = request.into_inner();
    tokio::spawn(async move {
        while let Ok(Some(message)) = messages.message().await {
            let _ = sender.send(Ok(format!("re: {message}"))).await;
        }
    });
    Ok(Response::new(ReceiverStream::new(receiver)))
}

async fn fail(request: Request<String>) -> Result<Response<String>, Status> {
    let mut status = Status::failed_precondition(request.into_inner());
    status.metadata_mut().insert("x-why", "so".parse().unwrap());
    Err(status)
}

fn service(seen: &Arc<Seen>) -> Routes {
    let hang = {
        let seen = Arc::clone(seen);
        move |_: Request<String>| {
            let armed = Armed(Arc::clone(&seen));
            async move {
                std::future::pending::<()>().await;
                drop(armed);
                Ok::<_, Status>(Response::new(String::new()))
            }
        }
    };
    let grpc = || tonic::server::Grpc::new(Codec::default()).max_decoding_message_size(64 << 20);
    let router =
        Router::new()
            .route(
                "/t.T/Echo",
                post(move |request: extract::Request| async move { grpc().unary(service_fn(echo), request).await }),
            )
            .route(
                "/t.T/Join",
                post(move |request: extract::Request| async move {
                    grpc().client_streaming(service_fn(join), request).await
                }),
            )
            .route(
                "/t.T/Count",
                post(move |request: extract::Request| async move {
                    grpc().server_streaming(service_fn(count), request).await
                }),
            )
            .route(
                "/t.T/Chat",
                post(move |request: extract::Request| async move { grpc().streaming(service_fn(chat), request).await }),
            )
            .route(
                "/t.T/Fail",
                post(move |request: extract::Request| async move { grpc().unary(service_fn(fail), request).await }),
            )
            .route(
                "/t.T/Hang",
                post(move |request: extract::Request| async move { grpc().unary(service_fn(hang), request).await }),
            );
    Routes::from(router)
}

/// A service at `address`, until the sender is dropped.
async fn serve(
    address: SocketAddr,
    seen: &Arc<Seen>,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let incoming = TcpIncoming::bind(address).unwrap();
    let address = incoming.local_addr().unwrap();
    let counting = Arc::clone(seen);
    let incoming = incoming.map(move |connection| {
        counting.connections.fetch_add(1, Ordering::SeqCst);
        connection
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let service = service(seen);
    let serving = tokio::spawn(async move {
        let server = Server::builder().add_routes(service);
        server.serve_with_incoming_shutdown(incoming, async { stopped.await.unwrap_or_default() }).await.unwrap();
    });
    (address, stop, serving)
}

struct Deployed {
    gateway: Gateway,
    seen: Arc<Seen>,
    _stop: oneshot::Sender<()>,
}

impl Deployed {
    async fn new() -> Self {
        let seen = Arc::default();
        let (address, stop, _) = serve("127.0.0.1:0".parse().unwrap(), &seen).await;
        Self { gateway: Setup::http_2(&[address]).start(), seen, _stop: stop }
    }

    async fn client(&self) -> Grpc<Channel> {
        client(&self.gateway).await
    }
}

async fn client(gateway: &Gateway) -> Grpc<Channel> {
    let channel = Channel::from_shared(format!("http://{}", gateway.running.address())).unwrap();
    let mut client = Grpc::new(channel.connect().await.unwrap()).max_decoding_message_size(64 << 20);
    client.ready().await.unwrap();
    client
}

fn bearing<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", token("alice")).parse().unwrap());
    request
}

const fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

async fn unary(client: &mut Grpc<Channel>, method: &'static str, message: String) -> Result<Response<String>, Status> {
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    client.unary(bearing(message), path(method), Codec::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_tells_the_service_who_calls_and_brings_back_its_metadata() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let mut request = bearing("hello".to_owned());
    request.metadata_mut().insert("x-told", "this".parse().unwrap());
    request.metadata_mut().insert("x-user-id", "root".parse().unwrap());
    let response: Response<String> = client.unary(request, path("/t.T/Echo"), Codec::default()).await.unwrap();
    assert_eq!(response.metadata().get("x-caller").unwrap(), "alice");
    assert_eq!(response.metadata().get("x-told").unwrap(), "this");
    assert_eq!(response.into_inner(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_token_is_unauthenticated_and_reaches_no_service() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let refused: Result<Response<String>, _> =
        client.unary(Request::new(String::new()), path("/t.T/Echo"), Codec::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(deployed.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_messages_go_both_ways() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let messages = tokio_stream::iter(["a", "b", "c"].map(String::from));
    let joined: Response<String> =
        client.client_streaming(bearing(messages), path("/t.T/Join"), Codec::default()).await.unwrap();
    assert_eq!(joined.into_inner(), "abc");

    client.ready().await.unwrap();
    let counted: Response<Streaming<String>> =
        client.server_streaming(bearing("3".to_owned()), path("/t.T/Count"), Codec::default()).await.unwrap();
    let mut counted = counted.into_inner();
    for expected in ["0", "1", "2"] {
        assert_eq!(counted.message().await.unwrap().unwrap(), expected);
    }
    // The status comes behind the messages, in trailers.
    let status = counted.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "no more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_held_up_by_nobody() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let (say, said) = mpsc::channel(1);
    // The head of the answer may wait for the first message.
    say.send("first".to_owned()).await.unwrap();
    let request = bearing(ReceiverStream::new(said));
    let answers: Response<Streaming<String>> =
        client.streaming(request, path("/t.T/Chat"), Codec::default()).await.unwrap();
    let mut answers = answers.into_inner();
    let mut expected = "re: first".to_owned();
    for _ in 0..20 {
        // Each message is made of the answer to the last one.
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer, expected);
        expected = format!("re: {answer}");
        say.send(answer).await.unwrap();
    }
    drop(say);
    assert_eq!(answers.message().await.unwrap(), Some(expected));
    assert_eq!(answers.message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_trailers_alone_is_passed_on() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let status = unary(&mut client, "/t.T/Fail", "not yet".to_owned()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not yet"));
    assert_eq!(status.metadata().get("x-why").unwrap(), "so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_4_megabytes_comes_back_whole() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let message: String = (0..4 << 20).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    let response = unary(&mut client, "/t.T/Echo", message.clone()).await.unwrap();
    assert!(response.into_inner() == message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_at_once_share_a_connection() {
    let deployed = Deployed::new().await;
    let client = deployed.client().await;
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let mut client = client.clone();
            tokio::spawn(async move { unary(&mut client, "/t.T/Echo", number.to_string()).await.unwrap().into_inner() })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), number.to_string());
    }
    assert_eq!(deployed.seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_is_cancelled_at_the_service_and_the_others_go_on() {
    let deployed = Deployed::new().await;
    let mut client = deployed.client().await;
    let mut hanging = client.clone();
    let call = tokio::spawn(async move { unary(&mut hanging, "/t.T/Hang", String::new()).await });
    let response = unary(&mut client, "/t.T/Echo", "x".to_owned()).await.unwrap();
    assert_eq!(response.into_inner(), "x");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(deployed.seen.cancelled.load(Ordering::SeqCst), 0);
    call.abort();
    let cancelled = async {
        while deployed.seen.cancelled.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cancelled).await.unwrap();
    assert_eq!(unary(&mut client, "/t.T/Echo", "y".to_owned()).await.unwrap().into_inner(), "y");
    assert_eq!(deployed.seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_shuts_down_and_starts_again_while_calls_go_on_fails_none() {
    let seen = Arc::default();
    let (address, stop, serving) = serve("127.0.0.1:0".parse().unwrap(), &seen).await;
    let (other, _stop_other, _) = serve("127.0.0.1:0".parse().unwrap(), &seen).await;
    let gateway = Setup::http_2(&[address, other]).start();
    let client = client(&gateway).await;
    let done = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, done) = (client.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                for _ in 0..100 {
                    unary(&mut client, "/t.T/Echo", "x".to_owned()).await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    // It says GOAWAY, and ends its connections when their calls have ended.
    drop(stop);
    serving.await.unwrap();
    assert!(done.load(Ordering::SeqCst) < 800);
    for call in calls {
        call.await.unwrap();
    }
    let (_, _stop, _) = serve(address, &seen).await;
    let mut client = client;
    for _ in 0..4 {
        unary(&mut client, "/t.T/Echo", "x".to_owned()).await.unwrap();
    }
}
