//! What a Supabase Auth server's answer says.
//!
//! A refusal, in this order:
//!
//! 1. 429: later. `Retry-After` says when, in seconds or as a date (RFC 9110 §10.2.3).
//! 2. A redirect, 401 and 500 and above say nothing about the call. Neither does a body that is no JSON object.
//! 3. The code, if the call can end so: `error_code`; `code` of the newer form, where it is a word; `error` of the older
//!    one (RFC 6749 §5.2).
//! 4. The text, the same way, whatever the code: `msg`, `message`, `error_description`. Older servers have nothing else,
//!    and newer ones have codes that stand for many things (`validation_failed`).
//! 5. `invalid_grant` and no known text: the credentials, or the token, are wrong, as RFC 6749 §5.2 has it.
//! 6. Anything else is not known, and so is no outcome.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::{BackendError, Cause, RemoteSession, RemoteUser, SignedUp, asker::Reply};
use crate::clock::Timestamp;

/// Without `Retry-After`: the server's own pause between two mails to one address, by default.
const USUAL_WAIT: Duration = Duration::from_secs(60);
/// A refresh that met others of the same session.
const SHORT_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Of a text for the client, in characters.
const LONGEST_MESSAGE: usize = 300;
const LONGEST_CODE: usize = 64;

/// What was asked for: the same word does not mean the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    SignUp,
    SignIn,
    Refresh,
    SignOut,
}

/// What a login or a refresh gave.
pub(super) fn session(call: Call, reply: &Reply, now: Timestamp) -> Result<RemoteSession, BackendError> {
    let body = accepted(call, reply, now)?;
    read_session(&body, now).map_err(unreadable)
}

/// What a signup gave.
pub(super) fn signed_up(reply: &Reply, now: Timestamp) -> Result<SignedUp, BackendError> {
    let body = accepted(Call::SignUp, reply, now)?;
    let read = if body.get("access_token").is_some_and(|token| !token.is_null()) {
        read_session(&body, now).map(SignedUp::Session)
    } else {
        // The user at the root, or beside a session that is none.
        let user = body.get("user").map_or(Some(&body), Value::as_object);
        user.ok_or("`user` is no object").and_then(read_user).map(SignedUp::Pending)
    };
    read.map_err(unreadable)
}

/// What a logout gave. A session that is not there has ended, too.
pub(super) fn signed_out(reply: &Reply, now: Timestamp) -> Result<(), BackendError> {
    let body = || object(&reply.body).unwrap_or_default();
    let is_gone = |body: Map<String, Value>| matches!(code_of(&body), Some("session_not_found" | "user_not_found"));
    if reply.status.is_success() || reply.status.is_client_error() && is_gone(body()) {
        return Ok(());
    }
    Err(refusal(Call::SignOut, reply, now))
}

/// The body of an answer that is a good one.
fn accepted(call: Call, reply: &Reply, now: Timestamp) -> Result<Map<String, Value>, BackendError> {
    if reply.status != StatusCode::OK {
        return Err(refusal(call, reply, now));
    }
    object(&reply.body).ok_or_else(|| unreadable("it is no JSON object"))
}

fn read_session(body: &Map<String, Value>, now: Timestamp) -> Result<RemoteSession, &'static str> {
    let expires_in = whole(body, "expires_in").ok_or("`expires_in` is missing or no number of seconds")?;
    let expires_at = match body.get("expires_at") {
        None | Some(Value::Null) => now.saturating_add(Duration::from_secs(expires_in)).as_secs(),
        Some(_) => whole(body, "expires_at").ok_or("`expires_at` is no time in seconds")?,
    };
    let user = body.get("user").and_then(Value::as_object).ok_or("`user` is missing or no object")?;
    Ok(RemoteSession {
        access_token: text(body, "access_token").ok_or("`access_token` is missing or no text")?.to_owned(),
        refresh_token: text(body, "refresh_token").ok_or("`refresh_token` is missing or no text")?.to_owned(),
        expires_in,
        expires_at,
        user: read_user(user)?,
    })
}

fn read_user(user: &Map<String, Value>) -> Result<RemoteUser, &'static str> {
    let id = text(user, "id").and_then(|id| id.parse().ok()).ok_or("the user's `id` is missing or no UUID")?;
    let metadata = match user.get("user_metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(_) => return Err("the user's `user_metadata` is no object"),
    };
    // Empty for somebody who signed up to the same project by telephone.
    let email = user.get("email").and_then(Value::as_str).ok_or("the user's `email` is missing or no text")?.to_owned();
    Ok(RemoteUser { id, email, metadata })
}

fn refusal(call: Call, reply: &Reply, now: Timestamp) -> BackendError {
    let status = reply.status;
    let later = || BackendError::RateLimited { retry_after: retry_after(reply.retry_after.as_ref(), now) };
    let cause = match status {
        StatusCode::TOO_MANY_REQUESTS => return later(),
        StatusCode::UNAUTHORIZED => Cause::Key,
        _ if status.is_redirection() => Cause::Redirect(status.as_u16()),
        _ if status.is_client_error() => match object(&reply.body) {
            Some(body) => {
                let (code, message) = (code_of(&body), message_of(&body));
                match known(call, code, message) {
                    Some(Known::Outcome(error)) => return error,
                    Some(Known::Later) => return later(),
                    None => Cause::Refused { status: status.as_u16(), code: code.and_then(shown) },
                }
            }
            None => Cause::Status(status.as_u16()),
        },
        _ => Cause::Status(status.as_u16()),
    };
    BackendError::Unreachable(cause)
}

/// What a refusal means that is known.
enum Known {
    Outcome(BackendError),
    Later,
}

fn known(call: Call, code: Option<&str>, message: Option<&str>) -> Option<Known> {
    let (code, text) = (code.unwrap_or_default(), message.unwrap_or_default());
    if matches!(code, "over_request_rate_limit" | "over_email_send_rate_limit")
        || text.starts_with("For security purposes")
    {
        return Some(Known::Later);
    }
    let outcome = match call {
        Call::SignUp => sign_up_refused(code, text),
        Call::SignIn => sign_in_refused(code, text),
        Call::Refresh => refresh_refused(code, text),
        Call::SignOut => None,
    };
    outcome.map(Known::Outcome)
}

fn sign_up_refused(code: &str, text: &str) -> Option<BackendError> {
    let by_code = match code {
        "user_already_exists" | "email_exists" => BackendError::UserExists,
        "weak_password" => weak(text),
        "email_address_invalid" => BackendError::InvalidEmail,
        "signup_disabled" | "email_provider_disabled" => BackendError::SignupDisabled,
        _ => return sign_up_refused_in_words(text),
    };
    Some(by_code)
}

fn sign_up_refused_in_words(text: &str) -> Option<BackendError> {
    let lower = text.to_lowercase();
    let says = |part: &str| lower.contains(part);
    if says("already registered") || says("already been registered") {
        Some(BackendError::UserExists)
    } else if lower.starts_with("password ") || says("requires a valid password") {
        Some(weak(text))
    } else if says("validate email address") || lower.starts_with("email address") && lower.ends_with("is invalid") {
        Some(BackendError::InvalidEmail)
    } else if says("signups not allowed") || says("signups are disabled") {
        Some(BackendError::SignupDisabled)
    } else {
        None
    }
}

fn sign_in_refused(code: &str, text: &str) -> Option<BackendError> {
    let lower = text.to_lowercase();
    if code == "email_not_confirmed" || lower.contains("email not confirmed") {
        Some(BackendError::NotConfirmed)
    } else if code == "user_banned" || lower.contains("user is banned") {
        Some(BackendError::Banned)
    } else if matches!(code, "invalid_credentials" | "user_not_found" | "invalid_grant")
        || lower.contains("invalid login credentials")
    {
        Some(BackendError::InvalidCredentials)
    } else {
        None
    }
}

fn refresh_refused(code: &str, text: &str) -> Option<BackendError> {
    const CODES: [&str; 7] = [
        "refresh_token_not_found",
        "refresh_token_already_used",
        "session_not_found",
        "session_expired",
        "user_banned",
        "user_not_found",
        "invalid_grant",
    ];
    let lower = text.to_lowercase();
    // The last two are about tokens of no possible form.
    let texts = ["invalid refresh token", "refresh token is not valid", "refresh_token required"];
    if CODES.contains(&code) || texts.iter().any(|text| lower.starts_with(text)) {
        Some(BackendError::InvalidRefreshToken)
    } else if code == "conflict" || lower.starts_with("too many concurrent token refresh") {
        Some(BackendError::RateLimited { retry_after: SHORT_WAIT })
    } else {
        None
    }
}

fn weak(text: &str) -> BackendError {
    let text = if text.is_empty() { "Password is too weak" } else { text };
    let message = text.chars().filter(|character| !character.is_control()).take(LONGEST_MESSAGE).collect();
    BackendError::WeakPassword { message }
}

/// One second to one hour.
fn retry_after(value: Option<&HeaderValue>, now: Timestamp) -> Duration {
    let said = value.and_then(|value| value.to_str().ok()).map(str::trim);
    let wait = said.and_then(|text| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More seconds than fit are more than enough.
            return Some(text.parse().map_or(LONGEST_WAIT, Duration::from_secs));
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
        Some(u64::try_from(at).map_or(Duration::ZERO, |at| Timestamp::from_millis(at).since(now)))
    });
    wait.unwrap_or(USUAL_WAIT).clamp(SHORT_WAIT, LONGEST_WAIT)
}

fn code_of(body: &Map<String, Value>) -> Option<&str> {
    ["error_code", "code", "error"].iter().find_map(|name| text(body, name))
}

fn message_of(body: &Map<String, Value>) -> Option<&str> {
    ["msg", "message", "error_description"].iter().find_map(|name| text(body, name))
}

/// A code for the log: a word and nothing else, for a text may name an address.
fn shown(code: &str) -> Option<String> {
    let is_word = code.len() <= LONGEST_CODE && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then(|| code.to_owned())
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

/// A text that is there and not empty.
fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn whole(body: &Map<String, Value>, name: &str) -> Option<u64> {
    body.get(name)?.as_u64()
}

const fn unreadable(what: &'static str) -> BackendError {
    BackendError::Unreachable(Cause::Unreadable(what))
}

#[cfg(test)]
mod tests;
