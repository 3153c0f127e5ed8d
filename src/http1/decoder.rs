//! A body out of the bytes behind a head.
//!
//! 1. A chunk's size is 1 to 16 hexadecimal digits; an extension behind `;` is read over and may not hold control
//!    characters (RFC 9112 §7.1.1). Each line ends in CRLF, and is not longer than 1 KiB.
//! 2. Trailers are fields by their form; they are read over (RFC 9110 §6.5.1). Not more than 16 KiB.
//! 3. The end of the connection ends a body that has no other end, and breaks off every other.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::Length;

/// A line between chunks is not longer, in bytes.
const LONGEST_LINE: usize = 1024;
/// All trailers together are not longer, in bytes.
const MOST_TRAILERS: usize = 16 * 1024;

/// Why a body did not get to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A chunk is not one.
    #[error("a chunk is malformed")]
    Chunk,
    /// A trailer is not a field, or there are too many.
    #[error("a trailer is malformed, or there are too many")]
    Trailer,
    /// The connection ended before the body.
    #[error("it broke off")]
    Truncated,
}

/// Where in a body one is.
#[derive(Clone, Copy, Debug)]
pub struct Decoder(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Exactly(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    /// The bytes of trailers so far.
    Trailers(usize),
    Done,
}

impl From<Length> for Decoder {
    fn from(length: Length) -> Self {
        Self(match length {
            Length::Exactly(0) => State::Done,
            Length::Exactly(bytes) => State::Exactly(bytes),
            Length::Chunked => State::ChunkSize,
            Length::UntilClose => State::UntilClose,
        })
    }
}

impl Decoder {
    /// Whether the body has been read to its end.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// The bytes that are still to come, where that is known.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        match self.0 {
            State::Exactly(bytes) => Some(bytes),
            State::Done => Some(0),
            State::UntilClose | State::ChunkSize | State::ChunkData(_) | State::ChunkEnd | State::Trailers(_) => None,
        }
    }

    /// How many bytes of content are known to come next: worth reading at once. Of a body that ends with its connection
    /// that is nothing: it may be a stream of events, and is not to hold a large buffer while it waits.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        match self.0 {
            State::Exactly(bytes) | State::ChunkData(bytes) => bytes,
            State::UntilClose | State::ChunkSize | State::ChunkEnd | State::Trailers(_) | State::Done => 0,
        }
    }

    /// The next bytes of the body, taken from the front of `input`; `None` if more input is needed, or if the body
    /// [is done](Self::is_done).
    ///
    /// # Errors
    /// `Chunk` and `Trailer`, as the module's rules say.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, DecodeError> {
        loop {
            self.0 = match self.0 {
                State::Done => return Ok(None),
                State::Exactly(_) | State::UntilClose | State::ChunkData(_) if input.is_empty() => return Ok(None),
                State::UntilClose => return Ok(Some(input.split().freeze())),
                State::Exactly(left) => {
                    let (data, left) = take(input, left);
                    self.0 = if left == 0 { State::Done } else { State::Exactly(left) };
                    return Ok(Some(data));
                }
                State::ChunkData(left) => {
                    let (data, left) = take(input, left);
                    self.0 = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Some(data));
                }
                State::ChunkSize => match line(input, DecodeError::Chunk)? {
                    None => return Ok(None),
                    Some(line) => match size(&line)? {
                        0 => State::Trailers(0),
                        size => State::ChunkData(size),
                    },
                },
                State::ChunkEnd => match line(input, DecodeError::Chunk)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => State::ChunkSize,
                    Some(_) => return Err(DecodeError::Chunk),
                },
                State::Trailers(before) => match line(input, DecodeError::Trailer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => State::Done,
                    Some(line) => State::Trailers(check_trailer(&line, before)?),
                },
            };
        }
    }

    /// The connection has ended, and nothing is left to decode.
    ///
    /// # Errors
    /// `Truncated`, unless the body was to end like that.
    pub const fn end(&mut self) -> Result<(), DecodeError> {
        match self.0 {
            State::Done | State::UntilClose => {
                self.0 = State::Done;
                Ok(())
            }
            State::Exactly(_) | State::ChunkSize | State::ChunkData(_) | State::ChunkEnd | State::Trailers(_) => {
                Err(DecodeError::Truncated)
            }
        }
    }
}

/// Up to `most` bytes, and how many are then left to take.
fn take(input: &mut BytesMut, most: u64) -> (Bytes, u64) {
    let length = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    (input.split_to(length).freeze(), most - length as u64)
}

/// A line without its end; `None` if it is not complete.
fn line(input: &mut BytesMut, error: DecodeError) -> Result<Option<BytesMut>, DecodeError> {
    let Some(end) = memchr(b'\n', input) else {
        // A CR that does not end the line is refused when the line is there, or when it is too long.
        return if input.len() > LONGEST_LINE { Err(error) } else { Ok(None) };
    };
    if end == 0 || end > LONGEST_LINE || input.get(end - 1) != Some(&b'\r') {
        return Err(error);
    }
    let line = input.split_to(end - 1);
    input.advance(2);
    Ok(Some(line))
}

fn size(line: &[u8]) -> Result<u64, DecodeError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    let extended = trim_start(extension);
    let printable = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let is_extension = extension.is_empty() || (extended.starts_with(b";") && extended.iter().all(printable));
    if !(1..=16).contains(&digits) || !is_extension {
        return Err(DecodeError::Chunk);
    }
    let size = std::str::from_utf8(size).map_err(|_| DecodeError::Chunk)?;
    u64::from_str_radix(size, 16).map_err(|_| DecodeError::Chunk)
}

/// A space before the semicolon is bad and allowed (RFC 9112 §7.1.1, BWS).
fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

fn check_trailer(line: &[u8], before: usize) -> Result<usize, DecodeError> {
    let colon = memchr(b':', line).ok_or(DecodeError::Trailer)?;
    let (name, value) = line.split_at(colon);
    let is_field = http::HeaderName::from_bytes(name).is_ok() && http::HeaderValue::from_bytes(value).is_ok();
    let all = before + line.len();
    if is_field && all <= MOST_TRAILERS { Ok(all) } else { Err(DecodeError::Trailer) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of `pieces`, and whether that is all.
    fn read(length: Length, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), DecodeError> {
        let (mut decoder, mut input, mut body) = (Decoder::from(length), BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            while let Some(data) = decoder.decode(&mut input)? {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
        }
        Ok((body, decoder.is_done()))
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        assert_eq!(read(Length::Exactly(3), &[b"a", b"bcd"]), Ok((b"abc".to_vec(), true)));
        assert_eq!(read(Length::Exactly(3), &[b"ab"]), Ok((b"ab".to_vec(), false)));
        assert_eq!(read(Length::Exactly(0), &[b"ab"]), Ok((vec![], true)));
    }

    #[test]
    fn chunks_are_put_together() {
        let chunked = b"3\r\nabc\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nrest";
        assert_eq!(read(Length::Chunked, &[chunked]), Ok((b"abc0123456789".to_vec(), true)));
        let bytes: Vec<&[u8]> = chunked.chunks(1).collect();
        assert_eq!(read(Length::Chunked, &bytes), Ok((b"abc0123456789".to_vec(), true)));
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for bytes in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\nx\r\n",
            "1\rx\r\n",
            "1;a\rb\r\nx",
            "1;\x00\r\n",
            "11111111111111111\r\n",
            "1\r\nxy\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1\r\nx\r0\r\n",
        ] {
            assert_eq!(read(Length::Chunked, &[bytes.as_bytes()]), Err(DecodeError::Chunk), "{bytes:?}");
        }
        for bytes in ["0\r\nX\r\n\r\n", "0\r\nX : 1\r\n\r\n", "0\r\n X: 1\r\n\r\n", "0\r\nX: \x001\r\n\r\n", "0\r\n\n"]
        {
            assert_eq!(read(Length::Chunked, &[bytes.as_bytes()]), Err(DecodeError::Trailer), "{bytes:?}");
        }
        let long = format!("1;{}", "a".repeat(LONGEST_LINE));
        assert_eq!(read(Length::Chunked, &[long.as_bytes()]), Err(DecodeError::Chunk));
        let many = format!("0\r\n{}", format!("X: {}\r\n", "1".repeat(1000)).repeat(17));
        assert_eq!(read(Length::Chunked, &[many.as_bytes()]), Err(DecodeError::Trailer));
    }

    #[test]
    fn the_end_of_the_connection_ends_only_what_has_no_other_end() {
        for (length, end) in [
            (Length::UntilClose, Ok(())),
            (Length::Exactly(0), Ok(())),
            (Length::Exactly(1), Err(DecodeError::Truncated)),
            (Length::Chunked, Err(DecodeError::Truncated)),
        ] {
            assert_eq!(Decoder::from(length).end(), end, "{length:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_chunks_or_are_not(bytes: Vec<u8>) {
            let _ = read(Length::Chunked, &[&bytes]);
        }

        #[test]
        fn what_was_cut_into_chunks_comes_out_again(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..10),
            piece in 1usize..40,
        ) {
            let mut sent = Vec::new();
            for chunk in &chunks {
                super::super::encode::chunk_size(&mut sent, chunk.len());
                sent.extend_from_slice(chunk);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = sent.chunks(piece).collect();
            prop_assert_eq!(read(Length::Chunked, &pieces), Ok((chunks.concat(), true)));
        }
    }
}
