//! A user, and what is written beside a change of one.
//!
//! - A user has two names, a UUID and a number; which one the API shows is the preset's to say. Numbers are given from 1
//!   on without a gap, unless an import brings its own.
//! - The password is a text that [this crate](super) has made or an import brought (PHC, Django's form, bcrypt's); without
//!   one nobody logs in with a password.
//! - The **credential version** counts the passwords. Whatever was proven or promised with one version (a login that is
//!   just being checked, a link in a mail) counts for nothing in the next.
//! - **Attributes** are what was set of the profile, under the preset's names. What was not set is not there; defaults are
//!   the preset's.
//! - Roles and owned resources are not here: they are those of every caller
//!   ([`role_grants`](crate::authn::role_grants), [`ownership`](crate::authz::ownership)), by the subject of the tokens.
//! - [`Aside`]: mail to be sent and the audit trail. They are written in the same transaction as the change that they are
//!   about, so that neither is there without the other.

use std::{fmt, net::IpAddr};

use serde_json::{Map, Value};

use super::{Uuid, email::Email};
use crate::clock::Timestamp;

/// A user. Its `Debug` form shows neither address nor password nor attributes.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Its name, for good.
    pub id: Uuid,
    /// Its other name, for APIs that count their users.
    pub number: u64,
    /// Where mail goes, and who it is at the login.
    pub email: Email,
    /// Since when it is there.
    pub joined: Timestamp,
    /// Since when the address is known to be the user's.
    pub confirmed: Option<Timestamp>,
    /// Since when nobody logs in as this user.
    pub disabled: Option<Timestamp>,
    /// What was set of the profile.
    pub attributes: Map<String, Value>,
    /// What a password is compared with.
    pub password: Option<String>,
    /// How often a password was set since the first.
    pub credential_version: u64,
}

/// A user that is not there yet.
#[derive(Clone)]
pub struct NewUser {
    /// See [`User::id`].
    pub id: Uuid,
    /// The next one, unless it is said.
    pub number: Option<u64>,
    /// See [`User::email`].
    pub email: Email,
    /// See [`User::joined`].
    pub joined: Timestamp,
    /// See [`User::confirmed`].
    pub confirmed: Option<Timestamp>,
    /// See [`User::disabled`].
    pub disabled: Option<Timestamp>,
    /// See [`User::attributes`].
    pub attributes: Map<String, Value>,
    /// See [`User::password`].
    pub password: Option<String>,
}

/// What is to be changed of a user; what is not said stays.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// Another address. What was promised to the old one by mail ends. It counts as confirmed only if the patch says so.
    pub email: Option<Email>,
    /// The address is known to be the user's.
    pub confirm: bool,
    /// Nobody logs in any more, and every session ends; or they do again.
    pub disabled: Option<bool>,
    /// Attributes to be set; `null` takes one away.
    pub attributes: Map<String, Value>,
}

/// What is written beside a change, if that is done.
#[derive(Debug, Clone, Default)]
pub struct Aside {
    /// To be sent.
    pub mails: Vec<NewMail>,
    /// For the audit trail of the user that the change is of.
    pub events: Vec<Event>,
}

/// A mail to be sent. Its `Debug` form shows neither whom to nor what.
#[derive(Clone, PartialEq)]
pub struct NewMail {
    /// Which template it is made of.
    pub template: String,
    /// Whom it goes to.
    pub recipient: String,
    /// What the template wants to know: links with secrets in them, until it is sent.
    pub values: Map<String, Value>,
}

/// A mail that somebody has taken to send it.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenMail {
    /// Its name in the outbox.
    pub number: u64,
    /// How often it was taken, this time included.
    pub attempt: u32,
    /// When it was written.
    pub written: Timestamp,
    /// Itself.
    pub mail: NewMail,
}

/// What the audit trail says, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened, in `snake_case`.
    pub kind: String,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// More about it, for people.
    pub detail: Option<String>,
}

/// An event as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was kept.
    pub at: Timestamp,
    /// Whom it is about; nobody who is known, if there is none.
    pub user: Option<Uuid>,
    /// What happened.
    pub event: Event,
}

impl UserPatch {
    /// The user after it.
    #[must_use]
    pub fn apply(self, mut user: User, now: Timestamp) -> User {
        if let Some(email) = self.email {
            // Another spelling of the same address is as confirmed as the first.
            user.confirmed = user.confirmed.filter(|_| email == user.email);
            user.email = email;
        }
        if self.confirm {
            user.confirmed = user.confirmed.or(Some(now));
        }
        if let Some(disabled) = self.disabled {
            user.disabled = disabled.then(|| user.disabled.unwrap_or(now));
        }
        for (name, value) in self.attributes {
            if value.is_null() {
                user.attributes.shift_remove(&name);
            } else {
                user.attributes.insert(name, value);
            }
        }
        user
    }
}

impl Aside {
    /// One event.
    #[must_use]
    pub fn event(kind: &str, address: Option<IpAddr>) -> Self {
        Self { mails: Vec::new(), events: vec![Event { kind: kind.to_owned(), address, detail: None }] }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("id", &self.id).field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewUser").field("id", &self.id).field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewMail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewMail").field("template", &self.template).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn user() -> User {
        User {
            id: "6f9619ff-8b86-4011-b42d-00c04fc964ff".parse().unwrap(),
            number: 1,
            email: Email::parse("alice@example.com").unwrap(),
            joined: Timestamp::default(),
            confirmed: Some(Timestamp::default()),
            disabled: None,
            attributes: map(json!({"a": 1, "b": 2})),
            password: Some("$argon2id$secret".to_owned()),
            credential_version: 1,
        }
    }

    #[test]
    fn a_patch_sets_what_it_names_and_null_takes_away() {
        let patch =
            UserPatch { attributes: map(json!({"b": null, "c": 3, "d": null, "a": ""})), ..UserPatch::default() };
        assert_eq!(patch.apply(user(), NOW), User { attributes: map(json!({"a": "", "c": 3})), ..user() });
        assert_eq!(UserPatch::default().apply(user(), NOW), user());
    }

    #[test]
    fn another_address_is_not_confirmed_and_another_spelling_is() {
        let after = |email: &str, confirm| {
            let email = Some(Email::parse(email).unwrap());
            UserPatch { email, confirm, ..UserPatch::default() }.apply(user(), NOW)
        };
        assert_eq!(after("bob@example.com", false).confirmed, None);
        assert_eq!(after("bob@example.com", true).confirmed, Some(NOW));
        let respelt = after("ALICE@example.com", true);
        assert_eq!((respelt.confirmed, respelt.email.as_str()), (user().confirmed, "ALICE@example.com"));
    }

    #[test]
    fn who_is_disabled_twice_is_so_since_the_first_time() {
        let disable =
            |user, disabled, now| UserPatch { disabled: Some(disabled), ..UserPatch::default() }.apply(user, now);
        let once = disable(user(), true, NOW);
        assert_eq!(disable(once.clone(), true, Timestamp::MAX).disabled, Some(NOW));
        assert_eq!(disable(once, false, NOW), user());
    }

    #[test]
    fn what_is_personal_or_secret_is_not_shown() {
        let mail = NewMail {
            template: "reset".to_owned(),
            recipient: "alice@example.com".to_owned(),
            values: map(json!({"link": "https://example.com/?token=secret"})),
        };
        let User { id, number, email, joined, confirmed, disabled, password, .. } = user();
        let (number, attributes) = (Some(number), map(json!({"zip": "alice"})));
        let new = NewUser { id, number, email, joined, confirmed, disabled, attributes, password };
        let shown = format!("{mail:?} {new:?} {:?}", user());
        assert!(!shown.contains("alice") && !shown.contains("secret"), "{shown}");
    }
}
