//! The database: opening it, and the tables.

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

const IN_MEMORY: [&str; 2] = ["sqlite::memory:", ":memory:"];

const MAX_CONNECTIONS: u32 = 4;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How a transaction begins that will write. Taking the lock later could fail half-way.
pub(crate) const WRITING: &str = "BEGIN IMMEDIATE";

/// A person is one `card` of JSON beside the columns that are searched or refer to something.
/// `…_key` columns hold lower case, because the database folds only ASCII.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    login_key TEXT NOT NULL UNIQUE,
    employee_no TEXT,
    external_ref TEXT,
    disabled INTEGER NOT NULL,
    manager_id INTEGER REFERENCES people (id),
    card TEXT NOT NULL,
    secret_set_at INTEGER,
    created_at INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE INDEX IF NOT EXISTS people_employee_no ON people (employee_no);
CREATE INDEX IF NOT EXISTS people_external_ref ON people (external_ref);

CREATE TABLE IF NOT EXISTS mail_keys (
    address_key TEXT NOT NULL,
    person_id INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (address_key, person_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mail_keys_person ON mail_keys (person_id);

CREATE TABLE IF NOT EXISTS teams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    external_ref TEXT,
    description TEXT,
    created_at INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE INDEX IF NOT EXISTS teams_external_ref ON teams (external_ref);

CREATE TABLE IF NOT EXISTS memberships (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (team_id, person_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS memberships_person ON memberships (person_id);
";

/// Opens the database and makes its tables when they are missing.
pub(crate) async fn open(database: &str) -> Result<SqlitePool, sqlx::Error> {
    let pool = if IN_MEMORY.contains(&database) {
        // Each connection would have a memory of its own, so there is one, and it never closes.
        let pool =
            SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        pool.connect_with(SqliteConnectOptions::new().in_memory(true).foreign_keys(true)).await?
    } else {
        let file = SqliteConnectOptions::new()
            .filename(database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        SqlitePoolOptions::new().max_connections(MAX_CONNECTIONS).connect_with(file).await?
    };
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    Ok(pool)
}
