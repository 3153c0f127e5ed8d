//! The running gateway: listeners, workers, and the way of a request.
//!
//! [`run()`] binds everything, starts one worker a core, the [`admin`] listener and waits for the signal to
//! [`drain`]. What a request goes through stands in `stack.rs`, top to bottom. What may change while the gateway
//! runs is one [`Snapshot`], swapped whole.

mod access_log;
#[cfg(feature = "accounts")]
pub mod accounts;
pub mod admin;
mod body;
mod built_in;
mod client_address;
mod connection;
mod contained;
pub mod cors;
mod date;
mod descriptors;
pub mod drain;
pub mod echo;
mod expiry;
pub mod explain;
mod grpc;
mod head;
mod http1;
pub mod keys;
mod listener;
pub mod metrics;
pub mod ownership;
pub mod prepare;
pub mod published;
mod report;
mod request_log;
pub mod revocation_json;
pub mod revoker;
pub mod run;
pub mod signing_keys;
pub mod snapshot;
mod spread;
mod stack;
mod upgrade;
mod waiting;
mod worker;

pub use cors::Cors;
pub use echo::Echo;
pub use ownership::Ownerships;
pub use prepare::{PrepareError, Prepared, prepare};
pub use published::Published;
pub use revoker::Revoker;
pub use run::{RunError, Running, Settings, run, start};
pub use snapshot::Snapshot;
