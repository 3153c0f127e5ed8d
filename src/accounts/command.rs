//! What an endpoint does, what it needs for that, and what may come of it: three closed lists, which presets map their
//! routes, fields and answers onto.

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Makes a user, and begins a session unless the address is to be confirmed first.
    Register,
    /// Begins a session for whoever knows the password.
    Authenticate,
    /// Begins a session for whoever has the token of a mail, once; a password can be set in it without the old one.
    AuthenticateByToken,
    /// Gives new tokens for a refresh token.
    Refresh,
    /// Ends sessions.
    LogOut,
    /// Tells who the caller is.
    ReadProfile,
    /// Changes what the caller may change of that.
    PatchProfile,
    /// Sets a password for whoever knows the old one.
    ChangePassword,
    /// Mails a link by which a password can be set without the old one.
    RequestReset,
    /// Sets a password for whoever has the token of such a link.
    ConfirmReset,
    /// The same with a token in `Authorization`, of an invitation too.
    SetPassword,
    /// Notes that an address is the user's.
    ConfirmEmail,
}

/// What a command is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// An address.
    Email,
    /// The password, or the new one.
    Password,
    /// The password that is to be changed.
    CurrentPassword,
    /// A refresh token.
    RefreshToken,
    /// The token of a mail.
    Token,
    /// The user's number as base64url (RFC 4648 §5) of its decimal digits.
    Uid,
    /// Where the link of a mail is to lead.
    FrontendUrl,
    /// Which sessions are to end: `local`, `global` or `others`.
    Scope,
    /// Any attributes, as an object.
    Attributes,
    /// An attribute of this name.
    Attribute(String),
}

/// Where the token in `Authorization` is for the endpoint itself to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// A refresh token.
    RefreshToken,
    /// The token of a mail.
    OneTimeToken,
}

/// What may come of a command beside what was asked for: as a preset, the log and the metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// A field that is needed is not there.
    Missing,
    /// A field's value cannot be.
    Invalid,
    /// An attribute's value is against the attribute's rule.
    InvalidValue,
    /// The body is not what it says that it is.
    Malformed,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The address is none.
    InvalidEmail,
    /// Another user has the address.
    Taken,
    /// The address or the password is wrong.
    InvalidCredentials,
    /// The password is right, the address is not confirmed.
    NotConfirmed,
    /// The password is right, the user is disabled.
    Disabled,
    /// The new password has too few characters.
    PasswordTooShort,
    /// The password is too long.
    PasswordTooLong,
    /// The new password is a common one.
    PasswordCommon,
    /// The new password is easy to guess.
    PasswordWeak,
    /// The backend does not take the new password, and says why.
    PasswordRefused,
    /// The refresh token is good for nothing.
    InvalidRefreshToken,
    /// The current password is not this one.
    WrongPassword,
    /// The link names nobody.
    InvalidLink,
    /// The link's token is over or used.
    ExpiredLink,
    /// An access token where the token of a mail is due.
    AccessToken,
    /// The mail cannot be kept for sending.
    MailFailed,
    /// Too many tries.
    Throttled,
    /// Too many passwords wait to be hashed.
    Busy,
    /// The store fails.
    Unavailable,
    /// The backend is not configured.
    NotConfigured,
    /// The backend does not answer.
    Unreachable,
    /// The backend takes no new users.
    SignupDisabled,
}

macro_rules! names {
    ($type:ident, $what:literal: $($name:literal => $variant:ident),+ $(,)?) => {
        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            #[doc = concat!("The name of ", $what, ".")]
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            #[doc = concat!("Which is called `name`: ", $what, ".")]
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }
    };
}

names! { Command, "a command":
    "register" => Register,
    "authenticate" => Authenticate,
    "authenticate_by_token" => AuthenticateByToken,
    "refresh" => Refresh,
    "log_out" => LogOut,
    "read_profile" => ReadProfile,
    "patch_profile" => PatchProfile,
    "change_password" => ChangePassword,
    "request_reset" => RequestReset,
    "confirm_reset" => ConfirmReset,
    "set_password" => SetPassword,
    "confirm_email" => ConfirmEmail,
}

names! { Bearer, "what a bearer token is":
    "refresh_token" => RefreshToken,
    "one_time_token" => OneTimeToken,
}

names! { FailureKind, "a failure":
    "missing" => Missing,
    "invalid" => Invalid,
    "invalid_value" => InvalidValue,
    "malformed" => Malformed,
    "unsupported_media_type" => UnsupportedMediaType,
    "invalid_email" => InvalidEmail,
    "taken" => Taken,
    "invalid_credentials" => InvalidCredentials,
    "not_confirmed" => NotConfirmed,
    "disabled" => Disabled,
    "password_too_short" => PasswordTooShort,
    "password_too_long" => PasswordTooLong,
    "password_common" => PasswordCommon,
    "password_weak" => PasswordWeak,
    "password_refused" => PasswordRefused,
    "invalid_refresh_token" => InvalidRefreshToken,
    "wrong_password" => WrongPassword,
    "invalid_link" => InvalidLink,
    "expired_link" => ExpiredLink,
    "access_token" => AccessToken,
    "mail_failed" => MailFailed,
    "throttled" => Throttled,
    "busy" => Busy,
    "unavailable" => Unavailable,
    "not_configured" => NotConfigured,
    "unreachable" => Unreachable,
    "signup_disabled" => SignupDisabled,
}

impl Command {
    /// What it cannot do without.
    #[must_use]
    pub const fn needs(self) -> &'static [Input] {
        match self {
            Self::Register | Self::Authenticate => &[Input::Email, Input::Password],
            Self::Refresh => &[Input::RefreshToken],
            Self::LogOut | Self::ReadProfile | Self::PatchProfile => &[],
            Self::ChangePassword => &[Input::CurrentPassword, Input::Password],
            Self::RequestReset => &[Input::Email],
            Self::ConfirmReset | Self::SetPassword => &[Input::Token, Input::Password],
            Self::ConfirmEmail | Self::AuthenticateByToken => &[Input::Token],
        }
    }

    /// Whether it goes on when its client has gone: it may end sessions, and the access tokens of those after that. Who
    /// only wants to be let in, and waits for that in a line, leaves it.
    #[must_use]
    pub const fn goes_on_alone(self) -> bool {
        !matches!(self, Self::Register | Self::Authenticate | Self::ReadProfile | Self::RequestReset)
    }

    /// Whether only whoever has an access token may use it.
    #[must_use]
    pub const fn is_of_a_caller(self) -> bool {
        matches!(self, Self::LogOut | Self::ReadProfile | Self::PatchProfile | Self::ChangePassword)
    }
}

impl Input {
    /// An address as somebody typed it: one that cannot be is nobody's, instead of a mistake that is told.
    pub const LOGIN: &str = "login";

    /// Which is called `name`: one of the closed list, or else an attribute.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "email" | Self::LOGIN => Self::Email,
            "password" => Self::Password,
            "current_password" => Self::CurrentPassword,
            "refresh_token" => Self::RefreshToken,
            "token" => Self::Token,
            "uid" => Self::Uid,
            "frontend_url" => Self::FrontendUrl,
            "scope" => Self::Scope,
            "attributes" => Self::Attributes,
            name => Self::Attribute(name.to_owned()),
        }
    }

    /// Whether it must never be shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::Password | Self::CurrentPassword | Self::RefreshToken | Self::Token)
    }
}

impl FailureKind {
    /// Whose words are used where a preset has none for this one.
    #[must_use]
    pub const fn like(self) -> Option<Self> {
        match self {
            Self::NotConfirmed | Self::Disabled => Some(Self::InvalidCredentials),
            Self::ExpiredLink => Some(Self::InvalidLink),
            Self::PasswordCommon | Self::PasswordRefused => Some(Self::PasswordWeak),
            Self::Missing
            | Self::InvalidValue
            | Self::InvalidEmail
            | Self::Malformed
            | Self::PasswordTooShort
            | Self::PasswordTooLong
            | Self::PasswordWeak => Some(Self::Invalid),
            Self::MailFailed | Self::NotConfigured => Some(Self::Unavailable),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nothing_is_like_itself() {
        for &command in Command::ALL {
            assert_eq!(Command::named(command.as_str()), Some(command));
        }
        for &kind in FailureKind::ALL {
            assert_eq!(FailureKind::named(kind.as_str()), Some(kind));
            let mut seen = vec![kind];
            while let Some(like) = seen.last().and_then(|kind| kind.like()) {
                assert!(!seen.contains(&like), "{seen:?}");
                seen.push(like);
            }
        }
        assert_eq!((Command::named("login"), FailureKind::named("")), (None, None));
        assert_eq!(Input::named("zip"), Input::Attribute("zip".to_owned()));
    }
}
