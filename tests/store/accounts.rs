//! What every store of users does, whichever database it is in.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    accounts::{
        Uuid,
        email::Email,
        model::{Aside, Event, NewMail, NewUser, User, UserPatch},
        session::{Session, SessionLife, Token},
        store::{
            AccountStore, AuditStore, Creation, OneTimeKey, OneTimePurpose, OneTimeStore, OutboxStore, PasswordChange,
            Presented, Refreshed, Right, SessionStore, Update, UserStore,
        },
    },
    clock::Timestamp,
    store::{Location, Store},
};
use serde_json::{Map, Value, json};

use super::{NOW, runtime};

/// Each of them is a test of the store that `$location` opens.
macro_rules! suite {
    ($location:expr, #[$attribute:meta]) => {
        $crate::store::accounts::suite! { $location, #[$attribute],
            accounts: a_user_is_found_by_each_of_its_names
            accounts: an_address_is_one_users_however_it_is_typed
            accounts: numbers_have_no_gap_and_imported_ones_are_kept
            accounts: of_many_who_register_the_same_address_at_once_one_does
            accounts: a_change_is_whole_or_not_at_all
            accounts: who_is_disabled_loses_sessions_and_links_for_good
            accounts: a_new_password_ends_the_other_sessions_and_what_was_promised_before
            accounts: a_one_time_token_is_good_once_for_one_purpose_until_its_time
            accounts: the_newest_link_counts_alone_and_a_password_is_set_by_it_once
            accounts: mail_is_taken_by_one_and_again_after_the_lease
            accounts: what_happened_is_told_newest_first_and_forgotten_in_time
            members: one_that_cannot_be_created_hinders_no_other_and_leaves_no_gap
            members: roles_are_the_uuids_where_tokens_name_users_so
            members: its_form_and_what_is_in_it_are_told
            refreshes: of_fifty_refreshes_at_once_all_get_the_same_child
            refreshes: a_lost_answer_is_given_again_until_the_child_is_used
            refreshes: a_token_that_comes_back_too_late_ends_the_session
            refreshes: a_grandparent_ends_the_session_at_once
            refreshes: without_rotation_the_token_stays
            refreshes: a_session_ends_by_its_life_its_idleness_or_its_holder
            refreshes: a_login_with_credentials_that_have_changed_starts_nothing
            refreshes: neither_tokens_nor_children_are_in_the_database
            refreshes: what_is_over_is_tidied_away_and_nothing_else
            refreshes: any_order_of_refreshes_is_as_the_model_has_it
            machine: any_life_of_users_and_sessions_is_as_the_model_has_it
        }
    };
    ($location:expr, #[$attribute:meta], $($module:ident: $test:ident)*) => {
        $(
            #[test]
            #[$attribute]
            fn $test() {
                $crate::store::$module::$test(&$location);
            }
        )*
    };
}

pub(crate) use suite;

pub(crate) const LIFE: SessionLife =
    SessionLife { absolute: Duration::from_secs(30 * 24 * 3600), idle: Duration::from_secs(7 * 24 * 3600) };

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

pub(crate) fn uuid() -> Uuid {
    Uuid::random(&SystemRandom::new()).unwrap()
}

pub(crate) fn token() -> Token {
    Token::random(&SystemRandom::new()).unwrap()
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// An address that nobody has.
fn unused(name: &str) -> Email {
    email(&format!("{name}.{}@example.com", uuid()))
}

pub(super) fn new(email: Email) -> NewUser {
    NewUser {
        id: uuid(),
        number: None,
        email,
        joined: NOW,
        confirmed: None,
        disabled: None,
        attributes: Map::new(),
        password: Some("$argon2id$1".to_owned()),
    }
}

pub(crate) async fn user(store: &Store) -> User {
    create(store, new(unused("user"))).await
}

async fn create(store: &Store, new: NewUser) -> User {
    match store.create_user(new, Aside::default(), NOW).await.unwrap() {
        Creation::Created(user) => *user,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn log_in(store: &Store, user: &User) -> (Session, Token) {
    let (session, token) = (Session::start(uuid(), user.id, LIFE, NOW), token());
    let started = store.start_session(session.clone(), token.hash(), user.credential_version, Aside::default());
    assert!(started.await.unwrap());
    (session, token)
}

/// One event and one mail.
fn aside(kind: &str) -> Aside {
    let mail = NewMail { template: kind.to_owned(), recipient: "a@example.com".to_owned(), values: Map::new() };
    let address = Some(IpAddr::from([192, 0, 2, 1]));
    Aside { mails: vec![mail], events: vec![Event { kind: kind.to_owned(), address, detail: None }] }
}

async fn kinds(store: &Store, user: Uuid) -> Vec<String> {
    store.events(user, 100).await.unwrap().into_iter().map(|entry| entry.event.kind).collect()
}

pub(crate) fn a_user_is_found_by_each_of_its_names(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let attributes = map(&json!({"z": "é\u{1F33F}", "a": [1, null, {"b": 1.5}], "": false}));
        let confirmed = Some(later(1));
        let made = create(&store, NewUser { attributes, confirmed, ..new(unused("Ålice")) }).await;
        assert_eq!(made.credential_version, 1);
        assert!(made.number > 0);
        let typed = email(&made.email.as_str().to_uppercase());
        assert_eq!(store.user_by_email(typed).await.unwrap().as_ref(), Some(&made));
        assert_eq!(store.user_by_id(made.id).await.unwrap().as_ref(), Some(&made));
        assert_eq!(store.user_by_number(made.number).await.unwrap().as_ref(), Some(&made));
        assert_eq!(store.users_after(made.number - 1, 1).await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(store.user_by_email(unused("nobody")).await.unwrap(), None);
        assert_eq!(store.user_by_id(uuid()).await.unwrap(), None);
        assert_eq!(store.user_by_number(0).await.unwrap(), None);
        assert_eq!(store.user_by_number(u64::MAX).await.unwrap(), None);
        drop(store);
        let again = Store::open(location).unwrap();
        assert_eq!(again.user_by_id(made.id).await.unwrap(), Some(made), "after a restart");
    });
}

pub(crate) fn an_address_is_one_users_however_it_is_typed(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let (one, other) = (create(&store, new(unused("straße"))).await, user(&store).await);
        let typed = email(&one.email.as_str().replace("straße", "STRASSE"));
        let create = store.create_user(new(typed.clone()), aside("registered"), NOW).await.unwrap();
        assert_eq!(create, Creation::EmailTaken);
        let patch = UserPatch { email: Some(typed.clone()), ..UserPatch::default() };
        let change = store.update_user(other.id, patch.clone(), aside("changed"), NOW).await.unwrap();
        assert_eq!(change, Update::EmailTaken);
        assert_eq!(store.user_by_id(other.id).await.unwrap(), Some(other.clone()));
        assert_eq!(kinds(&store, other.id).await, [""; 0]);
        let respell = store.update_user(one.id, patch, Aside::default(), NOW).await.unwrap();
        assert!(matches!(respell, Update::Updated(user, _) if user.email.as_str() == typed.as_str()));
    });
}

pub(crate) fn numbers_have_no_gap_and_imported_ones_are_kept(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let first = user(&store).await;
        let taken = store.create_user(new(first.email.clone()), Aside::default(), NOW).await.unwrap();
        assert_eq!(taken, Creation::EmailTaken);
        let second = user(&store).await;
        assert_eq!(second.number, first.number + 1, "who is refused takes no number");
        let import = |number| NewUser { number: Some(number), ..new(unused("imported")) };
        let imported = create(&store, import(second.number + 100)).await;
        assert_eq!(imported.number, second.number + 100);
        let taken = store.create_user(import(imported.number), Aside::default(), NOW).await.unwrap();
        assert_eq!(taken, Creation::NumberTaken);
        let lower = create(&store, import(second.number + 50)).await;
        assert_eq!((lower.number, user(&store).await.number), (second.number + 50, second.number + 101));
        assert!(store.create_user(import(0), Aside::default(), NOW).await.is_err(), "numbers begin with 1");
        assert_eq!(user(&store).await.number, second.number + 102);
    });
}

pub(crate) fn of_many_who_register_the_same_address_at_once_one_does(location: &Location) {
    let stores = [(); 2].map(|()| Store::open(location).unwrap());
    runtime().block_on(async {
        let wanted = unused("wanted");
        let tasks: Vec<_> = (0..20)
            .map(|at| {
                let (store, one) = (stores[at % 2].clone(), new(wanted.clone()));
                tokio::spawn(async move { store.create_user(one, Aside::default(), NOW).await.unwrap() })
            })
            .collect();
        let mut created = 0;
        for task in tasks {
            match task.await.unwrap() {
                Creation::Created(_) => created += 1,
                other => assert_eq!(other, Creation::EmailTaken),
            }
        }
        assert_eq!(created, 1);
    });
}

pub(crate) fn a_change_is_whole_or_not_at_all(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let set = |attributes: Value| UserPatch { attributes: map(&attributes), ..UserPatch::default() };
        let patches = [json!({"a": 1, "b": 2}), json!({"b": null, "c": "x"}), json!({})];
        for patch in patches {
            store.update_user(one.id, set(patch), aside("changed"), NOW).await.unwrap();
        }
        let after = store.user_by_id(one.id).await.unwrap().unwrap();
        assert_eq!(after, User { attributes: map(&json!({"a": 1, "c": "x"})), ..one.clone() });
        assert_eq!(kinds(&store, one.id).await, ["changed"; 3]);
        // The same session a second time fails after the user's row was written, and before the event.
        let (session, _) = log_in(&store, &one).await;
        let again = store.start_session(session, token().hash(), 1, aside("login")).await;
        assert!(again.is_err());
        assert_eq!(kinds(&store, one.id).await, ["changed"; 3]);
        let nobody = store.update_user(uuid(), set(json!({"a": 1})), aside("changed"), NOW).await.unwrap();
        assert_eq!(nobody, Update::Unknown);
        // Of many changes at once none is lost.
        let changes = (0..20).map(|at| {
            let (store, patch) = (store.clone(), set(json!({format!("n{at}"): at})));
            tokio::spawn(async move { store.update_user(one.id, patch, Aside::default(), NOW).await.unwrap() })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap();
        }
        assert_eq!(store.user_by_id(one.id).await.unwrap().unwrap().attributes.len(), 22);
    });
}

pub(crate) fn who_is_disabled_loses_sessions_and_links_for_good(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, refresh) = log_in(&store, &one).await;
        let key = OneTimeKey { token: token().hash(), purpose: OneTimePurpose::Reset };
        assert!(store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap());
        let disabled = |disabled| UserPatch { disabled: Some(disabled), ..UserPatch::default() };
        let outcome = store.update_user(one.id, disabled(true), Aside::default(), NOW).await.unwrap();
        let ended = vec![session.id];
        assert_eq!(outcome, Update::Updated(Box::new(User { disabled: Some(NOW), ..one.clone() }), ended));
        let next = Session::start(uuid(), one.id, LIFE, NOW);
        assert!(!store.start_session(next, token().hash(), 1, Aside::default()).await.unwrap());
        assert!(!store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap());
        store.update_user(one.id, disabled(false), Aside::default(), NOW).await.unwrap();
        let presented = Presented { token: refresh.hash(), idle: LIFE.idle, rotation: None };
        assert_eq!(store.refresh(presented, Aside::default(), NOW).await.unwrap(), Refreshed::Ended);
        assert_eq!(store.one_time_user(key, NOW).await.unwrap(), None);
        log_in(&store, &one).await;
    });
}

pub(crate) fn a_new_password_ends_the_other_sessions_and_what_was_promised_before(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let (one, bystander) = (user(&store).await, user(&store).await);
        let (kept, _) = log_in(&store, &one).await;
        let (other, _) = log_in(&store, &one).await;
        let (untouched, _) = log_in(&store, &bystander).await;
        let key = OneTimeKey { token: token().hash(), purpose: OneTimePurpose::Confirmation };
        store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap();
        let change = |version, keep| {
            let password = format!("$argon2id${}", version + 1);
            PasswordChange { right: Right::Verified(one.id, version), password, keep }
        };
        assert!(store.set_password(change(2, None), aside("set"), NOW).await.unwrap().is_none(), "not that version");
        let changed = store.set_password(change(1, Some(kept.id)), aside("set"), NOW).await.unwrap().unwrap();
        assert_eq!((changed.user, changed.credential_version, changed.ended), (one.id, 2, vec![other.id]));
        assert!(store.set_password(change(1, None), aside("set"), NOW).await.unwrap().is_none(), "a second time");
        assert_eq!(store.sessions(one.id, NOW).await.unwrap(), [kept]);
        assert_eq!(store.sessions(bystander.id, NOW).await.unwrap(), std::slice::from_ref(&untouched));
        assert_eq!(store.one_time_user(key, NOW).await.unwrap(), None);
        assert_eq!(kinds(&store, one.id).await, ["set"]);
        // Somebody else's session is not kept by it, nor ended.
        let changed = store.set_password(change(2, Some(untouched.id)), Aside::default(), NOW).await.unwrap().unwrap();
        assert_eq!((changed.credential_version, changed.ended.len()), (3, 1));
        assert_eq!(store.sessions(bystander.id, NOW).await.unwrap(), [untouched]);
        assert!(!store.rehash(one.id, 2, "old".to_owned()).await.unwrap());
        assert!(store.rehash(one.id, 3, "better".to_owned()).await.unwrap());
        let after = store.user_by_id(one.id).await.unwrap().unwrap();
        assert_eq!((after.password.as_deref(), after.credential_version), (Some("better"), 3));
    });
}

pub(crate) fn a_one_time_token_is_good_once_for_one_purpose_until_its_time(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let key = OneTimeKey { token: token().hash(), purpose: OneTimePurpose::Reset };
        store.issue_one_time(one.id, key, later(60), aside("asked"), NOW).await.unwrap();
        let wrong = OneTimeKey { purpose: OneTimePurpose::Invitation, ..key };
        for (key, at) in [(wrong, NOW), (key, later(60))] {
            assert_eq!(store.one_time_user(key, at).await.unwrap(), None);
            assert_eq!(store.consume_one_time(key, aside("used"), at).await.unwrap(), None);
        }
        assert_eq!(store.one_time_user(key, later(59)).await.unwrap(), Some(one.id));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.consume_one_time(key, aside("used"), NOW).await.unwrap() })
            })
            .collect();
        let mut users = Vec::new();
        for task in tasks {
            users.extend(task.await.unwrap());
        }
        assert_eq!(users, [one.id]);
        assert_eq!(kinds(&store, one.id).await, ["used", "asked"]);
        store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap();
        assert_eq!(store.forget_one_time(one.id, OneTimePurpose::Invitation).await.unwrap(), 0);
        assert_eq!(store.forget_one_time(one.id, OneTimePurpose::Reset).await.unwrap(), 1);
        assert_eq!(store.one_time_user(key, NOW).await.unwrap(), None);
        assert!(!store.issue_one_time(uuid(), key, later(60), aside("asked"), NOW).await.unwrap());
    });
}

pub(crate) fn the_newest_link_counts_alone_and_a_password_is_set_by_it_once(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, _) = log_in(&store, &one).await;
        let [old, new] = [(); 2].map(|()| OneTimeKey { token: token().hash(), purpose: OneTimePurpose::Reset });
        for key in [old, new] {
            store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap();
        }
        let by = |key| PasswordChange { right: Right::OneTime(key), password: "new".to_owned(), keep: None };
        assert!(store.set_password(by(old), aside("set"), NOW).await.unwrap().is_none());
        let changed = store.set_password(by(new), aside("set"), NOW).await.unwrap().unwrap();
        assert_eq!((changed.user, changed.credential_version, changed.ended), (one.id, 2, vec![session.id]));
        assert!(store.set_password(by(new), aside("set"), NOW).await.unwrap().is_none());
        // A link is to the address that it was sent to.
        store.issue_one_time(one.id, new, later(60), Aside::default(), NOW).await.unwrap();
        let patch = UserPatch { email: Some(unused("moved")), ..UserPatch::default() };
        store.update_user(one.id, patch, Aside::default(), NOW).await.unwrap();
        assert_eq!(store.one_time_user(new, NOW).await.unwrap(), None);
        assert_eq!(kinds(&store, one.id).await, ["set"]);
    });
}

pub(crate) fn mail_is_taken_by_one_and_again_after_the_lease(location: &Location) {
    let stores = [(); 2].map(|()| Store::open(location).unwrap());
    let [store, other] = &stores;
    runtime().block_on(async {
        // Other tests leave mail behind.
        for mail in store.take_mail(Timestamp::from_millis(u64::MAX / 4), NOW, 1000).await.unwrap() {
            assert!(store.forget_mail(mail.number).await.unwrap());
        }
        for kind in ["first", "second", "third"] {
            store.note(None, aside(kind), NOW).await.unwrap();
        }
        assert_eq!(store.waiting_mail().await.unwrap(), (3, Some(NOW)));
        let (one, two) = tokio::join!(store.take_mail(NOW, later(60), 2), other.take_mail(NOW, later(60), 2));
        let (one, two) = (one.unwrap(), two.unwrap());
        let mut taken: Vec<_> = one.iter().chain(&two).cloned().collect();
        taken.sort_unstable_by_key(|mail| mail.number);
        taken.dedup();
        assert_eq!(taken.len(), one.len() + two.len(), "each is taken once: {one:?} {two:?}");
        taken.extend(store.take_mail(NOW, later(60), 10).await.unwrap());
        let templates: Vec<_> = taken.iter().map(|taken| (taken.mail.template.as_str(), taken.attempt)).collect();
        assert_eq!(templates, [("first", 1), ("second", 1), ("third", 1)]);
        assert!(taken.iter().all(|taken| taken.written == NOW), "{taken:?}");
        assert_eq!(store.take_mail(later(59), later(90), 10).await.unwrap(), []);
        assert!(store.forget_mail(taken[0].number).await.unwrap());
        assert!(!store.forget_mail(taken[0].number).await.unwrap());
        assert!(store.retry_mail(taken[1].number, 1, later(10)).await.unwrap());
        let again = store.take_mail(later(10), later(70), 10).await.unwrap();
        assert_eq!((again.len(), again[0].number, again[0].attempt), (1, taken[1].number, 2));
        assert!(!store.retry_mail(taken[1].number, 1, NOW).await.unwrap(), "another one has it now");
        let rest = other.take_mail(later(60), later(90), 10).await.unwrap();
        assert_eq!((rest.len(), rest[0].mail.template.as_str(), rest[0].attempt), (1, "third", 2));
    });
}

pub(crate) fn what_happened_is_told_newest_first_and_forgotten_in_time(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        for (seconds, kind) in [(0, "first"), (1, "second"), (2, "third")] {
            store.note(Some(one.id), aside(kind), later(seconds)).await.unwrap();
        }
        assert_eq!(kinds(&store, one.id).await, ["third", "second", "first"]);
        let newest = store.events(one.id, 1).await.unwrap();
        assert_eq!(
            (newest[0].at, newest[0].user, &newest[0].event),
            (later(2), Some(one.id), &aside("third").events[0])
        );
        store.tidy(NOW, later(1)).await.unwrap();
        assert_eq!(kinds(&store, one.id).await, ["third", "second"]);
    });
}
