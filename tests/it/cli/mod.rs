//! The command line from outside: the real program, its output and how it ends.

mod configuration;
mod gateway;
mod jws;
mod log;
mod output;
#[cfg(feature = "sqlite")]
mod ownership;
mod process;
#[cfg(feature = "sqlite")]
mod revoke;
#[cfg(feature = "sqlite")]
mod roles;
mod signing_keys;
mod support;
mod tokens;
