//! The gateway's policy as a layer: who may call what, in one place, before any handler.
//!
//! 1. The path must be canonical ([`authz::path`](crate::authz::path)). The inner service sees the very path that was
//!    matched.
//! 2. The most specific route decides ([`authz::route`](crate::authz::route)): whether a token is needed, which permissions,
//!    and whether the resource has to be the caller's. What no route covers is refused.
//! 3. 401 goes before 403, a missing permission before ownership.
//! 4. The inner service finds the [`Principal`](crate::authn::Principal) and an `Arc<`[`Permit`](crate::authz::Permit)`>` in
//!    the request's extensions.
//!
//! The layer authenticates by itself, because the route decides whether a token is wanted, and because the permissions
//! that the routes name are what its principals are made ready for.

use std::sync::Arc;

use tower_layer::Layer;

use super::{
    BearerLayerBuilder,
    service::{BearerService, Gate, Rules},
};
use crate::{
    authn::{AuthenticatorError, Vocabulary},
    authz::{
        Access, Ownership, OwnershipSource, PatternError, Policy, RouteError, RouteSpec, Routes, ownership::Changes,
    },
};

/// Lets requests through that their route allows, and refuses the others; what no route covers, too. The inner service
/// finds the [`Principal`](crate::authn::Principal) and an `Arc<`[`Permit`](crate::authz::Permit)`>` in the request's
/// extensions.
///
/// ```
/// use bearergate::{
///     authn::IssuerSettings,
///     authz::{Ownership, OwnershipSource, RouteSpec},
///     contract::Preset,
///     jwt::{KeySet, Origin},
///     layer::{BearerLayer, PolicyLayer},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let jwks = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let (keys, _skipped) = KeySet::from_jwks(jwks, Origin::File)?;
/// let bearer = BearerLayer::builder().issuer(IssuerSettings::new("main", keys)).dialect(Preset::Homsai);
/// let layer = PolicyLayer::builder(bearer)
///     .route("GET /health", RouteSpec::public())
///     .route("POST /plants", RouteSpec::token().permission("PLANTS CREATE"))
///     .route("GET|DELETE /plants/{plant}", RouteSpec::token().permission("PLANTS READ").owner("plant"))
///     .ownership("plant", Ownership::of("plant").unless("ADMIN"), OwnershipSource::Claim("plants".into()))
///     .build()?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
///
/// Where no claim tells whose a resource is, somebody who knows answers, on the service's own runtime, and requests wait
/// for it. That an answer comes in time is their promise; a question that they drop refuses the request with 503.
///
/// ```
/// use std::time::Duration;
/// use bearergate::{authz::{OwnershipSource, ownership::{Owners, OwnersSettings}}, clock::Clock};
///
/// let settings = OwnersSettings { name: "order".to_owned(), life: Duration::from_secs(10), clock: Clock::system() };
/// let (owners, lookups) = Owners::new(settings);
/// let source = OwnershipSource::Owners(owners); // for `ownership("order", Ownership::of("id"), source)`
/// let answering = async move {
///     while let Some(lookup) = lookups.next().await {
///         let theirs = lookup.record().subject == "alice"; // ask your database: does `subject` own `resource`?
///         lookup.owns(theirs);
///     }
/// };
/// # let _ = (source, answering); // tokio::spawn(answering)
/// ```
///
/// Put it where paths are whole: within an
/// [axum `nest`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.nest) they have lost their beginning.
#[derive(Clone, Debug)]
pub struct PolicyLayer {
    gate: Arc<Gate>,
}

impl PolicyLayer {
    /// A policy without routes, which refuses everything until some are added. `bearer` tells whose tokens are good, and
    /// in whose words to refuse; what it says of [optional](BearerLayerBuilder::optional) tokens doesn't count, because
    /// each route says that.
    #[must_use]
    pub fn builder(bearer: BearerLayerBuilder) -> PolicyLayerBuilder {
        PolicyLayerBuilder { bearer, routes: Vec::new(), ownerships: Vec::new(), sources: Vec::new(), mistake: None }
    }
}

impl<S> Layer<S> for PolicyLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService::new(inner, Arc::clone(&self.gate))
    }
}

/// Collects what a [`PolicyLayer`] is made of.
pub struct PolicyLayerBuilder {
    bearer: BearerLayerBuilder,
    routes: Vec<RouteSpec>,
    ownerships: Vec<(String, Ownership)>,
    sources: Vec<OwnershipSource>,
    mistake: Option<PolicyLayerError>,
}

/// A policy that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLayerError {
    /// A route that is no pattern of a method and a path.
    #[error("{pattern:?} is not a pattern: {error}")]
    Pattern {
        /// What was written.
        pattern: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// A public route ignores the token, so it can ask for nothing in it.
    #[error("{0:?} is public, and asks for what only a token can tell")]
    PublicAsks(String),
    /// A route accepts an issuer that is not there.
    #[error("{pattern:?} names the issuer {issuer:?}, which was not added")]
    UnknownIssuer {
        /// The route.
        pattern: String,
        /// What it names.
        issuer: String,
    },
    /// Routes that tie, or name an ownership that does not fit: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<RouteError>),
    /// Issuers that cannot be told apart.
    #[error(transparent)]
    Issuers(#[from] AuthenticatorError),
}

impl PolicyLayerBuilder {
    /// What requests need that `pattern` covers: `GET /plants/{plant}`, `GET|POST /plants`, `* /public/**`.
    #[must_use]
    pub fn route(mut self, pattern: &str, route: RouteSpec) -> Self {
        match pattern.parse() {
            Ok(parsed) => self.routes.push(RouteSpec { patterns: vec![parsed], ..route }),
            Err(error) => {
                let mistake = PolicyLayerError::Pattern { pattern: pattern.to_owned(), error };
                self.mistake = self.mistake.or(Some(mistake));
            }
        }
        self
    }

    /// How it is told whose a resource is, for the routes that name this as their [owner](RouteSpec::owner).
    #[must_use]
    pub fn ownership(mut self, name: &str, ownership: Ownership, source: OwnershipSource) -> Self {
        self.ownerships.push((name.to_owned(), ownership));
        self.sources.push(source);
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// See [`PolicyLayerError`].
    pub fn build(self) -> Result<PolicyLayer, PolicyLayerError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let name = |route: &RouteSpec| route.patterns.first().map(ToString::to_string).unwrap_or_default();
        if let Some(route) = self.routes.iter().find(|route| route.access == Access::Public && route.asks()) {
            return Err(PolicyLayerError::PublicAsks(name(route)));
        }
        let accepted: Vec<(String, String)> = self
            .routes
            .iter()
            .flat_map(|route| route.issuers.iter().map(|issuer| (name(route), issuer.clone())))
            .collect();
        let mut vocabulary = Vocabulary::default();
        let routes = Routes::build(self.routes, &self.ownerships, &mut vocabulary).map_err(PolicyLayerError::Routes)?;
        let policy = Policy::new(routes, self.sources, Changes::default());
        let gate = self.bearer.gate(Rules::Policy(Box::new(policy)), vocabulary)?;
        match accepted.into_iter().find(|(_, issuer)| gate.authenticator.keys(issuer).is_none()) {
            Some((pattern, issuer)) => Err(PolicyLayerError::UnknownIssuer { pattern, issuer }),
            None => Ok(PolicyLayer { gate: Arc::new(gate) }),
        }
    }
}
