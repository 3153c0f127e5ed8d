//! Users, sessions and links in any order, some of it at once and by two gateways, beside a model that keeps the whole
//! history and has no database.

use std::time::Duration;

use bearergate::{
    accounts::{
        Uuid,
        model::{Aside, User, UserPatch},
        session::{Session, Token},
        store::{
            AccountStore, Creation, OneTimeKey, OneTimePurpose, OneTimeStore, PasswordChange, Refreshed, Right,
            SessionStore, Update, UserStore,
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
    accounts::{LIFE, new, token, user, uuid},
    refreshes::{Expected, Model, refresh},
    runtime,
};

/// How long a link is good.
const LINK: Duration = Duration::from_secs(60);
const PEOPLE: usize = 2;

/// What may happen. Who it happens to comes first; a session or a token is counted from the newest one.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Somebody registers with an address that is taken.
    RegisterAgain(usize),
    /// With the current password, or with one that has been replaced.
    LogIn(usize, bool),
    /// So many at once present the same token of a session.
    Refresh {
        person: usize,
        session: usize,
        token: usize,
        at_once: usize,
    },
    LogOut(usize, usize),
    /// All sessions but this one, if there is one.
    LogOutElsewhere(usize, Option<usize>),
    /// By who knows the current password, or a replaced one.
    ChangePassword {
        person: usize,
        current: bool,
        keep: Option<usize>,
    },
    AskForLink(usize),
    /// So many at once set a password by the newest link.
    UseLink(usize, usize),
    /// The one before the newest.
    UseOldLink(usize),
    Disable(usize, bool),
    Wait(u64),
    Tidy,
    /// Both gateways start anew.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (person, session, token) = (0..PEOPLE, 0..3_usize, 0..3_usize);
    let keep = prop::option::of(0..3_usize);
    prop_oneof![
        1 => person.clone().prop_map(Step::RegisterAgain),
        5 => (person.clone(), prop::bool::weighted(0.8)).prop_map(|(person, current)| Step::LogIn(person, current)),
        12 => (person.clone(), session.clone(), token, prop::sample::select(vec![1, 1, 1, 4]))
            .prop_map(|(person, session, token, at_once)| Step::Refresh { person, session, token, at_once }),
        2 => (person.clone(), session).prop_map(|(person, session)| Step::LogOut(person, session)),
        1 => (person.clone(), keep.clone()).prop_map(|(person, keep)| Step::LogOutElsewhere(person, keep)),
        2 => (person.clone(), prop::bool::weighted(0.7), keep)
            .prop_map(|(person, current, keep)| Step::ChangePassword { person, current, keep }),
        2 => person.clone().prop_map(Step::AskForLink),
        2 => (person.clone(), 1..4_usize).prop_map(|(person, at_once)| Step::UseLink(person, at_once)),
        1 => person.clone().prop_map(Step::UseOldLink),
        1 => (person, any::<bool>()).prop_map(|(person, disabled)| Step::Disable(person, disabled)),
        5 => prop_oneof![1_u64..12, Just(10), Just(LINK.as_secs()), Just(LIFE.idle.as_secs() - 1)].prop_map(Step::Wait),
        1 => Just(Step::Tidy),
        1 => Just(Step::Restart),
    ]
}

/// One of them.
struct Person {
    user: User,
    version: u64,
    disabled: bool,
    sessions: Vec<(Uuid, Model)>,
    /// The newest link and its end, and the one before it.
    link: Option<(Token, Timestamp)>,
    old_link: Option<Token>,
}

impl Person {
    /// The session that many before the newest one.
    fn session(&mut self, back: usize) -> Option<&mut (Uuid, Model)> {
        self.sessions.iter_mut().rev().nth(back)
    }

    /// Ends all but `keep`; which were alive.
    fn end(&mut self, keep: Option<Uuid>, now: Timestamp) -> Vec<Uuid> {
        let mut ended = Vec::new();
        for (id, model) in &mut self.sessions {
            if model.lives(now) && Some(*id) != keep {
                model.ended = true;
                ended.push(*id);
            }
        }
        ended
    }
}

struct Machine<'l> {
    location: &'l Location,
    /// Two gateways before one database.
    stores: [Store; 2],
    clock: Clock,
    people: Vec<Person>,
}

fn sorted(mut ids: Vec<Uuid>) -> Vec<String> {
    ids.sort_unstable_by_key(ToString::to_string);
    ids.iter().map(ToString::to_string).collect()
}

fn key(link: &Token) -> OneTimeKey {
    OneTimeKey { token: link.hash(), purpose: OneTimePurpose::Reset }
}

impl Machine<'_> {
    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.clock.now();
        match step {
            Step::RegisterAgain(at) => {
                let again = new(self.people[at].user.email.clone());
                let outcome = self.stores[1].create_user(again, Aside::default(), now).await.unwrap();
                prop_assert_eq!(outcome, Creation::EmailTaken);
            }
            Step::LogIn(at, current) => self.log_in(at, current, now).await?,
            Step::Refresh { person, session, token, at_once } => {
                self.refresh(person, session, token, at_once, now).await?;
            }
            Step::LogOut(at, session) => {
                let Some((id, model)) = self.people[at].session(session) else { return Ok(()) };
                let ended = self.stores[0].end_session(*id, Aside::default(), now).await.unwrap();
                prop_assert_eq!(ended, model.lives(now));
                model.ended |= ended;
            }
            Step::LogOutElsewhere(at, keep) => {
                let keep = keep.and_then(|back| self.people[at].session(back).map(|(id, _)| *id));
                let id = self.people[at].user.id;
                let ended = self.stores[1].end_sessions(id, keep, Aside::default(), now).await.unwrap();
                prop_assert_eq!(sorted(ended), sorted(self.people[at].end(keep, now)));
            }
            Step::ChangePassword { person, current, keep } => {
                let keep = keep.and_then(|back| self.people[person].session(back).map(|(id, _)| *id));
                let (id, version) = (self.people[person].user.id, self.people[person].version);
                let right = Right::Verified(id, if current { version } else { version - 1 });
                self.set_password(person, right, current, keep, 1, now).await?;
            }
            Step::AskForLink(at) => self.ask_for_link(at, now).await?,
            Step::UseLink(at, at_once) => {
                let Some((link, until)) = self.people[at].link.clone() else { return Ok(()) };
                self.set_password(at, Right::OneTime(key(&link)), now < until, None, at_once, now).await?;
            }
            Step::UseOldLink(at) => {
                let Some(old) = self.people[at].old_link.clone() else { return Ok(()) };
                self.set_password(at, Right::OneTime(key(&old)), false, None, 1, now).await?;
            }
            Step::Disable(at, disabled) => self.disable(at, disabled, now).await?,
            Step::Wait(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Step::Tidy => drop(self.stores[0].tidy(now, NOW).await.unwrap()),
            Step::Restart => self.stores = [(); 2].map(|()| Store::open(self.location).unwrap()),
        }
        self.compare().await
    }

    async fn log_in(&mut self, at: usize, current: bool, now: Timestamp) -> Result<(), TestCaseError> {
        let person = &mut self.people[at];
        let (session, first) = (Session::start(uuid(), person.user.id, LIFE, now), token());
        let version = if current { person.version } else { person.version - 1 };
        let starting = self.stores[0].start_session(session.clone(), first.hash(), version, Aside::default());
        let started = starting.await.unwrap();
        prop_assert_eq!(started, current && !person.disabled);
        if started {
            person.sessions.push((session.id, Model::of(&session, first, now)));
        }
        Ok(())
    }

    async fn refresh(
        &mut self,
        at: usize,
        session: usize,
        token: usize,
        at_once: usize,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        let stores = self.stores.clone();
        let Some((_, model)) = self.people[at].session(session) else { return Ok(()) };
        let Some(at) = model.tokens.len().checked_sub(token + 1) else { return Ok(()) };
        let (expected, parent) = (model.expects(at, now), model.tokens[at].clone());
        let tasks: Vec<_> = (0..at_once)
            .map(|number| {
                let (store, parent) = (stores[number % 2].clone(), parent.clone());
                tokio::spawn(async move { refresh(&store, &parent, now).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        let children: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        let thefts = outcomes.iter().filter(|outcome| matches!(outcome, Err(Refreshed::Reused(_)))).count();
        let whole = children.len() == at_once && children.iter().all(|child| *child == children[0]);
        match expected {
            Expected::Next => {
                prop_assert!(whole && !model.tokens.contains(children[0]), "{outcomes:?}");
                let child = children[0].clone();
                model.rotate(child, now);
            }
            Expected::Again => prop_assert!(whole && Some(children[0]) == model.tokens.last(), "{outcomes:?}"),
            Expected::Theft => {
                // The first one ends the session, and those behind it find that it has ended.
                let ended = outcomes.iter().filter(|outcome| matches!(outcome, Err(Refreshed::Ended))).count();
                prop_assert!(thefts == 1 && ended == at_once - 1, "{outcomes:?}");
                model.ended = true;
            }
            Expected::Nothing => {
                let nothing =
                    |outcome: &&_| matches!(outcome, Err(Refreshed::Ended | Refreshed::Expired | Refreshed::Unknown));
                prop_assert_eq!(outcomes.iter().filter(nothing).count(), at_once, "{:?}", outcomes);
            }
        }
        Ok(())
    }

    /// So many at once set a password by the same right; one of them does, if it `is_right`.
    async fn set_password(
        &mut self,
        at: usize,
        right: Right,
        is_right: bool,
        keep: Option<Uuid>,
        at_once: usize,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        let tasks: Vec<_> = (0..at_once)
            .map(|number| {
                let store = self.stores[number % 2].clone();
                let change = PasswordChange { right, password: format!("$argon2id${number}"), keep };
                tokio::spawn(async move { store.set_password(change, Aside::default(), now).await.unwrap() })
            })
            .collect();
        let mut changes = Vec::new();
        for task in tasks {
            changes.extend(task.await.unwrap());
        }
        prop_assert_eq!(changes.len(), usize::from(is_right), "{:?}", changes);
        let Some(changed) = changes.pop() else { return Ok(()) };
        let person = &mut self.people[at];
        person.version += 1;
        person.old_link = person.link.take().map(|(link, _)| link).or(person.old_link.take());
        prop_assert_eq!((changed.user, changed.credential_version), (person.user.id, person.version));
        prop_assert_eq!(sorted(changed.ended), sorted(person.end(keep, now)));
        Ok(())
    }

    async fn ask_for_link(&mut self, at: usize, now: Timestamp) -> Result<(), TestCaseError> {
        let (person, link, until) = (&mut self.people[at], token(), now.saturating_add(LINK));
        let issuing = self.stores[0].issue_one_time(person.user.id, key(&link), until, Aside::default(), now);
        let issued = issuing.await.unwrap();
        prop_assert_eq!(issued, !person.disabled);
        if issued {
            person.old_link = person.link.replace((link, until)).map(|(old, _)| old).or(person.old_link.take());
        }
        Ok(())
    }

    async fn disable(&mut self, at: usize, disabled: bool, now: Timestamp) -> Result<(), TestCaseError> {
        let person = &mut self.people[at];
        let patch = UserPatch { disabled: Some(disabled), ..UserPatch::default() };
        let update = self.stores[1].update_user(person.user.id, patch, Aside::default(), now).await.unwrap();
        let Update::Updated(user, ended) = update else { return Err(TestCaseError::fail(format!("{update:?}"))) };
        prop_assert_eq!(user.disabled.is_some(), disabled);
        let mut expected = Vec::new();
        if disabled && !person.disabled {
            expected = person.end(None, now);
            person.old_link = person.link.take().map(|(link, _)| link).or(person.old_link.take());
        }
        prop_assert_eq!(sorted(ended), sorted(expected));
        person.disabled = disabled;
        Ok(())
    }

    /// Both gateways have of everybody what the model has.
    async fn compare(&self) -> Result<(), TestCaseError> {
        let now = self.clock.now();
        for person in &self.people {
            let lives = person.sessions.iter().filter(|(_, model)| model.lives(now));
            let expected: Vec<_> = lives.map(|(id, model)| (*id, model.idle_until)).collect();
            for store in &self.stores {
                let mut found = store.sessions(person.user.id, now).await.unwrap();
                found.sort_by_key(|one| expected.iter().position(|(id, _)| *id == one.id));
                let found: Vec<_> = found.iter().map(|one| (one.id, one.idle_until)).collect();
                prop_assert_eq!(&found, &expected);
                let user = store.user_by_id(person.user.id).await.unwrap().unwrap();
                prop_assert_eq!((user.credential_version, user.disabled.is_some()), (person.version, person.disabled));
            }
            for (link, is_good) in [
                (person.link.as_ref().map(|(link, _)| link), person.link.as_ref().is_some_and(|(_, end)| now < *end)),
                (person.old_link.as_ref(), false),
            ] {
                let Some(link) = link else { continue };
                let found = self.stores[1].one_time_user(key(link), now).await.unwrap();
                prop_assert_eq!(found, is_good.then_some(person.user.id));
            }
        }
        Ok(())
    }
}

pub(crate) fn any_life_of_users_and_sessions_is_as_the_model_has_it(location: &Location) {
    let (stores, runtime) = ([(); 2].map(|()| Store::open(location).unwrap()), runtime());
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..60);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let mut people = Vec::new();
            for _ in 0..PEOPLE {
                let user = user(&stores[0]).await;
                let (version, sessions) = (user.credential_version, Vec::new());
                people.push(Person { user, version, disabled: false, sessions, link: None, old_link: None });
            }
            let mut machine = Machine { location, stores: stores.clone(), clock: Clock::manual(NOW), people };
            for step in steps {
                machine.take(step).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
