//! bearergate: an authentication gateway for HTTP APIs.

pub mod authn;
pub mod authz;
pub mod clock;
#[cfg(feature = "gateway")]
pub mod config;
pub mod contract;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod jwt;
pub mod layer;
#[cfg(feature = "gateway")]
pub mod proxy;
pub mod rejection;
pub mod secret;
