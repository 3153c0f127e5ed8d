//! What answers, claims and mails may say: the values behind `$names`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Uuid, attribute::Attributes, model::User};
use crate::{clock::Timestamp, contract::template::Meaning};

/// A value that is only known when a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The access token.
    AccessToken,
    /// The refresh token.
    RefreshToken,
    /// For how long the access token is good, in seconds.
    ExpiresIn,
    /// Until when, in seconds since 1970.
    ExpiresAt,
    /// The session's UUID.
    Session,
    /// A new UUID, the token's own.
    TokenId,
    /// The user's UUID.
    UserId,
    /// The user's number.
    UserNumber,
    /// The user's address; empty, if there is none.
    UserEmail,
    /// Since when the user is there (RFC 3339, whole seconds).
    UserJoined,
    /// Since when the address is confirmed; null if it is not.
    UserConfirmed,
    /// All that was set of the attributes.
    UserAttributes,
    /// One of them, or its default.
    UserAttribute(String),
    /// The path of the request, without the query.
    Path,
    /// The time of the answer (RFC 3339, whole seconds).
    Timestamp,
    /// The request's id.
    RequestId,
    /// What is wrong, for people.
    Message,
    /// The field that is wrong.
    Field,
    /// The least number of characters of a password.
    Min,
    /// The largest number of bytes of a password.
    Max,
}

/// The names, for whoever writes a wrong one.
pub(super) const NAMES: &str = "$access_token, $refresh_token, $expires_in, $expires_at, $session, $jti, $user, $user.id, \
    $user.number, $user.email, $user.joined, $user.confirmed, $user.attributes, $user.ATTRIBUTE, $path, $status, \
    $timestamp, $request_id, $message, $field, $min and $max";

impl Variable {
    /// What `name` means, if the API's users have these attributes.
    pub(super) fn named(name: &str, attributes: &Attributes) -> Option<Self> {
        Some(match name {
            "access_token" => Self::AccessToken,
            "refresh_token" => Self::RefreshToken,
            "expires_in" => Self::ExpiresIn,
            "expires_at" => Self::ExpiresAt,
            "session" => Self::Session,
            "jti" => Self::TokenId,
            "user.id" => Self::UserId,
            "user.number" => Self::UserNumber,
            "user.email" => Self::UserEmail,
            "user.joined" => Self::UserJoined,
            "user.confirmed" => Self::UserConfirmed,
            "user.attributes" => Self::UserAttributes,
            "path" => Self::Path,
            "timestamp" => Self::Timestamp,
            "request_id" => Self::RequestId,
            "message" => Self::Message,
            "field" => Self::Field,
            "min" => Self::Min,
            "max" => Self::Max,
            name => {
                let attribute = name.strip_prefix("user.").filter(|name| attributes.get(name).is_some())?;
                Self::UserAttribute(attribute.to_owned())
            }
        })
    }

    /// [`named`](Self::named), for templates.
    pub(super) fn meaning(name: &str, attributes: &Attributes) -> Option<Meaning<Self>> {
        Self::named(name, attributes).map(Meaning::Then)
    }
}

/// Everything that is known when something is said. What is not known is null.
#[derive(Default)]
pub(super) struct Values<'v> {
    pub(super) access_token: Option<&'v str>,
    pub(super) refresh_token: Option<&'v str>,
    /// From when to when the access token is good.
    pub(super) life: Option<(Timestamp, Timestamp)>,
    pub(super) session: Option<Uuid>,
    pub(super) token_id: Option<Uuid>,
    pub(super) user: Option<&'v User>,
    pub(super) path: &'v str,
    pub(super) request_id: &'v str,
    pub(super) now: Timestamp,
    pub(super) message: Option<Cow<'v, str>>,
    pub(super) field: Option<&'v str>,
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
}

impl Values<'_> {
    /// The value of `variable`.
    pub(super) fn get(&self, variable: &Variable, attributes: &Attributes) -> Cow<'static, Value> {
        let user = self.user;
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let uuid = |uuid: Option<Uuid>| uuid.map_or(Value::Null, |uuid| uuid.to_string().into());
        Cow::Owned(match variable {
            Variable::AccessToken => text(self.access_token),
            Variable::RefreshToken => text(self.refresh_token),
            Variable::ExpiresIn => self.life.map_or(Value::Null, |(from, to)| to.since(from).as_secs().into()),
            Variable::ExpiresAt => self.life.map_or(Value::Null, |(_, to)| to.as_secs().into()),
            Variable::Session => uuid(self.session),
            Variable::TokenId => uuid(self.token_id),
            Variable::UserId => uuid(user.map(|user| user.id)),
            Variable::UserNumber => user.map_or(Value::Null, |user| user.number.into()),
            Variable::UserEmail => {
                text(user.map(|user| if user.email.is_unknown() { "" } else { user.email.as_str() }))
            }
            Variable::UserJoined => user.map_or(Value::Null, |user| user.joined.to_string().into()),
            Variable::UserConfirmed => {
                user.and_then(|user| user.confirmed).map_or(Value::Null, |at| at.to_string().into())
            }
            Variable::UserAttributes => user.map_or_else(Map::new, |user| user.attributes.clone()).into(),
            Variable::UserAttribute(name) => {
                let set = user.and_then(|user| user.attributes.get(name));
                set.or_else(|| attributes.get(name).map(|attribute| &attribute.default)).cloned().unwrap_or_default()
            }
            Variable::Path => self.path.into(),
            Variable::Timestamp => self.now.to_string().into(),
            Variable::RequestId => self.request_id.into(),
            Variable::Message => text(self.message.as_deref()),
            Variable::Field => text(self.field),
            Variable::Min => self.min.map_or(Value::Null, Value::from),
            Variable::Max => self.max.map_or(Value::Null, Value::from),
        })
    }
}
