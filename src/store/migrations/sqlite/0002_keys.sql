-- Secrets that the installation makes for itself and keeps, so that all its processes share them.

CREATE TABLE keys (
    name    TEXT    NOT NULL PRIMARY KEY,
    value   BLOB    NOT NULL CHECK (length(value) = 32),
    -- Microseconds since 1970-01-01T00:00:00Z; for people, nothing reads it.
    created INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
) STRICT;
