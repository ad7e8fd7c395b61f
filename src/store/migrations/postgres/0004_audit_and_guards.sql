-- Instants are microseconds since 1970-01-01T00:00:00Z.

-- What is under way: its native writes may have been sent.
CREATE TABLE audit_begun (
    instance    TEXT COLLATE "C"    NOT NULL,
    sequence    BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    tenant      TEXT COLLATE "C"    NOT NULL,
    token       TEXT COLLATE "C"    NOT NULL,
    request_id  TEXT COLLATE "C"    NOT NULL,
    operation   TEXT COLLATE "C"    NOT NULL,
    resource    TEXT COLLATE "C"    NOT NULL,
    resource_id TEXT COLLATE "C"    NOT NULL,
    -- A JSON object.
    details     TEXT    NOT NULL,
    PRIMARY KEY (instance, sequence)
);

-- What is over, in the order in which it ended.
CREATE TABLE audit_events (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          BIGINT NOT NULL,
    tenant      TEXT COLLATE "C"    NOT NULL,
    token       TEXT COLLATE "C"    NOT NULL,
    request_id  TEXT COLLATE "C"    NOT NULL,
    operation   TEXT COLLATE "C"    NOT NULL,
    resource    TEXT COLLATE "C"    NOT NULL,
    resource_id TEXT COLLATE "C"    NOT NULL,
    -- NULL when it was interrupted.
    status      BIGINT,
    -- A JSON object.
    details     TEXT    NOT NULL
);

CREATE INDEX audit_events_at ON audit_events (at);

-- Runs of the bridge that may have something under way.
CREATE TABLE audit_instances (
    id      TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    beats   BIGINT NOT NULL,
    process TEXT COLLATE "C"    NOT NULL
);

CREATE TABLE guards (
    tenant  TEXT COLLATE "C" NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    -- When it tripped; NULL while it has not.
    tripped BIGINT,
    PRIMARY KEY (tenant, kind)
);

CREATE TABLE guard_uses (
    tenant   TEXT COLLATE "C"    NOT NULL,
    kind     TEXT COLLATE "C"    NOT NULL,
    resource TEXT COLLATE "C"    NOT NULL,
    -- SCIM id.
    id       TEXT COLLATE "C"    NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, resource, id)
);
