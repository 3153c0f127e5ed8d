//! Refusals as gRPC statuses, for tonic services: HTTP status 200, `grpc-status` and `grpc-message` in the header fields.

use bytes::Bytes;
use http::Response;
use tonic::{Code, Status};

use super::refusal::{Asked, RefusalWriter};
use crate::rejection::{Reason, Rejection};

impl From<&Rejection> for Status {
    /// The code that gRPC's own table gives the HTTP status of the reason, and the reason's name: never the cause.
    fn from(rejection: &Rejection) -> Self {
        let reason = rejection.reason();
        let code = match reason {
            Reason::NotAuthenticated | Reason::TokenExpired | Reason::InvalidToken => Code::Unauthenticated,
            Reason::PermissionMissing | Reason::NotOwner => Code::PermissionDenied,
            Reason::NoRoute => Code::Unimplemented,
            Reason::BadRequest => Code::InvalidArgument,
            Reason::TooLarge | Reason::RateLimited => Code::ResourceExhausted,
            Reason::KeysUnavailable | Reason::Overloaded | Reason::UpstreamUnreachable => Code::Unavailable,
            Reason::UpstreamTimeout => Code::DeadlineExceeded,
        };
        Self::new(code, reason.as_str())
    }
}

impl From<Rejection> for Status {
    /// For handlers: `caller.require("ORDERS READ")?`.
    fn from(rejection: Rejection) -> Self {
        Self::from(&rejection)
    }
}

/// Writes refusals as gRPC statuses: give it to [`refuse_with`](super::BearerLayerBuilder::refuse_with).
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcRefusals;

impl RefusalWriter for GrpcRefusals {
    fn write(&self, rejection: &Rejection, _asked: &Asked<'_>) -> Response<Bytes> {
        Status::from(rejection).into_http()
    }
}
