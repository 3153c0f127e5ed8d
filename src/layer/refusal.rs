//! Who writes the answer to a refused request.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};

use crate::{
    clock::Clock,
    contract::{Contract, Facts},
    rejection::Rejection,
};

/// What was asked, without the body.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target.
    pub uri: &'r Uri,
    /// The header fields, the credentials among them: do not send them back. Of a request that its handler refuses,
    /// `X-Request-Id` alone.
    pub headers: &'r HeaderMap,
}

impl<'r> Asked<'r> {
    pub(super) fn of<B>(request: &'r Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

/// Writes the answers to refused requests. Any function of the same form is one.
pub trait RefusalWriter: Send + Sync + 'static {
    /// The answer that the client gets.
    fn write(&self, rejection: &Rejection, asked: &Asked<'_>) -> Response<Bytes>;
}

impl<F> RefusalWriter for F
where
    F: Fn(&Rejection, &Asked<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn write(&self, rejection: &Rejection, asked: &Asked<'_>) -> Response<Bytes> {
        self(rejection, asked)
    }
}

/// Writes them in the words of a contract.
pub(super) struct ContractWriter {
    pub(super) contract: Contract,
    pub(super) clock: Clock,
}

impl RefusalWriter for ContractWriter {
    fn write(&self, rejection: &Rejection, asked: &Asked<'_>) -> Response<Bytes> {
        let request_id = asked.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        self.contract.render(rejection, &Facts { path: asked.uri.path(), request_id, clock: &self.clock })
    }
}
