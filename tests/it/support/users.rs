//! The users of a gateway in a SQLite file, changed beside it, as an operator may.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    accounts::{
        Uuid,
        email::Email,
        model::{Aside, NewUser, User, UserPatch},
        password::{Hasher, HasherLimits, Password},
        store::{Creation, Update, UserStore},
    },
    clock::{Clock, Timestamp},
    store::{Location, Store},
};
use serde_json::Map;
use tokio::runtime::Runtime;

pub(crate) struct Users {
    store: Store,
    runtime: Runtime,
}

impl Users {
    pub(crate) fn of(database: &Path) -> Self {
        let store = Store::open(&Location::Sqlite(database.to_owned())).unwrap();
        Self { store, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() }
    }

    fn now() -> Timestamp {
        Clock::system().now()
    }

    /// A user with this password.
    pub(crate) fn add(&self, email: &str, password: &str) -> User {
        let hasher = Hasher::new(HasherLimits::default(), SystemRandom::new()).unwrap();
        let hash = self.runtime.block_on(hasher.hash(&Password::from(password.to_owned()))).unwrap();
        self.add_hashed(email, hash.as_str())
    }

    /// A user of whose password this is kept.
    pub(crate) fn add_hashed(&self, email: &str, hash: &str) -> User {
        let user = NewUser {
            id: Uuid::random(&SystemRandom::new()).unwrap(),
            number: None,
            email: Email::parse(email).unwrap(),
            joined: Self::now(),
            confirmed: Some(Self::now()),
            disabled: None,
            attributes: Map::new(),
            password: Some(hash.to_owned()),
        };
        match self.runtime.block_on(self.store.create_user(user, Aside::default(), Self::now())).unwrap() {
            Creation::Created(user) => *user,
            other => panic!("{other:?}"),
        }
    }

    /// What is kept of the password of the user with this address.
    pub(crate) fn hash_of(&self, email: &str) -> String {
        let user = self.runtime.block_on(self.store.user_by_email(Email::parse(email).unwrap())).unwrap();
        user.unwrap().password.unwrap()
    }

    pub(crate) fn disable(&self, user: &User) {
        let patch = UserPatch { disabled: Some(true), ..UserPatch::default() };
        let updated = self.store.update_user(user.id, patch, Aside::default(), Self::now());
        assert!(matches!(self.runtime.block_on(updated).unwrap(), Update::Updated(..)));
    }
}
