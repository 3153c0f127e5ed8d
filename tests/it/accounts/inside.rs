//! What a test does behind the endpoints' back: what an operator does with the store, and what goes wrong with it.

use std::{future::Future, sync::Arc, time::Duration};

use aws_lc_rs::rand::SystemRandom;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bearergate::{
    accounts::{
        Uuid,
        email::Email,
        model::{Aside, NewUser, User, UserPatch},
        password::{Hasher, HasherLimits},
        store::{Creation, Update, UserStore},
    },
    authn::{
        revocation::{Revocation, Target},
        role_grants::{GrantStore, RoleGrant},
    },
    gateway::Snapshot,
    store::Store,
};
use mail_parser::{Message, MessageParser};
use serde_json::Value;

use super::harness::Api;
use crate::support::client::{Client, Response};

/// Waits for it.
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Api {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.gateway.snapshot.load_full()
    }

    pub(crate) fn store(&self) -> Store {
        self.snapshot().store.clone().unwrap()
    }

    pub(crate) fn user(&self, email: &str) -> User {
        done(self.store().user_by_email(Email::parse(email).unwrap())).unwrap().unwrap()
    }

    /// All of these bodies at once.
    pub(crate) fn at_once(&self, path: &str, bodies: &[Value]) -> Vec<Response> {
        let mut clients: Vec<_> = bodies.iter().map(|_| self.client()).collect();
        for (client, body) in clients.iter_mut().zip(bodies) {
            let body = body.to_string();
            let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            client.send(format!("POST {path} HTTP/1.1\r\nHost: api\r\n{fields}\r\n{body}"));
        }
        clients.iter_mut().map(Client::response).collect()
    }

    /// How many passwords were hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.snapshot().accounts.as_ref().unwrap().accounts.hashed()
    }

    /// As whoever runs the gateway disables a user, whom tokens name `subject`.
    pub(crate) fn disable(&self, email: &str, subject: &str) {
        let now = self.clock.now();
        let patch = UserPatch { disabled: Some(true), ..UserPatch::default() };
        let updated = done(self.store().update_user(self.user(email).id, patch, Aside::default(), now)).unwrap();
        assert!(matches!(updated, Update::Updated(..)));
        let before = now.saturating_add(Duration::from_millis(1));
        let target = Target::Subject { subject: subject.to_owned(), before };
        let until = now.saturating_add(Duration::from_secs(3600));
        done(self.snapshot().revoker.revoke(Revocation { issuer: "api".to_owned(), target, until })).unwrap();
    }

    /// A user whom an operator makes; without a password one who was invited.
    pub(crate) fn add(&self, email: &str, password: Option<&str>) -> User {
        let now = self.clock.now();
        let hash = |password: &str| {
            let hasher = Hasher::new(HasherLimits::default(), SystemRandom::new()).unwrap();
            done(hasher.hash(&password.to_owned().into())).unwrap().as_str().to_owned()
        };
        let user = NewUser {
            id: Uuid::random(&SystemRandom::new()).unwrap(),
            number: None,
            email: Email::parse(email).unwrap(),
            joined: now,
            confirmed: Some(now),
            disabled: None,
            attributes: serde_json::Map::new(),
            password: password.map(hash),
        };
        match done(self.store().create_user(user, Aside::default(), now)).unwrap() {
            Creation::Created(user) => *user,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn enable(&self, email: &str) {
        let patch = UserPatch { disabled: Some(false), ..UserPatch::default() };
        done(self.store().update_user(self.user(email).id, patch, Aside::default(), self.clock.now())).unwrap();
    }

    /// Gives a role, or takes it away, and tells the gateway.
    pub(crate) fn grant(&self, subject: &str, role: &str, gives: bool) {
        let (issuer, subject, role) = ("api".to_owned(), subject.to_owned(), role.to_owned());
        let (grant, store) = (RoleGrant { issuer, subject, role }, self.store());
        done(async {
            assert!(if gives { store.grant(&grant).await } else { store.withdraw(&grant).await }.unwrap());
            self.snapshot().revoker.catch_up().await.unwrap();
        });
    }

    /// The newest mail of `count` that have been sent: to whom, its subject and its text.
    pub(crate) fn mail(&self, count: usize) -> (String, String, String) {
        let mails = self.smtp.wait_for(count);
        assert_eq!(mails.len(), count, "more mail than expected");
        let mail = &mails[count - 1];
        let parsed: Message<'_> = MessageParser::default().parse(&mail.data).unwrap();
        let recipient = mail.recipient.trim_matches(['<', '>']).to_owned();
        (recipient, parsed.subject().unwrap().to_owned(), parsed.body_text(0).unwrap().into_owned())
    }

    /// What stands behind `start` in the newest mail of `count`, which is its link.
    pub(crate) fn link(&self, count: usize, start: &str) -> String {
        let (_, _, text) = self.mail(count);
        let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

/// A part of a JWT: 0 is the header, 1 the claims.
pub(crate) fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
