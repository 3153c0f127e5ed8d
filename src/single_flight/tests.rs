use super::*;

fn waits<V>(awaited: &mut Awaited<V>) -> bool {
    Pin::new(awaited).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn next<K: Clone + Eq + Hash, V>(questions: &Questions<K, V>) -> Poll<Option<Question<K, V>>> {
    std::pin::pin!(questions.next()).poll(&mut Context::from_waker(Waker::noop()))
}

fn taken<K: Clone + Eq + Hash, V>(questions: &Questions<K, V>) -> Question<K, V> {
    let Poll::Ready(Some(question)) = next(questions) else { panic!("there is no question") };
    question
}

#[test]
fn all_who_ask_while_it_is_open_get_the_one_answer() {
    let (flights, questions) = SingleFlight::new(8);
    let mut first = flights.ask(&"a").unwrap();
    let question = taken(&questions);
    let mut second = flights.ask(&"a").unwrap();
    let mut copy = second.clone();
    assert!(waits(&mut first) && waits(&mut second) && waits(&mut copy));
    assert!(next(&questions).is_pending(), "it is asked once");
    assert_eq!((*question.key(), first.answer()), ("a", None));
    question.answer(7);
    for awaited in [&mut first, &mut second, &mut copy] {
        assert!(!waits(awaited));
        assert_eq!(awaited.answer(), Some(7));
    }
    let mut third = flights.ask(&"a").unwrap();
    assert!(waits(&mut third), "the old answer is given to nobody new");
    assert_eq!(*taken(&questions).key(), "a");
}

/// Asks again at the very moment when it is woken.
struct AsksAgain(SingleFlight<u8, u8>, Mutex<Option<Awaited<u8>>>);

impl std::task::Wake for AsksAgain {
    fn wake(self: Arc<Self>) {
        *lock(&self.1) = self.0.ask(&1);
    }
}

#[test]
fn who_asks_again_when_woken_asks_anew() {
    let (flights, questions) = SingleFlight::new(8);
    let mut awaited = flights.ask(&1).unwrap();
    let asks_again = Arc::new(AsksAgain(flights, Mutex::new(None)));
    let waker = Waker::from(Arc::clone(&asks_again));
    assert!(Pin::new(&mut awaited).poll(&mut Context::from_waker(&waker)).is_pending());
    taken(&questions).answer(7);
    let again = lock(&asks_again.1).take().unwrap();
    assert_eq!((awaited.answer(), again.answer()), (Some(7), None));
    assert_eq!(*taken(&questions).key(), 1, "and it is not closed with the old one");
}

#[test]
fn nobody_waits_for_a_question_that_was_dropped() {
    let (flights, questions) = SingleFlight::<_, u8>::new(8);
    let mut awaited = flights.ask(&1).unwrap();
    assert!(waits(&mut awaited));
    drop(taken(&questions));
    assert!(!waits(&mut awaited));
    assert_eq!((awaited.answer(), flights.open()), (None, 0));
}

#[test]
fn nobody_waits_for_one_who_has_gone() {
    let (flights, questions) = SingleFlight::<_, u8>::new(8);
    let (mut taken_one, mut left) = (flights.ask(&1).unwrap(), flights.ask(&2).unwrap());
    let question = taken(&questions);
    drop(questions);
    assert!(waits(&mut taken_one) && !waits(&mut left));
    assert!(flights.ask(&3).is_none());
    question.answer(4);
    assert_eq!((taken_one.answer(), flights.open()), (Some(4), 0));
}

#[test]
fn when_nobody_asks_any_more_what_was_asked_is_still_answered() {
    let (flights, questions) = SingleFlight::new(8);
    let awaited = flights.ask(&1).unwrap();
    drop(flights);
    taken(&questions).answer(2);
    assert_eq!(awaited.answer(), Some(2));
    assert!(matches!(next(&questions), Poll::Ready(None)));
}

#[test]
fn so_many_are_open_and_no_more() {
    let (flights, questions) = SingleFlight::<_, u8>::new(2);
    let open: Vec<_> = (0..2).map(|key| flights.ask(&key).unwrap()).collect();
    assert!(flights.ask(&2).is_none());
    assert!(flights.ask(&1).is_some(), "one that is open costs nothing");
    drop(open);
    assert!(flights.ask(&2).is_none(), "it is open until it is answered");
    taken(&questions).answer(0);
    assert!(flights.ask(&2).is_some());
}

#[test]
fn whoever_goes_away_is_not_kept() {
    let (flights, questions) = SingleFlight::<_, u8>::new(1);
    let mut awaited = flights.ask(&1).unwrap();
    let mut other = awaited.clone();
    assert!(waits(&mut awaited) && waits(&mut other));
    drop(awaited);
    assert_eq!(lock(&taken(&questions).flight.state).waiting.len(), 1);
}

#[test]
fn a_question_and_an_answer_wake_the_other_thread() {
    let (flights, questions) = SingleFlight::new(1);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answering = std::thread::spawn(move || {
        runtime().block_on(async {
            while let Some(question) = questions.next().await {
                question.answer("x")
            }
        });
    });
    let awaited = flights.ask(&1).unwrap();
    let waiting = awaited.clone();
    runtime().block_on(waiting);
    assert_eq!(awaited.answer(), Some("x"));
    drop(flights);
    answering.join().unwrap();
}
