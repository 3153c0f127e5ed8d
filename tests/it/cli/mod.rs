//! The command line from outside: the real program, its output and how it ends.

mod configuration;
mod explain;
mod gateway;
mod jws;
mod log;
mod output;
mod process;
#[cfg(feature = "sqlite")]
mod revoke;
mod signing_keys;
mod support;
mod tokens;
