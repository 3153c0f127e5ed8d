-- One row; each change of the grants adds one.
CREATE TABLE grant_version (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO grant_version VALUES (1, 0);

-- Roles of a subject of one issuer, which has its name from the configuration.
CREATE TABLE grants (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (issuer, subject, role)
) STRICT, WITHOUT ROWID;
