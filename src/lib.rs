//! bearergate: an authentication gateway for HTTP APIs.

pub mod clock;
pub mod jwt;
pub mod secret;
