//! Answers to gRPC clients that are none of gRPC: refusals above all.
//!
//! They keep their status, their fields and their body, which is what a contract promises. But not every client of gRPC
//! looks at the HTTP status: some read the body as a message. So such an answer also has the `grpc-status` that gRPC's own
//! table gives to its HTTP status, where an answer without messages has it.

use http::{HeaderName, HeaderValue, Response, StatusCode, header::Entry};

pub(super) use crate::proxy::is_grpc as asks;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Gives an answer that is none of gRPC its `grpc-status`.
pub(super) fn tell<B>(response: &mut Response<B>) {
    let status = response.status();
    if status.is_success() || asks(response.headers()) {
        return;
    }
    if let Entry::Vacant(missing) = response.headers_mut().entry(GRPC_STATUS) {
        missing.insert(HeaderValue::from_static(code(status)));
    }
}

/// gRPC's table of HTTP statuses.
const fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "13",
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::NOT_FOUND => "12",
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => "14",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::CONTENT_TYPE};

    use super::*;

    #[test]
    fn it_is_told_by_the_content_type() {
        for (value, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(asks(&headers), is, "{value}");
        }
        assert!(!asks(&HeaderMap::new()));
    }

    #[test]
    fn only_what_is_no_answer_of_grpc_is_given_a_status() {
        let told = |status: u16, fields: &[(HeaderName, &'static str)]| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in fields {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            tell(&mut response);
            response.headers().get(GRPC_STATUS).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(told(401, &[(CONTENT_TYPE, "application/problem+json")]).as_deref(), Some("16"));
        for (status, code) in [(400, "13"), (403, "7"), (404, "12"), (502, "14"), (504, "14"), (413, "2"), (500, "2")] {
            assert_eq!(told(status, &[]).as_deref(), Some(code), "{status}");
        }
        assert_eq!(told(200, &[]), None);
        assert_eq!(told(503, &[(CONTENT_TYPE, "application/grpc")]), None);
        assert_eq!(told(503, &[(GRPC_STATUS, "9")]).as_deref(), Some("9"));
    }
}
