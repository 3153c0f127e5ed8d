//! What of WebSocket (RFC 6455) has to be known between two ends: whether a request asks for it, the key of its
//! handshake, where a frame ends, and how to say that it is over.
//!
//! The frames are not read: what is in them is the two ends' affair, compressed or not. Only their lengths are, so that a
//! frame of our own goes between two of theirs (§5.2).

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderValue, Version, header};

/// What the key of a handshake is joined with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest head of a frame: two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;
const CLOSE: u8 = 0x8;

/// Whether a request of this version asks to go on with WebSocket, rightly or not. HTTP/1.0 cannot (RFC 9110 §7.8).
#[must_use]
pub fn is_asked_for(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && headers.keys().any(|name| *name == header::UPGRADE)
        && elements(headers, &header::UPGRADE).any(is_websocket)
}

/// Whether `Upgrade` and `Connection` say WebSocket and nothing else, once.
#[must_use]
pub fn is_agreed(headers: &HeaderMap) -> bool {
    let mut upgrades = elements(headers, &header::UPGRADE);
    upgrades.next().is_some_and(is_websocket)
        && upgrades.next().is_none()
        && elements(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// The elements of a field that is a list (RFC 9110 §5.6.1), the empty ones too.
pub fn elements<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let fields = headers.get_all(name).into_iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}

/// Whether this is a `Sec-WebSocket-Key`: 16 bytes in base64 (RFC 6455 §4.1).
#[must_use]
pub fn is_key(key: &[u8]) -> bool {
    key.len() == 24 && base64_simd::STANDARD.decode_to_vec(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// The `Sec-WebSocket-Accept` that answers this key (RFC 6455 §4.2.2).
#[must_use]
pub fn accept(key: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    base64_simd::STANDARD.encode_to_string(digest.as_ref())
}

/// Whether this is a `Sec-WebSocket-Version` that is spoken.
#[must_use]
pub fn is_version(version: &HeaderValue) -> bool {
    version == "13"
}

/// Why a WebSocket is closed by neither end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The status code (RFC 6455 §7.4.1).
    pub code: u16,
    /// For people; at most 123 bytes.
    pub reason: &'static str,
}

impl Farewell {
    /// The frame that says it; `masked` on the way to a server (RFC 6455 §5.3). The mask keeps a page from choosing the bytes
    /// on the line; here nobody chooses them, so that any mask will do.
    #[must_use]
    pub fn frame(self, masked: bool) -> Vec<u8> {
        let reason = self.reason.as_bytes().get(..self.reason.len().min(123)).unwrap_or_default();
        let length = u8::try_from(2 + reason.len()).unwrap_or(2);
        let mut frame = vec![0x80 | CLOSE, if masked { 0x80 | length } else { length }];
        if masked {
            frame.extend([0; 4]);
        }
        frame.extend(self.code.to_be_bytes());
        frame.extend_from_slice(reason);
        frame
    }
}

/// Where one is in the frames that go one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    filled: usize,
    /// Of the current frame's payload.
    left: u64,
    is_close: bool,
    closed: bool,
    broken: bool,
}

impl Frames {
    /// These bytes go by.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            bytes = bytes.get(self.pass_frame(bytes)..).unwrap_or_default();
        }
    }

    /// As many of these bytes go by as belong to the current frame, or to the next one if there is none. How many.
    pub fn pass_frame(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while self.left == 0 && !self.broken {
            let Some(byte) = bytes.get(passed) else { return passed };
            passed += 1;
            self.begin(*byte);
            if self.is_between() {
                return passed;
            }
        }
        let rest = u64::try_from(bytes.len() - passed).unwrap_or(u64::MAX);
        if self.broken {
            return bytes.len();
        }
        let taken = rest.min(self.left);
        self.left -= taken;
        if self.left == 0 {
            self.end();
        }
        passed + usize::try_from(taken).unwrap_or(usize::MAX)
    }

    /// Whether one frame has ended and none has begun.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.filled == 0 && self.left == 0 && !self.broken
    }

    /// Whether a Close frame has gone by: no other one may follow (RFC 6455 §5.5.1).
    #[must_use]
    pub const fn has_closed(&self) -> bool {
        self.closed
    }

    /// The next byte of a head.
    fn begin(&mut self, byte: u8) {
        if let Some(place) = self.head.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
        let [first, second, length @ ..] = self.head;
        let (extended, short) = match second & 0x7f {
            126 => (2, 0),
            127 => (8, 0),
            short => (0, u64::from(short)),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        if self.filled < 2 || self.filled < 2 + extended + mask {
            return;
        }
        let long = length.iter().take(extended).fold(0, |long: u64, byte| long << 8 | u64::from(*byte));
        // A length has 63 bits at most.
        self.broken = long >> 63 == 1;
        (self.filled, self.left, self.is_close) = (0, long + short, first & 0xf == CLOSE);
        if self.left == 0 {
            self.end();
        }
    }

    const fn end(&mut self) {
        self.closed |= self.is_close;
        self.is_close = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        fields.iter().map(field).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    /// A frame as one end writes it.
    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([7; 4].into_iter().filter(|_| masked));
        // Bytes that would be heads, were they read as such.
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    #[test]
    fn the_answer_to_a_key_is_the_one_of_the_specification() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        let keys: [&[u8]; 6] = [
            b"",
            b"x",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ= ",
            b"dGhlIHNhbXBsZSBub25jZXh4",
            b"dGhlIHNhbXBsZSBub25j*Q==",
        ];
        for key in keys {
            assert!(!is_key(key), "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn what_asks_and_what_agrees() {
        let (upgrade, connection) = (("upgrade", "websocket"), ("connection", "keep-alive, Upgrade"));
        for (fields, asks, agrees) in [
            (vec![upgrade, connection], true, true),
            (vec![("upgrade", "WebSocket"), connection], true, true),
            (vec![upgrade], true, false),
            (vec![upgrade, ("connection", "close")], true, false),
            (vec![("upgrade", "websocket, h2c"), connection], true, false),
            (vec![("upgrade", "h2c, websocket"), connection], true, false),
            (vec![("upgrade", "websocket,"), connection], true, false),
            (vec![upgrade, upgrade, connection], true, false),
            (vec![upgrade, ("upgrade", "h2c"), connection], true, false),
            (vec![("upgrade", "websocket/13"), connection], false, false),
            (vec![("upgrade", "h2c"), connection], false, false),
            (vec![connection], false, false),
        ] {
            let headers = headers(&fields);
            assert_eq!((is_asked_for(Version::HTTP_11, &headers), is_agreed(&headers)), (asks, agrees), "{fields:?}");
            assert!(!is_asked_for(Version::HTTP_10, &headers) && !is_asked_for(Version::HTTP_2, &headers));
        }
    }

    #[test]
    fn a_farewell_is_a_close_frame() {
        let farewell = Farewell { code: 1008, reason: "token expired" };
        assert_eq!(farewell.frame(false), *b"\x88\x0f\x03\xf0token expired");
        assert_eq!(farewell.frame(true), *b"\x88\x8f\0\0\0\0\x03\xf0token expired");
        for masked in [false, true] {
            let mut frames = Frames::default();
            frames.pass(&farewell.frame(masked));
            assert!(frames.is_between() && frames.has_closed());
        }
    }

    #[test]
    fn after_a_length_that_cannot_be_there_is_no_boundary() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]);
        frames.pass(&[0; 100]);
        assert!(!frames.is_between());
        assert_eq!(frames.pass_frame(&[0; 7]), 7);
    }

    proptest! {
        #[test]
        fn boundaries_are_where_the_frames_end_however_they_are_cut(
            sizes in proptest::collection::vec((0_u8..16, prop_oneof![0_usize..300, 65_000_usize..66_000], any::<bool>()), 1..6),
            cut in 1_usize..5000,
        ) {
            let (mut all, mut ends) = (Vec::new(), Vec::new());
            for (opcode, length, masked) in &sizes {
                all.extend(frame(*opcode, *length, *masked));
                ends.push(all.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for piece in all.chunks(cut) {
                frames.pass(piece);
                at += piece.len();
                prop_assert_eq!(frames.is_between(), ends.contains(&at));
            }
            prop_assert_eq!(frames.has_closed(), sizes.iter().any(|(opcode, ..)| *opcode == CLOSE));
            // One by one.
            let (mut frames, mut rest) = (Frames::default(), all.as_slice());
            for end in &ends {
                let passed = frames.pass_frame(rest);
                rest = &rest[passed..];
                prop_assert_eq!((all.len() - rest.len(), frames.is_between()), (*end, true));
            }
        }

        #[test]
        fn any_bytes_go_by(bytes: Vec<u8>, start in 0_usize..50) {
            let (mut whole, mut parts) = (Frames::default(), Frames::default());
            whole.pass(&bytes);
            let (first, second) = bytes.split_at(start.min(bytes.len()));
            parts.pass(first);
            let passed = parts.pass_frame(second);
            prop_assert!(passed <= second.len() && (passed > 0 || second.is_empty()));
            parts.pass(&second[passed..]);
            prop_assert_eq!((whole.is_between(), whole.has_closed()), (parts.is_between(), parts.has_closed()));
        }
    }
}
