//! The rows of accounts: the statements are the same in both databases, and so is what they mean.

use serde_json::{Map, Value};
use sqlx::FromRow;

use crate::{
    accounts::{
        Uuid,
        email::Email,
        model::{AuditEntry, Event, NewMail, TakenMail, User},
        session::{Child, Session},
    },
    authn::revocation::StoreError,
    clock::Timestamp,
    store::rows::{millis, timestamp},
};

/// Takes the next number, or `$1` if that is not NULL; the newest is never lower than before.
pub(in crate::store) const NEXT_NUMBER: &str = "UPDATE account_number SET newest = \
     CASE WHEN $1 IS NULL THEN newest + 1 WHEN $1 > newest THEN $1 ELSE newest END RETURNING newest";
/// Whoever creates users at the same time waits.
pub(in crate::store) const LOCK_NUMBERS: &str = "UPDATE account_number SET newest = newest";
/// How many have the address, the number, the UUID.
pub(in crate::store) const TAKEN: &str = "SELECT (SELECT COUNT(*) FROM accounts WHERE compared = $1), \
     (SELECT COUNT(*) FROM accounts WHERE number = $2), (SELECT COUNT(*) FROM accounts WHERE id = $3)";
pub(in crate::store) const CREATE: &str = "INSERT INTO accounts \
     (id, number, email, compared, joined_ms, confirmed_ms, disabled_ms, attributes, password, credential_version) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT (compared) DO NOTHING";

/// The columns of a [`UserRow`].
macro_rules! user {
    () => {
        "id, number, email, joined_ms, confirmed_ms, disabled_ms, attributes, password, credential_version"
    };
}
pub(in crate::store) const USER_BY_EMAIL: &str = concat!("SELECT ", user!(), " FROM accounts WHERE compared = $1");
pub(in crate::store) const USER_BY_ID: &str = concat!("SELECT ", user!(), " FROM accounts WHERE id = $1");
pub(in crate::store) const USER_BY_NUMBER: &str = concat!("SELECT ", user!(), " FROM accounts WHERE number = $1");
pub(in crate::store) const USERS_AFTER: &str =
    concat!("SELECT ", user!(), " FROM accounts WHERE number > $1 ORDER BY number LIMIT $2");
pub(in crate::store) const LOCK_USER: &str =
    concat!("UPDATE accounts SET number = number WHERE id = $1 RETURNING ", user!());
pub(in crate::store) const UPDATE_USER: &str = "UPDATE accounts SET email = $2, compared = $3, confirmed_ms = $4, \
     disabled_ms = $5, attributes = $6 WHERE id = $1";
/// The user's row is locked by it; the version is compared with `$2`.
pub(in crate::store) const LOCK_CREDENTIALS: &str = "UPDATE accounts SET number = number \
     WHERE id = $1 AND credential_version = $2 AND disabled_ms IS NULL RETURNING id";
pub(in crate::store) const SET_PASSWORD: &str = "UPDATE accounts SET password = $3, \
     credential_version = credential_version + 1 WHERE id = $1 AND credential_version = $2 RETURNING credential_version";
pub(in crate::store) const REHASH: &str =
    "UPDATE accounts SET password = $3 WHERE id = $1 AND credential_version = $2 AND password IS NOT NULL";

/// The columns of a [`SessionRow`].
macro_rules! session {
    () => {
        "id, account, started_ms, ends_ms, idle_ms, ended_ms"
    };
}
pub(in crate::store) const START_SESSION: &str =
    concat!("INSERT INTO sessions (", session!(), ") VALUES ($1, $2, $3, $4, $5, $6)");
pub(in crate::store) const ADD_TOKEN: &str = "INSERT INTO refresh_tokens (hash, session, made_ms) VALUES ($1, $2, $3)";
pub(in crate::store) const LOCK_SESSION: &str = concat!(
    "UPDATE sessions SET idle_ms = idle_ms WHERE id = (SELECT session FROM refresh_tokens WHERE hash = $1) RETURNING ",
    session!()
);
pub(in crate::store) const SESSION_OF: &str = concat!(
    "SELECT ",
    session!(),
    " FROM sessions WHERE id = (SELECT session FROM refresh_tokens WHERE hash = $1 AND child IS NULL) \
     AND ended_ms IS NULL AND ends_ms > $2 AND idle_ms > $2"
);
pub(in crate::store) const SESSIONS: &str = concat!(
    "SELECT ",
    session!(),
    " FROM sessions WHERE account = $1 AND ended_ms IS NULL AND ends_ms > $2 AND idle_ms > $2 ORDER BY started_ms, id"
);
pub(in crate::store) const CHILD: &str = "SELECT child.hash, parent.sealed, child.made_ms, child.child \
     FROM refresh_tokens parent JOIN refresh_tokens child ON child.hash = parent.child WHERE parent.hash = $1";
pub(in crate::store) const REPLACE_TOKEN: &str =
    "UPDATE refresh_tokens SET child = $2, sealed = $3 WHERE hash = $1 AND child IS NULL";
pub(in crate::store) const KEEP_ALIVE: &str = "UPDATE sessions SET idle_ms = $2 WHERE id = $1";
pub(in crate::store) const END_SESSION: &str = "UPDATE sessions SET ended_ms = $2 \
     WHERE id = $1 AND ended_ms IS NULL AND ends_ms > $2 AND idle_ms > $2 RETURNING account";
/// But for `$3`, if that is not NULL.
pub(in crate::store) const END_SESSIONS: &str = "UPDATE sessions SET ended_ms = $2 WHERE account = $1 \
     AND ended_ms IS NULL AND ends_ms > $2 AND idle_ms > $2 AND ($3 IS NULL OR id <> $3) RETURNING id";
pub(in crate::store) const FORGET_SESSIONS: &str =
    "DELETE FROM sessions WHERE ended_ms <= $1 OR ends_ms <= $1 OR idle_ms <= $1";

pub(in crate::store) const LOCK_ENABLED: &str = "UPDATE accounts SET number = number \
     WHERE id = $1 AND disabled_ms IS NULL RETURNING credential_version";
pub(in crate::store) const ISSUE_ONE_TIME: &str = "INSERT INTO one_time_tokens \
     (account, purpose, hash, credential_version, until_ms) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, purpose) \
     DO UPDATE SET hash = excluded.hash, credential_version = excluded.credential_version, until_ms = excluded.until_ms";
/// Which one-time token is good: of this hash and purpose, not over, of this version of the credentials.
macro_rules! good {
    () => {
        " FROM one_time_tokens WHERE hash = $1 AND purpose = $2 AND until_ms > $3 AND EXISTS (SELECT 1 FROM accounts \
         WHERE accounts.id = one_time_tokens.account AND accounts.disabled_ms IS NULL \
         AND accounts.credential_version = one_time_tokens.credential_version)"
    };
}
pub(in crate::store) const ONE_TIME: &str = concat!("SELECT account, credential_version", good!());
pub(in crate::store) const CONSUME: &str = concat!("DELETE", good!(), " RETURNING account, credential_version");
pub(in crate::store) const FORGET_ONE_TIME: &str = "DELETE FROM one_time_tokens WHERE account = $1 AND purpose = $2";
pub(in crate::store) const FORGET_ALL_ONE_TIME: &str = "DELETE FROM one_time_tokens WHERE account = $1";
pub(in crate::store) const FORGET_OVER_ONE_TIME: &str = "DELETE FROM one_time_tokens WHERE until_ms <= $1";

pub(in crate::store) const ENQUEUE: &str = "INSERT INTO outbox \
     (template, recipient, contents, enqueued_ms, due_ms, attempts) VALUES ($1, $2, $3, $4, $4, 0)";
/// Who waited for another taker finds that it is not due any more.
pub(in crate::store) const TAKE_MAIL: &str = "UPDATE outbox SET due_ms = $2, attempts = attempts + 1 WHERE due_ms <= $1 \
     AND number IN (SELECT number FROM outbox WHERE due_ms <= $1 ORDER BY due_ms, number LIMIT $3) \
     RETURNING number, attempts, enqueued_ms, template, recipient, contents";
pub(in crate::store) const FORGET_MAIL: &str = "DELETE FROM outbox WHERE number = $1";
pub(in crate::store) const RETRY_MAIL: &str = "UPDATE outbox SET due_ms = $3 WHERE number = $1 AND attempts = $2";
pub(in crate::store) const WAITING_MAIL: &str = "SELECT COUNT(*), MIN(enqueued_ms) FROM outbox";

pub(in crate::store) const AUDIT: &str =
    "INSERT INTO audit (at_ms, account, kind, address, detail) VALUES ($1, $2, $3, $4, $5)";
pub(in crate::store) const EVENTS: &str =
    "SELECT at_ms, account, kind, address, detail FROM audit WHERE account = $1 ORDER BY number DESC LIMIT $2";
pub(in crate::store) const FORGET_EVENTS: &str = "DELETE FROM audit WHERE at_ms < $1";

#[derive(FromRow)]
pub(in crate::store) struct UserRow {
    id: String,
    number: i64,
    email: String,
    joined_ms: i64,
    confirmed_ms: Option<i64>,
    disabled_ms: Option<i64>,
    attributes: String,
    password: Option<String>,
    credential_version: i64,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: uuid(&row.id)?,
            number: unsigned(row.number),
            email: Email::parse(&row.email).map_err(StoreError::new)?,
            joined: timestamp(row.joined_ms),
            confirmed: row.confirmed_ms.map(timestamp),
            disabled: row.disabled_ms.map(timestamp),
            attributes: object(&row.attributes)?,
            password: row.password,
            credential_version: unsigned(row.credential_version),
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct SessionRow {
    id: String,
    account: String,
    started_ms: i64,
    ends_ms: i64,
    idle_ms: i64,
    ended_ms: Option<i64>,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: uuid(&row.id)?,
            user: uuid(&row.account)?,
            started: timestamp(row.started_ms),
            ends: timestamp(row.ends_ms),
            idle_until: timestamp(row.idle_ms),
            ended: row.ended_ms.map(timestamp),
        })
    }
}

/// What [`CHILD`] selects: its hash, its seal, when it was made, and its own child.
pub(in crate::store) type ChildRow = (Vec<u8>, Vec<u8>, i64, Option<Vec<u8>>);

pub(in crate::store) fn child((_, _, made, child): &ChildRow) -> Child {
    Child { made: timestamp(*made), used: child.is_some() }
}

/// What [`TAKE_MAIL`] returns.
pub(in crate::store) type MailRow = (i64, i64, i64, String, String, String);

pub(in crate::store) fn mail(
    (number, attempt, written, template, recipient, values): MailRow,
) -> Result<TakenMail, StoreError> {
    let mail = NewMail { template, recipient, values: object(&values)? };
    let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    Ok(TakenMail { number: unsigned(number), attempt, written: timestamp(written), mail })
}

/// What [`EVENTS`] selects.
pub(in crate::store) type EventRow = (i64, Option<String>, String, Option<String>, Option<String>);

pub(in crate::store) fn event((at, user, kind, address, detail): EventRow) -> Result<AuditEntry, StoreError> {
    let address = address.map(|address| address.parse()).transpose().map_err(StoreError::new)?;
    let user = user.as_deref().map(uuid).transpose()?;
    Ok(AuditEntry { at: timestamp(at), user, event: Event { kind, address, detail } })
}

pub(in crate::store) fn uuid(text: &str) -> Result<Uuid, StoreError> {
    text.parse().map_err(StoreError::new)
}

pub(in crate::store) fn hash(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| "a token's hash has another length than 32 bytes".into())
}

pub(in crate::store) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// More than the database can count is more than it has.
pub(in crate::store) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(in crate::store) fn time(time: Option<Timestamp>) -> Option<i64> {
    time.map(millis)
}

pub(in crate::store) fn text(object: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(object).map_err(StoreError::new)
}

fn object(text: &str) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(text).map_err(StoreError::new)
}
