//! The rows of both databases: the statements are the same, and so is what they mean.

use super::Figures;
use crate::{
    authn::{
        revocation::{Revocation, StoreError, Target},
        role_grants::RoleGrant,
    },
    authz::ownership::OwnershipRecord,
    clock::Timestamp,
};

pub(super) const NEXT_VERSION: &str = "UPDATE revocation_version SET version = version + 1 RETURNING version";
pub(super) const ADD: &str =
    "INSERT INTO revocations (version, issuer, kind, value, before_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const FORGET_OVER: &str = "DELETE FROM revocations WHERE until_ms <= $1";
pub(super) const VERSION: &str = "SELECT version FROM revocation_version";
pub(super) const SINCE: &str = "SELECT issuer, kind, value, before_ms, until_ms FROM revocations \
     WHERE version > $1 AND version <= $2 AND until_ms > $3 ORDER BY version";
pub(super) const OWNS: &str =
    "SELECT COUNT(*) FROM ownership WHERE ownership = $1 AND resource = $2 AND issuer = $3 AND subject = $4";
pub(super) const LEARN: &str = "INSERT INTO ownership (ownership, resource, issuer, subject) ";
pub(super) const UNLESS_KNOWN: &str = " ON CONFLICT DO NOTHING";
pub(super) const DISOWN: &str = "DELETE FROM ownership WHERE ownership = $1 AND resource = $2";
/// What stands behind `$1` to `$4`, a page of it; `$5` to `$7` are what it has to be, or NULL.
pub(super) const OWNED: &str = "SELECT ownership, resource, issuer, subject FROM ownership \
     WHERE (ownership, resource, issuer, subject) > ($1, $2, $3, $4) AND ($5 IS NULL OR ownership = $5) \
     AND ($6 IS NULL OR resource = $6) AND ($7 IS NULL OR subject = $7) \
     ORDER BY ownership, resource, issuer, subject LIMIT $8";

/// Records in one statement: four values each, of which both databases take 32,767.
pub(super) const AT_ONCE: usize = 1000;

pub(super) const GRANT: &str = "INSERT INTO grants (issuer, subject, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub(super) const WITHDRAW: &str = "DELETE FROM grants WHERE issuer = $1 AND subject = $2 AND role = $3";
pub(super) const CHANGE_GRANTS: &str = "UPDATE grant_version SET version = version + 1";
pub(super) const GRANT_VERSION: &str = "SELECT version FROM grant_version";
pub(super) const GRANTS: &str = "SELECT issuer, subject, role FROM grants ORDER BY issuer, subject, role";

pub(super) const MIGRATIONS: &str = "SELECT version FROM _sqlx_migrations ORDER BY version";
/// At `$1`.
pub(super) const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM accounts), (SELECT COUNT(*) FROM sessions \
     WHERE ended_ms IS NULL AND ends_ms > $1 AND idle_ms > $1), (SELECT COUNT(*) FROM revocations WHERE until_ms > $1), \
     (SELECT COUNT(*) FROM outbox)";

/// What [`COUNTS`] selects, beside the size.
pub(super) fn figures(bytes: i64, (users, sessions, revocations, mails): (i64, i64, i64, i64)) -> Figures {
    let [bytes, users, sessions, revocations, mails] =
        [bytes, users, sessions, revocations, mails].map(|count| u64::try_from(count).unwrap_or_default());
    Figures { bytes, users, sessions, revocations, mails }
}

pub(super) fn grant((issuer, subject, role): (String, String, String)) -> RoleGrant {
    RoleGrant { issuer, subject, role }
}

/// What [`OWNED`] selects.
pub(super) type OwnedRow = (String, String, String, String);

pub(super) fn record((ownership, resource, issuer, subject): OwnedRow) -> OwnershipRecord {
    OwnershipRecord { ownership, resource, issuer, subject }
}

/// What [`SINCE`] selects.
type Row = (String, String, String, Option<i64>, i64);

/// The kind, the value and the time of a target.
pub(super) fn target(target: &Target) -> (&'static str, &str, Option<i64>) {
    match target {
        Target::Id(id) => ("id", id, None),
        Target::Session(session) => ("session", session, None),
        Target::Subject { subject, before } => ("subject", subject, Some(millis(*before))),
    }
}

pub(super) fn revocation((issuer, kind, value, before, until): Row) -> Result<Revocation, StoreError> {
    let target = match (kind.as_str(), before) {
        ("id", None) => Target::Id(value),
        ("session", None) => Target::Session(value),
        ("subject", Some(before)) => Target::Subject { subject: value, before: timestamp(before) },
        // Passed over, it would let in what somebody has revoked.
        _ => return Err(format!("a revocation of the unknown kind {kind:?}").into()),
    };
    Ok(Revocation { issuer, target, until: timestamp(until) })
}

pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

pub(super) fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::new(error)
    }
}
