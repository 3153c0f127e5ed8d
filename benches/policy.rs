//! What deciding costs once the token is known: without a demand, with permissions, with an owner whose answer is
//! remembered; among 10 routes and among 1,000.
//!
//! All take turns of a few thousand decisions, so that what the machine does meanwhile hits all; what is printed is the
//! median over all turns, and of the differences and ratios within each.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bearergate::{
    authn::{Authenticator, Principal, Vocabulary},
    authz::{
        Denial, OwnershipSource, Policy, RouteSpec, Routes,
        ownership::{Changes, Lookups, Owners, OwnersSettings, Ownership},
    },
    jwt::Algorithm,
};
use http::Method;
use support::Issuer;

const DECISIONS: u32 = 2_000;

/// Paths of one length under the rules: a token, permissions, an owner.
const PATHS: [&str; 3] = [
    "/things/7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "/papers/7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "/plants/7c9e6679-7425-40de-944b-e07fc1f90ae7",
];

/// A rule of each kind, and as many others as make `count`.
fn specs(count: usize) -> Vec<RouteSpec> {
    let spec =
        |pattern: &str| RouteSpec { patterns: vec![pattern.parse().expect("a pattern")], ..RouteSpec::default() };
    let mut specs = vec![
        spec("GET /things/{id}"),
        RouteSpec { permissions: vec!["read:items".to_owned(), "write:items".to_owned()], ..spec("GET /papers/{id}") },
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
    let Poll::Ready(Some(lookup)) = next else { unreachable!("it was asked") };
    lookup.owns(true);
}

/// What one decision takes, in ns, by one turn of them.
#[expect(clippy::disallowed_methods, reason = "what is measured is how long something takes")]
fn turn(policy: &Policy, path: &str, principal: &Principal) -> f64 {
    let started = Instant::now();
    for _ in 0..DECISIONS {
        black_box(decide(policy, black_box(path), black_box(principal)));
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test` runs each benchmark once, `cargo bench` says so.
    let turns = if std::env::args().any(|argument| argument == "--bench") { 1_001 } else { 3 };
    let issuer = Issuer::new(Algorithm::EdDsa);
    let mut cases = Vec::new();
    for count in [10, 1_000] {
        let mut vocabulary = Vocabulary::default();
        let (policy, mut lookups) = policy(count, &mut vocabulary);
        let authenticator = Authenticator::builder().issuer(issuer.settings()).vocabulary(vocabulary);
        let authenticator = authenticator.clock(support::clock()).build().expect("an authenticator");
        let principal = authenticator.authenticate(&support::headers(&issuer.good(1))).expect("a good token");
        answer(&policy, &mut lookups, PATHS[2], &principal);
        assert!(PATHS.iter().all(|path| decide(&policy, path, &principal)), "each may pass");
        cases.push((policy, principal));
    }
    // A turn of each case, again and again, so that what the machine does meanwhile hits all.
    let mut taken: [[Vec<f64>; 3]; 2] = Default::default();
    let (mut permissions, mut owner, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let mut each = [[0.0; 3]; 2];
        for (at, (policy, principal)) in cases.iter().enumerate() {
            for (which, path) in PATHS.iter().enumerate() {
                each[at][which] = turn(policy, path, principal);
                taken[at][which].push(each[at][which]);
            }
        }
        permissions.push(each[0][1] - each[0][0]);
        owner.push(each[0][2] - each[0][0]);
        many.push(each[1][0] / each[0][0]);
    }
    for (count, taken) in ["10", "1,000"].into_iter().zip(taken) {
        let [token, permissions, owner] = taken.map(median);
        println!("{count} routes: a token {token:.0} ns, permissions {permissions:.0} ns, an owner {owner:.0} ns");
    }
    println!("permissions over a token:   {:.0} ns", median(permissions));
    println!("an owner over a token:      {:.0} ns", median(owner));
    println!("1,000 routes against 10:    {:.2}", median(many));
}
