//! What is known of one request, for its line.
//!
//! Records go round: a worker fills one, the writer reads it and gives it back. So filling one allocates nothing once
//! the texts have had their length before.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use http::{Method, Version};
use tokio::time::Instant;

use crate::{gateway::request_log::RequestId, rejection::Reason};

/// The most that is kept of a text, in bytes: what waits to be written has to fit into memory, whatever is sent.
const LONGEST: usize = 256;
const LONGEST_PATH: usize = 2048;
/// Stands where a text was cut.
const CUT: &str = "…";
/// What a record keeps for the texts of the next request, in bytes.
const KEPT: usize = 1024;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Outcome {
    /// It ended without an answer: its client is gone, or the gateway was stopped.
    Abandoned,
    /// The answer is the upstream's.
    Forwarded,
    /// The answer is the gateway's own.
    Answered,
    /// It was a preflight of CORS.
    Preflight,
    /// It was refused.
    Refused(Reason),
    /// It ended in a panic.
    Panicked,
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Preflight => "preflight",
            Self::Refused(_) => "refused",
            Self::Panicked => "panicked",
        }
    }
}

/// Who broke an answer's body off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokeOff {
    /// The upstream did.
    Upstream,
    /// It was not taken to its end, or the gateway was stopped.
    Client,
    /// The gateway did: the token had ended, or the WebSocket been idle for too long.
    Gateway,
}

impl BrokeOff {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) started: Instant,
    pub(super) ended: Instant,
    pub(super) client: IpAddr,
    pub(super) method: Method,
    pub(super) version: Version,
    /// 0 while there is no answer.
    pub(super) status: u16,
    /// Of the answer's body, handed to the connection.
    pub(super) bytes: u64,
    /// The bytes that came from the client, where the connection became a WebSocket.
    pub(super) received: Option<u64>,
    pub(super) outcome: Outcome,
    /// Why it would have been refused, were it not for report mode.
    pub(super) would_refuse: Option<Reason>,
    pub(super) broke_off: Option<BrokeOff>,
    /// Counts unless there is a [`Text::Id`].
    pub(super) id: RequestId,
    pub(super) texts: Texts,
}

impl Record {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            ended: now,
            client: Ipv4Addr::UNSPECIFIED.into(),
            method: Method::GET,
            version: Version::HTTP_11,
            status: 0,
            bytes: 0,
            received: None,
            outcome: Outcome::Abandoned,
            would_refuse: None,
            broke_off: None,
            id: RequestId::default(),
            texts: Texts::default(),
        }
    }
}

/// The texts that a record can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Without the query, which may hold secrets.
    Path,
    /// The rule's name.
    Rule,
    /// The issuer's name in the configuration.
    Issuer,
    /// Whom the token is about.
    Subject,
    /// The upstream's name in the configuration.
    Upstream,
    /// The upstream's server.
    Server,
    /// The request's name, if a trusted proxy gave it.
    Id,
    /// `User-Agent`.
    Agent,
    /// `Referer`, with its query.
    Referer,
}

/// All texts of a record, one behind the other, as they came: the writer looks at their characters.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: Vec<u8>,
    /// Where each begins and ends.
    places: [(usize, usize); 9],
}

impl Texts {
    /// `None`: there is none, or it is empty. What is not UTF-8 is replaced.
    pub(super) fn get(&self, text: Text) -> Option<Cow<'_, str>> {
        let (start, end) = self.places.get(text as usize).copied()?;
        self.all.get(start..end).filter(|text| !text.is_empty()).map(|text| {
            // Nearly all are, which is found out faster than what is not.
            str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed)
        })
    }

    /// Sets one, or as much of it as is kept.
    pub(super) fn set(&mut self, text: Text, value: &str) {
        let longest = longest(text);
        let kept = if value.len() <= longest { value.len() } else { value.floor_char_boundary(longest) };
        self.keep(text, value.as_bytes(), kept);
    }

    /// The same of what may be anything.
    pub(super) fn set_bytes(&mut self, text: Text, value: &[u8]) {
        self.keep(text, value, value.len().min(longest(text)));
    }

    fn keep(&mut self, text: Text, value: &[u8], kept: usize) {
        let start = self.all.len();
        self.all.extend_from_slice(value.get(..kept).unwrap_or_default());
        if kept < value.len() {
            self.all.extend_from_slice(CUT.as_bytes());
        }
        if let Some(place) = self.places.get_mut(text as usize) {
            *place = (start, self.all.len());
        }
    }

    /// Ready for the next request.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.places = Default::default();
    }

    /// Gives back what long texts have taken. Otherwise nothing is written, so that the next worker to fill the record still
    /// has it in its core's cache.
    pub(super) fn shrink(&mut self) {
        if self.all.capacity() > KEPT {
            *self = Self::default();
        }
    }
}

const fn longest(text: Text) -> usize {
    match text {
        Text::Path => LONGEST_PATH,
        _ => LONGEST,
    }
}
