//! Any bytes as a body in chunks, with a length, or up to the end: never a panic, wherever they are cut the same comes out, and what
//! came out of chunks comes out again when it is sent on.

#![no_main]

use bearergate::http1::{Decoder, Length, encode};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

/// What came of the bytes, of which so many come at a time: the body, what is left behind it, whether that is its end, and
/// whether it is one.
fn read(length: Length, bytes: &[u8], at_once: usize) -> (Vec<u8>, Vec<u8>, bool, bool) {
    let (mut decoder, mut input, mut body) = (Decoder::from(length), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(at_once.max(1)) {
        input.extend_from_slice(piece);
        loop {
            let before = decoder.remaining();
            match decoder.decode(&mut input) {
                Ok(Some(data)) => {
                    assert!(!data.is_empty());
                    assert_eq!(decoder.remaining(), before.map(|before| before - data.len() as u64));
                    body.extend_from_slice(&data);
                }
                Ok(None) => break,
                Err(_) => return (body, Vec::new(), false, false),
            }
        }
    }
    let done = decoder.is_done();
    assert_eq!(decoder.end().is_ok(), done || length == Length::UntilClose);
    (body, if done { input.to_vec() } else { Vec::new() }, done, true)
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, at_once, bytes @ ..] = bytes else { return };
    let length = match kind {
        0 => Length::UntilClose,
        1..=100 => Length::Exactly(u64::from(*kind - 1)),
        _ => Length::Chunked,
    };
    let (body, rest, done, good) = read(length, bytes, bytes.len());
    let whole = (body, rest, done, good);
    assert_eq!(read(length, bytes, usize::from(*at_once)), whole);
    let (body, rest, done, _) = whole;
    match length {
        Length::UntilClose => assert_eq!(body, bytes),
        Length::Exactly(_) => assert_eq!([&*body, &*rest].concat(), bytes[..body.len() + rest.len()]),
        Length::Chunked if done => {
            let mut sent = Vec::new();
            for piece in body.chunks(7) {
                encode::chunk_size(&mut sent, piece.len());
                sent.extend_from_slice(piece);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b"0\r\n\r\n");
            assert_eq!(read(length, &sent, usize::from(*at_once)), (body, Vec::new(), true, true));
        }
        Length::Chunked => {}
    }
});
