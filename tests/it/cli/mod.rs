//! The command line from outside: the real program, its output and how it ends.

mod access_log;
mod configuration;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod db;
mod explain;
mod gateway;
mod jws;
mod large_bodies;
mod log;
mod openapi;
mod output;
#[cfg(feature = "sqlite")]
mod ownership;
mod process;
#[cfg(feature = "sqlite")]
mod revoke;
#[cfg(feature = "sqlite")]
mod roles;
mod signing_keys;
pub(crate) mod support;
mod tokens;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod users;
