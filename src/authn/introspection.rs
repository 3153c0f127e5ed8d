//! Asking an issuer about a token (RFC 7662): between the requests, which ask nobody themselves, and whoever does.
//!
//! 1. A token that is not known is asked about once, however many requests bring it. All of them wait for that answer.
//! 2. A thousand questions are open at most. A request that would need one more is told at once that nobody can tell.
//! 3. An answer is strict JSON whose `active` is `true` or `false` (§2.2). Anything else is none, and then nobody can
//!    tell either: the token is neither good nor bad.
//! 4. Not active is not acceptable. Of an active one the members are its claims, of the types that a JWT's have. A
//!    `token_type` other than `Bearer`, without case, is that of a token which nobody may use by holding it alone (RFC 6749
//!    §7.1, RFC 9449 §6.2).
//! 5. What is not acceptable is remembered for ten seconds, apart from the good tokens: a flood of invented ones pushes
//!    out only its like.
//!
//! Whoever waits is released when there is an answer or none is to be had: that the wait is bounded is the
//! [`Introspector`]'s promise.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};

use super::AuthnError;
use crate::{
    clock::Timestamp,
    jwt::{Claims, InvalidToken, Json, JsonError, Value},
    single_flight::{self, Questions, SingleFlight},
};

const MOST_QUESTIONS: usize = 1000;
const MOST_REFUSED: u64 = 10_000;
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// What an issuer says of a token: what it claims, or why it is not acceptable.
pub type Answer = Result<Arc<Claims>, InvalidToken>;

/// What an issuer sent says nothing about the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// Not strict JSON.
    #[error("it is not strict JSON: {0}")]
    Json(JsonError),
    /// `active` is missing, or neither `true` nor `false`.
    #[error("its `active` is neither `true` nor `false`")]
    Active,
}

/// How asking goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntrospectionStatus {
    /// When the last answer came.
    pub answered_at: Option<Timestamp>,
    /// What went wrong the last time, if it did.
    pub last_error: Option<String>,
    /// How often a token was active, and of a kind that a bearer may use.
    pub active: u64,
    /// How often it was not.
    pub refused: u64,
    /// How often no answer came.
    pub failed: u64,
    /// How often nobody was asked, because too many questions were open.
    pub not_asked: u64,
}

/// Reads an answer (RFC 7662 §2.2).
///
/// # Errors
/// [`NoAnswer`], if it is none.
pub fn read(body: Vec<u8>) -> Result<Answer, NoAnswer> {
    let json = Json::parse(body).map_err(NoAnswer::Json)?;
    match json.root().get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Err(InvalidToken::Inactive)),
        _ => return Err(NoAnswer::Active),
    }
    match json.root().get("token_type") {
        None => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("Bearer") => {}
        Some(_) => return Ok(Err(InvalidToken::WrongClaim("token_type".into()))),
    }
    Ok(Claims::from_introspection(json).map(Arc::new))
}

/// What a source and its introspector share.
pub(super) struct Introspections {
    flights: SingleFlight<Arc<str>, Answer>,
    /// By the token's digest: bad tokens may be long.
    refused: moka::sync::Cache<[u8; 32], Refused>,
    status: Mutex<IntrospectionStatus>,
}

#[derive(Clone)]
struct Refused {
    cause: InvalidToken,
    at: Timestamp,
}

impl Introspections {
    /// Both ends.
    pub(super) fn new() -> (Arc<Self>, Introspector) {
        let refused = moka::sync::Cache::builder().max_capacity(MOST_REFUSED).time_to_live(REFUSED_FOR).build();
        let (flights, questions) = SingleFlight::new(MOST_QUESTIONS);
        let shared = Arc::new(Self { flights, refused, status: Mutex::default() });
        let introspector = Introspector { shared: Arc::clone(&shared), questions };
        (shared, introspector)
    }

    pub(super) fn status(&self) -> IntrospectionStatus {
        self.lock().clone()
    }

    /// Has the issuer asked about `token`; `None` if nobody asks, or too much is asked already.
    pub(super) fn ask(shared: &Arc<Self>, token: &str) -> Option<AwaitedAnswer> {
        let token: Arc<str> = token.into();
        let Some(awaited) = shared.flights.ask(&token) else {
            shared.lock().not_asked += 1;
            return None;
        };
        Some(AwaitedAnswer { shared: Arc::clone(shared), token, awaited })
    }

    /// Why `token` is not acceptable, if that was found out a short while ago.
    pub(super) fn refuses(&self, token: &str, now: Timestamp) -> Option<AuthnError> {
        let Refused { cause, at } = self.refused.get(&hash(token))?;
        (at <= now && now.since(at) < REFUSED_FOR).then(|| cause.into())
    }

    /// Remembers for a short while that `token` is not acceptable.
    pub(super) fn refuse(&self, token: &str, cause: &InvalidToken, now: Timestamp) {
        self.refused.insert(hash(token), Refused { cause: cause.clone(), at: now });
    }

    /// Nobody has tokens to ask about any more.
    pub(super) fn abandon(&self) {
        self.flights.close();
    }

    /// What is in it is whole between any two lines that could panic.
    fn lock(&self) -> MutexGuard<'_, IntrospectionStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

/// The answer about one token, to come.
#[derive(Clone)]
pub(super) struct AwaitedAnswer {
    shared: Arc<Introspections>,
    token: Arc<str>,
    awaited: single_flight::Awaited<Answer>,
}

impl AwaitedAnswer {
    /// What the issuer behind `asked` said of `token`; `None` if it said nothing, or was not asked about this one.
    pub(super) fn about(&self, token: &str, asked: &Arc<Introspections>) -> Option<Answer> {
        let same = *self.token == *token && Arc::ptr_eq(&self.shared, asked);
        if same { self.awaited.answer() } else { None }
    }
}

impl Future for AwaitedAnswer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.awaited).poll(context)
    }
}

impl PartialEq for AwaitedAnswer {
    fn eq(&self, other: &Self) -> bool {
        self.awaited == other.awaited
    }
}

impl Eq for AwaitedAnswer {}

/// The end of a [`KeySource`](super::KeySource) that asks the issuer.
#[derive(Debug)]
pub struct Introspector {
    shared: Arc<Introspections>,
    questions: Questions<Arc<str>, Answer>,
}

/// A question that has to be [answered](Introspector::answer). Dropped, it has no answer.
pub struct Question(single_flight::Question<Arc<str>, Answer>);

impl Question {
    /// The token that is asked about: the characters that RFC 6750 §2.1 allows, and no others.
    #[must_use]
    pub fn token(&self) -> &str {
        self.0.key()
    }
}

impl Introspector {
    /// The next question; `None` when there will be none any more. For one task: another would not be woken.
    pub async fn next(&self) -> Option<Question> {
        self.questions.next().await.map(Question)
    }

    /// The issuer answered at `now`.
    pub fn answer(&self, question: Question, answer: Answer, now: Timestamp) {
        {
            let mut status = self.shared.lock();
            let count = if answer.is_ok() { &mut status.active } else { &mut status.refused };
            *count += 1;
            status.answered_at = Some(now);
            status.last_error = None;
        }
        question.0.answer(answer);
    }

    /// There is no answer to be had, and why. Whether that is news, or was so the last time already.
    pub fn fail(&self, question: Question, error: String) -> bool {
        let news = {
            let mut status = self.shared.lock();
            status.failed += 1;
            let before = status.last_error.replace(error);
            before != status.last_error
        };
        drop(question);
        news
    }
}

impl fmt::Debug for Introspections {
    /// No token, nor its digest.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Introspections").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AwaitedAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwaitedAnswer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Question").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
