//! What every store does, whichever database it is in.

#[cfg(feature = "accounts")]
pub(crate) mod accounts;
#[cfg(feature = "accounts")]
pub(crate) mod machine;
#[cfg(feature = "accounts")]
pub(crate) mod members;
#[cfg(feature = "accounts")]
pub(crate) mod refreshes;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bearergate::{
    authn::{
        Revocations, RoleGrants,
        revocation::{Revocation, RevocationStore, Target},
        role_grants::{GrantStore, RoleGrant},
    },
    authz::ownership::{OwnershipRecord, OwnershipStore},
    clock::{Clock, Timestamp},
    gateway::{Revoker, revoker::Kept},
    store::{Location, Page, Store, Wanted},
};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Each of them is a test of the store that `$location` opens.
macro_rules! suite {
    ($location:expr, #[$attribute:meta]) => {
        $crate::store::suite! { $location, #[$attribute],
            what_one_revokes_another_knows_and_both_know_after_a_restart
            many_that_write_at_once_lose_nothing_to_a_reader_that_polls
            what_is_over_is_forgotten
            what_is_learnt_is_owned_until_it_is_forgotten
            owners_are_compared_byte_for_byte
            all_of_what_is_learnt_together_is_kept_or_nothing
            many_that_learn_the_same_at_once_learn_it_once
            what_is_owned_is_shown_page_by_page_and_in_order
            a_role_is_granted_once_and_each_change_is_a_version
            a_gateway_follows_what_is_granted
        }
    };
    ($location:expr, #[$attribute:meta], $($test:ident)*) => {
        $(
            #[test]
            #[$attribute]
            fn $test() {
                $crate::store::$test(&$location);
            }
        )*
    };
}

pub(crate) use suite;

pub(crate) fn revocation(id: &str) -> Revocation {
    let until = NOW.saturating_add(Duration::from_secs(3600));
    Revocation { issuer: "main".to_owned(), target: Target::Id(id.to_owned()), until }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

pub(crate) fn what_one_revokes_another_knows_and_both_know_after_a_restart(location: &Location) {
    let start = || {
        let clock = Clock::manual(NOW);
        Revoker::start(Store::open(location).unwrap(), Arc::new(Revocations::new(clock.clone())), Arc::default(), clock)
            .unwrap()
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

pub(crate) fn many_that_write_at_once_lose_nothing_to_a_reader_that_polls(location: &Location) {
    let reader = Store::open(location).unwrap();
    runtime().block_on(async {
        let (_, start) = reader.since(0, NOW).await.unwrap();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = Store::open(location).unwrap();
                tokio::spawn(async move {
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

pub(crate) fn what_is_over_is_forgotten(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        store.add(&revocation("over"), NOW).await.unwrap();
        let later = NOW.saturating_add(Duration::from_secs(3600));
        let until = later.saturating_add(Duration::from_secs(1));
        store.add(&Revocation { until, ..revocation("later") }, later).await.unwrap();
        let (found, _) = store.since(0, Timestamp::from_secs(0)).await.unwrap();
        assert!(!found.contains(&revocation("over")), "{found:?}");
    });
}

/// Of an ownership that no other test has.
fn record(ownership: &str, resource: &str, subject: &str) -> OwnershipRecord {
    let [ownership, resource, issuer, subject] = [ownership, resource, "main", subject].map(str::to_owned);
    OwnershipRecord { ownership, resource, issuer, subject }
}

pub(crate) fn what_is_learnt_is_owned_until_it_is_forgotten(location: &Location) {
    let of = |resource: &str, subject: &str| record("learnt", resource, subject);
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        assert!(!store.owns(&of("1", "alice")).await.unwrap());
        assert_eq!(store.learn(&[]).await.unwrap(), 0);
        let both = [of("1", "alice"), of("1", "bob"), of("2", "alice"), of("1", "alice")];
        assert_eq!(store.learn(&both).await.unwrap(), 3, "one of them comes twice");
        assert_eq!(store.learn(&both).await.unwrap(), 0);
        let other_issuer = OwnershipRecord { issuer: "other".to_owned(), ..of("1", "alice") };
        let other_ownership = record("learnt too", "1", "alice");
        store.learn(std::slice::from_ref(&other_ownership)).await.unwrap();
        assert!(!store.owns(&other_issuer).await.unwrap());
        assert_eq!(store.forget("learnt", "1").await.unwrap(), 2);
        assert_eq!(store.forget("learnt", "1").await.unwrap(), 0);
        let mut owned = Vec::new();
        for record in [of("1", "alice"), of("1", "bob"), of("2", "alice"), other_ownership] {
            owned.push(store.owns(&record).await.unwrap());
        }
        assert_eq!(owned, [false, false, true, true]);
    });
    drop(store);
    let again = Store::open(location).unwrap();
    assert!(runtime().block_on(again.owns(&of("2", "alice"))).unwrap(), "after a restart");
}

pub(crate) fn owners_are_compared_byte_for_byte(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        // Composed; "Ⅳ" and "IV" are equal to some.
        let known = ["Alice", "é", "a b", "1", "'; DROP TABLE ownership; --", "%", "Ⅳ"];
        store.learn(&known.map(|one| record("bytes", one, one))).await.unwrap();
        for one in known {
            assert!(store.owns(&record("bytes", one, one)).await.unwrap(), "{one}");
        }
        for other in ["alice", "ALICE", "Alice ", " Alice", "e\u{301}", "É", "e", "a  b", "01", "1.0", "%%", "IV", ""]
        {
            for subject in ["Alice", "é", "1", "%", other] {
                assert!(!store.owns(&record("bytes", other, subject)).await.unwrap(), "{other} {subject}");
                assert!(!store.owns(&record("bytes", subject, other)).await.unwrap(), "{subject} {other}");
            }
        }
    });
}

pub(crate) fn all_of_what_is_learnt_together_is_kept_or_nothing(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let many: Vec<_> = (0..2500).map(|number| record("together", &number.to_string(), "alice")).collect();
        assert_eq!(store.learn(&many).await.unwrap(), 2500);
        assert_eq!(store.learn(&many).await.unwrap(), 0);
        // PostgreSQL keeps no NUL; where one is kept, nothing is wrong with the whole.
        let mut bad: Vec<_> = (0..2500).map(|number| record("together", &format!("b{number}"), "bob")).collect();
        bad[2000].resource = "b\0".to_owned();
        let kept = store.learn(&bad).await.is_ok();
        assert_eq!(store.owns(&bad[0]).await.unwrap(), kept);
        assert_eq!(store.owns(&bad[2499]).await.unwrap(), kept);
    });
}

pub(crate) fn many_that_learn_the_same_at_once_learn_it_once(location: &Location) {
    let records: Vec<_> = (0..500).map(|number| record("at once", &number.to_string(), "alice")).collect();
    let stores = [(); 4].map(|()| Store::open(location).unwrap());
    let new: u64 = runtime().block_on(async {
        let learning: Vec<_> = stores
            .into_iter()
            .enumerate()
            .map(|(at, store)| {
                let mut records = records.clone();
                records.rotate_left(at * 100);
                tokio::spawn(async move { store.learn(&records).await.unwrap() })
            })
            .collect();
        let mut new = 0;
        for learnt in learning {
            new += learnt.await.unwrap();
        }
        new
    });
    assert_eq!(new, 500);
}

pub(crate) fn what_is_owned_is_shown_page_by_page_and_in_order(location: &Location) {
    let store = Store::open(location).unwrap();
    let records: BTreeSet<_> = (0..2345)
        .map(|number| {
            record("pages", &format!("{}{number}", ["a", "B", "é", "_"][number % 4]), &(number % 7).to_string())
        })
        .collect();
    runtime().block_on(async {
        store.learn(&records.iter().cloned().collect::<Vec<_>>()).await.unwrap();
        let wanted = Wanted { ownership: Some("pages".to_owned()), ..Wanted::default() };
        let mut page = Page { wanted, after: None };
        let mut found = Vec::new();
        for length in [1000, 1000, 345, 0] {
            let more = store.owned(&page).await.unwrap();
            assert_eq!(more.len(), length);
            found.extend(more);
            page.after = found.last().cloned();
        }
        assert!(found.iter().eq(&records), "in the order of their bytes, and each once");
        let some = Wanted { resource: Some("é2".to_owned()), subject: Some("2".to_owned()), ..page.wanted };
        let found = store.owned(&Page { wanted: some.clone(), after: None }).await.unwrap();
        assert_eq!(found, [record("pages", "é2", "2")]);
        let none = Wanted { subject: Some("3".to_owned()), ..some };
        assert_eq!(store.owned(&Page { wanted: none, after: None }).await.unwrap(), []);
    });
}

fn grant(subject: &str, role: &str) -> RoleGrant {
    let [issuer, subject, role] = ["main", subject, role].map(str::to_owned);
    RoleGrant { issuer, subject, role }
}

pub(crate) fn a_role_is_granted_once_and_each_change_is_a_version(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let (before, start) = store.grants(None).await.unwrap().unwrap();
        let granted = [grant("alice", "installer"), grant("alice", "Installer"), grant("Alice", "installer")];
        for one in &granted {
            assert!(!before.contains(one));
            assert!(store.grant(one).await.unwrap());
            assert!(!store.grant(one).await.unwrap(), "a second time changes nothing");
        }
        let (after, version) = store.grants(Some(start)).await.unwrap().unwrap();
        assert_eq!((after.len(), version), (before.len() + 3, start + 3));
        assert!(granted.iter().all(|one| after.contains(one)));
        assert_eq!(store.grants(Some(version)).await.unwrap(), None);
        assert!(!store.withdraw(&grant("alice", "INSTALLER")).await.unwrap());
        for one in &granted {
            assert!(store.withdraw(one).await.unwrap());
            assert!(!store.withdraw(one).await.unwrap());
        }
        assert_eq!(store.grants(Some(version)).await.unwrap(), Some((before, start + 6)));
    });
}

pub(crate) fn a_gateway_follows_what_is_granted(location: &Location) {
    let store = Store::open(location).unwrap();
    let (clock, grants) = (Clock::manual(NOW), Arc::new(RoleGrants::default()));
    runtime().block_on(store.grant(&grant("bob", "installer"))).unwrap();
    let revocations = Arc::new(Revocations::new(clock.clone()));
    let _revoker = Revoker::start(store.clone(), revocations, Arc::clone(&grants), clock).unwrap();
    let before = grants.subjects();
    assert!(before > 0, "what is there is known from the start");
    let follows = |subjects: usize| {
        let mut tries = 0..100;
        tries.any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            grants.subjects() == subjects
        })
    };
    runtime().block_on(store.grant(&grant("carol", "installer"))).unwrap();
    assert!(follows(before + 1));
    for subject in ["bob", "carol"] {
        runtime().block_on(store.withdraw(&grant(subject, "installer"))).unwrap();
    }
    assert!(follows(before - 1));
}
