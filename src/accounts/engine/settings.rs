//! How the commands are done.

use std::time::Duration;

use http::HeaderValue;

use crate::{
    accounts::{mail::Links, minter::TokenSettings, password::PasswordPolicy, session::SessionLife},
    authn::SchemeMatch,
};

/// How the commands are done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose tokens are made, and how long they are good for.
    pub tokens: TokenSettings,
    /// How long sessions last.
    pub session: SessionLife,
    /// What refresh tokens are like.
    pub refresh: RefreshSettings,
    /// Whether a new address has to be confirmed before the first login.
    pub confirm_email: bool,
    /// What a new password has to be.
    pub policy: PasswordPolicy,
    /// Where the links of mails lead; without it no mail has a link.
    pub links: Option<Links>,
    /// How long the links of mails are good for.
    pub lives: LinkLives,
    /// How the scheme `Bearer` is compared, and how long a token may be, in bytes.
    pub bearer: (SchemeMatch, usize),
    /// What a 401 asks for (RFC 9110 §11.6.1).
    pub challenge: Option<HeaderValue>,
}

/// What refresh tokens are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshSettings {
    /// They are JWTs; otherwise opaque.
    pub jwt: bool,
    /// Each is good once.
    pub rotate: bool,
    /// How long one that was used gives the same next one again.
    pub reuse_interval: Duration,
}

/// How long the links of mails are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkLives {
    /// For a forgotten password.
    pub reset: Duration,
    /// For a first password.
    pub invitation: Duration,
    /// For an address.
    pub confirmation: Duration,
}
