//! Any bytes as the head of a request and of an answer: never a panic; wherever they are cut the same is read; what is read is
//! what httparse reads, and is read again from how we would send it.

#![no_main]

use bearergate::http1::{Head, HeadLimits, encode};
use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 64 };

/// What `read` makes of the bytes, of which so many come at a time, and what it leaves. `None`: an error.
fn read<T>(
    bytes: &[u8],
    at_once: usize,
    mut read: impl FnMut(&mut BytesMut) -> Option<Option<T>>,
) -> Option<(Option<T>, Vec<u8>)> {
    let mut input = BytesMut::new();
    let mut pieces = bytes.chunks(at_once.max(1));
    for piece in pieces.by_ref() {
        input.extend_from_slice(piece);
        if let Some(message) = read(&mut input)? {
            let rest = pieces.flatten().copied();
            return Some((Some(message), input.iter().copied().chain(rest).collect()));
        }
    }
    Some((None, Vec::new()))
}

fn request(bytes: &[u8], at_once: usize) -> Option<(Option<Request<()>>, Vec<u8>)> {
    let mut head = Head::default();
    read(bytes, at_once, |input| head.request(input, LIMITS).ok())
}

fn response(bytes: &[u8], at_once: usize) -> Option<(Option<Response<()>>, Vec<u8>)> {
    let mut head = Head::default();
    read(bytes, at_once, |input| head.response(input, LIMITS).ok())
}

/// The fields as httparse read them: no value has a control character, and none loses more than the spaces around it.
fn check_fields(ours: &HeaderMap, theirs: &[httparse::Header<'_>]) {
    let mut expected = HeaderMap::new();
    for field in theirs {
        expected.append(
            field.name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(field.value.trim_ascii()).unwrap(),
        );
    }
    assert_eq!(ours, &expected);
    assert!(
        ours.values()
            .all(|value| value.as_bytes().iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 127)))
    );
}

fuzz_target!(|bytes: &[u8]| {
    let Some((at_once, bytes)) = bytes.split_first() else { return };
    let at_once = usize::from(*at_once);
    let mut slots = [httparse::EMPTY_HEADER; 64];

    let (whole, pieces) = (request(bytes, bytes.len()), request(bytes, at_once));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    if let Some((Some(ours), rest)) = whole {
        let mut theirs = httparse::Request::new(&mut slots);
        let length = bytes.len() - rest.len();
        assert_eq!(theirs.parse(&bytes[..length]).unwrap(), httparse::Status::Complete(length));
        assert_eq!(Some(ours.method().as_str()), theirs.method);
        assert_eq!(theirs.version, Some(u8::from(ours.version() == http::Version::HTTP_11)));
        check_fields(ours.headers(), theirs.headers);
        let mut sent = Vec::new();
        encode::request(&mut sent, ours.method(), ours.uri(), ours.headers());
        sent.extend_from_slice(b"\r\n");
        let (again, rest) = request(&sent, sent.len()).unwrap();
        let again = again.unwrap();
        assert!(rest.is_empty() && again.method() == ours.method() && again.headers() == ours.headers());
        let target = ours.uri().path_and_query().map_or("/", |target| target.as_str());
        // An absolute form without a path is sent with one.
        let sent = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        assert_eq!(again.uri().path_and_query().map(|target| target.as_str()), Some(&*sent));
    }

    let (whole, pieces) = (response(bytes, bytes.len()), response(bytes, at_once));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    if let Some((Some(ours), rest)) = whole {
        let mut theirs = httparse::Response::new(&mut slots);
        let length = bytes.len() - rest.len();
        assert_eq!(theirs.parse(&bytes[..length]).unwrap(), httparse::Status::Complete(length));
        assert_eq!(Some(ours.status().as_u16()), theirs.code);
        check_fields(ours.headers(), theirs.headers);
    }
});
