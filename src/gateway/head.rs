//! What is asked of a request's head before anything else looks at it.
//!
//! 1. Not more header fields, nor bytes of a head, than the limits: else `too_large`.
//!    With HTTP/2, no value that begins or ends with a space or a tab (RFC 9113 §8.2.1): in HTTP/1.1 it would be another one.
//! 2. A method in capitals; never `TRACE` (RFC 9110 §9.3.8) or `CONNECT`.
//! 3. Exactly one `Host` in HTTP/1.1, at most one in 1.0 (RFC 9112 §3.2); a host and perhaps a port, no userinfo.
//! 4. An absolute-form target (RFC 9112 §3.2.2), which has the connection's scheme, and `:authority` (RFC 9113 §8.3.1) name that same host.
//! 5. One `Content-Length`, or the transfer coding `chunked`, or neither ([`Length::of_request`](crate::http1::Length::of_request), RFC 9112 §6): what the
//!    next server could read in another way is refused.
//!
//! Whether the path is canonical is asked when the routes are.

use http::{Method, Request, Version, header};

use crate::{
    config::Limits,
    proxy::Incoming,
    rejection::{BadRequest, Rejection, TooLarge},
};

/// Checks the head of `request`; `scheme` is the connection's.
///
/// # Errors
/// `TooLarge` or `BadRequest`, in the order of the module's rules.
pub(super) fn check(request: &Request<Incoming>, limits: &Limits, scheme: &str) -> Result<(), Rejection> {
    let headers = request.headers();
    if headers.len() > limits.headers || bytes(request) > limits.header_bytes {
        return Err(Rejection::TooLarge(TooLarge::Head));
    }
    if request.version() == Version::HTTP_2 && headers.values().any(has_space_around) {
        let cause = "a field's value begins or ends with a space or a tab";
        return Err(Rejection::BadRequest(BadRequest::Head(cause.to_owned())));
    }
    if !is_served(request.method()) {
        return Err(Rejection::BadRequest(BadRequest::Method));
    }
    check_host(request, scheme).map_err(Rejection::BadRequest)?;
    match request.body() {
        Incoming::Unframed(error) => Err(Rejection::BadRequest(BadRequest::Body(error.to_string()))),
        Incoming::Empty | Incoming::Http1(_) | Incoming::Http2(_) => Ok(()),
    }
}

/// Stands for a head that could not be read. `-` is no method that anybody uses.
pub(super) fn unreadable() -> Request<()> {
    let mut request = Request::new(());
    if let Ok(method) = Method::from_bytes(b"-") {
        *request.method_mut() = method;
    }
    request
}

/// Near enough what the head took on the line: each field with `: ` and its line's end.
fn bytes<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    request.method().as_str().len() + target + fields
}

fn has_space_around(value: &header::HeaderValue) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.as_bytes().first()) || is_space(value.as_bytes().last())
}

fn is_served(method: &Method) -> bool {
    *method != Method::TRACE
        && *method != Method::CONNECT
        && !method.as_str().bytes().any(|byte| byte.is_ascii_lowercase())
}

fn check_host<B>(request: &Request<B>, scheme: &str) -> Result<(), BadRequest> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().map(header::HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(BadRequest::Host("there is more than one"));
    }
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if request.version() < Version::HTTP_2 && request.uri().scheme_str().is_some_and(|named| named != scheme) {
        return Err(BadRequest::Target("its scheme is not the connection's"));
    }
    match (host, target) {
        (None, None) if request.version() == Version::HTTP_10 => return Ok(()),
        (None, None) => return Err(BadRequest::Host("there is none")),
        (None, Some(_)) if request.version() == Version::HTTP_11 => return Err(BadRequest::Host("there is none")),
        (Some(host), Some(target)) if !host.eq_ignore_ascii_case(target) => {
            return Err(BadRequest::Target("it names another host"));
        }
        (None | Some(_), Some(_)) | (Some(_), None) => {}
    }
    if host.or(target).is_some_and(is_host) { Ok(()) } else { Err(BadRequest::Host("it is not a host")) }
}

/// A name or an address, with a port or without (RFC 3986 §3.2.2, without the characters that no host name has).
fn is_host(text: &[u8]) -> bool {
    let (host, port) = if text.first() == Some(&b'[') {
        let Some(end) = text.iter().position(|byte| *byte == b']') else { return false };
        let (address, rest) = text.split_at(end + 1);
        let inside = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'[' | b']');
        if address.len() < 4 || !address.iter().all(inside) || address.iter().filter(|byte| **byte == b'[').count() > 1
        {
            return false;
        }
        match rest.split_first() {
            None => return true,
            Some((b':', port)) => (&b"address"[..], port),
            Some(_) => return false,
        }
    } else {
        match text.iter().position(|byte| *byte == b':') {
            None => (text, &b"80"[..]),
            Some(colon) => {
                let (host, port) = text.split_at(colon);
                (host, port.get(1..).unwrap_or_default())
            }
        }
    };
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !host.is_empty() && host.iter().all(in_name) && is_port(port)
}

fn is_port(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && std::str::from_utf8(text).is_ok_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, version: Version, fields: &[(&str, &str)]) -> Request<Incoming> {
        let mut request = Request::builder().method(method).uri(target).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(Incoming::Empty).unwrap()
    }

    fn verdict(request: &Request<Incoming>) -> Result<(), Rejection> {
        check(request, &Limits::default(), "http")
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "api.example.com", "api.example.com:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "a_b~c-d"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:", "a:b", "a:99999", "a:80:80", "u@a", "a/b", "a b", "a\tb", "a,b", "[", "[]", "[::1",
            "[::1]x", "[::1]:", "[::1]:x", "[[::1]", "::1", "a#b", "a?b", "a%20b", "é", "a:+80", "[::1]]",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn http_1_1_needs_exactly_one_host_and_http_1_0_at_most_one() {
        let one = [("host", "a")];
        let two = [("host", "a"), ("host", "a")];
        assert_eq!(verdict(&request("GET", "/", Version::HTTP_11, &one)), Ok(()));
        assert_eq!(verdict(&request("GET", "/", Version::HTTP_10, &[])), Ok(()));
        for refused in [
            request("GET", "/", Version::HTTP_11, &[]),
            request("GET", "/", Version::HTTP_11, &two),
            request("GET", "/", Version::HTTP_10, &two),
            request("GET", "/", Version::HTTP_2, &[]),
            request("GET", "http://a/", Version::HTTP_11, &[]),
            request("GET", "/", Version::HTTP_11, &[("host", "user@a")]),
            request("GET", "/", Version::HTTP_11, &[("host", "")]),
        ] {
            let refusal = verdict(&refused).unwrap_err();
            assert!(matches!(refusal, Rejection::BadRequest(BadRequest::Host(_))), "{refused:?}: {refusal:?}");
        }
    }

    #[test]
    fn the_target_names_no_other_host() {
        let host = [("host", "API.example.com")];
        assert_eq!(verdict(&request("GET", "http://api.example.com/x", Version::HTTP_11, &host)), Ok(()));
        assert_eq!(verdict(&request("GET", "http://api.example.com/x", Version::HTTP_2, &[])), Ok(()));
        assert_eq!(verdict(&request("GET", "http://api.example.com/x", Version::HTTP_2, &host)), Ok(()));
        for (target, version) in [
            ("http://evil.example/x", Version::HTTP_11),
            ("http://api.example.com:81/x", Version::HTTP_11),
            ("http://user@api.example.com/x", Version::HTTP_11),
            ("https://api.example.com/x", Version::HTTP_11),
            ("http://evil.example/x", Version::HTTP_2),
        ] {
            let refusal = verdict(&request("GET", target, version, &host)).unwrap_err();
            assert!(matches!(refusal, Rejection::BadRequest(BadRequest::Target(_))), "{target}");
        }
        let userinfo = verdict(&request("GET", "http://u@a/x", Version::HTTP_2, &[]));
        assert!(matches!(userinfo, Err(Rejection::BadRequest(BadRequest::Host(_)))));
    }

    #[test]
    fn a_value_of_http_2_has_no_space_around_it() {
        let value = |text: &'static str| {
            let mut request = request("GET", "http://a/", Version::HTTP_2, &[]);
            request.headers_mut().insert("x", header::HeaderValue::from_static(text));
            verdict(&request)
        };
        for fits in ["", "a", "a b\tc"] {
            assert_eq!(value(fits), Ok(()), "{fits:?}");
        }
        for refused in [" a", "a ", "\ta", "a\t", " "] {
            assert!(matches!(value(refused), Err(Rejection::BadRequest(BadRequest::Head(_)))), "{refused:?}");
        }
    }

    #[test]
    fn methods_that_are_never_forwarded_are_refused() {
        for method in ["TRACE", "CONNECT", "get", "Get", "pOST"] {
            let refusal = verdict(&request(method, "/", Version::HTTP_11, &[("host", "a")]));
            assert_eq!(refusal, Err(Rejection::BadRequest(BadRequest::Method)), "{method}");
        }
        for method in ["GET", "PATCH", "PROPFIND", "M-SEARCH"] {
            assert_eq!(verdict(&request(method, "/", Version::HTTP_11, &[("host", "a")])), Ok(()), "{method}");
        }
    }

    #[test]
    fn a_head_over_its_limit_is_too_large() {
        let limits = Limits { headers: 2, header_bytes: 40, ..Limits::default() };
        let fits = request("GET", "/", Version::HTTP_11, &[("host", "a"), ("x", "1")]);
        assert_eq!(check(&fits, &limits, "http"), Ok(()));
        let many = request("GET", "/", Version::HTTP_11, &[("host", "a"), ("x", "1"), ("x", "2")]);
        let long = request("GET", "/", Version::HTTP_11, &[("host", "a"), ("x", &"1".repeat(40))]);
        let long_target = request("GET", &format!("/{}", "x".repeat(40)), Version::HTTP_11, &[("host", "a")]);
        for refused in [many, long, long_target] {
            assert_eq!(check(&refused, &limits, "http"), Err(Rejection::TooLarge(TooLarge::Head)));
        }
    }

    #[test]
    fn framing_that_another_server_could_read_differently_is_refused() {
        let mut request = request("POST", "/", Version::HTTP_11, &[("host", "a")]);
        *request.body_mut() = Incoming::Unframed(crate::http1::LengthError::Both);
        assert!(matches!(verdict(&request), Err(Rejection::BadRequest(BadRequest::Body(_)))));
    }

    proptest::proptest! {
        #[test]
        fn a_host_that_is_accepted_is_an_authority_without_userinfo(text in "[a-z0-9:.@\\[\\]%/_-]{0,20}") {
            if is_host(text.as_bytes()) {
                let authority: http::uri::Authority = text.parse().unwrap();
                proptest::prop_assert!(!authority.host().is_empty() && !text.contains('@'));
                proptest::prop_assert_eq!(text.ends_with(authority.host()), authority.port().is_none());
            }
        }

        #[test]
        fn any_bytes_are_a_host_or_are_not(bytes: Vec<u8>) {
            is_host(&bytes);
        }
    }
}
