//! The gateway's own users, for an API that has no login of its own.
//!
//! - [`backend`]: who else may keep the users.
//! - [`email`]: an address as it is shown and as it is compared.
//! - [`model`]: a user, and what happens to one beside what was asked for: mail and the audit trail.
//! - [`operator`]: what is done for users beside the endpoints.
//! - [`password`]: what a password may be, how it is kept, and how one is compared with what is kept.
//! - [`session`]: refresh tokens, their rotation, and what a token means that comes a second time.
//! - [`store`]: what a store of users promises.
//! - [`throttle`]: how often may be guessed.

pub mod attribute;
pub mod backend;
pub mod command;
pub mod email;
pub mod engine;
mod failure;
pub mod mail;
pub mod minter;
pub mod model;
mod one_time;
pub mod openapi;
pub mod operator;
pub mod password;
pub mod plan;
pub mod session;
pub mod store;
pub mod throttle;
mod uuid;
pub mod validation;
mod values;

pub use self::uuid::{NoUuid, Uuid};

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no random bytes to be had")]
pub struct NoRandomness;
