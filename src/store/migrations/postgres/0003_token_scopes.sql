-- Names with commas: read, write, users, groups.
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read,write,users,groups';

-- Coarse: written at most once an hour.
ALTER TABLE tokens ADD COLUMN last_used BIGINT;

-- One row, raised with every change of a token but for its last use, so that every process notices.
CREATE TABLE token_version (version BIGINT NOT NULL);

INSERT INTO token_version (version) VALUES (1);
