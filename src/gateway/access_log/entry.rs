//! The worker's side: filling a record, and handing it on.

use std::{
    cell::Cell,
    net::IpAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    thread::{self, Thread},
};

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::{
    HeaderName, Method, Request, Response, StatusCode,
    header::{REFERER, USER_AGENT},
};
use http_body::Frame;
use tokio::time::Instant;

use super::record::{BrokeOff, Outcome, Record, Text};
use crate::{
    authn::Principal,
    authz::Rule,
    gateway::{metrics::Gauges, request_log::RequestLog},
    proxy::{Body, upstream::UpstreamSettings},
    rejection::Reason,
};

/// The writer is woken once for so many records; it wakes by itself too.
const RECORDS_A_WAKE: usize = 1024;
/// So many records are kept ready for the next requests.
const MOST_SPARE: usize = 2 * RECORDS_A_WAKE;

/// What lies between one worker and the writer.
#[derive(Debug)]
pub(super) struct Lane {
    /// Those that wait for their line.
    pub(super) filled: ArrayQueue<Box<Record>>,
    /// Those that have been written.
    pub(super) spare: ArrayQueue<Box<Record>>,
}

impl Lane {
    pub(super) fn new(queue: usize) -> Self {
        let queue = queue.max(1);
        Self { filled: ArrayQueue::new(queue), spare: ArrayQueue::new(queue.min(MOST_SPARE)) }
    }
}

/// One worker's end of its lane. When the last one is gone, the writer ends.
#[derive(Debug)]
pub(in crate::gateway) struct Recorder {
    lane: Arc<Lane>,
    gauges: Arc<Gauges>,
    unseen: Cell<usize>,
    /// Whether a line has the `Referer`.
    referers: bool,
    // The last field: when the writer is woken by its end, the lane has been given up.
    writer: Waking,
}

#[derive(Debug)]
struct Waking(Thread);

impl Drop for Waking {
    fn drop(&mut self) {
        self.0.unpark();
    }
}

impl Recorder {
    pub(super) const fn new(lane: Arc<Lane>, gauges: Arc<Gauges>, referers: bool, writer: Thread) -> Self {
        Self { lane, gauges, unseen: Cell::new(0), referers, writer: Waking(writer) }
    }

    /// Waits for nobody: where there is no room the record is dropped, and counted.
    fn hand_on(&self, record: Box<Record>) {
        if let Err(mut record) = self.lane.filled.push(record) {
            self.gauges.access_log_dropped.fetch_add(1, Ordering::Relaxed);
            record.texts.shrink();
            let _ = self.lane.spare.push(record);
        }
        let unseen = self.unseen.get() + 1;
        self.unseen.set(unseen % RECORDS_A_WAKE);
        if unseen == RECORDS_A_WAKE {
            self.writer.0.unpark();
        }
    }
}

/// A request's line, as far as it is known. It is written when this is dropped: whatever becomes of the request, and
/// once. Without an access log it is nothing.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Entry(Option<Open>);

#[derive(Debug)]
struct Open {
    record: Box<Record>,
    recorder: Rc<Recorder>,
    /// Whether the answer's body is left out, because of the method.
    is_head: bool,
}

impl Entry {
    /// The request has come.
    pub(in crate::gateway) fn begin<B>(
        recorder: Option<&Rc<Recorder>>,
        request: &Request<B>,
        log: &RequestLog,
        client: impl FnOnce() -> IpAddr,
        started: Instant,
    ) -> Self {
        let Some(recorder) = recorder else { return Self(None) };
        let mut record = recorder.lane.spare.pop().unwrap_or_else(|| Box::new(Record::new()));
        record.texts.clear();
        record.started = started;
        record.client = client();
        record.method.clone_from(request.method());
        record.version = request.version();
        (record.status, record.bytes) = (0, 0);
        record.outcome = Outcome::Abandoned;
        (record.would_refuse, record.broke_off, record.received) = (None, None, None);
        record.id = log.own_id();
        record.texts.set(Text::Path, request.uri().path());
        if let Some(id) = log.given_id() {
            record.texts.set(Text::Id, id);
        }
        set_field(&mut record, Text::Agent, request, &USER_AGENT);
        if recorder.referers {
            set_field(&mut record, Text::Referer, request, &REFERER);
        }
        Self(Some(Open { record, recorder: Rc::clone(recorder), is_head: *request.method() == Method::HEAD }))
    }

    fn set(&mut self, text: Text, value: &str) {
        if let Some(open) = &mut self.0 {
            open.record.texts.set(text, value);
        }
    }

    /// It may pass by this rule; `upstream` is where it goes.
    pub(in crate::gateway) fn permitted(
        &mut self,
        rule: &Rule,
        principal: Option<&Principal>,
        upstream: Option<&UpstreamSettings>,
    ) {
        if self.0.is_none() {
            return;
        }
        self.set(Text::Rule, rule.name());
        if let Some(principal) = principal {
            self.called_by(principal);
        }
        if let Some(upstream) = upstream {
            self.set(Text::Upstream, &upstream.name);
            if let [server] = upstream.servers.as_slice() {
                self.set(Text::Server, &server.place());
            }
        }
    }

    fn called_by(&mut self, principal: &Principal) {
        self.set(Text::Issuer, principal.issuer());
        self.set(Text::Subject, principal.subject().unwrap_or_default());
    }

    /// It passes although there is a reason against it.
    pub(in crate::gateway) const fn would_refuse(&mut self, reason: Reason) {
        if let Some(open) = &mut self.0 {
            open.record.would_refuse = Some(reason);
        }
    }

    /// It is refused; the rule, the issuer and the caller as far as they are known.
    pub(in crate::gateway) fn refused(
        &mut self,
        reason: Reason,
        rule: Option<&str>,
        issuer: Option<&str>,
        caller: Option<&Principal>,
    ) {
        self.became(Outcome::Refused(reason));
        if let Some(rule) = rule {
            self.set(Text::Rule, rule);
        }
        if let Some(issuer) = issuer {
            self.set(Text::Issuer, issuer);
        }
        if let Some(caller) = caller {
            self.called_by(caller);
        }
    }

    pub(in crate::gateway) const fn became(&mut self, outcome: Outcome) {
        if let Some(open) = &mut self.0 {
            open.record.outcome = outcome;
        }
    }

    /// It has an answer, whose body is still to be sent.
    pub(in crate::gateway) fn answered(&mut self, response: &Response<Body>) {
        let Some(open) = &mut self.0 else { return };
        open.record.status = response.status().as_u16();
        open.record.broke_off = Some(BrokeOff::Client);
        if let Some(server) = response.body().server() {
            open.record.texts.set(Text::Server, server);
        }
    }

    /// The connection has asked for more of the answer's body.
    pub(in crate::gateway) fn polled<E>(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, E>>>) {
        let Some(open) = &mut self.0 else { return };
        match polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => open.record.bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
            Poll::Ready(Some(Err(_))) => open.record.broke_off = Some(BrokeOff::Upstream),
            Poll::Ready(None) => open.record.broke_off = None,
        }
    }

    /// The gateway cuts it off.
    pub(in crate::gateway) const fn cut(&mut self) {
        if let Some(open) = &mut self.0 {
            open.record.broke_off = Some(BrokeOff::Gateway);
        }
    }

    /// The connection was a WebSocket, by which so many bytes were sent to the client and received from it.
    pub(in crate::gateway) const fn tunnelled(&mut self, sent: u64, received: u64) {
        if let Some(open) = &mut self.0 {
            (open.record.bytes, open.record.received) = (sent, Some(received));
        }
    }

    /// Its answer is not sent after all.
    pub(in crate::gateway) const fn withdraw(&mut self) {
        if let Some(open) = &mut self.0 {
            (open.record.status, open.record.broke_off) = (0, None);
            open.record.outcome = Outcome::Abandoned;
        }
    }

    /// Nobody asks for more of the answer's body, of which nothing `is_left`.
    pub(in crate::gateway) fn ended(&mut self, is_left: bool) {
        let Some(open) = &mut self.0 else { return };
        if open.record.broke_off == Some(BrokeOff::Client) && (open.is_head || !is_left) {
            open.record.broke_off = None;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(Open { mut record, recorder, .. }) = self.0.take() else { return };
        record.ended = Instant::now();
        if record.status == 0 && thread::panicking() {
            record.status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
            record.outcome = Outcome::Panicked;
        }
        recorder.hand_on(record);
    }
}

fn set_field<B>(record: &mut Record, text: Text, request: &Request<B>, name: &HeaderName) {
    if let Some(value) = request.headers().get(name) {
        record.texts.set_bytes(text, value.as_bytes());
    }
}
