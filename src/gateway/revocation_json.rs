//! Revocations as the admin listener takes and shows them.
//!
//! ```json
//! {"issuer": "api", "jti": "4f0c…", "for": "30d"}
//! {"issuer": "api", "session": "s-17"}
//! {"issuer": "api", "subject": "alice", "before": "2025-12-12T10:45:22Z"}
//! ```
//!
//! `for` is how long the longest-lived of these tokens may still be good: 30 days where it is not said. `before` is now
//! where it is not said.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    authn::{
        Revocations,
        revocation::{Revocation, Target},
    },
    clock::Timestamp,
    config::duration_in,
};

const MEMBERS: [&str; 6] = ["issuer", "jti", "session", "subject", "before", "for"];
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Reads one that is made `now`.
///
/// # Errors
/// What is wrong with it, for whoever wrote it.
pub fn read(body: &[u8], now: Timestamp) -> Result<Revocation, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let members = body.as_object().ok_or("the body is not a JSON object")?;
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(format!("{unknown:?} is unknown; there are {}", MEMBERS.join(", ")));
    }
    let issuer = text(members, "issuer")?.ok_or("`issuer` is missing: its name in the configuration")?;
    let before = text(members, "before")?
        .map(|before| Timestamp::parse(&before).ok_or("`before` is no time like \"2025-12-12T10:45:22Z\""))
        .transpose()?;
    let target = match (text(members, "jti")?, text(members, "session")?, text(members, "subject")?) {
        (Some(id), None, None) => Target::Id(id),
        (None, Some(session), None) => Target::Session(session),
        (None, None, Some(subject)) => {
            let target = Target::Subject { subject, before: before.unwrap_or(now) };
            return Ok(Revocation { issuer, target, until: until(members, now)? });
        }
        _ => return Err("exactly one of `jti`, `session` and `subject` is needed".to_owned()),
    };
    if before.is_some() {
        return Err("`before` is only for a subject".to_owned());
    }
    Ok(Revocation { issuer, target, until: until(members, now)? })
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.get(name) {
        None => Ok(None),
        // PostgreSQL keeps no NUL, and no identifier has one.
        Some(Value::String(text)) if !text.is_empty() && !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is not a text, or empty")),
    }
}

fn until(members: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, String> {
    let Some(life) = text(members, "for")? else { return Ok(now.saturating_add(Revocations::DEFAULT_LIFE)) };
    let life = duration_in(&life).filter(|life| (Duration::from_secs(1)..=LONGEST).contains(life));
    life.map(|life| now.saturating_add(life)).ok_or_else(|| "`for` is no time from \"1s\" to \"3650d\"".to_owned())
}

/// Reads what [`show`] has made, in this version or another: it revokes what was revoked, and up to a second's tokens
/// more, since whole seconds are shown. `None`: that is none.
#[must_use]
pub fn read_shown(shown: &Value) -> Option<Revocation> {
    let text = |name: &str| shown.get(name)?.as_str().map(str::to_owned);
    let time = |name: &str| {
        let shown = text(name)?;
        let time = Timestamp::parse(shown.strip_prefix('@').unwrap_or(&shown))?;
        Some(time.saturating_add(Duration::from_millis(999)))
    };
    let target = match (text("jti"), text("session"), text("subject")) {
        (Some(id), ..) => Target::Id(id),
        (_, Some(session), _) => Target::Session(session),
        (.., Some(subject)) => Target::Subject { subject, before: time("before")? },
        (None, None, None) => return None,
    };
    Some(Revocation { issuer: text("issuer")?, target, until: time("until")? })
}

/// As it is shown.
#[must_use]
pub fn show(Revocation { issuer, target, until }: &Revocation) -> Value {
    let (until, mut shown) = (until.to_string(), json!({ "issuer": issuer }));
    match target {
        Target::Id(id) => shown["jti"] = json!(id),
        Target::Session(session) => shown["session"] = json!(session),
        Target::Subject { subject, before } => {
            shown["subject"] = json!(subject);
            shown["before"] = json!(before.to_string());
        }
    }
    shown["until"] = json!(until);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_765_536_322);

    #[test]
    fn what_is_read_is_what_was_written() {
        let cases = [
            (r#"{"issuer":"api","jti":"a","for":"1h"}"#, Target::Id("a".to_owned()), 3600),
            (r#"{"issuer":"api","session":"s","for":"1s"}"#, Target::Session("s".to_owned()), 1),
            (
                r#"{"issuer":"api","subject":"u","before":"2025-12-12T10:45:21.5Z"}"#,
                Target::Subject { subject: "u".to_owned(), before: Timestamp::from_millis(1_765_536_321_500) },
                30 * 86_400,
            ),
            (
                r#"{"issuer":"api","subject":"u"}"#,
                Target::Subject { subject: "u".to_owned(), before: NOW },
                30 * 86_400,
            ),
        ];
        for (body, target, life) in cases {
            let until = NOW.saturating_add(Duration::from_secs(life));
            let revocation = Revocation { issuer: "api".to_owned(), target, until };
            assert_eq!(read(body.as_bytes(), NOW).as_ref(), Ok(&revocation));
            let told = read_shown(&show(&revocation)).unwrap();
            assert!(told.until >= revocation.until);
            match (&told.target, &revocation.target) {
                (Target::Subject { before: told, .. }, Target::Subject { before, .. }) => assert!(told >= before),
                (told, known) => assert_eq!(told, known),
            }
        }
    }

    #[test]
    fn what_could_revoke_something_else_than_was_meant_is_refused() {
        for body in [
            "",
            "[]",
            r#"{"jti":"a"}"#,
            r#"{"issuer":"api"}"#,
            r#"{"issuer":"api","jti":""}"#,
            r#"{"issuer":"api","jti":7}"#,
            r#"{"issuer":"api","jti":"a\u0000"}"#,
            r#"{"issuer":"api","jti":"a","session":"b"}"#,
            r#"{"issuer":"api","jti":"a","before":"2025-12-12T10:45:22Z"}"#,
            r#"{"issuer":"api","subject":"a","before":"yesterday"}"#,
            r#"{"issuer":"api","subject":"a","until":"1h"}"#,
            r#"{"issuer":"api","jti":"a","for":"0s"}"#,
            r#"{"issuer":"api","jti":"a","for":"4000d"}"#,
        ] {
            assert!(read(body.as_bytes(), NOW).is_err(), "{body}");
        }
    }
}
