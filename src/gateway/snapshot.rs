//! What a request is answered from, and may be replaced while the gateway runs: always as a whole.

use std::sync::Arc;

use ipnet::IpNet;

use super::{Cors, Ownerships, Published, RateLimits, Revoker, Tls};
use crate::{
    authn::Authenticator,
    authz::Policy,
    clock::Clock,
    config::Limits,
    contract::Contract,
    proxy::{ManagedHeaders, upstream::UpstreamSettings},
    store::Store,
};

/// Everything that the way of a request looks at.
pub struct Snapshot {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// What outlives the process, if something is to.
    pub store: Option<Store>,
    /// Whose tokens are not accepted any more.
    pub revoker: Arc<Revoker>,
    /// The public halves of the keys that the gateway signs with, if it does.
    pub published: Option<Arc<Published>>,
    /// Which rule covers a request, and whether the caller may pass.
    pub policy: Arc<Policy>,
    /// What pages of other origins may do; `None`: that is the upstream's affair.
    pub cors: Option<Arc<Cors>>,
    /// Who answers whose a resource is, and keeps what goes through and changes that.
    pub ownerships: Arc<Ownerships>,
    /// The built-in endpoints, if they are switched on.
    #[cfg(feature = "accounts")]
    pub accounts: Option<Arc<super::accounts::Running>>,
    /// In whose words a request is refused.
    pub contract: Arc<Contract>,
    /// The names that only the gateway sets.
    pub managed: ManagedHeaders,
    /// The upstreams, by the index that a rule gives.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// The limits. Those of a connection are the ones that it was made with.
    pub limits: Limits,
    /// How often somebody may come. They go over to the next snapshot ([`RateLimits::new`]).
    pub rate_limits: Arc<RateLimits>,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<IpNet>,
    /// What connections with clients are encrypted with; `None`: they are not.
    pub tls: Option<Arc<Tls>>,
    /// The names of the issuers without whose keys the gateway is not ready.
    pub required_keys: Vec<String>,
    /// The time shown in refusals.
    pub clock: Clock,
}
