//! Why a command was not done.

use std::{borrow::Cow, time::Duration};

use super::{
    NoRandomness,
    command::FailureKind,
    minter::Unminted,
    password::{NewPasswordError, UnacceptablePassword, Unhashed},
    validation::{Invalid, Problem},
};
use crate::{authn::revocation::StoreError, rejection::Rejection};

/// Why a command was not done. Nothing of it holds a secret.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    /// For the log.
    pub(super) cause: Cow<'static, str>,
    /// What is wrong with what was sent.
    pub(super) invalid: Option<Box<Invalid>>,
    /// What the answer is where the preset has no words.
    pub(super) rejection: Option<Rejection>,
    pub(super) retry_after: Option<Duration>,
    /// What is wrong with a new password.
    pub(super) password: Option<UnacceptablePassword>,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, cause: impl Into<Cow<'static, str>>) -> Self {
        let cause = cause.into();
        Self { kind, cause, invalid: None, rejection: None, retry_after: None, password: None }
    }

    pub(super) fn retry(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// Whether it is neither the client's fault nor anything that a client could try: the store or the threads are not to
    /// be had.
    pub(super) const fn decides_nothing(&self) -> bool {
        matches!(self.kind, FailureKind::Busy | FailureKind::Unavailable)
    }

    /// Refused as any request with such a token is.
    pub(super) fn refused(kind: FailureKind, rejection: Rejection) -> Self {
        Self { rejection: Some(rejection.clone()), ..Self::new(kind, rejection.to_string()) }
    }

    /// Nobody knows these credentials: the cause is for the log alone.
    pub(super) fn credentials(cause: &'static str) -> Self {
        Self::new(FailureKind::InvalidCredentials, cause)
    }

    /// With `member` as where a new password came in, if one is wrong.
    pub(super) fn about(self, member: &str) -> Self {
        let wrong = |wrong| Box::new(Invalid::at(member, Problem::Password(wrong)));
        Self { invalid: self.invalid.or_else(|| self.password.map(wrong)), ..self }
    }

    /// What is wrong with a new password.
    pub(super) fn password(wrong: UnacceptablePassword) -> Self {
        let kind = match wrong {
            UnacceptablePassword::TooShort { .. } => FailureKind::PasswordTooShort,
            UnacceptablePassword::TooLong { .. } => FailureKind::PasswordTooLong,
            UnacceptablePassword::Common => FailureKind::PasswordCommon,
            UnacceptablePassword::TooWeak { .. } => FailureKind::PasswordWeak,
        };
        Self { password: Some(wrong), ..Self::new(kind, wrong.to_string()) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(FailureKind::Unavailable, error.to_string())
    }
}

impl From<Unminted> for Failure {
    fn from(error: Unminted) -> Self {
        Self::new(FailureKind::Unavailable, error.to_string())
    }
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        Self::new(FailureKind::Unavailable, error.to_string())
    }
}

impl From<Unhashed> for Failure {
    fn from(error: Unhashed) -> Self {
        match error {
            Unhashed::Busy { retry_after } => Self::new(FailureKind::Busy, error.to_string()).retry(retry_after),
            _ => Self::new(FailureKind::Unavailable, error.to_string()),
        }
    }
}

impl From<NewPasswordError> for Failure {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Unacceptable(wrong) => Self::password(wrong),
            NewPasswordError::Unhashed(error) => error.into(),
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self {
            cause: invalid.message().into(),
            invalid: Some(Box::new(invalid)),
            ..Self::new(FailureKind::Invalid, "")
        }
    }
}
