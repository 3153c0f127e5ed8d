//! A [`Principal`] as an argument of an axum 0.8 handler, and a [`Rejection`] as its answer.
//!
//! - `Principal`: the handler needs one. Behind an [optional](super::BearerLayerBuilder::optional) layer a request without
//!   a token is refused in the layer's words.
//! - `Option<Principal>`: the handler takes what there is.
//!
//! Without the layer in front, a handler that needs a principal answers 500 and the log says why: nobody is let through
//! because the layer was forgotten.
//!
//! A handler that returns a `Rejection` leaves the words to the layer in front. Without one they are those of RFC 9457.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::IntoResponse,
};
use http::{Response, StatusCode, request::Parts};

use super::refusal::{Asked, RefusalWriter};
use crate::{
    authn::Principal,
    clock::Clock,
    contract::{Contract, Dialect, Facts},
    rejection::Rejection,
};

/// For those who have no layer.
static WORDS: LazyLock<Contract> = LazyLock::new(|| Contract::new(Dialect::default()));

/// Left in the extensions of a request without a token, so that a handler that needs one refuses in the same words.
#[derive(Clone)]
pub(super) struct Anonymous(pub(super) Arc<dyn RefusalWriter>);

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response<Body>> {
        if let Some(principal) = parts.extensions.get::<Self>() {
            return Ok(principal.clone());
        }
        let Some(Anonymous(refusals)) = parts.extensions.get() else {
            tracing::error!("a handler asks for a Principal, and no BearerLayer is in front of it");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(response);
        };
        let asked = Asked { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        Err(refusals.write(&Rejection::NotAuthenticated, &asked).map(Body::from))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response<Body> {
        let clock = Clock::system();
        let mut response = WORDS.render(&self, &Facts { path: "", request_id: "", clock: &clock }).map(Body::from);
        response.extensions_mut().insert(self);
        response
    }
}
