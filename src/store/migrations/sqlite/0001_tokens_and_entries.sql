-- Instants are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE tokens (
    id      TEXT    NOT NULL PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    label   TEXT    NOT NULL,
    -- SHA-256; the token itself is never kept.
    hash    BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;

CREATE INDEX tokens_by_label ON tokens (tenant, label);

CREATE TABLE entries (
    tenant      TEXT NOT NULL,
    mapping     TEXT NOT NULL,
    resource    TEXT NOT NULL,
    -- SCIM id.
    id          TEXT NOT NULL,
    native_key  TEXT NOT NULL,
    -- A JSON object.
    attributes  TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('live', 'off', 'deleted')),
    -- The last native record of a resource that is off, as JSON.
    last_record TEXT,
    PRIMARY KEY (tenant, mapping, resource, id),
    UNIQUE (tenant, mapping, resource, native_key),
    CHECK ((state = 'off') = (last_record IS NOT NULL))
) STRICT;

CREATE INDEX entries_retired ON entries (tenant, mapping, resource, id) WHERE state <> 'live';
