//! A refusal in an API's own words.
//!
//! A contract is a document, so it is data: a [`Dialect`] says for each reason which status, body and headers an API
//! answers with. Three documented APIs ship as [presets](preset); what neither preset nor configuration says is said
//! in the words of the RFCs (`presets/standard.toml`: RFC 6750 challenges, RFC 9457 problem details).
//!
//! [`Contract::render`] is the one place that writes a refusal. A body without values is rendered once, at the start.

pub mod answer;
mod challenge;
mod dialect;
pub mod mistake;
pub mod preset;
pub mod template;

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};

use serde_json::Value;

use self::{answer::Answer, dialect::Variable};
pub use self::{
    dialect::Dialect,
    mistake::{Mistake, Problem},
    preset::Preset,
};
use crate::{
    authn::SchemeMatch,
    clock::Clock,
    rejection::{Reason, Rejection, TooLarge},
};

/// What the answers of one API look like.
#[derive(Debug, Clone)]
pub struct Contract {
    dialect: Dialect,
}

/// What a body may say of the request that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// The request's id, as it stands in the log.
    pub request_id: &'a str,
    /// What shows the time of the answer: asked only by a body that tells it.
    pub clock: &'a Clock,
}

impl Contract {
    /// A contract in this dialect.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    /// How the scheme `Bearer` is compared.
    #[must_use]
    pub const fn scheme(&self) -> SchemeMatch {
        self.dialect.scheme()
    }

    /// What whoever presents no credentials is asked for (RFC 9110 §11.6.1).
    #[must_use]
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.dialect.answer(Reason::NotAuthenticated).headers().get(WWW_AUTHENTICATE)
    }

    /// The answer that the client gets.
    #[must_use]
    pub fn render(&self, rejection: &Rejection, facts: &Facts<'_>) -> Response<Bytes> {
        let answer = self.answer(rejection);
        let permission = match rejection {
            Rejection::PermissionMissing { permission } => Some(&**permission),
            _ => None,
        };
        let value = |variable: &Variable| {
            Cow::Owned(match variable {
                Variable::Path => facts.path.into(),
                Variable::Timestamp => facts.clock.now().to_string().into(),
                Variable::RequestId => facts.request_id.into(),
                Variable::Permission => Value::from(permission.unwrap_or_default()),
            })
        };
        let mut response = answer.render(value);
        if let Some(delay) = rejection.retry_after() {
            // Whole seconds, rounded up: the client must not come too early.
            let seconds = u64::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The status that a reason is answered with.
    #[must_use]
    pub fn status(&self, reason: Reason) -> StatusCode {
        self.dialect.answer(reason).status()
    }

    /// Two reasons are answered in two ways where an API does so: the key of the more particular one is looked at
    /// first.
    fn answer(&self, rejection: &Rejection) -> &Answer<Variable> {
        let particular = match rejection {
            Rejection::InvalidToken(cause) if cause.is_wrong_kind() => self.dialect.wrong_token_type(),
            Rejection::TooLarge(TooLarge::Head) => self.dialect.headers_too_large(),
            _ => None,
        };
        particular.unwrap_or_else(|| self.dialect.answer(rejection.reason()))
    }
}

#[cfg(test)]
mod tests;
