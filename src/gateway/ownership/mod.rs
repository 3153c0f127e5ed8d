//! Whose a resource is, while the gateway runs: who answers the questions, and what becomes of what goes through.
//!
//! 1. The questions of each ownership ([`Lookups`]) are answered on a thread of their own: a table's from the store, a
//!    query's by the database, a call's by the API. At most 64 of an ownership are under way at once.
//! 2. Each has its time (`timeout`, two seconds unless set), waiting for its turn included. What fails or comes too late is
//!    no answer, and the request is refused with 503.
//! 3. What a request changes is kept before its answer goes on (`settle`, `learning`, `ledger`).
//!
//! The thread ends with the [`Ownerships`] and the policy that asks.

mod finder;
mod learning;
mod ledger;
pub(super) mod settle;
pub(super) mod tally;

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use self::ledger::Ledger;
pub use self::tally::{LearnOutcome, LookupOutcome, Tally};
use crate::{
    authn::revocation::StoreError,
    authz::ownership::{
        Lookup, Lookups, OwnershipRecord, OwnershipStore,
        call::{CallError, OwnerCall, OwnerCaller},
    },
    config::{OwnerSource, OwnershipSettings},
    store::query::{OwnerDatabase, OwnerQuery},
};

/// Questions of one ownership that are under way at once.
const MOST_AT_ONCE: usize = 64;
/// How long the store may take for a question.
const TABLE_LIMIT: Duration = Duration::from_secs(2);

/// Every ownership of a configuration, in its order.
#[derive(Default)]
pub struct Ownerships {
    tallies: Vec<Arc<Tally>>,
    /// Where there is a table.
    ledger: Option<Arc<Ledger>>,
    /// Dropped by all that share the ledger, it ends what is tried again.
    open: Option<Arc<watch::Sender<()>>>,
}

/// Who answers the questions of one ownership.
enum Answerer {
    Table(Arc<Ledger>),
    Query(OwnerDatabase),
    Call(Box<OwnerCaller>),
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Ownerships {
    /// Begins to answer. `lookups` are the questions of each ownership that has some, in the order of `settings`; the
    /// `store` is there if one of them is a table. What waits for it, and what is counted, goes on from `before`.
    ///
    /// # Errors
    /// The system gives no thread or no TLS, or a database can never be asked.
    pub fn start(
        settings: &[OwnershipSettings],
        lookups: Vec<Option<Lookups>>,
        store: Option<Arc<dyn OwnershipStore>>,
        before: Option<&Self>,
    ) -> Result<Self, StoreError> {
        let known = |name: &str| before?.tallies.iter().find(|tally| tally.name() == name).cloned();
        let tally = |one: &OwnershipSettings| known(&one.name).unwrap_or_else(|| Arc::new(Tally::new(&one.name)));
        let tallies: Vec<_> = settings.iter().map(tally).collect();
        let (open, seen) = watch::channel(());
        // Whoever has begun to try again goes on with it: two would try, and forget, the same change.
        let shared = before.and_then(|before| before.ledger.clone().zip(before.open.clone()));
        let is_new = shared.is_none();
        let (ledger, open) = match shared {
            Some((ledger, open)) => (Some(ledger), open),
            None => (store.map(Ledger::new), Arc::new(open)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StoreError::new)?;
        let guard = runtime.enter();
        let mut work = JoinSet::new();
        for ((settings, lookups), tally) in settings.iter().zip(lookups).zip(&tallies) {
            let Some(lookups) = lookups else { continue };
            let Some((answerer, limit)) = answerer(&settings.source, ledger.as_ref())? else { continue };
            work.spawn_on(answer_all(lookups, answerer, limit, Arc::clone(tally)), runtime.handle());
        }
        if let Some(ledger) = ledger.as_ref().filter(|_| is_new) {
            work.spawn_on(Arc::clone(ledger).retry(seen), runtime.handle());
        }
        drop(guard);
        if !work.is_empty() {
            let serve = move || runtime.block_on(async { while work.join_next().await.is_some() {} });
            thread::Builder::new().name("ownership".to_owned()).spawn(serve).map_err(StoreError::new)?;
        }
        Ok(Self { tallies, ledger, open: Some(open) })
    }

    /// What is counted of each.
    #[must_use]
    pub fn tallies(&self) -> &[Arc<Tally>] {
        &self.tallies
    }

    /// How many changes wait for the store.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ledger.as_ref().map_or(0, |ledger| ledger.count())
    }
}

/// Who answers, and how long that may take; `None` where nobody is asked.
fn answerer(source: &OwnerSource, ledger: Option<&Arc<Ledger>>) -> Result<Option<(Answerer, Duration)>, StoreError> {
    Ok(match source {
        OwnerSource::Claim(_) => None,
        OwnerSource::Table { .. } => {
            let ledger = ledger.ok_or_else(|| StoreError::from("there is none, and a table needs one"))?;
            Some((Answerer::Table(Arc::clone(ledger)), TABLE_LIMIT))
        }
        OwnerSource::Query { query, timeout } => {
            Some((Answerer::Query(OwnerDatabase::new(OwnerQuery::clone(query), *timeout)?), *timeout))
        }
        OwnerSource::Call { call, timeout } => {
            let caller = OwnerCaller::new(OwnerCall::clone(call)).map_err(StoreError::new)?;
            Some((Answerer::Call(Box::new(caller)), *timeout))
        }
    })
}

/// Until nobody asks any more. What is still open then is answered, for somebody may wait.
async fn answer_all(lookups: Lookups, answerer: Answerer, limit: Duration, tally: Arc<Tally>) {
    let answerer = Arc::new(answerer);
    let turns = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            lookup = lookups.next() => match lookup {
                Some(lookup) => {
                    let (answerer, turns, tally) = (Arc::clone(&answerer), Arc::clone(&turns), Arc::clone(&tally));
                    open.spawn(async move { answer(lookup, &answerer, &turns, limit, &tally).await });
                }
                None => break,
            },
            Some(_) = open.join_next() => {}
        }
    }
    open.join_all().await;
}

async fn answer(lookup: Lookup, answerer: &Answerer, turns: &Semaphore, limit: Duration, tally: &Tally) {
    let asked = timeout(limit, async {
        // It is never closed.
        let _turn = turns.acquire().await;
        answerer.owns(lookup.record()).await
    });
    match asked.await.unwrap_or(Err(NoAnswer::Late(limit))) {
        Ok(owns) => {
            tally.looked_up(if owns { LookupOutcome::Owner } else { LookupOutcome::Other });
            lookup.owns(owns);
        }
        // Each request that waited for it tells of it in the log.
        Err(error) => {
            tally.looked_up(LookupOutcome::Failed);
            lookup.failed(error.to_string());
        }
    }
}

impl Answerer {
    async fn owns(&self, record: &OwnershipRecord) -> Result<bool, NoAnswer> {
        Ok(match self {
            Self::Table(ledger) => ledger.owns(record).await?,
            Self::Query(database) => database.owns(record).await?,
            Self::Call(caller) => caller.owns(record).await?,
        })
    }
}
