-- One row, so that whoever adds a revocation waits for whoever does at the same time: versions become visible in order.
CREATE TABLE revocation_version (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO revocation_version VALUES (1, 0);

CREATE TABLE revocations (
    version INTEGER PRIMARY KEY,
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('id', 'session', 'subject')),
    value TEXT NOT NULL,
    -- Milliseconds since 1970. Only of a subject: tokens issued before this.
    before_ms INTEGER CHECK ((before_ms IS NOT NULL) = (kind = 'subject')),
    until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_until ON revocations (until_ms);
