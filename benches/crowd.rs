//! What other issuers and revocations cost a token that has nothing to do with them: a hit with one issuer and no
//! revocation, beside one with ten issuers and a thousand revocations.
//!
//! Both take turns of a few thousand lookups, so that what the machine does meanwhile hits both; what is printed is the
//! median of each and of the ratios, over all turns.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bearergate::{
    authn::{Authenticator, IssuerSettings, Revocations, revocation::Target},
    jwt::Algorithm,
};
use http::HeaderMap;
use support::Issuer;

const LOOKUPS: u32 = 5_000;

/// An authenticator for `issuer`, `others` and so many revocations of the tokens of each.
fn authenticator(issuer: &Issuer, others: usize, revoked: usize) -> Authenticator {
    let revocations = Arc::new(Revocations::new(support::clock()));
    let mut builder = Authenticator::builder().issuer(issuer.settings()).clock(support::clock());
    for number in 0..others {
        let other = Issuer::new(Algorithm::Es256).settings();
        let name = format!("other-{number}");
        let settings = IssuerSettings { name: name.clone(), ..other };
        builder = builder.issuer(settings.iss(format!("https://{name}.example.com")));
    }
    for number in 0..revoked {
        let target = match number % 3 {
            0 => Target::Id(format!("{number:032}")),
            1 => Target::Session(format!("{number}")),
            _ => Target::Subject { subject: format!("user-{number}"), before: support::NOW },
        };
        revocations.revoke("main", target, Revocations::DEFAULT_LIFE);
    }
    assert_eq!(revocations.count(), revoked);
    builder.revocations(revocations).build().expect("an authenticator")
}

#[expect(clippy::disallowed_methods, reason = "what is measured is how long something takes")]
fn turn(authenticator: &Authenticator, headers: &HeaderMap) -> Duration {
    let started = Instant::now();
    for _ in 0..LOOKUPS {
        black_box(authenticator.authenticate(black_box(headers)).expect("a hit"));
    }
    started.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test` runs each benchmark once, `cargo bench` says so.
    let turns = if std::env::args().any(|argument| argument == "--bench") { 2_001 } else { 3 };
    let issuer = Issuer::new(Algorithm::EdDsa);
    let headers = support::headers(&issuer.good(1));
    let (alone, crowd) = (authenticator(&issuer, 0, 0), authenticator(&issuer, 9, 1_000));
    let mut taken: [Vec<f64>; 2] = Default::default();
    let mut ratios = Vec::new();
    for number in 0..turns {
        // Who goes first changes with each turn.
        let mut each = [0.0; 2];
        for at in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let time = turn(if at == 0 { &alone } else { &crowd }, &headers);
            each[at] = time.as_secs_f64() * 1e9 / f64::from(LOOKUPS);
            taken[at].push(each[at]);
        }
        ratios.push(each[1] / each[0]);
    }
    let [alone, crowd] = taken.map(median);
    println!("hit, 1 issuer, 0 revocations:     {alone:.1} ns");
    println!("hit, 10 issuers, 1000 revocations: {crowd:.1} ns");
    println!("ratio:                             {:.3}", median(ratios));
}
