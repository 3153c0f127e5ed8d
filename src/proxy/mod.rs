//! The way to the upstream: what is changed in a request and its answer, and over which connection they go.
//!
//! 1. Fields that belong to one connection are removed ([`hop_by_hop`]), then the ones that tell where a request came
//!    from ([`forwarded`]), then every spelling of the identity headers ([`identity`]).
//! 2. Ours are set: `X-Forwarded-*` always, the identity headers if the request has a principal.
//! 3. A server is chosen ([`upstream`]), and a connection of the worker's own to it taken, or made: one of HTTP/1.1
//!    (`exchange`), or a stream of one of HTTP/2 (`stream`).
//! 4. Bodies stream both ways; nothing is buffered beyond what is on its way.
//! 5. Where a route allows it, a connection goes on with WebSocket ([`upgrade`]).
//!
//! A request gets here with a [`Permit`](crate::authz::Permit) or not at all ([`forward()`]).

pub mod body;
mod dial;
mod exchange;
pub mod forward;
pub mod forwarded;
pub mod hop_by_hop;
pub mod identity;
pub mod incoming;
mod pool;
mod rewrite;
mod stream;
pub mod upgrade;
pub mod upload;
pub mod upstream;

pub use body::{Body, BodyError};
pub use forward::{Context, forward};
pub use forwarded::Peer;
pub use identity::{AuthorizationHeader, ManagedHeaders};
pub use incoming::Incoming;
pub use stream::is_grpc;
pub use upstream::{Upstream, UpstreamCounters, Upstreams};
