//! What came of a command, in the API's words.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{Accounts, Call, Done};
use crate::{
    accounts::{
        command::FailureKind,
        failure::Failure,
        password::UnacceptablePassword,
        plan::Endpoint,
        values::{Values, Variable},
    },
    contract::answer::Answer,
    rejection::{BadRequest, Rejection},
};

/// When what failed is worth another try, unless it is known better.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Accounts {
    pub(super) fn answer(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        done: Result<Done, Failure>,
    ) -> Result<Response<Bytes>, Rejection> {
        let mut response = match done {
            Ok(done) => self.done(endpoint, call, &done),
            Err(failure) => self.failed(endpoint, call, failure)?,
        };
        let challenge = self.settings.challenge.as_ref().filter(|_| response.status() == StatusCode::UNAUTHORIZED);
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.entry(WWW_AUTHENTICATE).or_insert_with(|| challenge.clone());
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        Ok(response)
    }

    fn done(&self, endpoint: &Endpoint, call: &Call<'_>, done: &Done) -> Response<Bytes> {
        let values = self.values(call);
        match done {
            Done::Session(granted) => {
                let values = Values {
                    access_token: Some(&granted.access_token),
                    refresh_token: Some(granted.refresh_token.expose()),
                    life: Some(granted.life),
                    session: granted.session,
                    user: Some(&granted.user),
                    ..values
                };
                self.say(&endpoint.answer, &values)
            }
            Done::Pending(user) => {
                let values = Values { user: Some(user), ..values };
                self.say(endpoint.pending.as_ref().unwrap_or(&endpoint.answer), &values)
            }
            Done::User(user) => self.say(&endpoint.answer, &Values { user: Some(user), ..values }),
            Done::Nothing => self.say(&endpoint.answer, &values),
        }
    }

    fn failed(&self, endpoint: &Endpoint, call: &Call<'_>, failure: Failure) -> Result<Response<Bytes>, Rejection> {
        let Failure { kind, cause, invalid, rejection, retry_after, password } = failure;
        let mut response = if let Some(words) = self.plan.words(endpoint, kind) {
            let (min, max) = match password {
                Some(UnacceptablePassword::TooShort { min }) => (Some(min), None),
                Some(UnacceptablePassword::TooLong { max }) => (None, Some(max)),
                _ => (None, None),
            };
            let told = match (&invalid, kind) {
                (Some(_), FailureKind::InvalidValue) | (None, FailureKind::PasswordRefused) => {
                    Some(Cow::Borrowed(&*cause))
                }
                (Some(invalid), _) => Some(Cow::Owned(invalid.message())),
                (None, _) => None,
            };
            let field = invalid.as_ref().and_then(|invalid| invalid.first().member());
            self.say(words, &Values { message: told, field, min, max, ..self.values(call) })
        } else if let Some(invalid) = invalid {
            let (status, body) = invalid.render(self.plan.shape);
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        } else {
            return Err(rejection.unwrap_or_else(|| refusal(kind, cause, retry_after)));
        };
        if let Some(after) = retry_after {
            // Whole seconds, rounded up: the client must not come too early.
            let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Ok(response)
    }

    fn say(&self, answer: &Answer<Variable>, values: &Values<'_>) -> Response<Bytes> {
        answer.render(|variable| values.get(variable, &self.plan.attributes))
    }

    fn values<'c>(&self, call: &Call<'c>) -> Values<'c> {
        Values { path: call.path, request_id: call.request_id, now: self.clock.now(), ..Values::default() }
    }
}

/// What is said in the words for refusals where a preset has none for this failure.
fn refusal(kind: FailureKind, cause: Cow<'static, str>, retry_after: Option<Duration>) -> Rejection {
    let retry_after = retry_after.unwrap_or(TRY_AGAIN);
    match kind {
        FailureKind::Throttled => Rejection::RateLimited { limit: None, retry_after },
        FailureKind::Busy
        | FailureKind::Unavailable
        | FailureKind::MailFailed
        | FailureKind::NotConfigured
        | FailureKind::Unreachable => Rejection::Overloaded { retry_after },
        FailureKind::InvalidCredentials | FailureKind::InvalidRefreshToken => Rejection::NotAuthenticated,
        _ => Rejection::BadRequest(BadRequest::Body(cause.into_owned())),
    }
}
