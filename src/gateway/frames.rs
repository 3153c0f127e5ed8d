//! Whether a client of HTTP/2 sends too many frames that cost it nothing and the gateway something.
//!
//! hyper and h2 bound streams, resets before a request is taken up, CONTINUATION and small DATA frames, lists of header
//! fields and what waits to be sent. They answer every PING and SETTINGS, though, and read any number of PRIORITY,
//! WINDOW_UPDATE, RST_STREAM, empty DATA and unknown frames. So frames are counted as they come in from the socket:
//!
//! 1. All but HEADERS, CONTINUATION and DATA with content take one from a stock of [`STOCK`], which grows by [`RATE`]
//!    in a second.
//! 2. What is sent to the client gives it credit, since it has to answer: HEADERS and DATA two frames each, and DATA one
//!    more for each KiB. Windows are opened, answers broken off and round trips measured without using anything up.
//! 3. Where the stock is used up, the connection ends with GOAWAY and ENHANCE_YOUR_CALM (RFC 9113 §10.5).
//! 4. PUSH_PROMISE, which no client may send and h2 reads past, ends it with PROTOCOL_ERROR (RFC 9113 §8.4).

use tokio::time::Instant;

/// Frames that may come at once.
const STOCK: u32 = 1024;
/// Frames in a second.
const RATE: u32 = 128;
/// The preface of a connection (RFC 9113 §3.4).
const PREFACE: u32 = 24;
/// Credit for a frame with an answer's head or content; and for how many bytes of content there is one more.
const CREDIT: u32 = 2;
const CREDIT_BYTES: u32 = 1024;
/// A frame that is all padding is no longer than this (RFC 9113 §6.1).
const ALL_PADDING: u32 = 256;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The stock is used up.
    #[error("too many frames without content")]
    Flood,
    /// What only a server may send.
    #[error("a client sent PUSH_PROMISE")]
    Promise,
}

/// What a connection's frames have used up.
#[derive(Debug)]
pub(super) struct FrameLimit {
    incoming: Frames,
    outgoing: Frames,
    stock: u32,
    since: Instant,
    last_stream: u32,
}

impl FrameLimit {
    pub(super) fn new() -> Self {
        let incoming = Frames { skip: PREFACE, ..Frames::default() };
        Self { incoming, outgoing: Frames::default(), stock: STOCK, since: Instant::now(), last_stream: 0 }
    }

    /// These bytes have come.
    ///
    /// # Errors
    /// The [`Fault`] for which the connection has to end.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let (mut used, mut last_stream, mut promises) = (0_u32, self.last_stream, false);
        self.incoming.read(bytes, |frame| {
            used = used.saturating_add(u32::from(frame.is_free_of_content()));
            promises |= frame.kind == PUSH_PROMISE;
            if frame.kind == HEADERS {
                last_stream = last_stream.max(frame.stream);
            }
        });
        self.last_stream = last_stream;
        if used > self.stock {
            self.refill();
        }
        let goes_on = used <= self.stock;
        self.stock = self.stock.saturating_sub(used);
        match (goes_on, promises) {
            (false, _) => Err(Fault::Flood),
            (true, true) => Err(Fault::Promise),
            (true, false) => Ok(()),
        }
    }

    /// These bytes were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let mut credit = 0_u32;
        self.outgoing.read(bytes, |frame| match frame.kind {
            DATA => credit = credit.saturating_add(CREDIT + frame.length / CREDIT_BYTES),
            HEADERS => credit = credit.saturating_add(CREDIT),
            _ => {}
        });
        self.stock = self.stock.saturating_add(credit).min(STOCK);
    }

    /// The last frame for a client with this fault, if one can be put in here: not in the midst of another one.
    pub(super) fn goaway(&self, fault: Fault) -> Option<[u8; 17]> {
        const GOAWAY: u8 = 7;
        // RFC 9113 §7: ENHANCE_YOUR_CALM, PROTOCOL_ERROR.
        let code = match fault {
            Fault::Flood => 11,
            Fault::Promise => 1,
        };
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        let frame = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, code];
        self.outgoing.is_between().then_some(frame)
    }

    /// What has grown since the stock was last looked at: only when it is short, so that others pay no look at the time.
    fn refill(&mut self) {
        let now = Instant::now();
        let millis = u64::try_from(now.duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        let grown = millis.saturating_mul(u64::from(RATE)) / 1000;
        if grown > 0 {
            self.stock = self.stock.saturating_add(u32::try_from(grown).unwrap_or(u32::MAX)).min(STOCK);
            self.since = now;
        }
    }
}

/// The head of a frame (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn is_free_of_content(self) -> bool {
        match self.kind {
            HEADERS | PUSH_PROMISE | CONTINUATION => false,
            DATA if self.flags & END_STREAM != 0 => false,
            DATA => self.length == 0 || self.flags & PADDED != 0 && self.length <= ALL_PADDING,
            _ => true,
        }
    }
}

/// Finds the heads of frames in bytes that come in any pieces.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; 9],
    /// How much of the head is there.
    have: usize,
    /// How many bytes come before the next head.
    skip: u32,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8], mut found: impl FnMut(Frame)) {
        loop {
            let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let wanted = self.head.get_mut(self.have..).unwrap_or_default();
            let taken = wanted.len().min(bytes.len());
            wanted.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.have += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.have < self.head.len() {
                return;
            }
            let [a, b, c, kind, flags, s, t, u, v] = self.head;
            let length = u32::from_be_bytes([0, a, b, c]);
            // The first bit is reserved.
            let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
            (self.have, self.skip) = (0, length);
            found(Frame { length, kind, flags, stream });
        }
    }

    /// Whether the next byte begins a frame.
    const fn is_between(&self) -> bool {
        self.have == 0 && self.skip == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), &vec![0xff; payload]].concat()
    }

    fn after_preface() -> FrameLimit {
        let mut limit = FrameLimit::new();
        assert_eq!(limit.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Ok(()));
        limit
    }

    /// How many frames like this pass at once, up to a hundred thousand.
    fn passed(limit: &mut FrameLimit, frame: &[u8]) -> usize {
        (0..100_000).take_while(|_| limit.received(frame).is_ok()).count()
    }

    #[test]
    fn frames_without_content_are_bounded_and_those_with_content_are_not() {
        let stock = STOCK as usize;
        for (kind, flags, length) in [
            (PING, 0, 8),
            (PING, 1, 8),
            (4, 0, 0),
            (4, 1, 0),
            (2, 0, 5),
            (8, 0, 4),
            (3, 0, 4),
            (DATA, 0, 0),
            (DATA, 8, 200),
            (0xfa, 0, 3),
            (7, 0, 8),
        ] {
            let passed = passed(&mut after_preface(), &frame(kind, flags, 1, length));
            // The stock grows while this runs.
            assert!((stock..stock + 2 * RATE as usize).contains(&passed), "{kind}: {passed}");
        }
        for (kind, flags, length) in
            [(HEADERS, 5, 20), (CONTINUATION, 4, 0), (DATA, 0, 1), (DATA, 1, 0), (DATA, 8, 257)]
        {
            assert_eq!(passed(&mut after_preface(), &frame(kind, flags, 1, length)), 100_000, "{kind}");
        }
    }

    #[test]
    fn whoever_gets_an_answer_may_say_more() {
        let mut limit = after_preface();
        passed(&mut limit, &frame(PING, 0, 0, 8));
        limit.stock = 0;
        limit.sent(&frame(DATA, 0, 1, 16 * 1024));
        assert_eq!(limit.stock, 18);
        limit.sent(&frame(HEADERS, 4, 1, 100));
        assert_eq!(limit.stock, 20);
        limit.sent(&frame(PING, 1, 0, 8));
        assert_eq!(limit.stock, 20, "what a flood is answered with gives nothing");
        (0..1000).for_each(|_| limit.sent(&frame(DATA, 0, 1, 16 * 1024)));
        assert_eq!(limit.stock, STOCK, "no more is saved up");
    }

    #[test]
    fn the_stock_grows_with_time() {
        let mut limit = after_preface();
        limit.stock = 0;
        limit.since -= std::time::Duration::from_millis(500);
        assert!((64..70).contains(&passed(&mut limit, &frame(PING, 0, 0, 8))));
    }

    #[test]
    fn the_last_frame_names_the_last_stream_and_breaks_into_no_other() {
        let mut limit = after_preface();
        assert_eq!(limit.received(&[frame(HEADERS, 5, 7, 3), frame(HEADERS, 5, 5, 3)].concat()), Ok(()));
        assert_eq!(limit.received(&frame(PUSH_PROMISE, 4, 7, 4)), Err(Fault::Promise));
        assert_eq!(limit.goaway(Fault::Flood), Some([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 11]));
        limit.sent(&frame(DATA, 0, 1, 100)[..50]);
        assert_eq!(limit.goaway(Fault::Promise), None);
    }

    proptest::proptest! {
        /// In whatever pieces the bytes come, the same frames are found.
        #[test]
        fn pieces_change_nothing(
            frames in proptest::collection::vec((0_u8..12, proptest::num::u8::ANY, 0_u32..1 << 31, 0_usize..300), 0..20),
            cuts in proptest::collection::vec(1_usize..40, 1..50),
        ) {
            let expected: Vec<Frame> = frames
                .iter()
                .map(|&(kind, flags, stream, length)| Frame { length: u32::try_from(length).unwrap(), kind, flags, stream })
                .collect();
            let bytes: Vec<u8> = frames.iter().flat_map(|&(kind, flags, stream, length)| frame(kind, flags, stream, length)).collect();
            let (mut parser, mut found, mut rest) = (Frames::default(), Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                parser.read(piece, |frame| found.push(frame));
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            proptest::prop_assert_eq!(found, expected);
            proptest::prop_assert!(parser.is_between());
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let mut limit = FrameLimit::new();
            let _ = limit.received(&bytes);
            limit.sent(&bytes);
            proptest::prop_assert!(limit.stock <= STOCK);
        }
    }
}
