//! A question that is asked once, however many want the answer.
//!
//! 1. Whoever asks first puts a [`Question`] in the line, which somebody else takes and answers. Who asks for the same
//!    while it is open waits for the same answer.
//! 2. So many questions are open at most; then no new one is asked: what is behind is slow, and requests that wait must
//!    not fill the gateway.
//! 3. A question that is dropped has the answer that there is none, and so has every one of a line that nobody takes
//!    from any more: nobody waits for one who has gone.
//! 4. An answer is for those who waited. Whether it is remembered is another matter.
//!
//! No runtime is needed to ask or to wait: wakers are kept and woken.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The end that asks.
pub struct SingleFlight<K: Eq + Hash, V> {
    shared: Arc<Shared<K, V>>,
}

/// The end that answers.
pub struct Questions<K: Eq + Hash, V> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K, V> {
    state: Mutex<Line<K, V>>,
    most: usize,
}

struct Line<K, V> {
    /// All that are open: in the line, or taken and not answered.
    open: HashMap<K, Arc<Flight<V>>>,
    waiting: VecDeque<K>,
    /// Who is to be woken when a question comes.
    taker: Option<Waker>,
    /// Nobody asks any more, or nobody answers.
    ended: bool,
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
    /// Both ends; at most `most` questions are open at once.
    #[must_use]
    pub fn new(most: usize) -> (Self, Questions<K, V>) {
        let line = Line { open: HashMap::new(), waiting: VecDeque::new(), taker: None, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(line), most });
        (Self { shared: Arc::clone(&shared) }, Questions { shared })
    }

    /// Asks, or waits with those who have asked; `None` if too many questions are open, or nobody answers any.
    pub fn ask(&self, key: &K) -> Option<Awaited<V>> {
        let mut line = lock(&self.shared.state);
        if let Some(flight) = line.open.get(key) {
            return Some(Awaited::of(flight));
        }
        if line.ended || line.open.len() >= self.shared.most {
            return None;
        }
        let state = State { outcome: None, waiting: BTreeMap::new(), last_waiting: 0 };
        let flight = Arc::new(Flight { state: Mutex::new(state) });
        line.open.insert(key.clone(), Arc::clone(&flight));
        line.waiting.push_back(key.clone());
        let taker = line.taker.take();
        drop(line);
        taker.into_iter().for_each(Waker::wake);
        Some(Awaited::of(&flight))
    }
}

impl<K: Eq + Hash, V> SingleFlight<K, V> {
    /// How many questions are open.
    #[must_use]
    pub fn open(&self) -> usize {
        lock(&self.shared.state).open.len()
    }

    /// Nothing is asked any more. What was asked may still be answered.
    pub fn close(&self) {
        let taker = {
            let mut line = lock(&self.shared.state);
            line.ended = true;
            line.taker.take()
        };
        taker.into_iter().for_each(Waker::wake);
    }
}

impl<K: Eq + Hash, V> Drop for SingleFlight<K, V> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<K: Clone + Eq + Hash, V> Questions<K, V> {
    /// The next question; `None` once nobody asks any more and all were taken. For one task: another would not be woken.
    pub async fn next(&self) -> Option<Question<K, V>> {
        poll_fn(|context| {
            let mut line = lock(&self.shared.state);
            if let Some(key) = line.waiting.pop_front() {
                let flight = line.open.get(&key).map(Arc::clone);
                drop(line);
                // What is in the line is open.
                return Poll::Ready(flight.map(|flight| Question { shared: Arc::clone(&self.shared), key, flight }));
            }
            if line.ended {
                return Poll::Ready(None);
            }
            line.taker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<K: Eq + Hash, V> Drop for Questions<K, V> {
    fn drop(&mut self) {
        let left: Vec<_> = {
            let mut line = lock(&self.shared.state);
            line.ended = true;
            let waiting = std::mem::take(&mut line.waiting);
            waiting.iter().filter_map(|key| line.open.remove(key)).collect()
        };
        left.iter().for_each(|flight| flight.end(None));
    }
}

/// A question that one has to answer.
pub struct Question<K: Eq + Hash, V> {
    shared: Arc<Shared<K, V>>,
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
        self.end(Some(answer));
    }

    fn end(&self, outcome: Option<V>) {
        // Closed before anybody is woken: who asks again after the answer is not given the same one again.
        lock(&self.shared.state).open.remove(&self.key);
        self.flight.end(outcome);
    }
}

impl<K: Eq + Hash, V> Drop for Question<K, V> {
    fn drop(&mut self) {
        if !self.flight.is_ended() {
            self.end(None);
        }
    }
}

impl<V> Flight<V> {
    fn is_ended(&self) -> bool {
        lock(&self.state).outcome.is_some()
    }

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

impl<K: Eq + Hash, V> fmt::Debug for SingleFlight<K, V> {
    /// How many; a question may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SingleFlight").field("open", &self.open()).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V> fmt::Debug for Questions<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Questions").finish_non_exhaustive()
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
mod tests;
