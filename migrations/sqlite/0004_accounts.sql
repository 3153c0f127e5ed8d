-- One row; each new user takes the next number, and whoever creates one at the same time waits.
CREATE TABLE account_number (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO account_number VALUES (1, 0);

-- Times are milliseconds since 1970.
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE CHECK (number > 0),
    email TEXT NOT NULL,
    -- The address as it is compared.
    compared TEXT NOT NULL UNIQUE,
    joined_ms INTEGER NOT NULL,
    confirmed_ms INTEGER,
    disabled_ms INTEGER,
    -- A JSON object.
    attributes TEXT NOT NULL,
    password TEXT,
    credential_version INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    started_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    idle_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_idle ON sessions (idle_ms);

-- By the SHA-256 of each; of a token that was replaced, the one in its place, and that one sealed with it.
CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    made_ms INTEGER NOT NULL,
    child BLOB,
    sealed BLOB,
    CHECK ((child IS NULL) = (sealed IS NULL))
) STRICT;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session);

-- One of each purpose, good for one version of the credentials.
CREATE TABLE one_time_tokens (
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    credential_version INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (account, purpose)
) STRICT;

CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    template TEXT NOT NULL,
    recipient TEXT NOT NULL,
    -- A JSON object.
    contents TEXT NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    -- When it is to be sent, or may be taken again.
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_ms);

-- What happened stays when the account goes.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    account TEXT,
    kind TEXT NOT NULL,
    address TEXT,
    detail TEXT
) STRICT;
CREATE INDEX audit_account ON audit (account, number);
CREATE INDEX audit_at ON audit (at_ms);
