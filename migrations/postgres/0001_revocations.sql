-- One row, so that whoever adds a revocation waits for whoever does at the same time: versions become visible in order.
CREATE TABLE revocation_version (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO revocation_version VALUES (1, 0);

CREATE TABLE revocations (
    version BIGINT PRIMARY KEY,
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('id', 'session', 'subject')),
    value TEXT NOT NULL,
    -- Milliseconds since 1970. Only of a subject: tokens issued before this.
    before_ms BIGINT CHECK ((before_ms IS NOT NULL) = (kind = 'subject')),
    until_ms BIGINT NOT NULL
);
CREATE INDEX revocations_until ON revocations (until_ms);
