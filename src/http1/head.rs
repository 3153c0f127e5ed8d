//! The head of a message (RFC 9112 §2 to §5).
//!
//! 1. A head ends at its first empty line. One empty line before a request is skipped (§2.2).
//! 2. Each line ends in CRLF: a bare CR or LF is an error (§2.2 allows more, and servers differ).
//! 3. A request line is a method, a target and a version with one space between them (§3); `HTTP/1.0` and `HTTP/1.1`
//!    are known.
//! 4. A field is a token, a colon right behind it, and a value without control characters (§5). A folded line is an error
//!    (§5.2).
//! 5. More fields or bytes than the limits are an error as soon as they are seen.

use std::sync::LazyLock;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use memchr::{memchr, memmem::Finder};

static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// How much a head may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes, from the first to the empty line.
    pub bytes: usize,
    /// Header fields.
    pub fields: usize,
}

/// Why something is not the head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A line ends in something else than CRLF, or has one of its two bytes inside.
    #[error("a line does not end in CRLF")]
    LineEnd,
    /// The first line is not a request's, nor an answer's.
    #[error("the first line is not one of HTTP/1.1")]
    FirstLine,
    /// The target is not a URI.
    #[error("the request target is not a URI")]
    Target,
    /// The version is neither 1.0 nor 1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// A field's name is not a token, or something stands between it and the colon.
    #[error("a field name is not a token")]
    Name,
    /// A field's value has a control character.
    #[error("a field value has a control character")]
    Value,
    /// More bytes or fields than allowed.
    #[error("the head is over its limit")]
    TooLarge,
}

/// Where in a buffer a head is being looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// Bytes that have been searched before.
    searched: usize,
    /// Whether an empty line has been skipped.
    skipped: bool,
}

impl Head {
    /// The head of a request, taken from the front of `input`; `None` if there is not enough of it yet.
    ///
    /// # Errors
    /// As the module's rules say. A head that is not complete yet is looked at as far as it goes.
    pub fn request(&mut self, input: &mut BytesMut, limits: HeadLimits) -> Result<Option<Request<()>>, HeadError> {
        match input.get(..input.len().min(2)) {
            Some(b"\r\n") if self.searched == 0 && !self.skipped => {
                input.advance(2);
                self.skipped = true;
            }
            Some(b"\r") => return Ok(None),
            _ => {}
        }
        if input.first().is_some_and(|first| !first.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(first)) {
            return Err(HeadError::FirstLine);
        }
        let Some(head) = self.take(input, limits.bytes)? else { return Ok(None) };
        let mut lines = Lines::new(&head);
        let mut request = Request::new(());
        let line = lines.next_line()?.ok_or(HeadError::FirstLine)?;
        let [method, target, version] = request_line(line)?;
        *request.method_mut() = Method::from_bytes(method).map_err(|_| HeadError::FirstLine)?;
        *request.version_mut() = version_of(version)?;
        *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| HeadError::Target)?;
        *request.headers_mut() = lines.fields(limits.fields)?;
        Ok(Some(request))
    }

    /// The head of an answer, taken from the front of `input`; `None` if there is not enough of it yet.
    ///
    /// # Errors
    /// As the module's rules say.
    pub fn response(&mut self, input: &mut BytesMut, limits: HeadLimits) -> Result<Option<Response<()>>, HeadError> {
        if !input.starts_with(b"HTTP/".get(..input.len().min(5)).unwrap_or_default()) {
            return Err(HeadError::FirstLine);
        }
        let Some(head) = self.take(input, limits.bytes)? else { return Ok(None) };
        let mut lines = Lines::new(&head);
        let mut response = Response::new(());
        let line = lines.next_line()?.ok_or(HeadError::FirstLine)?;
        let (version, rest) = line.split_at_checked(8).ok_or(HeadError::FirstLine)?;
        *response.version_mut() = version_of(version)?;
        *response.status_mut() = status(rest)?;
        *response.headers_mut() = lines.fields(limits.fields)?;
        Ok(Some(response))
    }

    /// The bytes of a head with its last line's end, without the empty line.
    fn take(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, HeadError> {
        // The end may have begun in what was searched before.
        let from = self.searched.saturating_sub(3);
        let Some(found) = END.find(input.get(from..).unwrap_or_default()) else {
            // A head that ends in bare LFs has no end: it is refused now, not when its time is over.
            check_line_ends(input.get(from..).unwrap_or_default())?;
            self.searched = input.len();
            return if input.len() > limit { Err(HeadError::TooLarge) } else { Ok(None) };
        };
        *self = Self::default();
        let end = from + found + 2;
        if end > limit {
            return Err(HeadError::TooLarge);
        }
        let head = input.split_to(end).freeze();
        input.advance(2);
        Ok(Some(head))
    }
}

fn check_line_ends(bytes: &[u8]) -> Result<(), HeadError> {
    let mut rest = bytes;
    while let Some(at) = memchr(b'\n', rest) {
        // The first byte's predecessor was looked at before.
        if at > 0 && rest.get(at - 1) != Some(&b'\r') {
            return Err(HeadError::LineEnd);
        }
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.first() == Some(&b'\n') {
            return Err(HeadError::LineEnd);
        }
    }
    Ok(())
}

/// The lines of a head.
struct Lines<'h> {
    head: &'h Bytes,
    rest: &'h [u8],
}

impl<'h> Lines<'h> {
    fn new(head: &'h Bytes) -> Self {
        Self { head, rest: head }
    }

    /// The next one without its end.
    fn next_line(&mut self) -> Result<Option<&'h [u8]>, HeadError> {
        let Some(end) = memchr(b'\n', self.rest) else { return Ok(None) };
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        line.strip_suffix(b"\r").map(Some).ok_or(HeadError::LineEnd)
    }

    fn fields(&mut self, most: usize) -> Result<HeaderMap, HeadError> {
        let mut headers = HeaderMap::with_capacity(12);
        let mut count = 0;
        while let Some(line) = self.next_line()? {
            count += 1;
            if count > most {
                return Err(HeadError::TooLarge);
            }
            let colon = memchr(b':', line).ok_or(HeadError::Name)?;
            let (name, value) = line.split_at(colon);
            let name = HeaderName::from_bytes(name).map_err(|_| HeadError::Name)?;
            let value = trim(value.get(1..).unwrap_or_default());
            let value = HeaderValue::from_maybe_shared(self.head.slice_ref(value)).map_err(|_| HeadError::Value)?;
            headers.try_append(name, value).map_err(|_| HeadError::TooLarge)?;
        }
        Ok(headers)
    }
}

/// Without the spaces and tabs around it (RFC 9112 §5.1).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A method, a target and a version.
fn request_line(line: &[u8]) -> Result<[&[u8]; 3], HeadError> {
    let (method, rest) = split_at_space(line)?;
    let (target, version) = split_at_space(rest)?;
    if target.is_empty() {
        return Err(HeadError::Target);
    }
    Ok([method, target, version])
}

fn split_at_space(text: &[u8]) -> Result<(&[u8], &[u8]), HeadError> {
    let at = memchr(b' ', text).ok_or(HeadError::FirstLine)?;
    let (before, behind) = text.split_at(at);
    Ok((before, behind.get(1..).unwrap_or_default()))
}

fn version_of(text: &[u8]) -> Result<Version, HeadError> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        _ => Err(HeadError::Version),
    }
}

/// What follows the version: a space, three digits, and perhaps a space and a reason (RFC 9112 §4), which nobody reads.
fn status(text: &[u8]) -> Result<StatusCode, HeadError> {
    let (code, reason) =
        text.strip_prefix(b" ").and_then(|text| text.split_at_checked(3)).ok_or(HeadError::FirstLine)?;
    let printable = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !(reason.is_empty() || reason.starts_with(b" ")) || !reason.iter().all(printable) {
        return Err(HeadError::FirstLine);
    }
    StatusCode::from_bytes(code).map_err(|_| HeadError::FirstLine)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1000, fields: 10 };

    fn request(text: impl AsRef<[u8]>) -> Result<Option<Request<()>>, HeadError> {
        Head::default().request(&mut BytesMut::from(text.as_ref()), LIMITS)
    }

    fn response(text: &str) -> Result<Option<Response<()>>, HeadError> {
        Head::default().response(&mut BytesMut::from(text), LIMITS)
    }

    #[test]
    fn a_request_has_a_line_and_fields() {
        let mut input = BytesMut::from("GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-One:  1 \t\r\nx-one:\r\n\r\nrest");
        let request = Head::default().request(&mut input, LIMITS).unwrap().unwrap();
        assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers()["host"], "a");
        assert_eq!(request.headers().get_all("x-one").iter().collect::<Vec<_>>(), ["1", ""]);
        assert_eq!(input, "rest");
    }

    #[test]
    fn a_head_that_comes_in_pieces_is_the_same() {
        let whole = "POST /a HTTP/1.0\r\nHost: a\r\n\r\n";
        let (mut head, mut input) = (Head::default(), BytesMut::new());
        for (at, byte) in whole.bytes().enumerate() {
            input.extend_from_slice(&[byte]);
            let read = head.request(&mut input, LIMITS).unwrap();
            assert_eq!(read.is_some(), at + 1 == whole.len(), "{at}");
        }
        assert!(input.is_empty());
    }

    #[test]
    fn one_empty_line_before_a_request_is_skipped_and_two_are_not() {
        assert!(request("\r\nGET / HTTP/1.1\r\n\r\n").unwrap().is_some());
        let two = "\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert!(request(two).is_err());
        let (mut head, mut input) = (Head::default(), BytesMut::new());
        let refused = two.bytes().any(|byte| {
            input.extend_from_slice(&[byte]);
            head.request(&mut input, LIMITS).is_err()
        });
        assert!(refused, "wherever it is cut");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (text, error) in [
            ("GET / HTTP/1.1\nHost: a\n\n", HeadError::LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", HeadError::LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::LineEnd),
            ("GET / HTTP/1.1\r\nX: 1\r2\r\n\r\n", HeadError::Value),
            ("GET / HTTP/1.1\r\nX: 1\x002\r\n\r\n", HeadError::Value),
            ("GET / HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n", HeadError::Name),
            ("GET / HTTP/1.1\r\n X: 1\r\n\r\n", HeadError::Name),
            ("GET / HTTP/1.1\r\nX : 1\r\n\r\n", HeadError::Name),
            ("GET / HTTP/1.1\r\n: 1\r\n\r\n", HeadError::Name),
            ("GET / HTTP/1.1\r\nX\r\n\r\n", HeadError::Name),
            ("GET / HTTP/1.1\r\nX\u{e9}: 1\r\n\r\n", HeadError::Name),
            ("GET  / HTTP/1.1\r\n\r\n", HeadError::Target),
            ("GET /  HTTP/1.1\r\n\r\n", HeadError::Version),
            ("GET /a b HTTP/1.1\r\n\r\n", HeadError::Version),
            ("GET /\r\n\r\n", HeadError::FirstLine),
            ("GET\r\n\r\n", HeadError::FirstLine),
            (" GET / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("G\u{e9}T / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
            ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
            ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
            ("GET / http/1.1\r\n\r\n", HeadError::Version),
            ("GET / HTTP/1.1 \r\n\r\n", HeadError::Version),
            ("\x16\x03\x01", HeadError::FirstLine),
        ] {
            assert_eq!(request(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn a_head_over_its_limits_is_refused_before_it_ends() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(11));
        let long = format!("GET / HTTP/1.1\r\nX: {}", "1".repeat(1000));
        assert_eq!(request(many).unwrap_err(), HeadError::TooLarge);
        assert_eq!(request(long).unwrap_err(), HeadError::TooLarge);
        assert!(request(format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(10))).unwrap().is_some());
    }

    #[test]
    fn an_answer_has_a_status_and_perhaps_a_reason() {
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\nA: 1\r\n\r\n", 200),
            ("HTTP/1.1 404 \r\n\r\n", 404),
            ("HTTP/1.0 503\r\n\r\n", 503),
            ("HTTP/1.1 299 Caf\u{e9} gr\u{fc}n\r\n\r\n", 299),
        ] {
            assert_eq!(response(text).unwrap().unwrap().status(), status, "{text:?}");
        }
        for text in [
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 200 O\x00K\r\n\r\n",
            "HTTP/3.0 200 OK\r\n\r\n",
            "hello",
            "HTTP/1.1 099 x\r\n\r\n",
            "SSH-2.0-x\r\n",
        ] {
            assert!(response(text).is_err(), "{text:?}");
        }
        assert!(response("HTT").unwrap().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_are_not(bytes: Vec<u8>) {
            let _ = request(&bytes);
            let _ = Head::default().response(&mut BytesMut::from(&*bytes), LIMITS);
        }

        #[test]
        fn what_is_read_is_what_httparse_reads(
            method in "[A-Z]{1,8}",
            path in "/[a-z0-9/._~-]{0,20}",
            fields in proptest::collection::vec(("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", "[ -~\t]{0,30}"), 0..10),
        ) {
            let mut text = format!("{method} {path} HTTP/1.1\r\n");
            for (name, value) in &fields {
                text += &format!("{name}: {value}\r\n");
            }
            text += "\r\n";
            let ours = request(&text).unwrap().unwrap();
            let mut slots = [httparse::EMPTY_HEADER; 10];
            let mut theirs = httparse::Request::new(&mut slots);
            prop_assert!(theirs.parse(text.as_bytes()).unwrap().is_complete());
            prop_assert_eq!(Some(ours.method().as_str()), theirs.method);
            prop_assert_eq!(Some(ours.uri().path()), theirs.path);
            let mut expected = HeaderMap::new();
            for field in theirs.headers.iter() {
                let name: HeaderName = field.name.parse().unwrap();
                expected.append(name, HeaderValue::from_bytes(trim(field.value)).unwrap());
            }
            prop_assert_eq!(ours.headers(), &expected);
        }

        #[test]
        fn wherever_a_head_is_cut_it_reads_the_same(cut in 0usize..70) {
            let whole = "GET /a HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nX-Long: 0123456789\r\n\r\n";
            let (first, second) = whole.split_at(cut.min(whole.len()));
            let (mut head, mut input) = (Head::default(), BytesMut::from(first));
            prop_assert!(head.request(&mut input, LIMITS).unwrap().is_none());
            input.extend_from_slice(second.as_bytes());
            let request = head.request(&mut input, LIMITS).unwrap().unwrap();
            prop_assert_eq!(request.headers().len(), 3);
            prop_assert!(input.is_empty());
        }
    }
}
