//! What a cached token costs in memory: the process's resident set before and after 10,000 of them, with the claims of
//! an ordinary access token of Keycloak's; and once more after somebody has asked each for its claims.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod support;

use std::{fs, hint::black_box};

use bearergate::{authn::Authenticator, jwt::Algorithm};
use support::Issuer;

const TOKENS: u32 = 10_000;

/// Bytes of memory that are resident.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

fn main() {
    // `cargo test` runs each benchmark once, `cargo bench` says so.
    let count = if std::env::args().any(|argument| argument == "--bench") { TOKENS } else { 10 };
    let issuer = Issuer::new(Algorithm::Hs256);
    let authenticator =
        Authenticator::builder().issuer(issuer.settings()).clock(support::clock()).build().expect("an authenticator");
    // What is there once only is not counted.
    authenticator.authenticate_token(&issuer.keycloak(count)).expect("a good token");
    let before = resident();
    let mut bytes = 0;
    for number in 0..count {
        let token = issuer.keycloak(number);
        bytes += token.len();
        authenticator.authenticate_token(&token).expect("a good token");
    }
    let filled = resident();
    for number in 0..count {
        let principal = authenticator.authenticate_token(&issuer.keycloak(number)).expect("a known token");
        black_box(principal.claims().get("realm_access"));
    }
    let asked = resident();
    let stats = authenticator.cache_stats();
    assert_eq!((stats.misses, stats.hits), (u64::from(count) + 1, u64::from(count)));
    let each = |after: u64| after.saturating_sub(before) / u64::from(count);
    println!("a token:                       {} bytes", bytes / count as usize);
    println!("a cached token:                {} bytes of RSS", each(filled));
    println!("after its claims were asked for: {} bytes of RSS", each(asked));
}
