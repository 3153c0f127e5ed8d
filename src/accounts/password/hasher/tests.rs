use std::{cell::RefCell, collections::HashSet, task::Poll};

use aws_lc_rs::rand::SystemRandom;
use tokio::task;

use super::*;

fn hasher(permits: u16, line: u16) -> Hasher {
    let permits = NonZeroU16::new(permits).unwrap();
    Hasher::new(HasherLimits { permits, line }, SystemRandom::new()).unwrap()
}

fn password(text: &str) -> Password {
    Password::from(text.to_owned())
}

/// Work that tells when it begins and waits for the other end's word, or its loss, before it ends.
struct Held {
    began: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
}

fn held() -> (Held, impl FnOnce() + Send + 'static) {
    let (begin, began) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let work = move || {
        let _ = begin.send(());
        let _ = ended.recv();
    };
    (Held { began, end }, work)
}

impl Held {
    /// Waits until the work has begun.
    async fn began(self) -> mpsc::Sender<()> {
        task::spawn_blocking(move || self.began.recv().unwrap()).await.unwrap();
        self.end
    }

    fn has_begun(&self) -> bool {
        self.began.try_recv().is_ok()
    }
}

/// Polls `future` once: it takes its place in the line.
async fn line_up<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn a_hash_is_verified_and_another_password_is_wrong() {
    let hasher = hasher(1, 0);
    let hash = hasher.hash(&password("correct horse")).await.unwrap();
    let verdict = hasher.verify(&password("correct horse"), Some(&hash)).await;
    assert_eq!(verdict, Ok(Verdict::Correct { rehash: false }));
    assert_eq!(hasher.verify(&password("correct horsf"), Some(&hash)).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn a_new_password_is_hashed_if_the_policy_accepts_it() {
    let hasher = hasher(1, 0);
    let policy = PasswordPolicy::new(8, 64, true, 3).unwrap();
    let new = async |text: &'static str| hasher.hash_new(&password(text), policy, &["ada.lovelace@example.com"]).await;
    let refused = async |text: &'static str| match new(text).await.unwrap_err() {
        NewPasswordError::Unacceptable(why) => why,
        NewPasswordError::Unhashed(why) => panic!("{why}"),
    };
    assert_eq!(refused("short").await, UnacceptablePassword::TooShort { min: 8 });
    assert_eq!(
        refused("123456789-123456789-123456789-123456789-123456789-123456789-12345").await,
        UnacceptablePassword::TooLong { max: 64 }
    );
    assert_eq!(refused("password").await, UnacceptablePassword::Common);
    assert_eq!(hasher.computed(), 0);
    assert!(matches!(refused("lovelace12").await, UnacceptablePassword::TooWeak { .. }));
    let hash = new("marmot-tangent-9-viola").await.unwrap();
    let verdict = hasher.verify(&password("marmot-tangent-9-viola"), Some(&hash)).await;
    assert_eq!(verdict, Ok(Verdict::Correct { rehash: false }));
}

#[tokio::test]
async fn an_unknown_user_and_an_unusable_hash_cost_one_hash_with_the_parameters_of_new_ones() {
    let hasher = hasher(1, 0);
    assert!(!hasher.0.nobody.needs_rehash() && !hasher.0.nobody.is_unusable());
    let unusable = "!".parse().unwrap();
    let known = hasher.hash(&password("correct horse")).await.unwrap();
    for (before, hash) in [(1, None), (2, Some(&unusable)), (3, Some(&known))] {
        assert_eq!(hasher.computed(), before);
        assert_eq!(hasher.verify(&password("wrong"), hash).await, Ok(Verdict::Wrong));
        assert_eq!(hasher.computed(), before + 1);
    }
}

#[tokio::test]
async fn whoever_comes_when_the_line_is_full_is_told_at_once() {
    let hasher = hasher(1, 2);
    let (first, work) = held();
    let computing = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.compute(work).await }
    });
    let end = first.began().await;
    let mut waiting = [(); 2].map(|()| Box::pin(hasher.compute(|| ())));
    for waiting in &mut waiting {
        assert!(line_up(waiting).await.is_pending());
    }
    let busy = Unhashed::Busy { retry_after: RETRY_AFTER };
    assert_eq!(hasher.compute(|| ()).await, Err(busy));
    assert_eq!(hasher.hash(&password("x")).await.unwrap_err(), busy);
    assert_eq!(hasher.verify(&password("x"), None).await, Err(busy));

    end.send(()).unwrap();
    computing.await.unwrap().unwrap();
    for waiting in waiting {
        assert_eq!(waiting.await, Ok(()));
    }
    assert_eq!(hasher.compute(|| ()).await, Ok(()));
}

#[tokio::test]
async fn whoever_leaves_the_line_makes_room_in_it() {
    let hasher = hasher(1, 1);
    let (first, work) = held();
    let mut computing = Box::pin(hasher.compute(work));
    assert!(line_up(&mut computing).await.is_pending());
    let end = first.began().await;
    let mut gone = Box::pin(hasher.compute(|| ()));
    assert!(line_up(&mut gone).await.is_pending());
    assert!(hasher.compute(|| ()).await.is_err());
    drop(gone);
    let mut next = Box::pin(hasher.compute(|| ()));
    assert!(line_up(&mut next).await.is_pending());
    end.send(()).unwrap();
    assert_eq!(next.await, Ok(()));
}

#[tokio::test]
async fn a_dropped_future_keeps_its_permit_while_its_thread_works() {
    let hasher = hasher(1, 1);
    let (first, work) = held();
    let mut computing = Box::pin(hasher.compute(work));
    assert!(line_up(&mut computing).await.is_pending());
    drop(computing);
    let end = first.began().await;
    let (second, work) = held();
    let mut next = Box::pin(hasher.compute(work));
    assert!(line_up(&mut next).await.is_pending());
    assert!(!second.has_begun());
    assert_eq!(hasher.0.permits.available_permits(), 0);
    assert!(hasher.compute(|| ()).await.is_err());
    end.send(()).unwrap();
    drop(second.end);
    assert_eq!(next.await, Ok(()));
    assert_eq!(hasher.computed(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_compute_at_once_than_there_are_permits_nor_on_more_threads() {
    let hasher = hasher(2, 30);
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let all = (0..32).map(|_| {
        let (hasher, now, most) = (hasher.clone(), now.clone(), most.clone());
        let work = move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            thread::current().id()
        };
        tokio::spawn(async move { hasher.compute(work).await })
    });
    let mut threads = HashSet::new();
    for one in all.collect::<Vec<_>>() {
        threads.insert(one.await.unwrap().unwrap());
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
    assert!(threads.len() <= 2);
    assert_eq!(hasher.computed(), 32);
}

#[tokio::test]
async fn work_that_panics_gives_its_permit_and_its_thread_back() {
    let hasher = hasher(1, 0);
    for _ in 0..3 {
        let panics: Result<(), _> = hasher.compute(|| panic!("on purpose")).await;
        assert_eq!(panics, Err(Unhashed::Interrupted));
    }
    assert_eq!(hasher.compute(|| ()).await, Ok(()));
}

#[tokio::test]
async fn the_threads_end_with_the_hasher() {
    thread_local!(static KEPT_BY_THREAD: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) });
    let hasher = hasher(1, 0);
    let (kept, end) = mpsc::channel();
    hasher.compute(move || KEPT_BY_THREAD.set(Some(kept))).await.unwrap();
    assert_eq!(end.try_recv(), Err(mpsc::TryRecvError::Empty));
    drop(hasher);
    assert!(end.recv().is_err());
}

#[test]
fn a_hasher_shows_nothing_of_what_it_holds() {
    let shown = format!("{:?}", hasher(1, 0));
    assert_eq!(shown, "Hasher { computed: 0, .. }");
}
