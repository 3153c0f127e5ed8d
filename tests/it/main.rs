//! The gateway from outside: real sockets, real upstreams, all in this process.
#![cfg(feature = "gateway")]

mod support;

mod admin;
mod bodies;
mod connections;
mod drain;
mod forwarding;
mod http_2;
mod smuggling;
mod upstreams;
