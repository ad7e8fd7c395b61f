-- Which native keys have a value. A link may lead nowhere; none may be missing.

CREATE TABLE links (
    tenant     TEXT   COLLATE "C" NOT NULL,
    mapping    TEXT   COLLATE "C" NOT NULL,
    resource   TEXT   COLLATE "C" NOT NULL,
    -- A path in small letters.
    attribute  TEXT   COLLATE "C" NOT NULL,
    -- Folded, as filters compare it.
    value      TEXT   COLLATE "C" NOT NULL,
    -- Empty for a record that is being made.
    native_key TEXT   COLLATE "C" NOT NULL,
    -- Microseconds since 1970-01-01T00:00:00Z.
    seen       BIGINT NOT NULL,
    PRIMARY KEY (tenant, mapping, resource, attribute, value, native_key)
);

CREATE INDEX links_by_key ON links (tenant, mapping, resource, native_key);

CREATE TABLE link_sweeps (
    tenant      TEXT COLLATE "C" NOT NULL,
    mapping     TEXT COLLATE "C" NOT NULL,
    resource    TEXT COLLATE "C" NOT NULL,
    shelf       TEXT COLLATE "C" NOT NULL CHECK (shelf IN ('kept', 'native')),
    -- The last sweep that came to its end.
    fingerprint TEXT COLLATE "C",
    began       BIGINT,
    ended       BIGINT,
    records     BIGINT,
    -- Who is sweeping, and until when nobody else may.
    holder      TEXT COLLATE "C",
    held        BIGINT,
    PRIMARY KEY (tenant, mapping, resource, shelf)
);
