-- Who owns what: a subject of one issuer, a resource of one ownership, both by their names in the configuration. Compared
-- and ordered byte by byte, whatever the database's language is.
CREATE TABLE ownership (
    ownership TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ownership, resource, issuer, subject)
);
