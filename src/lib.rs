//! bearergate: an authentication gateway for HTTP APIs.

pub mod authn;
pub mod authz;
pub mod clock;
pub mod contract;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod jwt;
#[cfg(feature = "gateway")]
pub mod proxy;
pub mod rejection;
pub mod secret;
