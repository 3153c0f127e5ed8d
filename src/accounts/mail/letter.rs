//! A mail as it is written into the outbox, in the transaction of what it is about.

use std::{fmt, str::FromStr, time::Duration};

use serde_json::{Map, Value};

use super::RenderError;
use crate::accounts::{email::Email, model::NewMail};

/// What a mail is about. Its text form is the name of its templates and [`NewMail::template`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A link to set a new password.
    Reset,
    /// The password was changed by who knew the old one.
    PasswordChanged,
    /// The password was set with a link.
    PasswordResetDone,
    /// A link to set the first password.
    Invitation,
    /// A link to confirm the address.
    Confirmation,
    /// Somebody signed up with an address that has an account.
    AlreadyRegistered,
    /// To the old address: there is another one.
    EmailChanged,
}

/// A mail to be written into the outbox. Its `Debug` form shows neither whom to nor the link.
#[derive(Clone)]
pub struct Letter {
    /// What it is about.
    pub kind: MailKind,
    /// Whom it goes to.
    pub recipient: Email,
    /// The recipient's name, if there is one.
    pub name: Option<String>,
    /// Where it leads; [needed](MailKind::needs_link) by some, good for all.
    pub link: Option<String>,
    /// How long the link is good from now on; needed where the link is.
    pub expires_in: Option<Duration>,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Reset,
        Self::PasswordChanged,
        Self::PasswordResetDone,
        Self::Invitation,
        Self::Confirmation,
        Self::AlreadyRegistered,
        Self::EmailChanged,
    ];

    /// As it is kept, and as the templates are named.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::PasswordChanged => "password_changed",
            Self::PasswordResetDone => "password_reset_done",
            Self::Invitation => "invitation",
            Self::Confirmation => "confirmation",
            Self::AlreadyRegistered => "already_registered",
            Self::EmailChanged => "email_changed",
        }
    }

    /// Whether it is for its link that it is sent.
    #[must_use]
    pub const fn needs_link(self) -> bool {
        matches!(self, Self::Reset | Self::Invitation | Self::Confirmation)
    }
}

impl FromStr for MailKind {
    type Err = RenderError;

    fn from_str(text: &str) -> Result<Self, RenderError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(RenderError::Unknown)
    }
}

impl From<Letter> for NewMail {
    fn from(letter: Letter) -> Self {
        let mut values = Map::new();
        for (name, value) in [("name", letter.name), ("link", letter.link)] {
            values.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        let seconds = letter.expires_in.map(|life| Value::from(life.as_secs()));
        values.extend(seconds.map(|seconds| ("expires_in".to_owned(), seconds)));
        let recipient = letter.recipient.as_str().to_owned();
        Self { template: letter.kind.as_str().to_owned(), recipient, values }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Letter").field("kind", &self.kind).finish_non_exhaustive()
    }
}
