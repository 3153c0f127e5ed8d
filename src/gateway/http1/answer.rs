//! The head of an answer, as it is sent.
//!
//! 1. The body's length is said in one way (RFC 9112 §6): by `Content-Length` where it is known, by chunks where it is not,
//!    and to clients of HTTP/1.0 by the end of the connection.
//! 2. 204 and 1xx have no length (RFC 9110 §8.6), and neither they nor 304 nor an answer to `HEAD` have a body; a length that
//!    the latter two came with is what a `GET` would bring.
//! 3. `Connection` says what becomes of the connection where that is not what the version means by itself.
//! 4. `Date` is set where there is none (RFC 9110 §6.6.1).

use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING},
    response::Parts,
};
use http_body::Body;

use super::Asked;
use crate::http1::{Length, encode};

/// Writes the head of an answer to what was `asked`. How long its body is, and whether the connection goes on.
pub(super) fn head(
    out: &mut Vec<u8>,
    mut parts: Parts,
    body: &impl Body,
    asked: Asked,
    date: impl FnOnce() -> HeaderValue,
) -> (Length, bool) {
    let headers = &mut parts.headers;
    // The length is ours to say. What a built-in answer says of the connection is left out too.
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONNECTION);
    let length = length(headers, parts.status, body, asked);
    let goes_on = asked.persistent && length != Length::UntilClose;
    let dated = headers.contains_key(DATE);
    encode::response(out, parts.status, headers);
    if !dated {
        encode::field(out, b"date", date().as_bytes());
    }
    if length == Length::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    match (asked.version, goes_on) {
        (Version::HTTP_11, false) => out.extend_from_slice(b"connection: close\r\n"),
        (Version::HTTP_10, true) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (_, _) => {}
    }
    out.extend_from_slice(b"\r\n");
    (length, goes_on)
}

fn length(headers: &mut HeaderMap, status: StatusCode, body: &impl Body, asked: Asked) -> Length {
    let exact = body.size_hint().exact();
    let unframed = status == StatusCode::NO_CONTENT || status.is_informational();
    if unframed {
        headers.remove(CONTENT_LENGTH);
    }
    let method = if asked.is_head { &Method::HEAD } else { &Method::GET };
    let bodiless = unframed || *method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    if bodiless {
        // An empty body tells nothing of what a GET would bring.
        if let Some(exact) = exact.filter(|exact| *exact > 0)
            && !unframed
            && !headers.contains_key(CONTENT_LENGTH)
        {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(exact));
        }
        return Length::Exactly(0);
    }
    match (exact, asked.version) {
        (Some(exact), _) => {
            let said = headers.get(CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
            if said != Some(exact) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(exact));
            }
            Length::Exactly(exact)
        }
        (None, Version::HTTP_11) => {
            headers.remove(CONTENT_LENGTH);
            Length::Chunked
        }
        (None, _) => {
            headers.remove(CONTENT_LENGTH);
            Length::UntilClose
        }
    }
}
