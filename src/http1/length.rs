//! How long a message's body is (RFC 9112 §6.3).
//!
//! Of a request:
//! 1. One `Content-Length` of digits, or one `Transfer-Encoding` that is `chunked`, or neither: no body.
//! 2. Both, two of one, a list, another coding, or a coding in HTTP/1.0: an error. Someone else on the way could have
//!    read another length.
//!
//! Of an answer:
//! 1. None to `HEAD`, and none with 1xx, 204 and 304, whatever the fields say.
//! 2. A coding other than `chunked` is an error. Beside `chunked` a `Content-Length` counts for nothing, and the
//!    connection is not used again.
//! 3. Lengths that are repeated and equal are one; otherwise they are an error.
//! 4. Neither: the body ends with the connection.

use http::{
    HeaderMap, Method, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As many bytes.
    Exactly(u64),
    /// It comes in chunks, and says when it ends (RFC 9112 §7.1).
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// Why nobody can tell how long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LengthError {
    /// The length is no number, or there are several.
    #[error("its Content-Length is not one number")]
    ContentLength,
    /// The coding is not `chunked` alone, or stands in a message of HTTP/1.0.
    #[error("its Transfer-Encoding is not chunked alone")]
    TransferEncoding,
    /// It has a length and a coding.
    #[error("it has a Content-Length beside a Transfer-Encoding")]
    Both,
}

impl Length {
    /// Of a request with these fields.
    ///
    /// # Errors
    /// As the module's rules say.
    pub fn of_request(version: Version, headers: &HeaderMap) -> Result<Self, LengthError> {
        // Most requests have neither: one look at the names costs less than two lookups.
        if !headers.keys().any(|name| *name == TRANSFER_ENCODING || *name == CONTENT_LENGTH) {
            return Ok(Self::Exactly(0));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Self::Exactly(0)),
            (None, Some(_)) if lengths.next().is_some() => Err(LengthError::ContentLength),
            (None, Some(length)) => number(length.as_bytes()).map(Self::Exactly).ok_or(LengthError::ContentLength),
            (Some(_), Some(_)) => Err(LengthError::Both),
            (Some(coding), None) => {
                let alone = codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked");
                if alone && version == Version::HTTP_11 {
                    Ok(Self::Chunked)
                } else {
                    Err(LengthError::TransferEncoding)
                }
            }
        }
    }

    /// Of an answer with these fields to a request by `method`.
    ///
    /// # Errors
    /// As the module's rules say.
    pub fn of_response(
        method: &Method,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, LengthError> {
        if *method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            return Ok(Self::Exactly(0));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(coding) = codings.next() {
            let alone = codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked");
            let allowed = alone && version == Version::HTTP_11;
            return if allowed { Ok(Self::Chunked) } else { Err(LengthError::TransferEncoding) };
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(first) = lengths.next() else { return Ok(Self::UntilClose) };
        let length = number(first.as_bytes()).ok_or(LengthError::ContentLength)?;
        if lengths.all(|other| other == first) { Ok(Self::Exactly(length)) } else { Err(LengthError::ContentLength) }
    }
}

/// Digits alone, no sign and no space, that a `u64` can hold.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    const LENGTH: &str = "content-length";
    const CODING: &str = "transfer-encoding";

    #[test]
    fn a_request_has_one_length() {
        let read = |fields: &[_]| Length::of_request(Version::HTTP_11, &headers(fields));
        assert_eq!(read(&[]), Ok(Length::Exactly(0)));
        assert_eq!(read(&[(LENGTH, "0")]), Ok(Length::Exactly(0)));
        assert_eq!(read(&[(LENGTH, "18446744073709551615")]), Ok(Length::Exactly(u64::MAX)));
        assert_eq!(read(&[(CODING, "Chunked")]), Ok(Length::Chunked));
        for fields in [
            &[(LENGTH, "5"), (LENGTH, "5")][..],
            &[(LENGTH, "")],
            &[(LENGTH, "+5")],
            &[(LENGTH, "-5")],
            &[(LENGTH, "0x5")],
            &[(LENGTH, "5, 5")],
            &[(LENGTH, "5 5")],
            &[(LENGTH, "18446744073709551616")],
            &[(LENGTH, "000000000000000000005")],
        ] {
            assert_eq!(read(fields), Err(LengthError::ContentLength), "{fields:?}");
        }
        for fields in [
            &[(CODING, "chunked"), (CODING, "chunked")][..],
            &[(CODING, "chunked, chunked")],
            &[(CODING, "gzip, chunked")],
            &[(CODING, "xchunked")],
            &[(CODING, "identity")],
            &[(CODING, "")],
        ] {
            assert_eq!(read(fields), Err(LengthError::TransferEncoding), "{fields:?}");
        }
        assert_eq!(read(&[(CODING, "chunked"), (LENGTH, "5")]), Err(LengthError::Both));
        let old = Length::of_request(Version::HTTP_10, &headers(&[(CODING, "chunked")]));
        assert_eq!(old, Err(LengthError::TransferEncoding));
    }

    #[test]
    fn an_answer_may_end_with_its_connection() {
        let read = |method: Method, status: u16, fields: &[_]| {
            Length::of_response(&method, StatusCode::from_u16(status).unwrap(), Version::HTTP_11, &headers(fields))
        };
        assert_eq!(read(Method::GET, 200, &[]), Ok(Length::UntilClose));
        assert_eq!(read(Method::GET, 200, &[(LENGTH, "5"), (LENGTH, "5")]), Ok(Length::Exactly(5)));
        assert_eq!(read(Method::GET, 200, &[(CODING, "chunked"), (LENGTH, "5")]), Ok(Length::Chunked));
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304), (Method::GET, 103)] {
            assert_eq!(read(method, status, &[(LENGTH, "5")]), Ok(Length::Exactly(0)), "{status}");
        }
        assert_eq!(read(Method::GET, 200, &[(LENGTH, "5"), (LENGTH, "6")]), Err(LengthError::ContentLength));
        assert_eq!(read(Method::GET, 200, &[(LENGTH, "x")]), Err(LengthError::ContentLength));
        assert_eq!(read(Method::GET, 200, &[(CODING, "gzip")]), Err(LengthError::TransferEncoding));
    }
}
