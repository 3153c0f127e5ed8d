//! The command line from outside: the real program, its output and how it ends.

mod configuration;
mod gateway;
mod jws;
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
