-- Who owns what: a subject of one issuer, a resource of one ownership, both by their names in the configuration.
CREATE TABLE ownership (
    ownership TEXT NOT NULL,
    resource TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (ownership, resource, issuer, subject)
) STRICT, WITHOUT ROWID;
