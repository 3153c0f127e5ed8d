//! Which connection a call goes over, who drives it, and how many there are.

use std::time::Duration;

use bearergate::accounts::backend::supabase::{BackendError, Cause};
use tokio::{task::JoinSet, time::timeout};

use super::{
    asking,
    fake::{Act, Fake},
    good, refresh, sign_in, supabase,
};

/// Until `done`, for a few seconds.
async fn wait_until(done: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(10), async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();
}

#[test]
fn a_connection_outlives_the_runtime_of_the_call_that_it_was_opened_for() {
    let (fake, supabase) = asking([Act::Send(good()), Act::Send(good()), Act::Send(good())]);
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(sign_in(&supabase)).unwrap();
    }
    let over: Vec<usize> = fake.received().iter().map(|received| received.connection).collect();
    assert_eq!(over, [0, 0, 0]);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let (fake, supabase) = asking([Act::Last(good()), Act::Send(good())]);
    sign_in(&supabase).await.unwrap();
    wait_until(|| fake.ended() == 1).await;
    // For the news of it to arrive.
    tokio::time::sleep(Duration::from_millis(100)).await;
    refresh(&supabase).await.unwrap();
    let over: Vec<usize> = fake.received().iter().map(|received| received.connection).collect();
    assert_eq!(over, [0, 1]);
}

#[tokio::test]
async fn a_refresh_that_was_sent_over_a_pooled_connection_is_not_sent_again_when_that_ends() {
    let (fake, supabase) = asking([Act::Send(good()), Act::Last(Vec::new()), Act::Send(good())]);
    sign_in(&supabase).await.unwrap();
    let refused = refresh(&supabase).await.unwrap_err();
    assert!(matches!(&refused, BackendError::Unreachable(Cause::Connect(_))), "{refused:?}");
    let over: Vec<usize> = fake.received().iter().map(|received| received.connection).collect();
    assert_eq!(over, [0, 0], "it was sent once");
}

#[tokio::test]
async fn a_refresh_goes_on_though_its_caller_is_gone() {
    let (fake, supabase) = asking([Act::Late(Duration::from_millis(300), good()), Act::Send(good())]);
    assert!(timeout(Duration::from_millis(100), refresh(&supabase)).await.is_err());
    wait_until(|| fake.received().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The answer was read to its end: otherwise the connection would have been closed.
    sign_in(&supabase).await.unwrap();
    assert_eq!((fake.connections(), fake.received()[1].connection), (1, 0));
}

#[tokio::test]
async fn calls_are_bounded_and_none_is_sent_that_has_waited_for_too_long() {
    let fake = Fake::new([]);
    let supabase = supabase(&fake.url(), Duration::from_secs(2));
    let mut calls = JoinSet::new();
    for _ in 0..300 {
        let supabase = supabase.clone();
        calls.spawn(async move { sign_in(&supabase).await.expect_err("nobody answers") });
    }
    for _ in 0..44 {
        let first = timeout(Duration::from_millis(900), calls.join_next()).await.expect("one too many does not wait");
        assert_eq!(first.unwrap().unwrap(), BackendError::Busy);
    }
    let ended = calls.join_all().await;
    let count = |wanted: &BackendError| ended.iter().filter(|error| *error == wanted).count();
    assert_eq!((count(&BackendError::Busy), count(&BackendError::Unreachable(Cause::Timeout))), (192, 64));
    assert_eq!((fake.connections(), fake.received().len()), (64, 64));
    // All places and turns are free again.
    assert_eq!(sign_in(&supabase).await, Err(BackendError::Unreachable(Cause::Timeout)));
}

#[tokio::test]
async fn a_call_that_is_given_up_before_its_turn_is_not_sent() {
    let fake = Fake::new((0..64).map(|_| Act::Late(Duration::from_millis(500), good())));
    let supabase = supabase(&fake.url(), Duration::from_secs(20));
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let supabase = supabase.clone();
        calls.spawn(async move { sign_in(&supabase).await });
    }
    wait_until(|| fake.received().len() == 64).await;
    assert!(timeout(Duration::from_millis(50), refresh(&supabase)).await.is_err());
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fake.received().len(), 64);
}

#[tokio::test]
async fn nothing_is_left_open_when_nobody_asks_any_more() {
    let (fake, supabase) = asking([Act::Send(good()), Act::Send(good())]);
    let clone = supabase.clone();
    sign_in(&supabase).await.unwrap();
    drop(supabase);
    sign_in(&clone).await.unwrap();
    assert_eq!((fake.connections(), fake.ended()), (1, 0));
    drop(clone);
    wait_until(|| fake.ended() == 1).await;
}
