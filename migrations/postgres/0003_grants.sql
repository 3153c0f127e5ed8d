-- One row; each change of the grants adds one.
CREATE TABLE grant_version (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO grant_version VALUES (1, 0);

-- Roles of a subject of one issuer, which has its name from the configuration.
CREATE TABLE grants (
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer, subject, role)
);
