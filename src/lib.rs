//! An authentication gateway for HTTP APIs: it verifies Bearer JWTs, answers in the API's own documented words, and
//! forwards what may pass. The same code is a reverse proxy (the `bearergate` binary) and a tower layer.
//!
//! # The layer
//!
//! ```
//! use bearergate::{authn::IssuerSettings, contract::Preset, jwt::{KeySet, Origin}, layer::BearerLayer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let jwks = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let (keys, _skipped) = KeySet::from_jwks(jwks, Origin::File)?;
//! let layer = BearerLayer::builder()
//!     .issuer(IssuerSettings::new("main", keys).iss("https://id.example.com").audience("orders"))
//!     .dialect(Preset::HungryMachines) // whose words refusals are in; without it, those of the RFCs
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! Handlers find the caller as an [`authn::Principal`] in the request's extensions, or as an argument with the feature
//! `axum`. [`layer::PolicyLayer`] asks what a route asks, permissions and owners too, and
//! [`Principal::require`](authn::Principal::require) what only the handler can know.
//!
//! # The way of a request
//!
//! 1. [`authz::Routes`]: method and canonical path → rule.
//! 2. [`authn::Authenticator`]: headers → [`authn::Principal`], from the cache or by [`jwt`].
//! 3. [`authz::policy`]: rule and principal → [`authz::Permit`].
//! 4. The proxy takes the permit and forwards. Whatever is refused on the way is a [`rejection::Rejection`], and
//!    [`contract::Contract`] is the one place that says so to the client.
//!
//! # Features
//!
//! | Feature | Adds | Default |
//! |---|---|---|
//! | `gateway` | the binary: configuration, proxy, admin listener, command line | yes |
//! | `accounts` | the gateway's own users: passwords, addresses, sessions (with `gateway`) | yes |
//! | `jwks` | keys that are fetched, and issuers that are asked: [`authn::remote`] (in `gateway`) | yes |
//! | `sqlite`, `postgres` | revocations that outlive the gateway, in a SQLite file or a PostgreSQL database | yes |
//! | `supabase` | accounts that a Supabase Auth server keeps (with `accounts`) | yes |
//! | `axum` | [`authn::Principal`] as an argument of axum 0.8 handlers, [`rejection::Rejection`] as an answer | |
//! | `tonic` | refusals as gRPC statuses | |
//!
//! With `default-features = false` there is the layer alone: no server, no client, no TLS, no database.

#[cfg(feature = "accounts")]
pub mod accounts;
pub mod authn;
pub mod authz;
#[cfg(feature = "gateway")]
pub mod cli;
pub mod clock;
#[cfg(feature = "gateway")]
pub mod config;
pub mod contract;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "gateway")]
pub mod http1;
pub mod jwt;
pub mod layer;
#[cfg(feature = "gateway")]
pub mod proxy;
pub mod rejection;
pub mod secret;
pub mod single_flight;
#[cfg(feature = "gateway")]
pub mod store;
