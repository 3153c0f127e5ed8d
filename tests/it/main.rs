//! The gateway from outside: real sockets, real upstreams, all in this process; and the program itself.
#![cfg(feature = "gateway")]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that uses it")]

mod support;

mod access_log;
#[cfg(all(feature = "accounts", feature = "sqlite", feature = "postgres"))]
mod accounts;
#[cfg(feature = "acme")]
mod acme;
mod admin;
mod bodies;
mod cli;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod clients;
mod connections;
mod contracts;
mod cors;
mod drain;
mod explain;
mod forwarding;
mod grpc;
mod http_1;
mod http_2;
mod http_2_floods;
mod http_2_upstream;
mod identity;
mod issuers;
mod keys;
mod life;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod mail;
#[cfg(feature = "sqlite")]
mod ownership;
mod path;
mod permissions;
mod proxy_protocol;
mod rate_limits;
mod report;
#[cfg(feature = "sqlite")]
mod revocation;
mod smuggling;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
#[path = "../store/mod.rs"]
mod store;
mod streams;
#[cfg(feature = "supabase")]
mod supabase;
mod tls;
mod token;
mod upstreams;
mod websocket;
