//! A question that is asked once, however many want the answer.
//!
//! 1. Whoever asks first is given the [`Question`], to be answered wherever that is done. Who asks for the same while it
//!    is open waits for the same answer.
//! 2. So many questions are open at most; then no new one is asked: what is behind is slow, and requests that wait must
//!    not fill the gateway.
//! 3. A question that is dropped has the answer that there is none: nobody waits for one who has gone.
//! 4. An answer is for those who waited. Whether it is remembered is another matter.
//!
//! No runtime is needed to wait: wakers are kept and woken.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The questions that are open.
pub struct SingleFlight<K, V> {
    open: Mutex<HashMap<K, Arc<Flight<V>>>>,
    most: usize,
}

/// What becomes of whoever asks.
#[derive(Debug)]
pub enum Asked<K: Eq + Hash, V> {
    /// The first one: the question is theirs to pass on.
    First(Question<K, V>, Awaited<V>),
    /// Somebody was asked already.
    Joined(Awaited<V>),
    /// Too many questions are open.
    Refused,
}

struct Flight<V> {
    state: Mutex<State<V>>,
}

struct State<V> {
    /// Once there is one it stays. `Some(None)`: the question was dropped.
    outcome: Option<Option<V>>,
    waiting: BTreeMap<u64, Waker>,
    last_waiting: u64,
}

impl<K: Clone + Eq + Hash, V> SingleFlight<K, V> {
    /// None is open yet; at most `most` are at once.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), most })
    }

    /// Asks.
    pub fn ask(flights: &Arc<Self>, key: &K) -> Asked<K, V> {
        let mut open = lock(&flights.open);
        if let Some(flight) = open.get(key) {
            return Asked::Joined(Awaited::of(flight));
        }
        if open.len() >= flights.most {
            return Asked::Refused;
        }
        let state = State { outcome: None, waiting: BTreeMap::new(), last_waiting: 0 };
        let flight = Arc::new(Flight { state: Mutex::new(state) });
        open.insert(key.clone(), Arc::clone(&flight));
        let awaited = Awaited::of(&flight);
        Asked::First(Question { flights: Arc::clone(flights), key: key.clone(), flight }, awaited)
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        lock(&self.open).len()
    }
}

/// A question that one has to answer.
pub struct Question<K: Eq + Hash, V> {
    flights: Arc<SingleFlight<K, V>>,
    key: K,
    flight: Arc<Flight<V>>,
}

impl<K: Eq + Hash, V> Question<K, V> {
    /// What is asked.
    pub const fn key(&self) -> &K {
        &self.key
    }

    /// Answers all who wait.
    pub fn answer(self, answer: V) {
        self.flight.end(Some(answer));
    }
}

impl<K: Eq + Hash, V> Drop for Question<K, V> {
    fn drop(&mut self) {
        // Closed before anybody is woken: who asks again after this is not given the old answer.
        lock(&self.flights.open).remove(&self.key);
        self.flight.end(None);
    }
}

impl<V> Flight<V> {
    /// The first outcome counts.
    fn end(&self, outcome: Option<V>) {
        let waiting = {
            let mut state = lock(&self.state);
            state.outcome.get_or_insert(outcome);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }
}

/// The answer to come.
pub struct Awaited<V> {
    flight: Arc<Flight<V>>,
    id: u64,
}

impl<V> Awaited<V> {
    fn of(flight: &Arc<Flight<V>>) -> Self {
        let mut state = lock(&flight.state);
        state.last_waiting += 1;
        Self { flight: Arc::clone(flight), id: state.last_waiting }
    }
}

impl<V: Clone> Awaited<V> {
    /// The answer, once it is there; `None` before that, and if there is none to be had.
    #[must_use]
    pub fn answer(&self) -> Option<V> {
        lock(&self.flight.state).outcome.clone().flatten()
    }
}

impl<V> Future for Awaited<V> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.flight.state);
        if state.outcome.is_some() {
            return Poll::Ready(());
        }
        let replaced = state.waiting.insert(self.id, context.waker().clone());
        // Not under the lock: a waker may hold the task, and the task this.
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl<V> Clone for Awaited<V> {
    fn clone(&self) -> Self {
        Self::of(&self.flight)
    }
}

impl<V> Drop for Awaited<V> {
    fn drop(&mut self) {
        let _waker = lock(&self.flight.state).waiting.remove(&self.id);
    }
}

/// What is in it is whole between any two lines that could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    /// How many; a question may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SingleFlight").field("open", &lock(&self.open).len()).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V> fmt::Debug for Question<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Question").finish_non_exhaustive()
    }
}

impl<V> fmt::Debug for Awaited<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Awaited").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<V> PartialEq for Awaited<V> {
    /// Whether it is the same question.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.flight, &other.flight)
    }
}

impl<V> Eq for Awaited<V> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits<V>(awaited: &mut Awaited<V>) -> bool {
        Pin::new(awaited).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn all_who_ask_while_it_is_open_get_the_one_answer() {
        let flights = SingleFlight::new(8);
        let Asked::First(question, mut first) = SingleFlight::ask(&flights, &"a") else { panic!("not the first") };
        let Asked::Joined(mut second) = SingleFlight::ask(&flights, &"a") else { panic!("not joined") };
        let mut copy = second.clone();
        assert!(waits(&mut first) && waits(&mut second) && waits(&mut copy));
        assert_eq!((*question.key(), first.answer()), ("a", None));
        question.answer(7);
        for awaited in [&mut first, &mut second, &mut copy] {
            assert!(!waits(awaited));
            assert_eq!(awaited.answer(), Some(7));
        }
        assert!(matches!(SingleFlight::ask(&flights, &"a"), Asked::First(..)), "the old answer is given to nobody new");
    }

    #[test]
    fn nobody_waits_for_a_question_that_was_dropped() {
        let flights = SingleFlight::<_, u8>::new(8);
        let Asked::First(question, mut awaited) = SingleFlight::ask(&flights, &1) else { panic!("not the first") };
        assert!(waits(&mut awaited));
        drop(question);
        assert!(!waits(&mut awaited));
        assert_eq!((awaited.answer(), flights.open()), (None, 0));
    }

    #[test]
    fn so_many_are_open_and_no_more() {
        let flights = SingleFlight::<_, u8>::new(2);
        let open: Vec<_> = (0..2).map(|key| SingleFlight::ask(&flights, &key)).collect();
        assert!(matches!(SingleFlight::ask(&flights, &2), Asked::Refused));
        assert!(matches!(SingleFlight::ask(&flights, &1), Asked::Joined(_)), "one that is open costs nothing");
        drop(open);
        assert!(matches!(SingleFlight::ask(&flights, &2), Asked::First(..)));
    }

    #[test]
    fn whoever_goes_away_is_not_kept() {
        let flights = SingleFlight::<_, u8>::new(1);
        let Asked::First(question, mut awaited) = SingleFlight::ask(&flights, &1) else { panic!("not the first") };
        let mut other = awaited.clone();
        assert!(waits(&mut awaited) && waits(&mut other));
        drop(awaited);
        assert_eq!(lock(&question.flight.state).waiting.len(), 1);
    }

    #[test]
    fn an_answer_from_another_thread_wakes() {
        let flights = SingleFlight::new(1);
        let Asked::First(question, awaited) = SingleFlight::ask(&flights, &1) else { panic!("not the first") };
        let answering = std::thread::spawn(move || question.answer("x"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let waiting = awaited.clone();
        runtime.block_on(waiting);
        answering.join().unwrap();
        assert_eq!(awaited.answer(), Some("x"));
    }
}
