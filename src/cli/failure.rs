//! Why a command ends without an answer, and with which number.

use std::{fmt, process::ExitCode};

use super::terminal::{BAD, complain};
use crate::{
    authn::revocation::StoreError,
    config::Diagnostics,
    gateway::{PrepareError, RunError, keys::KeysError},
};

/// The command line is wrong.
pub(super) const USAGE: u8 = 2;
/// `EX_CONFIG` of sysexits.h.
const CONFIGURATION: u8 = 78;

/// A failure, by whose fault it is.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration's, each mistake with its place.
    Mistakes(Diagnostics),
    /// The configuration's or that of a file which it names.
    Configuration(String),
    /// The command line's.
    Usage(String),
    /// The system's.
    Other(String),
}

impl Failure {
    /// Tells the user; the result is for the caller of the process.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Mistakes(mistakes) => complain(&mistakes.render(true)),
            Self::Configuration(message) | Self::Usage(message) | Self::Other(message) => {
                complain(&format!("{BAD}error{BAD:#}: {message}"));
            }
        }
        match self {
            Self::Mistakes(_) | Self::Configuration(_) => ExitCode::from(CONFIGURATION),
            Self::Usage(_) => ExitCode::from(USAGE),
            Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    /// Without colours, for a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistakes(mistakes) => mistakes.fmt(formatter),
            Self::Configuration(message) | Self::Usage(message) | Self::Other(message) => formatter.write_str(message),
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(mistakes: Diagnostics) -> Self {
        Self::Mistakes(mistakes)
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Io { .. } | KeysError::Fetch { .. } => Self::Other(error.to_string()),
            KeysError::Key { .. } | KeysError::Algorithm { .. } | KeysError::Set { .. } | KeysError::Secret { .. } => {
                Self::Configuration(error.to_string())
            }
        }
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Keys(error) => error.into(),
            PrepareError::Routes(_) | PrepareError::Issuers(_) | PrepareError::Tls(_) => {
                Self::Configuration(error.to_string())
            }
            #[cfg(feature = "accounts")]
            PrepareError::Accounts(_) => Self::Other(error.to_string()),
            PrepareError::Echo(_) | PrepareError::Store(_) => Self::Other(error.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::Other(error.to_string())
    }
}
