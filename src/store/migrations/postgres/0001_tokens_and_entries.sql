-- Instants are microseconds since 1970-01-01T00:00:00Z. Text is compared byte by byte, as the
-- bridge compares it.

CREATE TABLE tokens (
    id      TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    tenant  TEXT   COLLATE "C" NOT NULL,
    label   TEXT   COLLATE "C" NOT NULL,
    -- SHA-256; the token itself is never kept.
    hash    BYTEA  NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT
);

CREATE INDEX tokens_by_label ON tokens (tenant, label);

CREATE TABLE entries (
    tenant      TEXT COLLATE "C" NOT NULL,
    mapping     TEXT COLLATE "C" NOT NULL,
    resource    TEXT COLLATE "C" NOT NULL,
    -- SCIM id.
    id          TEXT COLLATE "C" NOT NULL,
    native_key  TEXT COLLATE "C" NOT NULL,
    -- A JSON object, as text: the order of its members is kept.
    attributes  TEXT NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('live', 'off', 'deleted')),
    -- The last native record of a resource that is off, as JSON.
    last_record TEXT,
    PRIMARY KEY (tenant, mapping, resource, id),
    UNIQUE (tenant, mapping, resource, native_key),
    CHECK ((state = 'off') = (last_record IS NOT NULL))
);

CREATE INDEX entries_retired ON entries (tenant, mapping, resource, id) WHERE state <> 'live';
