//! What a token costs that was verified before: found among one, and among 10,000 in random order; and with a thousand
//! revocations, of which none is its own.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{hint::black_box, sync::Arc};

use bearergate::{
    authn::{Authenticator, Revocations, revocation::Target},
    clock::Timestamp,
    jwt::Algorithm,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::HeaderMap;
use support::Issuer;

fn authenticator(issuer: &Issuer) -> Authenticator {
    Authenticator::builder().issuer(issuer.settings()).clock(support::clock()).build().expect("an authenticator")
}

fn hits(criterion: &mut Criterion) {
    let issuer = Issuer::new(Algorithm::EdDsa);
    let mut group = criterion.benchmark_group("cache");
    group.throughput(Throughput::Elements(1));
    for tokens in [1_usize, 10_000] {
        let authenticator = authenticator(&issuer);
        let numbers = 0..u32::try_from(tokens).expect("a small number");
        let mut headers: Vec<HeaderMap> = numbers.map(|number| support::headers(&issuer.good(number))).collect();
        for headers in &headers {
            authenticator.authenticate(headers).expect("a good token");
        }
        shuffle(&mut headers);
        let mut turn = headers.iter().cycle();
        group.bench_function(format!("hit, {tokens} tokens"), |bencher| {
            bencher.iter(|| authenticator.authenticate(black_box(turn.next().expect("it cycles"))).expect("a hit"));
        });
        let stats = authenticator.cache_stats();
        assert!(stats.misses <= u64::try_from(tokens).expect("it fits"), "{stats:?}");
    }
    group.finish();
}

fn revocations(criterion: &mut Criterion) {
    let issuer = Issuer::new(Algorithm::EdDsa);
    let revocations = Arc::new(Revocations::new(support::clock()));
    let builder = Authenticator::builder().issuer(issuer.settings()).clock(support::clock());
    let authenticator = builder.revocations(Arc::clone(&revocations)).build().expect("an authenticator");
    let headers = support::headers(&issuer.good(1));
    let mut group = criterion.benchmark_group("cache");
    for count in [0_usize, 1_000] {
        for number in 0..count {
            let (id, session) = (Target::Id(format!("{number:032}")), Target::Session(format!("{number}")));
            revocations.revoke("main", if number % 2 == 0 { id } else { session }, Revocations::DEFAULT_LIFE);
        }
        assert_eq!(revocations.count(), count);
        group.bench_function(format!("hit, {count} revocations"), |bencher| {
            bencher.iter(|| authenticator.authenticate(black_box(&headers)).expect("a hit"));
        });
    }
    group.finish();
}

fn expired(criterion: &mut Criterion) {
    let issuer = Issuer::new(Algorithm::EdDsa);
    let authenticator = authenticator(&issuer);
    let headers = support::headers(&issuer.token(1, Timestamp::as_secs(support::NOW)));
    assert!(authenticator.authenticate(&headers).is_err());
    criterion.bench_function("cache/hit, expired", |bencher| {
        bencher.iter(|| authenticator.authenticate(black_box(&headers)).is_err());
    });
}

/// Fisher and Yates, with a generator of our own: the order must be the same in every run.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(at + 1).expect("it fits");
        items.swap(at, usize::try_from(state % bound).expect("it fits"));
    }
}

criterion_group!(benches, hits, revocations, expired);
criterion_main!(benches);
