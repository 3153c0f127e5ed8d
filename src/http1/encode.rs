//! Heads and chunks, as they are sent.

use http::{HeaderMap, Method, StatusCode, Uri};

/// Writes the head of a request in origin-form (RFC 9112 §3.2.1), but for the empty line.
pub fn request(out: &mut Vec<u8>, method: &Method, target: &Uri, headers: &HeaderMap) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let target = target.path_and_query().map_or("/", |target| target.as_str());
    // An absolute form without a path leaves the query alone (`http://a?b`).
    if !target.starts_with('/') {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// Writes the status line of an answer.
pub fn status(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes one field.
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a decimal number.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Writes the line before a chunk of `size` bytes, which is not 0.
pub fn chunk_size(out: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        let digit = u8::try_from((size >> (4 * at)) & 0xf).unwrap_or_default();
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_standard_library_writes() {
        for number in [0_usize, 1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 1_234_567, usize::MAX] {
            let (mut decimals, mut hexadecimal) = (Vec::new(), Vec::new());
            decimal(&mut decimals, number as u64);
            chunk_size(&mut hexadecimal, number);
            assert_eq!(String::from_utf8(decimals).unwrap(), number.to_string());
            assert_eq!(String::from_utf8(hexadecimal).unwrap(), format!("{number:x}\r\n"));
        }
    }

    #[test]
    fn a_target_without_a_path_gets_one() {
        for (target, sent) in [("http://a?b", "GET /?b HTTP/1.1\r\n"), ("http://a", "GET / HTTP/1.1\r\n")] {
            let mut out = Vec::new();
            request(&mut out, &Method::GET, &target.parse().unwrap(), &HeaderMap::new());
            assert_eq!(String::from_utf8(out).unwrap(), sent);
        }
    }

    #[test]
    fn heads_are_lines() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "a".parse().unwrap());
        let mut out = Vec::new();
        request(&mut out, &Method::GET, &"http://b/c?d".parse().unwrap(), &headers);
        status(&mut out, StatusCode::NOT_FOUND);
        assert_eq!(String::from_utf8(out).unwrap(), "GET /c?d HTTP/1.1\r\nhost: a\r\nHTTP/1.1 404 Not Found\r\n");
    }
}
