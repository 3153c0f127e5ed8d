//! bearergate: an authentication gateway for HTTP APIs.

pub mod authn;
pub mod authz;
pub mod clock;
#[cfg(feature = "gateway")]
pub mod config;
pub mod contract;
pub mod jwt;
pub mod layer;
pub mod rejection;
pub mod secret;
