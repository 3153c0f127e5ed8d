//! Faults that are injected for real, into the program as it runs, under load. What becomes of each request is counted,
//! and each has to come to what is defined for it: no answer is wrong, and nothing that was promised is lost.
//!
//! Those that need root or a clock that can be turned are ignored; the step "faults" of `.ci/run` runs them too.
#![cfg(all(feature = "accounts", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that uses it")]

#[path = "../it/support/client.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod client;
#[path = "../it/cli/support.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod program;
#[path = "../it/support/upstream.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod upstream;

mod house;
mod load;

mod clock;
mod crowd;
mod descriptors;
mod disk;
mod drain;
mod killed;
mod overload;
mod provider;
mod reload;
mod upstreams;

use house::token;
