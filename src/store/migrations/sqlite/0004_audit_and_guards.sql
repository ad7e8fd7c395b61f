-- Instants are microseconds since 1970-01-01T00:00:00Z.

-- What is under way: its native writes may have been sent.
CREATE TABLE audit_begun (
    instance    TEXT    NOT NULL,
    sequence    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    tenant      TEXT    NOT NULL,
    token       TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    operation   TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    resource_id TEXT    NOT NULL,
    -- A JSON object.
    details     TEXT    NOT NULL,
    PRIMARY KEY (instance, sequence)
) STRICT, WITHOUT ROWID;

-- What is over, in the order in which it ended.
CREATE TABLE audit_events (
    number      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    tenant      TEXT    NOT NULL,
    token       TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    operation   TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    resource_id TEXT    NOT NULL,
    -- NULL when it was interrupted.
    status      INTEGER,
    -- A JSON object.
    details     TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_events_at ON audit_events (at);

-- Runs of the bridge that may have something under way.
CREATE TABLE audit_instances (
    id      TEXT    NOT NULL PRIMARY KEY,
    beats   INTEGER NOT NULL,
    process TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE guards (
    tenant  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    -- When it tripped; NULL while it has not.
    tripped INTEGER,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE guard_uses (
    tenant   TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    resource TEXT    NOT NULL,
    -- SCIM id.
    id       TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, resource, id)
) STRICT, WITHOUT ROWID;
