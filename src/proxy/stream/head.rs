//! The heads of requests and answers on streams.

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE},
    request,
    response::Parts,
    uri::{Authority, Scheme},
};

use crate::rejection::{BadRequest, Rejection};

/// Whether a request with these fields says that trailers will be read (RFC 9110 §10.1.4): gRPC servers insist on it.
pub(in crate::proxy) fn wants_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The request with this `head`, whose target is in origin-form: `:authority` is its `Host`, the path goes byte for byte.
///
/// # Errors
/// `BadRequest`, if its `Host` can't be an authority.
pub(in crate::proxy) fn request(
    head: &request::Parts,
    scheme: Scheme,
    wants_trailers: bool,
) -> Result<Request<()>, Rejection> {
    let refused = || Rejection::BadRequest(BadRequest::Host("it is not a host"));
    let host = head.headers.get(HOST).ok_or_else(refused)?;
    let mut target = head.uri.clone().into_parts();
    target.scheme = Some(scheme);
    target.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| refused())?);
    let mut headers = head.headers.clone();
    headers.remove(HOST);
    make_length_single(&mut headers);
    if wants_trailers {
        // The only word that HTTP/2 allows there (RFC 9113 §8.2.2).
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = Uri::from_parts(target).map_err(|_| refused())?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// How long the body of an answer is, if it says so; the connection has made sure that it says one thing, and that it is so.
pub(super) fn length(method: &Method, parts: &mut Parts) -> Option<u64> {
    make_length_single(&mut parts.headers);
    if *method == Method::HEAD || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return None;
    }
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Leaves one `Content-Length` where there are equal ones.
fn make_length_single(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let (Some(first), Some(_)) = (lengths.next(), lengths.next()) {
        let first = first.clone();
        headers.insert(CONTENT_LENGTH, first);
    }
}

/// Whether a message with these fields is one of gRPC, whatever encodes what it says. Not of gRPC-Web, which cannot stream.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let subtype = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    subtype.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, fields: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_target_goes_byte_for_byte_and_the_host_is_the_authority() {
        let made =
            request(&head("/%7Ea/b;c=1?x=%20&&y", &[("host", "Api.Example.com:81"), ("x", "1")]), Scheme::HTTP, false)
                .unwrap();
        assert_eq!(made.uri().path_and_query().unwrap(), "/%7Ea/b;c=1?x=%20&&y");
        assert_eq!(
            (made.uri().authority().unwrap().as_str(), made.uri().scheme_str()),
            ("Api.Example.com:81", Some("http"))
        );
        let names: Vec<_> = made.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!((names, made.version()), (vec!["x"], Version::HTTP_2));
    }

    #[test]
    fn the_star_of_options_stays_one() {
        let made = request(&head("*", &[("host", "a")]), Scheme::HTTP, false).unwrap();
        assert_eq!(made.uri().path(), "*");
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        for host in ["", "a b", "a/b"] {
            assert!(request(&head("/", &[("host", host)]), Scheme::HTTP, false).is_err(), "{host}");
        }
        assert!(request(&head("/", &[]), Scheme::HTTP, false).is_err());
    }

    #[test]
    fn trailers_are_wanted_by_whoever_says_so_and_nothing_else_is_passed_on() {
        for (te, wanted) in
            [("trailers", true), ("deflate;q=0.5, Trailers", true), ("gzip", false), ("trailersx", false)]
        {
            let head = head("/", &[("host", "a"), ("te", te)]);
            assert_eq!(wants_trailers(&head.headers), wanted, "{te}");
        }
        let made = request(&head("/", &[("host", "a")]), Scheme::HTTP, true).unwrap();
        assert_eq!(made.headers()["te"], "trailers");
    }

    #[test]
    fn equal_lengths_become_one() {
        let made = request(
            &head("/", &[("host", "a"), ("content-length", "5"), ("content-length", "5")]),
            Scheme::HTTP,
            false,
        )
        .unwrap();
        assert_eq!(made.headers().get_all("content-length").iter().count(), 1);
    }
}
