-- Secrets that the installation makes for itself and keeps, so that all its processes share them.

CREATE TABLE keys (
    name    TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    value   BYTEA  NOT NULL CHECK (octet_length(value) = 32),
    -- Microseconds since 1970-01-01T00:00:00Z; for people, nothing reads it.
    created BIGINT NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
);
