//! The head of an answer, as it is sent.
//!
//! 1. The body's length is said in one way (RFC 9112 §6): by `Content-Length` where it is known, by chunks where it is not,
//!    and to clients of HTTP/1.0 by the end of the connection.
//! 2. 204 and 1xx have no length (RFC 9110 §8.6), and neither they nor 304 nor an answer to `HEAD` have a body; a length that
//!    the latter two came with is what a `GET` would bring.
//! 3. `Connection` says what becomes of the connection where that is not what the version means by itself.
//! 4. `Date` is set where there is none (RFC 9110 §6.6.1).

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING},
    response::Parts,
};
use http_body::Body;

use super::Asked;
use crate::http1::{Length, encode};

/// Writes the head of an answer to what was `asked`. How long its body is, and whether the connection goes on.
pub(super) fn head(
    out: &mut Vec<u8>,
    parts: &Parts,
    body: &impl Body,
    asked: Asked,
    date: impl FnOnce() -> HeaderValue,
) -> (Length, bool) {
    let (length, said) = length(parts.status, body.size_hint().exact(), asked);
    let goes_on = asked.persistent && length != Length::UntilClose;
    encode::status(out, parts.status);
    let written = fields(out, &parts.headers, said);
    if !written.date {
        encode::field(out, b"date", date().as_bytes());
    }
    match said {
        Said::Exactly(bytes) if !written.length => content_length(out, bytes),
        Said::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Said::Exactly(_) | Said::AsItCame | Said::Nothing => {}
    }
    match (asked.version, goes_on) {
        (Version::HTTP_11, false) => out.extend_from_slice(b"connection: close\r\n"),
        (Version::HTTP_10, true) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (_, _) => {}
    }
    out.extend_from_slice(b"\r\n");
    (length, goes_on)
}

/// The head of an answer with 101, behind which both sides talk WebSocket.
pub(super) fn switching(headers: &HeaderMap) -> BytesMut {
    let mut out = Vec::with_capacity(512);
    encode::status(&mut out, StatusCode::SWITCHING_PROTOCOLS);
    fields(&mut out, headers, Said::Nothing);
    out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    BytesMut::from(out.as_slice())
}

/// What an answer says of its length.
#[derive(Clone, Copy)]
enum Said {
    Exactly(u64),
    Chunked,
    /// What it came with.
    AsItCame,
    Nothing,
}

/// Which fields were there.
#[derive(Default)]
struct Written {
    date: bool,
    length: bool,
}

/// Writes the fields in their order; those that frame the message are ours to say.
fn fields(out: &mut Vec<u8>, headers: &HeaderMap, said: Said) -> Written {
    let mut written = Written::default();
    for (name, value) in headers {
        if *name == CONTENT_LENGTH {
            match said {
                Said::Exactly(bytes) if !written.length => content_length(out, bytes),
                Said::AsItCame => encode::field(out, b"content-length", value.as_bytes()),
                Said::Exactly(_) | Said::Chunked | Said::Nothing => {}
            }
            written.length = true;
        } else if *name != CONNECTION && *name != TRANSFER_ENCODING {
            written.date |= *name == DATE;
            encode::field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    written
}

fn content_length(out: &mut Vec<u8>, bytes: u64) {
    out.extend_from_slice(b"content-length: ");
    encode::decimal(out, bytes);
    out.extend_from_slice(b"\r\n");
}

/// How long the body is that is sent, of which `exact` bytes are known to be there, and what is said of it.
fn length(status: StatusCode, exact: Option<u64>, asked: Asked) -> (Length, Said) {
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        return (Length::Exactly(0), Said::Nothing);
    }
    if asked.is_head || status == StatusCode::NOT_MODIFIED {
        // An empty body tells nothing of what a GET would bring.
        let said = exact.filter(|bytes| *bytes > 0).map_or(Said::AsItCame, Said::Exactly);
        return (Length::Exactly(0), said);
    }
    match (exact, asked.version) {
        (Some(bytes), _) => (Length::Exactly(bytes), Said::Exactly(bytes)),
        (None, Version::HTTP_11) => (Length::Chunked, Said::Chunked),
        (None, _) => (Length::UntilClose, Said::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::Full;

    use super::*;

    fn written(response: http::response::Builder, body: &'static str, asked: Asked) -> (String, Length, bool) {
        let (parts, body) = response.body(Full::<bytes::Bytes>::from(body)).unwrap().into_parts();
        let mut out = Vec::new();
        let date = || HeaderValue::from_static("today");
        let (length, goes_on) = head(&mut out, &parts, &body, asked, date);
        (String::from_utf8(out).unwrap(), length, goes_on)
    }

    const GET: Asked = Asked { version: Version::HTTP_11, is_head: false, persistent: true };

    #[test]
    fn the_length_is_said_once_whatever_the_fields_say() {
        let response = Response::builder()
            .header("content-length", "7")
            .header("content-length", "8")
            .header("transfer-encoding", "chunked")
            .header("connection", "close")
            .header("x", "1");
        let (head, length, goes_on) = written(response, "abc", GET);
        assert_eq!(head, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: 1\r\ndate: today\r\n\r\n");
        assert!(length == Length::Exactly(3) && goes_on);
    }

    #[test]
    fn an_answer_without_a_body_has_none() {
        let asked = Asked { is_head: true, ..GET };
        let with_length = || Response::builder().header("content-length", "7").header("date", "then");
        assert_eq!(written(with_length(), "", asked).0, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: then\r\n\r\n");
        assert!(written(Response::builder(), "abc", asked).0.contains("content-length: 3\r\n"));
        assert_eq!(written(Response::builder(), "abc", asked).1, Length::Exactly(0));
        let none = written(with_length().status(204), "abc", GET);
        assert_eq!(none.0, "HTTP/1.1 204 No Content\r\ndate: then\r\n\r\n");
        assert!(written(with_length().status(304), "", GET).0.contains("content-length: 7"));
    }

    #[test]
    fn a_connection_says_what_becomes_of_it() {
        let closing = Asked { persistent: false, ..GET };
        assert!(written(Response::builder(), "", closing).0.contains("connection: close\r\n"));
        let old = Asked { version: Version::HTTP_10, ..GET };
        assert!(written(Response::builder(), "", old).0.contains("connection: keep-alive\r\n"));
        assert!(!written(Response::builder(), "", Asked { persistent: false, ..old }).0.contains("connection"));
    }
}
