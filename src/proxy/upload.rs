//! A request's body on its way to the upstream: passed on as it comes, counted, and never trusted to end.
//!
//! 1. More bytes than the limit: the body fails, which aborts the request to the upstream.
//! 2. No byte from the client for the stall limit: the body fails. But not that of a call of gRPC whose answer has begun:
//!    there both sides talk, and may have nothing to say.
//! 3. Trailers are left out: they could add fields that were stripped from the head (RFC 9110 §6.5.1 allows it).
//! 4. What was passed on is kept, as long as it is little, until it is sure that the upstream took the request up
//!    (`Upload::keep`): with HTTP/1.1 until the first byte was sent, with HTTP/2 until the answer, for it may tell us that
//!    it has processed nothing (RFC 9113 §8.7). Then it is sent again.
//! 5. A little of what nobody wants any more is still read ([`discard`]): a connection that is closed with bytes
//!    unread is reset, and the client may lose the answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, timeout};

use super::Incoming;
use crate::{
    http1::{Deadline, Length},
    rejection::{BadRequest, Rejection, TooLarge},
};

/// How much of an unwanted body is read, in bytes.
pub const DISCARDED_BYTES: usize = 1024 * 1024;
/// And for how long.
pub const DISCARD_TIME: Duration = Duration::from_secs(2);

/// No more of a body than this is kept, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// Why a request's body did not get to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// It is longer than the limit.
    #[error("the request's body is longer than allowed")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the request's body stalled")]
    Stalled,
    /// The client broke it off, or its framing is wrong.
    #[error("the request's body broke off")]
    Broken,
}

impl From<UploadError> for Rejection {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooLarge => Self::TooLarge(TooLarge::Body),
            UploadError::Stalled | UploadError::Broken => Self::BadRequest(BadRequest::Body(error.to_string())),
        }
    }
}

/// The body of a request to the upstream.
#[derive(Debug, Default)]
pub(super) enum Upload {
    #[default]
    Empty,
    Streaming(Streaming),
}

#[derive(Debug)]
pub(super) struct Streaming {
    /// Gone when the body has failed.
    incoming: Option<Incoming>,
    /// When the last piece of it came.
    moved: Option<Instant>,
    waits_for_client: bool,
    remaining: u64,
    /// `None`: the client may take its time.
    stall_limit: Option<Duration>,
    stall: Option<Pin<Box<Sleep>>>,
    kept: Kept,
}

/// The beginning of a body, as it was passed on.
#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// How many of the pieces have been passed on since it was begun anew.
    passed: usize,
    /// Whether more is to be kept.
    wanted: bool,
    /// Whether something was passed on that is not among the pieces.
    lost: bool,
    ended: bool,
}

impl Kept {
    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.passed).cloned();
        self.passed += usize::from(piece.is_some());
        piece
    }

    fn add(&mut self, piece: &Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if !self.wanted || self.lost || self.bytes > KEPT_BYTES {
            (self.lost, self.pieces, self.passed) = (true, Vec::new(), 0);
            return;
        }
        self.pieces.push(piece.clone());
        self.passed += 1;
    }

    /// The bytes that are to be passed on once more.
    fn left(&self) -> u64 {
        self.pieces.get(self.passed..).unwrap_or_default().iter().map(|piece| piece.len() as u64).sum()
    }
}

impl Upload {
    /// `incoming`, of which `limit` bytes are passed on at most.
    pub(super) fn new(incoming: Incoming, limit: u64, stall_limit: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Streaming(Streaming {
            incoming: Some(incoming),
            moved: None,
            waits_for_client: false,
            remaining: limit,
            stall_limit: Some(stall_limit),
            stall: None,
            kept: Kept::default(),
        })
    }

    /// Ready when the upstream has been waited for longer than `limit`: since the attempt began, or since the last piece
    /// came. While it is the client that is waited for its time does not run.
    pub(super) fn poll_late(
        &self,
        began: Instant,
        limit: Duration,
        timer: &mut Deadline,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let since = match self {
            Self::Empty => began,
            Self::Streaming(Streaming { waits_for_client: true, .. }) => Instant::now(),
            Self::Streaming(Streaming { moved, .. }) => moved.map_or(began, |moved| moved.max(began)),
        };
        timer.poll(since + limit, context)
    }

    /// From now on the client may pause for as long as it likes.
    pub(super) const fn take_your_time(&mut self) {
        if let Self::Streaming(streaming) = self {
            streaming.stall_limit = None;
        }
    }

    /// From now on what is passed on is kept, if nothing was before.
    pub(super) const fn keep(&mut self) {
        if let Self::Streaming(streaming) = self {
            streaming.kept.wanted = true;
        }
    }

    /// Nothing needs to be kept any more, but for what is still to be passed on once more.
    pub(super) fn forget(&mut self) {
        if let Self::Streaming(Streaming { kept, .. }) = self {
            kept.pieces.drain(..kept.passed.min(kept.pieces.len()));
            (kept.passed, kept.wanted, kept.lost) = (0, false, true);
        }
    }

    /// Begins anew, if everything that was passed on is still there.
    pub(super) fn rewind(&mut self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(Streaming { incoming: None, .. }) => false,
            Self::Streaming(streaming) => {
                streaming.kept.passed = 0;
                !streaming.kept.lost
            }
        }
    }

    /// How long it is on a connection of HTTP/1.1.
    pub(super) fn length(&self) -> Length {
        match self {
            Self::Empty => Length::Exactly(0),
            Self::Streaming(_) => self.size_hint().exact().map_or(Length::Chunked, Length::Exactly),
        }
    }
}

impl Streaming {
    fn fail(&mut self, error: UploadError) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        self.waits_for_client = false;
        if let (Some(incoming), UploadError::TooLarge) = (self.incoming.take(), error) {
            discard_body(incoming);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(limit) = self.stall_limit else {
            self.waits_for_client = true;
            return Poll::Pending;
        };
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !std::mem::replace(&mut self.waits_for_client, true) {
            // The time that the upstream took since the last byte is not the client's.
            stall.as_mut().reset(Instant::now() + limit);
        }
        match stall.as_mut().poll(context) {
            Poll::Ready(()) => self.fail(UploadError::Stalled),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        if let Some(piece) = self.kept.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.kept.ended {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(incoming).poll_frame(context) {
            Poll::Pending => return self.wait(context),
            Poll::Ready(frame) => frame,
        };
        (self.waits_for_client, self.moved) = (false, Some(Instant::now()));
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None | Some(Ok(Err(_))) => {
                self.kept.ended = true;
                Poll::Ready(None)
            }
            Some(Err(_)) => self.fail(UploadError::Broken),
            Some(Ok(Ok(data))) => match self.remaining.checked_sub(data.len() as u64) {
                Some(remaining) => {
                    self.remaining = remaining;
                    self.kept.add(&data);
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                None => self.fail(UploadError::TooLarge),
            },
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(streaming) => streaming.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(Streaming { incoming, kept, .. }) => {
                kept.left() == 0 && (kept.ended || incoming.as_ref().is_some_and(Body::is_end_stream))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(Streaming { incoming, kept, .. }) => {
                let hint = incoming.as_ref().map(Body::size_hint).unwrap_or_default();
                hint.exact().and_then(|rest| rest.checked_add(kept.left())).map_or(hint, SizeHint::with_exact)
            }
        }
    }
}

/// Reads a little of the body of a request that was refused: of a stream of HTTP/2, for with HTTP/1 the connection's task
/// does that behind the answer. A client that asked before sending its body is given no leave to send it.
pub fn discard(request: Request<Incoming>) {
    if !request.headers().contains_key(EXPECT) {
        discard_body(request.into_body());
    }
}

fn discard_body(body: Incoming) {
    let Incoming::Http2(mut body) = body else { return };
    let reading = async move {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    tokio::task::spawn_local(timeout(DISCARD_TIME, reading));
}

#[cfg(test)]
pub(super) mod tests {
    use std::{future::poll_fn, io::Write};

    use super::*;
    use crate::http1::Line;

    /// An upload of `total` bytes, and the client that sends them.
    pub(in crate::proxy) async fn upload(total: usize) -> (Upload, std::net::TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let line = Line::new(listener.accept().await.unwrap().0.into());
        let request = Request::post("/").header("content-length", total).body(()).unwrap();
        let incoming = Incoming::on_line(&line, &request);
        (Upload::new(incoming, 1 << 20, Duration::from_secs(10)), client)
    }

    async fn take(upload: &mut Upload) -> Option<Bytes> {
        let frame = poll_fn(|context| Pin::new(&mut *upload).poll_frame(context)).await;
        frame.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn while_the_client_is_waited_for_the_upstreams_time_does_not_run() {
        const LIMIT: Duration = Duration::from_millis(30);
        let began = Instant::now();
        let mut timer = Deadline::default();
        let (mut upload, mut client) = upload(6).await;
        let mut late = async |upload: &Upload, wait: Duration| {
            let late = poll_fn(|context| upload.poll_late(began, LIMIT, &mut timer, context));
            timeout(wait, late).await.is_ok()
        };
        let waits = poll_fn(|context| Poll::Ready(Pin::new(&mut upload).poll_frame(context).is_pending())).await;
        assert!(waits && !late(&upload, 4 * LIMIT).await);
        client.write_all(b"one").unwrap();
        take(&mut upload).await.unwrap();
        let moved = Instant::now();
        assert!(late(&upload, 100 * LIMIT).await && moved.elapsed() + LIMIT / 10 >= LIMIT, "since the last piece");
        assert!(late(&Upload::Empty, 100 * LIMIT).await, "since the attempt began");
    }

    #[tokio::test]
    async fn what_was_kept_is_passed_on_again_and_the_rest_behind_it() {
        let (mut upload, mut client) = upload(9).await;
        upload.keep();
        for piece in ["one", "two"] {
            client.write_all(piece.as_bytes()).unwrap();
            assert_eq!(take(&mut upload).await.unwrap(), piece);
        }
        assert_eq!((upload.rewind(), upload.length()), (true, Length::Exactly(9)));
        assert_eq!(take(&mut upload).await.unwrap(), "one");
        // What has not been passed on again is not forgotten.
        upload.forget();
        client.write_all(b"end").unwrap();
        assert_eq!(take(&mut upload).await.unwrap(), "two");
        assert!(!upload.is_end_stream());
        assert_eq!(take(&mut upload).await.unwrap(), "end");
        assert!(upload.is_end_stream() && take(&mut upload).await.is_none());
        assert!(!upload.rewind());
    }

    #[tokio::test]
    async fn what_is_too_much_to_be_kept_or_was_not_to_be_is_not_sent_again() {
        let (mut upload, mut client) = upload(KEPT_BYTES + 1).await;
        upload.keep();
        client.write_all(&vec![b'x'; KEPT_BYTES + 1]).unwrap();
        let mut taken = 0;
        while let Some(piece) = take(&mut upload).await {
            taken += piece.len();
            assert_eq!(upload.rewind(), taken <= KEPT_BYTES);
            // To the end of what was passed on before.
            let mut again = 0;
            while taken <= KEPT_BYTES && again < taken {
                again += take(&mut upload).await.unwrap().len();
            }
        }
        assert_eq!(taken, KEPT_BYTES + 1);

        let (mut upload, mut client) = self::upload(3).await;
        client.write_all(b"one").unwrap();
        take(&mut upload).await.unwrap();
        upload.keep();
        assert!(!upload.rewind());
    }
}
