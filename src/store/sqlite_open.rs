//! Opening an SQLite database: its address, its file, its settings and its schema.
//!
//! Settings in the address are deliberately absent: durability is not the administrator's worry.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::time::{Instant, sleep};

use crate::sidecar::port::StoreError;
use crate::store::error::{OpenError, failed, is_set_up_race, not_migrated, unavailable};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Between two attempts to set up a database that another process is setting up.
const SET_UP_PAUSE: Duration = Duration::from_millis(20);

/// Readers beside each other; SQLite lets only one of them write at a time.
const CONNECTIONS: u32 = 4;

/// Databases in memory that this process has opened; each has a name of its own.
static MEMORIES: AtomicU64 = AtomicU64::new(0);

/// A database whose schema is up to date.
pub(in crate::store) struct Opened {
    pub(in crate::store) pool: SqlitePool,
    pub(in crate::store) home: Home,
}

/// What holds the database.
#[derive(Debug, Clone)]
pub(in crate::store) enum Home {
    File(PathBuf),
    /// A database in memory ends with its last connection, and sqlx drops the connection of a
    /// caller that gives up at the wrong moment. Nobody is lent the connection in here.
    Memory(SqlitePool),
}

/// Opens it; `busy_timeout` is how long a statement waits for another writer.
pub(in crate::store) async fn open(
    url: &str,
    busy_timeout: Duration,
) -> Result<Opened, StoreError> {
    let place = Place::from_str(url).map_err(unavailable)?;
    let options = match &place {
        Place::Memory => in_memory(),
        Place::File(path) => {
            make_private(path).map_err(unavailable)?;
            SqliteConnectOptions::new().filename(path)
        }
    };
    let options = options
        .busy_timeout(busy_timeout)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With NORMAL a power failure may take back the last commits: an identity provider
        // would keep an id that the bridge has forgotten, a revoked token would open again.
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(busy_timeout)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let (home, connections) = match place {
        Place::Memory => {
            let kept = pool.clone().max_connections(1).connect_with(options.clone()).await;
            (Home::Memory(kept.map_err(failed)?), 1)
        }
        Place::File(path) => (Home::File(path), CONNECTIONS),
    };
    let pool = pool.max_connections(connections);
    let started = Instant::now();
    loop {
        match set_up(pool.clone(), options.clone()).await {
            Ok(pool) => return Ok(Opened { pool, home }),
            // The bridge and its command line may find the same new file at the same moment.
            // SQLite waits neither to switch to WAL nor to migrate, so the slower one fails.
            Err(error) if is_set_up_race(&error) && started.elapsed() < busy_timeout => {
                sleep(SET_UP_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where a database lies.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Memory,
    File(PathBuf),
}

impl FromStr for Place {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, OpenError> {
        let rest = url.strip_prefix("sqlite:").ok_or(OpenError::Address)?;
        match rest.strip_prefix("//").unwrap_or(rest) {
            ":memory:" => Ok(Self::Memory),
            // sqlx's own settings would undo ours.
            path if path.is_empty() || path.contains('?') => Err(OpenError::Address),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

/// A new database in memory that connections share by its name. SQLite's memory file system has
/// the locks of files, which wait for each other; those of a shared cache fail at once.
fn in_memory() -> SqliteConnectOptions {
    let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
    // Only a name that begins with a stroke is shared.
    SqliteConnectOptions::new().vfs("memdb").filename(format!("/scimbridge-{number}"))
}

/// Makes the file unless it exists; SQLite gives its log beside it the same permissions.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(OpenError::NoFolder(folder.to_owned()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::NotCreated { path: path.to_owned(), source }),
    }
}

/// Connects and brings the schema up to date.
async fn set_up(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, StoreError> {
    let pool = pool.connect_with(options).await.map_err(failed)?;
    MIGRATIONS.run(&pool).await.map_err(not_migrated)?;
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::str::FromStr;

    use crate::store::error::OpenError;
    use crate::store::sqlite_open::Place;

    #[test]
    fn addresses() {
        let check = |url: &str, file: Option<&str>| {
            assert_eq!(Place::from_str(url).unwrap(), file.map_or(Place::Memory, file_at), "{url}");
        };
        check("sqlite::memory:", None);
        check("sqlite:bridge.db", Some("bridge.db"));
        check("sqlite:///var/lib/bridge.db", Some("/var/lib/bridge.db"));
        check("sqlite:/var/100% mine#1.db", Some("/var/100% mine#1.db"));
        for wrong in ["", "bridge.db", "sqlite:", "postgres://db/x", "sqlite:x.db?mode=memory"] {
            assert!(matches!(Place::from_str(wrong), Err(OpenError::Address)), "{wrong}");
        }
    }

    fn file_at(path: &str) -> Place {
        Place::File(PathBuf::from(path))
    }
}
