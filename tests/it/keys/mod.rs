//! Keys that are fetched, and tokens that are asked about, from a provider that is down, slow, wrong, and changes them.

mod availability;
mod command;
mod contents;
mod introspection;
mod provider;
mod rotation;
