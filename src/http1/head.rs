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
            Some(b"\r") if !self.skipped => return Ok(None),
            _ => {}
        }
        if input.first().is_some_and(|first| !first.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(first)) {
            return Err(HeadError::FirstLine);
        }
        let Some(head) = self.take(input, limits.bytes)? else { return Ok(None) };
        let mut lines = Lines::new(&head);
        let mut request = Request::new(());
        let line = lines.next_line()?.ok_or(HeadError::FirstLine)?;
        let (method, rest) = split_at_space(line)?;
        let (target, version) = split_at_space(rest)?;
        // A fragment is no part of a target (RFC 9112 §3.2), and would be cut off unread.
        if target.is_empty() || memchr(b'#', target).is_some() {
            return Err(HeadError::Target);
        }
        *request.method_mut() = Method::from_bytes(method).map_err(|_| HeadError::FirstLine)?;
        *request.version_mut() = version_of(version)?;
        *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| HeadError::Target)?;
        *request.headers_mut() = lines.fields(limits.fields)?;
        lines.give_back(input);
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
        lines.give_back(input);
        Ok(Some(response))
    }

    /// The bytes of a head, and perhaps more: then the empty line is among them.
    fn take(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, HeadError> {
        // Nearly always a request is all that there is. If it is not, that shows when its lines are read.
        if input.len() <= limit && input.ends_with(b"\r\n\r\n") {
            *self = Self::default();
            return Ok(Some(input.split().freeze()));
        }
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
        let head = input.split_to(end + 2).freeze();
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

    /// What came behind the head goes to the front of `input` again.
    fn give_back(&self, input: &mut BytesMut) {
        if !self.rest.is_empty() {
            let mut rest = BytesMut::from(self.rest);
            rest.unsplit(std::mem::take(input));
            *input = rest;
        }
    }

    /// The fields, up to the empty line.
    fn fields(&mut self, most: usize) -> Result<HeaderMap, HeadError> {
        let mut headers = HeaderMap::with_capacity(12);
        let mut count = 0;
        while let Some(line) = self.next_line()?.filter(|line| !line.is_empty()) {
            count += 1;
            if count > most {
                return Err(HeadError::TooLarge);
            }
            // Names are short: looking at each byte is cheaper than beginning a faster search.
            let colon = line.iter().position(|byte| *byte == b':').ok_or(HeadError::Name)?;
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
mod tests;
