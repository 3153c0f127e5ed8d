//! One request and its answer on one connection of HTTP/1.1.
//!
//! 1. The request is sent and the answer read at the same time: an upstream may answer before it has read everything, and
//!    then the rest goes on being sent while the answer is passed on.
//! 2. Interim answers (1xx, RFC 9110 §15.2) are read over, up to [`MOST_INTERIM`]. An answer with 101 is none: either a
//!    [`Handshake`] was sent, and it answers that, or no upgrade was asked for.
//! 3. The connection is good for another request if both sides mean it to be (RFC 9112 §9.3), the request was sent to its
//!    end, and the answer's length was beyond doubt.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, Method, Response, StatusCode, Version, header, request::Parts};

use super::{
    Body,
    body::Rest,
    forward::Outcome,
    hop_by_hop,
    pool::{Connection, Lease},
    upgrade::{Handshake, Upgraded},
    upload::{Upload, UploadError},
    upstream::Counter,
};
use crate::{
    http1::{Decoder, Head, HeadLimits, Length, SendError, Writer, encode, fill::poll_fill, is_persistent},
    rejection::Rejection,
};

/// What the head of an answer may have.
const LIMITS: HeadLimits = HeadLimits { bytes: 128 * 1024, fields: 256 };
/// So many interim answers are borne.
const MOST_INTERIM: u32 = 16;

/// Why there is no answer.
enum Failure {
    Unsent(String),
    Upload(UploadError),
    Invalid(String),
    Late,
}

/// Sends the request with this `head` and the body `upload` on the leased connection.
pub(super) async fn exchange(
    mut lease: Lease,
    head: &Parts,
    upload: &mut Upload,
    limit: Duration,
) -> Result<Outcome, Rejection> {
    let buffer = std::mem::take(&mut lease.connection.buffer);
    let writer = writer(buffer, head, upload.length());
    // What is taken of the body before the first byte is sent belongs to the next attempt, if there is one.
    upload.keep();
    // Else its time is the client's too.
    let is_whole = http_body::Body::is_end_stream(upload);
    let mut exchange = Exchange { writer, sending: true, head: Head::default(), interim: 0, is_whole };
    let received = poll_fn(|context| {
        if let Poll::Ready(received) = exchange.poll(&mut lease.connection, upload, context) {
            return Poll::Ready(received);
        }
        ready!(upload.poll_late(lease.since, limit, &mut lease.connection.deadline, context));
        Poll::Ready(Err(Failure::Late))
    });
    match received.await {
        Ok(response) => exchange.answer(response, lease, head, upload).map(Outcome::Answer),
        Err(Failure::Unsent(cause)) => {
            if !lease.reused {
                lease.busy.failed(Counter::Reset);
            }
            if !upload.rewind() {
                return Err(Rejection::UpstreamUnreachable(cause));
            }
            Ok(Outcome::Unsent { cause, stale: lease.reused })
        }
        Err(Failure::Upload(error)) => Err(error.into()),
        Err(Failure::Invalid(cause)) => {
            lease.busy.failed(Counter::Reset);
            Err(Rejection::UpstreamUnreachable(cause))
        }
        Err(Failure::Late) => {
            lease.busy.failed(Counter::Timeout);
            Err(Rejection::UpstreamTimeout(format!("no answer within {limit:?}")))
        }
    }
}

fn writer(mut buffer: Vec<u8>, head: &Parts, length: Length) -> Writer {
    encode::request(&mut buffer, &head.method, &head.uri, &head.headers);
    buffer.extend_from_slice(if length == Length::Chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" });
    Writer::new(buffer, length)
}

struct Exchange {
    writer: Writer,
    /// Until the request is sent, or can't be.
    sending: bool,
    head: Head,
    interim: u32,
    /// Whether the request has no body.
    is_whole: bool,
}

impl Exchange {
    fn poll(
        &mut self,
        connection: &mut Connection,
        upload: &mut Upload,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Failure>> {
        self.send(connection, upload, context)?;
        loop {
            match self.head.response(&mut connection.input, LIMITS) {
                Ok(None) => {}
                Ok(Some(response)) if self.is_interim(&response) => continue,
                Ok(Some(response)) => return Poll::Ready(Ok(response)),
                Err(error) => return Poll::Ready(Err(Failure::Invalid(format!("its answer is not HTTP/1: {error}")))),
            }
            let cause = match ready!(poll_fill(&mut connection.socket, context, &mut connection.input, 0)) {
                Ok(0) => "it closed the connection before it had answered".to_owned(),
                Ok(_) => continue,
                Err(error) => format!("it did not answer: {error}"),
            };
            return Poll::Ready(Err(Failure::Invalid(cause)));
        }
    }

    /// Goes on sending the request, as far as that is possible now.
    fn send(
        &mut self,
        connection: &mut Connection,
        upload: &mut Upload,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        if !self.sending {
            return Ok(());
        }
        let sent = self.writer.poll_send(&mut connection.socket, upload, context);
        if self.writer.began() {
            upload.forget();
        }
        let Poll::Ready(sent) = sent else { return Ok(()) };
        self.sending = false;
        match sent {
            Err(SendError::Body(error)) => Err(Failure::Upload(error)),
            Err(SendError::Length) => Err(Failure::Upload(UploadError::Broken)),
            Err(SendError::Socket(error)) if !self.writer.began() => Err(Failure::Unsent(error.to_string())),
            // With a socket that takes no more: it may have answered before it closed.
            Ok(()) | Err(SendError::Socket(_)) => Ok(()),
        }
    }

    fn is_interim(&mut self, response: &Response<()>) -> bool {
        let status = response.status();
        self.interim += 1;
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS && self.interim <= MOST_INTERIM
    }

    fn answer(
        self,
        response: Response<()>,
        mut lease: Lease,
        head: &Parts,
        upload: &mut Upload,
    ) -> Result<Response<Body>, Rejection> {
        let ((mut parts, ()), method) = (response.into_parts(), &head.method);
        let invalid = |cause: String| {
            lease.busy.failed(Counter::Reset);
            Rejection::UpstreamUnreachable(cause)
        };
        if parts.status == StatusCode::SWITCHING_PROTOCOLS
            && !self.sending
            && let Some(handshake) = head.extensions.get::<Handshake>()
        {
            // It is well enough to answer: that a client's offers are not to its liking is no reason to leave it alone.
            handshake.accept(&mut parts).map_err(|cause| {
                lease.busy.count(Counter::Reset);
                Rejection::UpstreamUnreachable(cause.to_owned())
            })?;
            lease.busy.answered(parts.status, self.is_whole.then_some(lease.since));
            return Ok(Response::from_parts(parts, Body::Upgraded(Box::new(Upgraded::new(lease)))));
        }
        if parts.status.is_informational() {
            return Err(invalid(format!("it answered with {}", parts.status.as_u16())));
        }
        let length = Length::of_response(method, parts.status, parts.version, &parts.headers)
            .map_err(|error| invalid(format!("nobody can tell how long its answer is: {error}")))?;
        lease.busy.answered(parts.status, self.is_whole.then_some(lease.since));
        // Some upstreams send the body of an answer that has none (RFC 9110 §9.3.2).
        lease.connection.suspect =
            *method == Method::HEAD || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let lasts = is_persistent(parts.version, &parts.headers) && length != Length::UntilClose;
        let lasts = make_length_single(&mut parts.headers, length) && lasts;
        hop_by_hop::strip_response(&mut parts.headers);
        // The server's side writes the version that the client speaks.
        parts.version = Version::HTTP_11;
        let rest = if self.sending {
            Some(Box::new(Rest { writer: self.writer, upload: std::mem::take(upload) }))
        } else {
            lease.connection.buffer = self.writer.into_buffer();
            None
        };
        let body = Body::from_upstream(Decoder::from(length), (lease, lasts), rest);
        Ok(Response::from_parts(parts, body))
    }
}

/// Leaves one `Content-Length` where there are equal ones, and none beside chunks (RFC 9112 §6.3). Whether the answer said
/// how long it is in one way only.
fn make_length_single(headers: &mut HeaderMap, length: Length) -> bool {
    match length {
        Length::Chunked => headers.remove(header::CONTENT_LENGTH).is_none(),
        // Nothing is there twice.
        Length::Exactly(_) | Length::UntilClose if headers.len() == headers.keys_len() => true,
        Length::Exactly(_) | Length::UntilClose => {
            let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
            if let (Some(first), Some(_)) = (lengths.next(), lengths.next()) {
                let first = first.clone();
                headers.insert(header::CONTENT_LENGTH, first);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use http::Request;
    use socket2::SockRef;

    use super::*;
    use crate::proxy::{
        upload::tests::upload,
        upstream::tests::{alone, busy},
    };

    #[tokio::test]
    async fn what_was_not_sent_on_a_dead_connection_is_sent_whole_on_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (upstream, pool) = alone(&listener.local_addr().unwrap().to_string());
        let limit = Duration::from_secs(30);
        let (mut upload, mut client) = upload(5).await;
        client.write_all(b"hello").unwrap();
        let (head, ()) = Request::post("/x").header("content-length", 5).body(()).unwrap().into_parts();

        let dead = pool.connect(busy(&upstream)).await.unwrap();
        SockRef::from(&listener.accept().unwrap().0).set_linger(Some(Duration::ZERO)).unwrap();
        poll_fn(|context| dead.connection.socket.poll_read_ready(context)).await.unwrap();
        let unsent = exchange(dead, &head, &mut upload, limit).await;
        assert!(matches!(unsent, Ok(Outcome::Unsent { stale: false, .. })));

        let lease = pool.connect(busy(&upstream)).await.unwrap();
        let served = std::thread::spawn(move || {
            let (mut line, mut read) = (listener.accept().unwrap().0, Vec::new());
            while !read.ends_with(b"hello") {
                let mut piece = [0; 100];
                let length = line.read(&mut piece).unwrap();
                assert_ne!(length, 0, "{:?}", String::from_utf8_lossy(&read));
                read.extend_from_slice(&piece[..length]);
            }
            line.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            String::from_utf8(read).unwrap()
        });
        let answered = exchange(lease, &head, &mut upload, limit).await;
        assert!(matches!(answered, Ok(Outcome::Answer(response)) if response.status() == 204));
        assert_eq!(served.join().unwrap(), "POST /x HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
    }
}
