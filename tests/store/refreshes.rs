//! What every store does with refresh tokens, whichever database it is in.

use std::{collections::HashMap, time::Duration};

use bearergate::{
    accounts::{
        model::{Aside, User},
        session::{Session, Token},
        store::{
            AccountStore, AuditStore, OneTimeKey, OneTimePurpose, OneTimeStore, PasswordChange, Presented, Refreshed,
            Right, SessionStore, UserStore,
        },
    },
    clock::{Clock, Timestamp},
    store::{Location, Store},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    NOW,
    accounts::{LIFE, later, log_in, token, user, uuid},
    runtime,
};

pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// What a client gets: the token that it uses from now on.
pub(crate) async fn refresh(store: &Store, parent: &Token, now: Timestamp) -> Result<Token, Refreshed> {
    let child = token();
    let rotation = Some(parent.rotation(&child, INTERVAL));
    let presented = Presented { token: parent.hash(), idle: LIFE.idle, rotation };
    match store.refresh(presented, Aside::event("refresh_reused", None), now).await.unwrap() {
        Refreshed::Fresh(_) => Ok(child),
        Refreshed::Repeated { child, sealed, .. } => Ok(parent.unseal(&sealed, child).unwrap()),
        other => Err(other),
    }
}

async fn reused(store: &Store, parent: &Token, now: Timestamp) -> bool {
    matches!(refresh(store, parent, now).await, Err(Refreshed::Reused(session)) if session.ended == Some(now))
}

pub(crate) fn of_fifty_refreshes_at_once_all_get_the_same_child(location: &Location) {
    let stores = [(); 2].map(|()| Store::open(location).unwrap());
    runtime().block_on(async {
        let one = user(&stores[0]).await;
        let (_, mut parent) = log_in(&stores[0], &one).await;
        for round in 0..3 {
            let tasks: Vec<_> = (0..50)
                .map(|at| {
                    let (store, parent) = (stores[at % 2].clone(), parent.clone());
                    tokio::spawn(async move { refresh(&store, &parent, later(round)).await.unwrap() })
                })
                .collect();
            let mut children = Vec::new();
            for task in tasks {
                children.push(task.await.unwrap());
            }
            assert!(children.iter().all(|child| *child == children[0] && *child != parent));
            parent = children.swap_remove(0);
        }
        assert_eq!(stores[1].sessions(one.id, NOW).await.unwrap().len(), 1);
    });
}

pub(crate) fn a_lost_answer_is_given_again_until_the_child_is_used(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, parent) = log_in(&store, &one).await;
        let child = refresh(&store, &parent, NOW).await.unwrap();
        drop(store);
        // As after a kill: what was answered is kept.
        let store = Store::open(location).unwrap();
        assert_eq!(refresh(&store, &parent, later(9)).await.unwrap(), child);
        assert_eq!(store.session_of(child.hash(), later(9)).await.unwrap().unwrap().id, session.id);
        assert_eq!(store.session_of(parent.hash(), later(9)).await.unwrap(), None);
        refresh(&store, &child, later(9)).await.unwrap();
        assert!(reused(&store, &parent, later(9)).await);
    });
}

pub(crate) fn a_token_that_comes_back_too_late_ends_the_session(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (_, parent) = log_in(&store, &one).await;
        let (other, _) = log_in(&store, &one).await;
        let child = refresh(&store, &parent, NOW).await.unwrap();
        assert!(reused(&store, &parent, later(10)).await);
        for token in [&child, &parent] {
            assert_eq!(refresh(&store, token, later(10)).await, Err(Refreshed::Ended));
        }
        assert_eq!(store.sessions(one.id, later(10)).await.unwrap(), [other], "the other session goes on");
        let events = store.events(one.id, 10).await.unwrap();
        assert_eq!(events.len(), 1, "it is noted once: {events:?}");
        assert_eq!((events[0].event.kind.as_str(), events[0].at), ("refresh_reused", later(10)));
    });
}

pub(crate) fn a_grandparent_ends_the_session_at_once(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (_, grandparent) = log_in(&store, &one).await;
        let parent = refresh(&store, &grandparent, NOW).await.unwrap();
        let child = refresh(&store, &parent, NOW).await.unwrap();
        assert!(reused(&store, &grandparent, NOW).await);
        assert_eq!(refresh(&store, &child, NOW).await, Err(Refreshed::Ended));
    });
}

pub(crate) fn without_rotation_the_token_stays(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, stays) = log_in(&store, &one).await;
        let present = |token: &Token, now| {
            let presented = Presented { token: token.hash(), idle: LIFE.idle, rotation: None };
            let store = store.clone();
            async move { store.refresh(presented, Aside::default(), now).await.unwrap() }
        };
        for seconds in [0, 1000, 2000] {
            let idle_until = later(seconds).saturating_add(LIFE.idle);
            let expected = Session { idle_until, ..session.clone() };
            assert_eq!(present(&stays, later(seconds)).await, Refreshed::Fresh(expected));
        }
        // One that was replaced, before rotation was switched off, is not good again.
        let child = refresh(&store, &stays, later(3000)).await.unwrap();
        assert!(matches!(present(&child, later(3000)).await, Refreshed::Fresh(_)));
        assert!(matches!(present(&stays, later(3000)).await, Refreshed::Reused(_)));
    });
}

pub(crate) fn a_session_ends_by_its_life_its_idleness_or_its_holder(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (session, idle) = log_in(&store, &one).await;
        assert_eq!(refresh(&store, &idle, session.idle_until).await, Err(Refreshed::Expired));
        assert_eq!(store.sessions(one.id, session.idle_until).await.unwrap(), []);
        let (_, mut busy) = log_in(&store, &one).await;
        for day in 0..30 {
            busy = refresh(&store, &busy, later(day * 24 * 3600)).await.unwrap();
        }
        assert_eq!(refresh(&store, &busy, session.ends).await, Err(Refreshed::Expired));
        let (out, held) = log_in(&store, &one).await;
        assert!(store.end_session(out.id, Aside::event("logout", None), NOW).await.unwrap());
        assert!(!store.end_session(out.id, Aside::event("logout", None), NOW).await.unwrap());
        assert!(!store.end_session(uuid(), Aside::event("logout", None), NOW).await.unwrap());
        assert_eq!(refresh(&store, &held, NOW).await, Err(Refreshed::Ended));
        assert_eq!(refresh(&store, &token(), NOW).await, Err(Refreshed::Unknown));
        assert_eq!(store.events(one.id, 10).await.unwrap().len(), 1);
        let (kept, _) = log_in(&store, &one).await;
        let ended = store.end_sessions(one.id, Some(kept.id), Aside::default(), NOW).await.unwrap();
        assert_eq!((ended.len(), ended.contains(&kept.id)), (2, false));
        assert_eq!(store.end_sessions(uuid(), None, Aside::default(), NOW).await.unwrap(), []);
    });
}

pub(crate) fn a_login_with_credentials_that_have_changed_starts_nothing(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let change = PasswordChange { right: Right::Verified(one.id, 1), password: "new".to_owned(), keep: None };
        // Many log in with the old password while it is changed: each is before it, and ended, or after it, and refused.
        let logins: Vec<_> = (0..20)
            .map(|_| {
                let (store, session) = (store.clone(), Session::start(uuid(), one.id, LIFE, NOW));
                tokio::spawn(
                    async move { store.start_session(session, token().hash(), 1, Aside::default()).await.unwrap() },
                )
            })
            .collect();
        let changed = store.set_password(change, Aside::default(), NOW).await.unwrap().unwrap();
        let mut started = 0;
        for login in logins {
            started += usize::from(login.await.unwrap());
        }
        assert_eq!(changed.ended.len(), started);
        assert_eq!(store.sessions(one.id, NOW).await.unwrap(), []);
        log_in(&store, &User { credential_version: 2, ..one }).await;
    });
}

pub(crate) fn neither_tokens_nor_children_are_in_the_database(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (_, parent) = log_in(&store, &one).await;
        let child = refresh(&store, &parent, NOW).await.unwrap();
        let link = token();
        let key = OneTimeKey { token: link.hash(), purpose: OneTimePurpose::Reset };
        store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap();
        drop(store);
        let Location::Sqlite(path) = location else { return };
        let bytes = std::fs::read(path).unwrap();
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(has(parent.hash().as_bytes()) && has(one.id.to_string().as_bytes()), "the file is looked at");
        for token in [parent, child, link] {
            assert!(!has(token.expose().as_bytes()));
        }
    });
}

pub(crate) fn what_is_over_is_tidied_away_and_nothing_else(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let one = user(&store).await;
        let (over, gone) = log_in(&store, &one).await;
        let (alive, good) = log_in(&store, &one).await;
        let good = refresh(&store, &good, later(1)).await.unwrap();
        let (ended, _) = log_in(&store, &one).await;
        store.end_session(ended.id, Aside::default(), NOW).await.unwrap();
        let key = OneTimeKey { token: token().hash(), purpose: OneTimePurpose::Reset };
        store.issue_one_time(one.id, key, later(60), Aside::default(), NOW).await.unwrap();
        store.tidy(NOW, NOW).await.unwrap();
        assert_eq!(store.sessions(one.id, NOW).await.unwrap().len(), 2);
        assert!(store.one_time_user(key, NOW).await.unwrap().is_some());
        let forgotten = store.tidy(over.idle_until, NOW).await.unwrap();
        assert!(forgotten >= 2, "{forgotten}");
        assert_eq!(refresh(&store, &gone, NOW).await, Err(Refreshed::Unknown));
        let now = over.idle_until;
        assert_eq!(store.sessions(one.id, now).await.unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), [alive.id]);
        assert!(refresh(&store, &good, now).await.is_ok());
    });
}

/// What may happen to a session.
#[derive(Debug, Clone)]
enum Step {
    /// One of the tokens that there were, is presented.
    Present(prop::sample::Index),
    Wait(u64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        // Mostly the newest ones.
        6 => any::<prop::sample::Index>().prop_map(Step::Present),
        4 => prop_oneof![1_u64..12, Just(10), Just(LIFE.idle.as_secs() - 1)].prop_map(Step::Wait),
        1 => Just(Step::End),
    ]
}

/// What a session is, told another way: all tokens in their order, of which only the last two ever give anything.
pub(super) struct Model {
    pub(super) tokens: Vec<Token>,
    /// When the newest token was made.
    rotated: Timestamp,
    pub(super) idle_until: Timestamp,
    ends: Timestamp,
    pub(super) ended: bool,
}

/// What the model expects of a token.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Next,
    Again,
    Theft,
    Nothing,
}

impl Model {
    pub(super) fn of(session: &Session, first: Token, now: Timestamp) -> Self {
        let Session { ends, idle_until, .. } = *session;
        Self { tokens: vec![first], rotated: now, idle_until, ends, ended: false }
    }

    pub(super) fn lives(&self, now: Timestamp) -> bool {
        !self.ended && now < self.idle_until && now < self.ends
    }

    pub(super) fn rotate(&mut self, child: Token, now: Timestamp) {
        self.tokens.push(child);
        self.rotated = now;
        self.idle_until = now.saturating_add(LIFE.idle).min(self.ends);
    }

    pub(super) fn expects(&self, at: usize, now: Timestamp) -> Expected {
        let newest = self.tokens.len() - 1;
        if !self.lives(now) {
            Expected::Nothing
        } else if at == newest {
            Expected::Next
        } else if at + 1 == newest && now < self.rotated.saturating_add(INTERVAL) {
            Expected::Again
        } else {
            Expected::Theft
        }
    }

    async fn present(&mut self, store: &Store, at: usize, now: Timestamp) -> Result<(), TestCaseError> {
        let (expected, outcome) = (self.expects(at, now), refresh(store, &self.tokens[at], now).await);
        match (expected, outcome) {
            (Expected::Next, Ok(child)) => {
                prop_assert!(!self.tokens.contains(&child));
                self.rotate(child, now);
            }
            (Expected::Again, Ok(child)) => prop_assert_eq!(&child, self.tokens.last().unwrap()),
            (Expected::Theft, Err(Refreshed::Reused(_))) => self.ended = true,
            (Expected::Nothing, Err(Refreshed::Ended | Refreshed::Expired)) => {}
            (expected, outcome) => prop_assert!(false, "{expected:?} of {at}, {outcome:?}"),
        }
        Ok(())
    }
}

pub(crate) fn any_order_of_refreshes_is_as_the_model_has_it(location: &Location) {
    let (store, runtime) = (Store::open(location).unwrap(), runtime());
    let one = runtime.block_on(user(&store));
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..30);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let clock = Clock::manual(NOW);
            let (session, first) = log_in(&store, &one).await;
            let (id, mut model) = (session.id, Model::of(&session, first, NOW));
            for step in steps {
                match step {
                    Step::Present(index) => {
                        let back = index.index(model.tokens.len().min(3));
                        let at = model.tokens.len() - 1 - back;
                        model.present(&store, at, clock.now()).await?;
                    }
                    Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
                    Step::End => {
                        let ended = store.end_session(id, Aside::default(), clock.now()).await.unwrap();
                        prop_assert_eq!(ended, model.lives(clock.now()));
                        model.ended |= ended;
                    }
                }
                let known: HashMap<_, _> =
                    store.sessions(one.id, clock.now()).await.unwrap().into_iter().map(|one| (one.id, one)).collect();
                let lives = model.lives(clock.now());
                prop_assert_eq!(known.get(&id).map(|one| one.idle_until), lives.then_some(model.idle_until));
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
