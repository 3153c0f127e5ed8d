//! Keys that are fetched, from a provider that is down, slow, wrong, and changes them.

mod availability;
mod command;
mod contents;
mod provider;
mod rotation;
