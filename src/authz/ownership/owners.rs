//! Who is asked whose a resource is, and what is remembered of the answers.
//!
//! 1. An answer counts for [`life`](OwnersSettings::life) from when it came, yes or no.
//! 2. A question is asked once, however many requests wait for it.
//! 3. What is written through the gateway drops what was remembered of that resource. An answer to a question that was
//!    asked before the write is given to those who wait for it, and not remembered: nobody knows what it has seen.
//! 4. No answer in time, or none that can be read, is no answer, and never a yes.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use foldhash::fast::RandomState;
use moka::ops::compute::Op;

use super::OwnershipRecord;
use crate::{
    authn::Principal,
    clock::{Clock, Timestamp},
    single_flight::{Awaited, Question, Questions, SingleFlight},
};

/// Resources whose owners are remembered at once.
const RESOURCES: u64 = 50_000;

/// Subjects of whom it is remembered whether they own one resource.
const MOST_SUBJECTS: usize = 64;

/// Questions that are open at once.
const MOST_QUESTIONS: usize = 1000;

/// How owners are asked for.
#[derive(Debug, Clone)]
pub struct OwnersSettings {
    /// The ownership's name in the configuration.
    pub name: String,
    /// How long an answer is remembered. Zero: not at all.
    pub life: Duration,
    /// By which answers grow old.
    pub clock: Clock,
}

/// Whether somebody owns it, or why that is not known.
type Outcome = Result<bool, Arc<str>>;

/// The end that asks.
pub struct Owners {
    answers: Arc<Answers>,
    flights: SingleFlight<OwnershipRecord, Outcome>,
    /// Those of a newer configuration, which are told of what is still written by this one.
    successor: OnceLock<Arc<Self>>,
}

/// The end that answers: whoever knows, on a runtime of their own.
pub struct Lookups {
    answers: Arc<Answers>,
    questions: Questions<OwnershipRecord, Outcome>,
}

/// A question: does that subject own that resource?
///
/// Dropped, it is a question without an answer.
pub struct Lookup {
    answers: Arc<Answers>,
    question: Question<OwnershipRecord, Outcome>,
    /// How much was written when it was asked.
    written: u64,
}

/// What is remembered.
struct Answers {
    settings: OwnersSettings,
    by_resource: moka::sync::Cache<String, Arc<[Answer]>, RandomState>,
    written: AtomicU64,
}

#[derive(Clone)]
struct Answer {
    issuer: Box<str>,
    subject: Box<str>,
    owns: bool,
    until: Timestamp,
}

/// What is known at once.
pub(in crate::authz) enum Known {
    /// Whether it is theirs.
    Owns(bool),
    /// That has been asked.
    Asked(OwnerAwaited),
    /// It cannot be asked.
    Unknown(&'static str),
}

impl Owners {
    /// Both ends.
    #[must_use]
    pub fn new(settings: OwnersSettings) -> (Arc<Self>, Lookups) {
        let by_resource =
            moka::sync::Cache::builder().max_capacity(RESOURCES).build_with_hasher(RandomState::default());
        let answers = Arc::new(Answers { settings, by_resource, written: AtomicU64::new(0) });
        let (flights, questions) = SingleFlight::new(MOST_QUESTIONS);
        (
            Arc::new(Self { answers: Arc::clone(&answers), flights, successor: OnceLock::new() }),
            Lookups { answers, questions },
        )
    }

    /// The ownership's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.answers.settings.name
    }

    /// Whether `resource` is the principal's, as far as that is remembered; if not, it is asked. Nobody without a name
    /// owns anything.
    pub(in crate::authz) fn ask(&self, principal: &Principal, resource: &str) -> Known {
        let Some(subject) = principal.subject() else { return Known::Owns(false) };
        if let Some(owns) = self.answers.recall(principal.issuer(), subject, resource) {
            return Known::Owns(owns);
        }
        let record = OwnershipRecord {
            ownership: self.name().to_owned(),
            resource: resource.to_owned(),
            issuer: principal.issuer().to_owned(),
            subject: subject.to_owned(),
        };
        let awaited = self.flights.ask(&record);
        awaited.map_or(Known::Unknown("too many lookups are under way"), |flight| {
            Known::Asked(OwnerAwaited { flight, record: Arc::new(record) })
        })
    }

    /// Something was written that may change who owns `resource`: nothing is remembered of it any more.
    pub fn written(&self, resource: &str) {
        self.with_successors().for_each(|owners| owners.answers.write(resource, None));
    }

    /// It is known that this is so.
    pub fn learned(&self, record: &OwnershipRecord) {
        self.with_successors().for_each(|owners| owners.answers.write(&record.resource, Some(record)));
    }

    /// From now on `successor` is asked. Requests that are still under way with this one may write and learn: it is told
    /// of that too. The first one that is named counts.
    pub fn succeed(&self, successor: &Arc<Self>) {
        let _ = self.successor.set(Arc::clone(successor));
    }

    fn with_successors(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |owners| owners.successor.get().map(|next| &**next))
    }
}

impl Answers {
    fn recall(&self, issuer: &str, subject: &str, resource: &str) -> Option<bool> {
        let answers = self.by_resource.get(resource)?;
        let answer = answers.iter().find(|answer| *answer.subject == *subject && *answer.issuer == *issuer)?;
        (self.settings.clock.now() < answer.until).then_some(answer.owns)
    }

    fn answer(&self, record: &OwnershipRecord, owns: bool) -> Answer {
        let until = self.settings.clock.now().saturating_add(self.settings.life);
        Answer { issuer: record.issuer.as_str().into(), subject: record.subject.as_str().into(), owns, until }
    }

    /// Keeps an answer unless something was written since it was asked for.
    fn keep(&self, record: &OwnershipRecord, owns: bool, asked_at: u64) {
        if self.settings.life.is_zero() {
            return;
        }
        let answer = self.answer(record, owns);
        // Within the entry's lock, which a write takes too: either it sees the write, or the write drops it.
        self.by_resource.entry_by_ref(record.resource.as_str()).and_compute_with(|entry| {
            if self.written.load(Ordering::SeqCst) != asked_at {
                return Op::Nop;
            }
            let known = entry.map(moka::Entry::into_value);
            Op::Put(with(known.as_deref().unwrap_or_default(), answer, self.settings.clock.now()))
        });
    }

    fn write(&self, resource: &str, learned: Option<&OwnershipRecord>) {
        self.written.fetch_add(1, Ordering::SeqCst);
        let learned = learned.filter(|_| !self.settings.life.is_zero()).map(|record| self.answer(record, true));
        self.by_resource.entry_by_ref(resource).and_compute_with(|_| match learned {
            Some(answer) => Op::Put(Arc::from([answer])),
            None => Op::Remove,
        });
    }
}

/// `known` with `answer` first, without what is over and what is too much.
fn with(known: &[Answer], answer: Answer, now: Timestamp) -> Arc<[Answer]> {
    let same = |other: &Answer| other.subject == answer.subject && other.issuer == answer.issuer;
    let others = known.iter().filter(|other| now < other.until && !same(other)).take(MOST_SUBJECTS - 1).cloned();
    let others: Vec<Answer> = others.collect();
    std::iter::once(answer).chain(others).collect()
}

impl Lookups {
    /// The next question; `None` once nobody asks any more. For one task: another would not be woken.
    pub async fn next(&self) -> Option<Lookup> {
        let question = self.questions.next().await?;
        // Before anybody looks anything up: what is written from here on may be missed.
        let written = self.answers.written.load(Ordering::SeqCst);
        Some(Lookup { answers: Arc::clone(&self.answers), question, written })
    }
}

impl Lookup {
    /// What is to be found out.
    #[must_use]
    pub const fn record(&self) -> &OwnershipRecord {
        self.question.key()
    }

    /// Whether it is so.
    pub fn owns(self, owns: bool) {
        self.answers.keep(self.question.key(), owns, self.written);
        self.question.answer(Ok(owns));
    }

    /// That can't be found out, and why: for the log.
    pub fn failed(self, cause: impl Into<Arc<str>>) {
        self.question.answer(Err(cause.into()));
    }
}

/// An answer to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerAwaited {
    flight: Awaited<Outcome>,
    record: Arc<OwnershipRecord>,
}

impl OwnerAwaited {
    /// The ownership's name in the configuration.
    #[must_use]
    pub fn ownership(&self) -> &str {
        &self.record.ownership
    }

    /// What came; a question without an answer has failed. `None`: it was another question.
    pub(in crate::authz) fn outcome(&self, principal: &Principal, resource: &str) -> Option<Outcome> {
        let OwnershipRecord { resource: asked, issuer, subject, ownership: _ } = &*self.record;
        let same = asked == resource && issuer == principal.issuer() && Some(subject.as_str()) == principal.subject();
        same.then(|| self.flight.answer().unwrap_or_else(|| Err("the question was dropped".into())))
    }
}

impl Future for OwnerAwaited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.flight).poll(context)
    }
}

impl fmt::Debug for Owners {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Owners").field("name", &self.name()).field("flights", &self.flights).finish()
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lookups").field(&self.answers.settings.name).finish()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lookup").field(self.record()).finish()
    }
}
