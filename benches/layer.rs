//! What the layer costs over a service that does nothing.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll, Waker},
};

use bearergate::{authn::Principal, clock::Clock, contract::Preset, jwt::Algorithm, layer::BearerLayer};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use support::Issuer;
use tower::{Layer, Service};

/// Does nothing.
#[derive(Clone)]
struct Null;

impl Service<Request<()>> for Null {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::default()))
    }
}

/// Puts a principal that is there already into the extensions: what every layer of this kind has to do.
#[derive(Clone)]
struct Insert(Principal);

impl Service<Request<()>> for Insert {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<()>) -> Self::Future {
        request.extensions_mut().insert(self.0.clone());
        Null.call(request)
    }
}

/// One request through the service, with header fields that are lent to it and taken back, so that building them is
/// not measured.
fn ask<S, B>(service: &mut S, headers: HeaderMap) -> StatusCode
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let mut future = std::pin::pin!(service.call(request));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => black_box(response).status(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn layer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Elements(1));
    let issuer = Issuer::new(Algorithm::Es256);
    let gate = |clock: Clock| {
        let builder = BearerLayer::builder().issuer(issuer.settings()).dialect(Preset::HungryMachines).clock(clock);
        builder.build().expect("a layer")
    };
    let (good, expired) = (issuer.good(1), issuer.token(1, support::NOW.as_secs()));
    let forged = Issuer::new(Algorithm::Es256).good(1);

    let headers = support::headers(&good);
    let principal = {
        let builder = bearergate::authn::Authenticator::builder().issuer(issuer.settings()).clock(support::clock());
        builder.build().expect("an authenticator").authenticate(&headers).expect("a good token")
    };
    let mut null = Null;
    measure(&mut group, "null service", &mut null, &headers, StatusCode::OK);
    let mut insert = Insert(principal);
    measure(&mut group, "null service with the extension insert", &mut insert, &headers, StatusCode::OK);

    let mut service = gate(support::clock()).layer(Null);
    measure(&mut group, "valid, cached", &mut service, &headers, StatusCode::OK);
    measure(&mut group, "missing", &mut service, &HeaderMap::new(), StatusCode::UNAUTHORIZED);
    measure(&mut group, "expired, seen before", &mut service, &support::headers(&expired), StatusCode::UNAUTHORIZED);
    measure(&mut group, "bad signature", &mut service, &support::headers(&forged), StatusCode::UNAUTHORIZED);
    group.finish();
}

fn measure<S, B>(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    service: &mut S,
    headers: &HeaderMap,
    status: StatusCode,
) where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            || headers.clone(),
            |headers| assert_eq!(ask(service, headers), status),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, layer);
criterion_main!(benches);
