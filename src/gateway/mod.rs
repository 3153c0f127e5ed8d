//! The running gateway: listeners, workers, and the way of a request.
//!
//! [`run()`] binds everything, starts one worker a core, the [`admin`] listener and does what signals ask for until one
//! of them has it [`drain`]. What a request goes through stands in `stack.rs`, top to bottom. What may change while the gateway
//! runs is one [`Snapshot`], swapped whole.

mod access_log;
#[cfg(feature = "accounts")]
pub mod accounts;
#[cfg(feature = "acme")]
pub mod acme;
mod addresses;
pub mod admin;
mod before;
mod body;
mod built_in;
mod client_address;
mod connection;
mod contained;
pub mod cors;
mod current;
mod date;
mod decision;
mod descriptors;
pub mod drain;
pub mod echo;
mod entrance;
mod expiry;
pub mod explain;
mod frames;
mod grpc;
pub mod handover;
mod head;
mod http1;
pub mod keys;
pub mod life;
mod listener;
pub mod metrics;
pub mod ownership;
pub mod prepare;
pub mod proxy_protocol;
pub mod published;
pub mod rate_limit;
pub mod reload;
mod report;
mod request_log;
pub mod revocation_json;
pub mod revoker;
pub mod run;
pub mod signing_keys;
pub mod snapshot;
pub mod sockets;
mod spread;
mod stack;
mod supervisor;
pub mod tls;
mod upgrade;
mod waiting;
pub mod watch;
mod worker;

pub use cors::Cors;
pub use echo::Echo;
pub use life::{Life, run};
pub use ownership::Ownerships;
pub use prepare::{PrepareError, Prepared, prepare};
pub use published::Published;
pub use rate_limit::RateLimits;
pub use revoker::Revoker;
pub use run::{RunError, Running, Settings, start};
pub use snapshot::Snapshot;
pub use tls::Tls;
