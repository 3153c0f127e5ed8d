//! Reads of a new resource in the answer that tells of it, while that goes on to the client.
//!
//! 1. Each piece is looked at and passed on; nothing is kept ([`Finder`]). The piece in which the resource's name ends is
//!    held back until it is kept whose the resource is: so a client that has the whole answer can ask for the resource.
//! 2. A body that ends, breaks off or turns out to be something else before that is passed on unchanged. Nothing is
//!    learned, and the log says why.
//! 3. A client that goes away does not undo what the upstream made: the rest is read without it, one MiB and ten seconds
//!    at most.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{task::spawn_local, time::timeout};

use super::{
    LearnOutcome, Ownerships,
    finder::{Finder, NotFound},
    ledger::{Entry, Kept},
};
use crate::{
    authz::ownership::{Owners, OwnershipRecord},
    proxy::{Body, BodyError},
};

/// How much is read of an answer whose client has gone, and for how long.
const MOST_LEFT: usize = 1024 * 1024;
const LONGEST_LEFT: Duration = Duration::from_secs(10);

/// The body of an answer that tells of a new resource.
pub(super) struct Learning {
    body: Body,
    /// Until it is found, or known not to be.
    search: Option<Search>,
    held: Option<Held>,
    /// Nobody takes it, and it is read for what it tells.
    adrift: bool,
}

struct Search {
    finder: Finder,
    learner: Learner,
}

/// A piece that waits for something.
struct Held {
    piece: Bytes,
    keeping: Pin<Box<dyn Future<Output = ()>>>,
}

/// Who is to own what is found.
pub(super) struct Learner {
    ownerships: Arc<Ownerships>,
    index: usize,
    owners: Arc<Owners>,
    owner: OwnershipRecord,
}

impl Learning {
    pub(super) fn new(body: Body, pointer: &str, learner: Learner) -> Self {
        Self { body, search: Some(Search { finder: Finder::new(pointer), learner }), held: None, adrift: false }
    }

    /// Looks at a piece. Whether it has to be held back.
    fn look(&mut self, piece: &Bytes) -> bool {
        let Some(mut search) = self.search.take() else { return false };
        match search.finder.feed(piece) {
            Ok(None) if self.body.is_end_stream() => search.learner.nothing(LearnOutcome::Malformed),
            Ok(None) => self.search = Some(search),
            Ok(Some(resource)) => {
                let keeping = Box::pin(search.learner.learn(resource));
                self.held = Some(Held { piece: piece.clone(), keeping });
                return true;
            }
            Err(error) => search.learner.nothing(error.into()),
        }
        false
    }

    fn give_up(&mut self, outcome: LearnOutcome) {
        if let Some(search) = self.search.take() {
            search.learner.nothing(outcome);
        }
    }
}

impl HttpBody for Learning {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(held) = &mut self.held {
                ready!(held.keeping.as_mut().poll(context));
            }
            if let Some(held) = self.held.take() {
                return Poll::Ready(Some(Ok(Frame::data(held.piece))));
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match &frame {
                Some(Ok(frame)) => {
                    if frame.data_ref().is_some_and(|piece| self.look(piece)) {
                        continue;
                    }
                }
                Some(Err(_)) => self.give_up(LearnOutcome::BrokenOff),
                None => self.give_up(LearnOutcome::Malformed),
            }
            return Poll::Ready(frame);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let held = self.held.as_ref().map_or(0, |held| held.piece.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(hint.lower().saturating_add(held));
        hint
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            spawn_local(held.keeping);
        } else if self.search.is_some() && !self.adrift {
            let (body, search) = (std::mem::take(&mut self.body), self.search.take());
            let rest = Self { body, search, held: None, adrift: true };
            spawn_local(read_on(rest));
        }
    }
}

/// Reads on without the client.
async fn read_on(mut rest: Learning) {
    let reading = async {
        let mut left = MOST_LEFT;
        while rest.search.is_some() || rest.held.is_some() {
            let Some(Ok(frame)) = rest.frame().await else { return };
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(remaining) => left = remaining,
                None => return,
            }
        }
    };
    // Too late is as good as broken off.
    let _ = timeout(LONGEST_LEFT, reading).await;
    rest.give_up(LearnOutcome::BrokenOff);
}

impl Learner {
    pub(super) fn new(ownerships: Arc<Ownerships>, index: usize, owners: Arc<Owners>, owner: OwnershipRecord) -> Self {
        Self { ownerships, index, owners, owner }
    }

    async fn learn(self, resource: String) {
        let record = OwnershipRecord { resource, ..self.owner.clone() };
        let Some(ledger) = &self.ownerships.ledger else { return };
        let outcome = match ledger.keep(Entry::Learn(record.clone())).await {
            Kept::InStore => LearnOutcome::Kept,
            Kept::NotYet => LearnOutcome::NotYet,
            Kept::Lost => return self.count(LearnOutcome::Lost),
        };
        self.owners.learned(&record);
        self.count(outcome);
    }

    /// The answer did not tell.
    pub(super) fn nothing(&self, outcome: LearnOutcome) {
        let (ownership, outcome_name) = (self.owners.name(), outcome.as_str());
        tracing::warn!(ownership, outcome = outcome_name, "an answer with 201 does not tell what the caller owns now");
        self.count(outcome);
    }

    fn count(&self, outcome: LearnOutcome) {
        if let Some(tally) = self.ownerships.tallies.get(self.index) {
            tally.learned(outcome);
        }
    }
}

impl From<NotFound> for LearnOutcome {
    fn from(error: NotFound) -> Self {
        match error {
            NotFound::Malformed => Self::Malformed,
            NotFound::Absent => Self::Absent,
            NotFound::Unusable => Self::Unusable,
        }
    }
}

impl fmt::Debug for Learning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Learning").field("body", &self.body).finish_non_exhaustive()
    }
}
