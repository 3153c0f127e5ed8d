mod binding;
mod introspection;
mod policy;
mod renewal;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use aws_lc_rs::rand::SystemRandom;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::{
    authn::{AuthnError, KeySource, Principal},
    clock::Timestamp,
    contract::Preset,
    jwt::{self, Algorithm, KeySet, SigningKey},
    rejection::Rejection,
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A holder of keys and a clock, from whose hands every token of these tests comes.
struct Issuer {
    key: SigningKey,
    clock: Clock,
}

impl Issuer {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa, &SystemRandom::new()).unwrap();
        Self { key, clock: Clock::manual(NOW) }
    }

    fn keys(&self) -> KeySet {
        KeySet::new(vec![self.key.verifying_key().clone()]).unwrap()
    }

    fn settings(&self) -> IssuerSettings {
        IssuerSettings::new("main", self.keys()).iss("https://id.example.com").audience("orders")
    }

    fn layer(&self) -> BearerLayerBuilder {
        BearerLayer::builder().issuer(self.settings()).clock(self.clock.clone()).dialect(Preset::HungryMachines)
    }

    /// A good token of one hour, changed by `change`.
    fn token(&self, change: serde_json::Value) -> String {
        let mut claims =
            json!({ "iss": "https://id.example.com", "aud": "orders", "sub": "u-1", "exp": NOW.as_secs() + 3600 });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        jwt::sign(&self.key, None, claims.as_object().unwrap()).unwrap()
    }
}

fn request(token: Option<&str>) -> Request<String> {
    let mut builder = Request::builder().uri("/plants?token=secret");
    if let Some(token) = token {
        builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    builder.body(String::new()).unwrap()
}

/// Answers with the subject, and counts its calls.
#[derive(Clone, Default)]
struct Inner {
    calls: Arc<AtomicUsize>,
}

impl Service<Request<String>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let principal = request.extensions().get::<Principal>();
        let subject = principal.map_or("nobody", |principal| principal.subject().unwrap_or("no subject"));
        std::future::ready(Ok(Response::new(Full::from(subject.to_owned()))))
    }
}

async fn ask(layer: &BearerLayer, inner: &Inner, token: Option<&str>) -> (StatusCode, String) {
    let response = layer.layer(inner.clone()).oneshot(request(token)).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_good_token_reaches_the_inner_service_with_its_principal() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let token = issuer.token(json!({}));
    for _ in 0..3 {
        assert_eq!(ask(&layer, &inner, Some(&token)).await, (StatusCode::OK, "u-1".to_owned()));
    }
    let stats = layer.gate.authenticator.cache_stats();
    assert_eq!((stats.hits, stats.misses), (2, 1));
}

#[tokio::test]
async fn what_is_refused_is_refused_in_the_words_of_the_contract_and_the_inner_service_is_not_called() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let good = issuer.token(json!({}));
    let expired = issuer.token(json!({ "exp": NOW.as_secs() }));
    let other = Issuer::new().token(json!({}));
    let expired_and_wrongly_signed = Issuer::new().token(json!({ "exp": 1 }));
    let cases = [
        (None, "Not authenticated"),
        (Some(""), "Not authenticated"),
        (Some(expired.as_str()), "Token expired"),
        (Some(&other), "Invalid token"),
        (Some(&expired_and_wrongly_signed), "Invalid token"),
        (Some(&good[..good.len() - 1]), "Invalid token"),
        (Some("garbage"), "Invalid token"),
    ];
    for (token, detail) in cases {
        for _ in 0..2 {
            let (status, body) = ask(&layer, &inner, token).await;
            assert_eq!((status, body), (StatusCode::UNAUTHORIZED, format!("{{\"detail\":\"{detail}\"}}")), "{token:?}");
        }
    }
    assert_eq!(inner.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_expired_token_is_refused_though_cached() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let token = issuer.token(json!({}));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
    issuer.clock.advance(Duration::from_millis(3_599_999));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
    issuer.clock.advance(Duration::from_millis(1));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.1, r#"{"detail":"Token expired"}"#);
    assert_eq!(layer.gate.authenticator.cache_stats().hits, 1, "the refusal came from the cache");
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_token_live_longer_or_start_earlier() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let token = issuer.token(json!({ "nbf": NOW.as_secs() }));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
    issuer.clock.set(NOW.saturating_sub(Duration::from_secs(1)));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.1, r#"{"detail":"Invalid token"}"#, "not yet valid again");
    issuer.clock.set(NOW.saturating_add(Duration::from_secs(3600)));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.1, r#"{"detail":"Token expired"}"#);
    issuer.clock.set(NOW);
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_expired_token_that_is_seen_first_after_the_clock_went_wrong_is_good_when_it_is_right_again() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let token = issuer.token(json!({}));
    issuer.clock.advance(Duration::from_secs(7200));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.1, r#"{"detail":"Token expired"}"#);
    issuer.clock.set(NOW);
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn optional_lets_nobody_through_as_nobody_and_refuses_a_bad_token() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().optional().build().unwrap(), Inner::default());
    assert_eq!(ask(&layer, &inner, None).await, (StatusCode::OK, "nobody".to_owned()));
    assert_eq!(ask(&layer, &inner, Some(&issuer.token(json!({})))).await, (StatusCode::OK, "u-1".to_owned()));
    assert_eq!(ask(&layer, &inner, Some("garbage")).await.0, StatusCode::UNAUTHORIZED);
    let expired = issuer.token(json!({ "exp": 1 }));
    assert_eq!(ask(&layer, &inner, Some(&expired)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(inner.calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_principal_of_another_layer_does_not_pass_for_this_ones() {
    let (one, other) = (Issuer::new(), Issuer::new());
    let outer = BearerLayer::builder().issuer(one.settings()).clock(one.clock.clone()).build().unwrap();
    let inner = other.layer().optional().build().unwrap();
    let strip = service_fn(|mut request: Request<String>| {
        request.headers_mut().remove(AUTHORIZATION);
        std::future::ready(Ok::<_, Infallible>(request))
    });
    let stripped = strip.oneshot({
        let mut request = request(None);
        let principal = outer.gate.authenticator.authenticate_token(&one.token(json!({}))).unwrap();
        request.extensions_mut().insert(principal);
        request
    });
    let response = inner.layer(Inner::default()).oneshot(stripped.await.unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "nobody");
}

#[tokio::test]
async fn removed_keys_take_their_cached_tokens_with_them_and_unknown_keys_are_no_refusal_of_the_token() {
    let (issuer, next) = (Issuer::new(), Issuer::new());
    let source = Arc::new(KeySource::pending());
    let settings = IssuerSettings::with_source("main", Arc::clone(&source), vec![Algorithm::EdDsa]);
    let layer = BearerLayer::builder().issuer(settings).clock(issuer.clock.clone()).build().unwrap();
    let inner = Inner::default();
    let token = issuer.token(json!({}));

    let response = layer.layer(inner.clone()).oneshot(request(Some(&token))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");

    source.replace(issuer.keys());
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::OK);
    source.replace(next.keys());
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_finds_its_issuer_by_iss_and_never_another_ones_keys() {
    let (one, two) = (Issuer::new(), Issuer::new());
    let settings =
        |issuer: &Issuer, name: &str| IssuerSettings::new(name, issuer.keys()).iss(format!("https://{name}"));
    let layer =
        BearerLayer::builder().issuer(settings(&one, "one")).issuer(settings(&two, "two")).clock(one.clock.clone());
    let (layer, inner) = (layer.build().unwrap(), Inner::default());
    for (issuer, iss, status) in [
        (&one, json!("https://one"), StatusCode::OK),
        (&two, json!("https://two"), StatusCode::OK),
        (&one, json!("https://two"), StatusCode::UNAUTHORIZED),
        (&two, json!("https://one"), StatusCode::UNAUTHORIZED),
        (&one, json!("https://one/"), StatusCode::UNAUTHORIZED),
        (&one, json!("https://ONE"), StatusCode::UNAUTHORIZED),
        (&one, json!(["https://one"]), StatusCode::UNAUTHORIZED),
        (&one, json!(null), StatusCode::UNAUTHORIZED),
    ] {
        let token = issuer.token(json!({ "iss": iss }));
        assert_eq!(ask(&layer, &inner, Some(&token)).await.0, status, "{iss}");
    }
}

#[test]
fn issuers_that_cannot_be_told_apart_are_refused_when_the_layer_is_built() {
    let issuer = Issuer::new();
    let twice = BearerLayer::builder().issuer(issuer.settings()).issuer(issuer.settings()).build();
    assert!(twice.is_err());
    let unnamed = || IssuerSettings::new("any", issuer.keys());
    assert!(BearerLayer::builder().issuer(unnamed()).issuer(unnamed()).build().is_err());
}

#[test]
fn a_token_of_an_algorithm_that_the_issuer_does_not_use_is_refused_though_a_key_fits() {
    let issuer = Issuer::new();
    let source = Arc::new(KeySource::known(issuer.keys()));
    let settings = IssuerSettings::with_source("main", source, vec![Algorithm::Es256]);
    let layer = BearerLayer::builder().issuer(settings).clock(issuer.clock.clone()).build().unwrap();
    let outcome = layer.gate.authenticator.authenticate_token(&issuer.token(json!({})));
    assert!(matches!(outcome, Err(AuthnError::InvalidToken(jwt::InvalidToken::AlgorithmNotAllowed(_)))), "{outcome:?}");
}

#[tokio::test]
async fn a_writer_of_ones_own_writes_every_refusal() {
    let issuer = Issuer::new();
    let write = |rejection: &Rejection, asked: &Asked<'_>| {
        let text = format!("{} {}: {}", asked.method, asked.uri.path(), rejection.reason());
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    let layer = issuer.layer().refuse_with(write).build().unwrap();
    let answer = ask(&layer, &Inner::default(), None).await;
    assert_eq!(answer, (StatusCode::IM_A_TEAPOT, "GET /plants: not_authenticated".to_owned()));
}

/// Panics when it is called without having been ready, as tower's own services do.
#[derive(Clone, Default)]
struct Strict {
    ready: bool,
}

impl Service<Request<String>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn the_service_that_is_called_is_the_one_that_was_ready() {
    let issuer = Issuer::new();
    let token = issuer.token(json!({}));
    let mut service = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(issuer.layer().build().unwrap())
        .concurrency_limit(1)
        .service(Strict::default());
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(request(Some(&token))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_body_of_an_answer_passes_through_frame_by_frame() {
    let issuer = Issuer::new();
    let layer = issuer.layer().build().unwrap();
    let service = layer.layer(service_fn(|_request: Request<String>| async {
        let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("abc").with_trailers(async move { Some(Ok(trailers)) })))
    }));
    let response = service.oneshot(request(Some(&issuer.token(json!({}))))).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["etag"], "x");
    assert_eq!(collected.to_bytes(), "abc");
}

#[cfg(feature = "axum")]
mod axum_handlers {
    use axum::{Router, routing::get};

    use super::*;

    async fn ask(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let request = request(token).map(axum::body::Body::from);
        let (mut parts, body) = request.into_parts();
        parts.uri = path.parse().unwrap();
        let response = router.clone().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn routes() -> Router {
        Router::new()
            .route("/needed", get(|principal: Principal| async move { principal.subject().unwrap_or("-").to_owned() }))
            .route(
                "/taken",
                get(|principal: Option<Principal>| async move {
                    principal.map_or("nobody".to_owned(), |principal| principal.subject().unwrap_or("-").to_owned())
                }),
            )
    }

    #[tokio::test]
    async fn a_handler_takes_the_principal_as_an_argument() {
        let issuer = Issuer::new();
        let token = issuer.token(json!({}));
        let router = routes().layer(issuer.layer().optional().build().unwrap());
        assert_eq!(ask(&router, "/needed", Some(&token)).await, (StatusCode::OK, "u-1".to_owned()));
        assert_eq!(ask(&router, "/taken", Some(&token)).await, (StatusCode::OK, "u-1".to_owned()));
        assert_eq!(ask(&router, "/taken", None).await, (StatusCode::OK, "nobody".to_owned()));
        let refused = ask(&router, "/needed", None).await;
        assert_eq!(refused, (StatusCode::UNAUTHORIZED, r#"{"detail":"Not authenticated"}"#.to_owned()));
    }

    #[tokio::test]
    async fn a_handler_whose_layer_was_forgotten_lets_nobody_in() {
        let token = Issuer::new().token(json!({}));
        assert_eq!(ask(&routes(), "/needed", Some(&token)).await.0, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(ask(&routes(), "/taken", Some(&token)).await, (StatusCode::OK, "nobody".to_owned()));
    }
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn refusals_of_a_grpc_service_are_statuses() {
    let issuer = Issuer::new();
    let layer = issuer.layer().refuse_with(GrpcRefusals).build().unwrap();
    let response = layer.layer(Inner::default()).oneshot(request(None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "16");
    assert_eq!(response.headers()["grpc-message"], "not_authenticated");
    assert_eq!(response.headers()["content-type"], "application/grpc");
}
