-- One row; each new user takes the next number, and whoever creates one at the same time waits.
CREATE TABLE account_number (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    newest BIGINT NOT NULL
);
INSERT INTO account_number VALUES (1, 0);

-- Times are milliseconds since 1970.
CREATE TABLE accounts (
    id TEXT COLLATE "C" PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE CHECK (number > 0),
    email TEXT COLLATE "C" NOT NULL,
    -- The address as it is compared.
    compared TEXT COLLATE "C" NOT NULL UNIQUE,
    joined_ms BIGINT NOT NULL,
    confirmed_ms BIGINT,
    disabled_ms BIGINT,
    -- A JSON object.
    attributes TEXT COLLATE "C" NOT NULL,
    password TEXT COLLATE "C",
    credential_version BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    started_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    idle_ms BIGINT NOT NULL,
    ended_ms BIGINT
);
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_idle ON sessions (idle_ms);

-- By the SHA-256 of each; of a token that was replaced, the one in its place, and that one sealed with it.
CREATE TABLE refresh_tokens (
    hash BYTEA PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    made_ms BIGINT NOT NULL,
    child BYTEA,
    sealed BYTEA,
    CHECK ((child IS NULL) = (sealed IS NULL))
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session);

-- One of each purpose, good for one version of the credentials.
CREATE TABLE one_time_tokens (
    account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    purpose TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    credential_version BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (account, purpose)
);

CREATE TABLE outbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template TEXT COLLATE "C" NOT NULL,
    recipient TEXT COLLATE "C" NOT NULL,
    -- A JSON object.
    contents TEXT COLLATE "C" NOT NULL,
    enqueued_ms BIGINT NOT NULL,
    -- When it is to be sent, or may be taken again.
    due_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_ms);

-- What happened stays when the account goes.
CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    account TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    detail TEXT COLLATE "C"
);
CREATE INDEX audit_account ON audit (account, number);
CREATE INDEX audit_at ON audit (at_ms);
