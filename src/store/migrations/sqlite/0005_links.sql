-- Which native keys have a value. A link may lead nowhere; none may be missing.

CREATE TABLE links (
    tenant     TEXT    NOT NULL,
    mapping    TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    -- A path in small letters.
    attribute  TEXT    NOT NULL,
    -- Folded, as filters compare it.
    value      TEXT    NOT NULL,
    -- Empty for a record that is being made.
    native_key TEXT    NOT NULL,
    -- Microseconds since 1970-01-01T00:00:00Z.
    seen       INTEGER NOT NULL,
    PRIMARY KEY (tenant, mapping, resource, attribute, value, native_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_key ON links (tenant, mapping, resource, native_key);

CREATE TABLE link_sweeps (
    tenant      TEXT NOT NULL,
    mapping     TEXT NOT NULL,
    resource    TEXT NOT NULL,
    shelf       TEXT NOT NULL CHECK (shelf IN ('kept', 'native')),
    -- The last sweep that came to its end.
    fingerprint TEXT,
    began       INTEGER,
    ended       INTEGER,
    records     INTEGER,
    -- Who is sweeping, and until when nobody else may.
    holder      TEXT,
    held        INTEGER,
    PRIMARY KEY (tenant, mapping, resource, shelf)
) STRICT;
