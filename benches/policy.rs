//! What deciding costs once the token is known: without a demand, with permissions, with an owner whose answer is
//! remembered; among 10 routes and among 1,000.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use bearergate::{
    authn::{Authenticator, Principal, Vocabulary},
    authz::{
        Denial, OwnershipSource, Policy, RouteSpec, Routes,
        ownership::{Changes, Lookups, Owners, OwnersSettings, Ownership},
    },
    jwt::Algorithm,
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use support::Issuer;

/// A rule of each kind, and as many others as make `count`.
fn specs(count: usize) -> Vec<RouteSpec> {
    let spec =
        |pattern: &str| RouteSpec { patterns: vec![pattern.parse().expect("a pattern")], ..RouteSpec::default() };
    let mut specs = vec![
        spec("GET /items/{id}"),
        RouteSpec {
            permissions: vec!["read:items".to_owned(), "write:items".to_owned()],
            ..spec("GET /articles/{id}")
        },
        RouteSpec { owner: Some("plant".to_owned()), ..spec("GET /plants/{id}") },
    ];
    specs.extend((specs.len()..count).map(|number| spec(&format!("GET /other-{number}/{{id}}/parts"))));
    specs
}

fn policy(count: usize, vocabulary: &mut Vocabulary) -> (Policy, Lookups) {
    let ownership = Ownership { variable: "id".to_owned(), unless: Vec::new() };
    let routes = Routes::build(specs(count), &[("plant".to_owned(), ownership)], vocabulary).expect("routes");
    let settings = OwnersSettings { name: "plant".to_owned(), life: Duration::from_secs(10), clock: support::clock() };
    let (owners, lookups) = Owners::new(settings);
    (Policy::new(routes, vec![OwnershipSource::Owners(owners)], Changes::default()), lookups)
}

/// Route and decision, as the gateway has them for each request.
fn decide(policy: &Policy, path: &str, principal: &Principal) -> bool {
    let found = policy.find(&Method::GET, path).expect("a path");
    policy.permit(found.as_ref(), &Method::GET, Some(principal.clone()), None).is_ok()
}

/// Has it known whose the plant is.
fn answer(policy: &Policy, lookups: &mut Lookups, path: &str, principal: &Principal) {
    let found = policy.find(&Method::GET, path).expect("a path");
    let denied = policy.permit(found.as_ref(), &Method::GET, Some(principal.clone()), None);
    assert!(matches!(denied, Err(Denial::OwnerAwaited(_))), "it was not asked");
    let next = pin!(lookups.next()).poll(&mut Context::from_waker(Waker::noop()));
    let std::task::Poll::Ready(Some(lookup)) = next else { unreachable!("it was asked") };
    lookup.owns(true);
}

fn decisions(criterion: &mut Criterion) {
    let issuer = Issuer::new(Algorithm::EdDsa);
    let plant = "/plants/7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let mut group = criterion.benchmark_group("policy");
    for count in [10, 1_000] {
        let mut vocabulary = Vocabulary::default();
        let (policy, mut lookups) = policy(count, &mut vocabulary);
        let authenticator = Authenticator::builder().issuer(issuer.settings()).vocabulary(vocabulary);
        let authenticator = authenticator.clock(support::clock()).build().expect("an authenticator");
        let principal = authenticator.authenticate(&support::headers(&issuer.good(1))).expect("a good token");
        answer(&policy, &mut lookups, plant, &principal);
        for (name, path) in [
            ("token", "/items/7c9e6679-7425-40de-944b-e07fc1f90ae7"),
            ("permissions", "/articles/7c9e6679-7425-40de-944b-e07fc1f90ae7"),
            ("owner, remembered", plant),
        ] {
            assert!(decide(&policy, path, &principal), "{name}");
            group.bench_function(format!("{name}, {count} routes"), |bencher| {
                bencher.iter(|| decide(&policy, black_box(path), black_box(&principal)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
