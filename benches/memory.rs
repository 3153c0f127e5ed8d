//! What a cached token costs in memory: the process's resident set before and after 10,000 of them, with the claims of
//! an ordinary access token of Keycloak's; and once more after somebody has asked each for its claims. On the way, what it
//! takes to verify each and to remember it.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{fs, hint::black_box, time::Instant};

use bearergate::{authn::Authenticator, jwt::Algorithm};
use support::Issuer;

const TOKENS: u32 = 10_000;

/// Bytes of memory that are resident.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// How long each of these tokens takes, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "what is measured is how long something takes")]
fn fill(authenticator: &Authenticator, tokens: &[String]) -> f64 {
    let started = Instant::now();
    for token in tokens {
        black_box(authenticator.authenticate_token(token).expect("a good token"));
    }
    started.elapsed().as_secs_f64() * 1e9 / tokens.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test` runs each benchmark once, `cargo bench` says so.
    let count = if std::env::args().any(|argument| argument == "--bench") { TOKENS } else { 10 };
    let issuer = Issuer::new(Algorithm::Hs256);
    let authenticator =
        Authenticator::builder().issuer(issuer.settings()).clock(support::clock()).build().expect("an authenticator");
    // What is there once only is not counted.
    authenticator.authenticate_token(&issuer.keycloak(count)).expect("a good token");
    let tokens: Vec<String> = (0..count).map(|number| issuer.keycloak(number)).collect();
    let before = resident();
    let times = tokens.chunks(100).map(|tokens| fill(&authenticator, tokens)).collect();
    let filled = resident();
    for token in &tokens {
        let principal = authenticator.authenticate_token(token).expect("a known token");
        black_box(principal.claims().get("realm_access"));
    }
    let asked = resident();
    let stats = authenticator.cache_stats();
    assert_eq!((stats.misses, stats.hits), (u64::from(count) + 1, u64::from(count)));
    let each = |after: u64| after.saturating_sub(before) / u64::from(count);
    println!("a token:                         {} bytes", tokens.iter().map(String::len).sum::<usize>() / tokens.len());
    println!("to verify and remember it, HS256: {:.0} ns", median(times));
    println!("a cached token:                  {} bytes of RSS", each(filled));
    println!("after its claims were asked for: {} bytes of RSS", each(asked));
}
