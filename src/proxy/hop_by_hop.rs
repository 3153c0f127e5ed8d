//! The fields that are meant for one connection and go no further (RFC 9110 §7.6.1).
//!
//! 1. `Connection`, and each field that it names.
//! 2. The fields that are hop-by-hop whether named or not.
//! 3. A field that the message can't do without, or that says who is calling, is not removed because a client named
//!    it: `Connection: authorization` would otherwise take the token off behind the check.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST},
};

/// Whether a field of this name (lower case) is for one connection only, named in `Connection` or not.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "trailers"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The fields that `Connection` names, except those that can't be named away. What is not a field name is left out.
pub(super) fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> + '_ {
    headers
        .get_all(CONNECTION)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| ![AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST].contains(name))
}

/// Removes the hop-by-hop fields of an answer.
pub fn strip_response(headers: &mut HeaderMap) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if name == CONNECTION {
            doomed.extend(nominated(headers));
        }
        if is_hop_by_hop(name.as_str()) {
            doomed.push(name.clone());
        }
    }
    for name in &doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn an_answer_loses_what_was_for_one_connection_and_what_connection_names() {
        let mut answer = headers(&[
            ("connection", "X-Internal, close,, bad name"),
            ("x-internal", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "Basic"),
            ("content-type", "text/plain"),
        ]);
        strip_response(&mut answer);
        assert_eq!(names(&answer), ["content-type"]);
    }

    #[test]
    fn several_connection_fields_are_read_all() {
        let mut answer = HeaderMap::new();
        answer.append(CONNECTION, HeaderValue::from_static("x-one"));
        answer.append(CONNECTION, HeaderValue::from_static("x-two , x-three"));
        for name in ["x-one", "x-two", "x-three", "x-four"] {
            answer.insert(name, HeaderValue::from_static("1"));
        }
        strip_response(&mut answer);
        assert_eq!(names(&answer), ["x-four"]);
    }

    #[test]
    fn what_a_message_needs_cannot_be_named_away() {
        let request = headers(&[("connection", "authorization, Host, content-length, cookie, x-user-id")]);
        let named: Vec<HeaderName> = nominated(&request).collect();
        assert_eq!(named, ["x-user-id"]);
    }
}
