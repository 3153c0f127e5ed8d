//! Revocations in a PostgreSQL database. Needs a server, whose URL is in `BEARERGATE_TEST_POSTGRES`:
//! `cargo test --test postgres -- --ignored`.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test that uses it")]

use std::{sync::Arc, time::Duration};

use bearergate::{
    authn::{
        Revocations,
        revocation::{Revocation, Target},
    },
    clock::{Clock, Timestamp},
    gateway::{Revoker, revoker::Kept},
    secret::Secret,
    store::{self, Location},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn location() -> Location {
    Location::Postgres(Secret::from(std::env::var("BEARERGATE_TEST_POSTGRES").unwrap()))
}

fn revocation(id: &str) -> Revocation {
    let until = NOW.saturating_add(Duration::from_secs(3600));
    Revocation { issuer: "main".to_owned(), target: Target::Id(id.to_owned()), until }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_one_revokes_another_knows_and_both_know_after_a_restart() {
    let start = || {
        let clock = Clock::manual(NOW);
        Revoker::start(location(), Arc::new(Revocations::new(clock.clone())), clock).unwrap()
    };
    let (one, other) = (start(), start());
    let subject =
        Target::Subject { subject: "é'\"; --".to_owned(), before: Timestamp::from_millis(1_799_999_999_500) };
    let wanted = [
        revocation("shared"),
        Revocation { target: Target::Session("s".to_owned()), ..revocation("") },
        Revocation { target: subject, ..revocation("") },
    ];
    for revocation in &wanted {
        assert_eq!(runtime().block_on(one.revoke(revocation.clone())).unwrap(), Kept::InStore);
    }
    let has_all = |revoker: &Revoker| {
        let list = revoker.revocations().list();
        wanted.iter().all(|revocation| list.contains(revocation))
    };
    let learns = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        has_all(&other)
    });
    assert!(learns, "the other one never learns: {:?}", other.revocations().list());
    drop((one, other));
    assert!(has_all(&start()));
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn many_that_write_at_once_lose_nothing_to_a_reader_that_polls() {
    runtime().block_on(async {
        let reader = store::open(&location()).await.unwrap();
        let (_, start) = reader.since(0, NOW).await.unwrap();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                tokio::spawn(async move {
                    let store = store::open(&location()).await.unwrap();
                    for number in 0..25 {
                        store.add(&revocation(&format!("{writer}-{number}")), NOW).await.unwrap();
                    }
                })
            })
            .collect();
        let (mut version, mut seen) = (start, 0);
        while writers.iter().any(|writer| !writer.is_finished()) {
            let (found, newest) = reader.since(version, NOW).await.unwrap();
            (version, seen) = (newest, seen + found.len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        seen += reader.since(version, NOW).await.unwrap().0.len();
        assert_eq!(seen, 200);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_is_over_is_forgotten() {
    runtime().block_on(async {
        let store = store::open(&location()).await.unwrap();
        store.add(&revocation("over"), NOW).await.unwrap();
        let later = NOW.saturating_add(Duration::from_secs(3600));
        let until = later.saturating_add(Duration::from_secs(1));
        store.add(&Revocation { until, ..revocation("later") }, later).await.unwrap();
        let (found, _) = store.since(0, Timestamp::from_secs(0)).await.unwrap();
        assert!(!found.contains(&revocation("over")), "{found:?}");
    });
}
