//! The gate inside a Rust service: a tower [`Layer`].
//!
//! [`BearerLayer`] asks the same of every request; [`PolicyLayer`] what a rule for its method and path asks. For each
//! request, in this order:
//!
//! 1. The request's token is authenticated ([`authn`](crate::authn)).
//! 2. A good one puts a [`Principal`](crate::authn::Principal) into the request's extensions and the inner service is
//!    called.
//! 3. No token where it is [optional](BearerLayerBuilder::optional): the inner service is called without a principal.
//! 4. A policy's rule may ask for permissions and for the resource to be the caller's.
//! 5. Anything else is refused in the words of the [contract](crate::contract), and the inner service is not called.
//!
//! ```
//! use bearergate::{authn::{IssuerSettings, Principal}, contract::Preset, jwt::{KeySet, Origin}, layer::BearerLayer};
//! use http::{Request, Response};
//! use tower::{Layer, service_fn};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let jwks = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let (keys, _skipped) = KeySet::from_jwks(jwks, Origin::File)?;
//! let layer = BearerLayer::builder()
//!     .issuer(IssuerSettings::new("main", keys).iss("https://id.example.com").audience("orders"))
//!     .dialect(Preset::HungryMachines)
//!     .build()?;
//!
//! let service = layer.layer(service_fn(|request: Request<String>| async move {
//!     let caller = request.extensions().get::<Principal>().and_then(Principal::subject);
//!     Ok::<_, std::convert::Infallible>(Response::new(format!("hello {caller:?}")))
//! }));
//! # let _ = service;
//! # Ok(())
//! # }
//! ```

mod answered;
mod body;
#[cfg(feature = "axum")]
mod extract;
mod future;
#[cfg(feature = "tonic")]
mod grpc;
mod policy;
mod refusal;
mod require;
mod service;

use std::sync::Arc;

use tower_layer::Layer;

#[cfg(feature = "tonic")]
pub use self::grpc::GrpcRefusals;
pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    policy::{PolicyLayer, PolicyLayerBuilder, PolicyLayerError},
    refusal::{Asked, RefusalWriter},
    service::BearerService,
};
use self::{
    refusal::ContractWriter,
    service::{Gate, Rules},
};
use crate::{
    authn::{
        Authenticator, AuthenticatorBuilder, AuthenticatorError, CacheSettings, IssuerSettings, Revocations, Roles,
        Vocabulary,
    },
    authz::Access,
    clock::Clock,
    contract::{Contract, Dialect},
};

/// Lets requests with a good token through, and refuses the others. See the [module](self).
#[derive(Clone, Debug)]
pub struct BearerLayer {
    gate: Arc<Gate>,
}

impl BearerLayer {
    /// A layer without issuers, until some are added.
    #[must_use]
    pub fn builder() -> BearerLayerBuilder {
        BearerLayerBuilder::default()
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService::new(inner, Arc::clone(&self.gate))
    }
}

/// Collects what a [`BearerLayer`] is made of.
#[derive(Default)]
pub struct BearerLayerBuilder {
    authenticator: AuthenticatorBuilder,
    dialect: Dialect,
    refusals: Option<Arc<dyn RefusalWriter>>,
    optional: bool,
    clock: Clock,
}

impl BearerLayerBuilder {
    /// Adds an issuer whose tokens are good.
    #[must_use]
    pub fn issuer(mut self, issuer: IssuerSettings) -> Self {
        self.authenticator = self.authenticator.issuer(issuer);
        self
    }

    /// What the names of roles stand for.
    #[must_use]
    pub fn roles(mut self, roles: Roles) -> Self {
        self.authenticator = self.authenticator.roles(roles);
        self
    }

    /// How much is remembered. Default: 50,000 tokens, 10 minutes.
    #[must_use]
    pub fn cache(mut self, settings: CacheSettings) -> Self {
        self.authenticator = self.authenticator.cache(settings);
        self
    }

    /// The revoked tokens, to be added to while requests are served. Without this there are none.
    #[must_use]
    pub fn revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.authenticator = self.authenticator.revocations(revocations);
        self
    }

    /// The longest token that is looked at, in bytes. Default 8 KiB.
    #[must_use]
    pub fn token_bytes(mut self, bytes: usize) -> Self {
        self.authenticator = self.authenticator.token_bytes(bytes);
        self
    }

    /// In whose words to refuse, a [`Preset`](crate::contract::Preset)'s for instance. Default: RFC 6750 challenges and
    /// RFC 9457 problem details.
    #[must_use]
    pub fn dialect(mut self, dialect: impl Into<Dialect>) -> Self {
        self.dialect = dialect.into();
        self
    }

    /// Writes refusals in your own way; the dialect then only says how the scheme is compared.
    #[must_use]
    pub fn refuse_with(mut self, writer: impl RefusalWriter) -> Self {
        self.refusals = Some(Arc::new(writer));
        self
    }

    /// Lets requests without a token through, without a principal. A bad token is refused all the same.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When two issuers cannot be told apart.
    pub fn build(self) -> Result<BearerLayer, AuthenticatorError> {
        let access = if self.optional { Access::Optional } else { Access::Token };
        Ok(BearerLayer { gate: Arc::new(self.gate(Rules::Same(access), Vocabulary::default())?) })
    }

    /// `vocabulary` has what `rules` ask for.
    fn gate(self, rules: Rules, vocabulary: Vocabulary) -> Result<Gate, AuthenticatorError> {
        let authenticator: Authenticator = self
            .authenticator
            .vocabulary(vocabulary)
            .scheme(self.dialect.scheme())
            .clock(self.clock.clone())
            .build()?;
        let contract = || -> Arc<dyn RefusalWriter> {
            Arc::new(ContractWriter { contract: Contract::new(self.dialect), clock: self.clock })
        };
        let refusals = self.refusals.unwrap_or_else(contract);
        Ok(Gate { authenticator, refusals, rules })
    }
}

#[cfg(test)]
mod tests;
