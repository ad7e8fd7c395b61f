//! Opening an SQLite database, the default that needs no set-up: its address, its file, its
//! settings and its schema.
//!
//! The file must lie on a local disk and belongs to one bridge; the command line may open it
//! beside the bridge. Sharing one between replicas is deliberately not supported. Settings in the
//! address are deliberately absent: durability is not the administrator's worry.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use tokio::time::{Instant, sleep};

use crate::sidecar::port::StoreError;
use crate::store::connections::{Connections, Lent};
use crate::store::error::{Inconsistent, OpenError, is_set_up_race, not_migrated, unavailable};
use crate::store::statement::Statement;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Between two attempts to set up a database that another process is setting up.
const SET_UP_PAUSE: Duration = Duration::from_millis(20);

/// Readers beside each other, and beside the one connection that writes: SQLite has one writer at
/// a time, and whoever waits for it here is woken, while SQLite itself sleeps and tries again.
const READERS: u32 = 4;

/// Databases in memory that this process has opened; each has a name of its own.
static MEMORIES: AtomicU64 = AtomicU64::new(0);

/// How long a statement waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database whose schema is up to date.
#[derive(Debug, Clone)]
pub(in crate::store) struct SqliteDatabase {
    pub(in crate::store) readers: Arc<Connections>,
    pub(in crate::store) writer: Arc<Connections>,
    home: Home,
}

/// What holds the database.
#[derive(Debug, Clone)]
enum Home {
    File(PathBuf),
    /// A database in memory ends with its last connection, and that of a caller which gives up
    /// inside of a transaction is closed. Nobody is lent the connection in here.
    Memory(Arc<Connections>),
}

impl SqliteDatabase {
    /// Opens `sqlite:FILE`, making the file readable by its owner only when it is missing, or
    /// `sqlite::memory:`.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, BUSY_TIMEOUT).await
    }

    /// `busy_timeout` is how long a statement waits for another writer.
    async fn open_with(url: &str, busy_timeout: Duration) -> Result<Self, StoreError> {
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
        let open = async |count| Connections::open(options.clone(), count, busy_timeout).await;
        let home = match place {
            Place::Memory => Home::Memory(open(1).await?),
            Place::File(path) => Home::File(path),
        };
        let started = Instant::now();
        let writer = loop {
            match set_up(&options, busy_timeout).await {
                Ok(writer) => break writer,
                // The bridge and its command line may find the same new file at the same moment.
                // SQLite waits neither to switch to WAL nor to migrate, so the slower one fails.
                Err(error) if is_set_up_race(&error) && started.elapsed() < busy_timeout => {
                    sleep(SET_UP_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let readers = match home {
            Home::Memory(_) => Arc::clone(&writer),
            Home::File(_) => open(READERS).await?,
        };
        Ok(Self { readers, writer, home })
    }

    /// Unix lets a file be deleted while it is open: what is written from then on is lost.
    pub(in crate::store) fn present(&self) -> Result<(), StoreError> {
        match &self.home {
            Home::File(path) if !path.exists() => {
                Err(unavailable(Inconsistent::FileGone(path.clone())))
            }
            Home::File(_) | Home::Memory(_) => Ok(()),
        }
    }

    /// A transaction that holds the lock of writers from its beginning.
    pub(in crate::store) async fn begin(&self) -> Result<SqliteTransaction, StoreError> {
        let lent = self.writer.lend().await?;
        let mut transaction = SqliteTransaction { lent, is_through: false };
        transaction.change(Statement::new("BEGIN IMMEDIATE")).await?;
        Ok(transaction)
    }

    /// Carries out a text that begins and ends a transaction of its own: the connection's thread
    /// is asked once for all of it.
    pub(in crate::store) async fn script(&self, statement: Statement) -> Result<(), StoreError> {
        let lent = self.writer.lend().await?;
        let mut transaction = SqliteTransaction { lent, is_through: false };
        transaction.change(statement).await?;
        transaction.is_through = true;
        Ok(())
    }

    /// Waits for statements under way, writes the log back into the file and closes it.
    pub(in crate::store) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        match &self.home {
            Home::File(_) => {}
            Home::Memory(kept) => kept.close().await,
        }
    }
}

/// A transaction of ours. SQLite itself rolls back when a disk is full; sqlx's own transaction
/// does not notice and leaves a connection behind that begins no other one. This one closes the
/// connection unless it came to its end.
pub(in crate::store) struct SqliteTransaction {
    lent: Lent,
    is_through: bool,
}

impl SqliteTransaction {
    /// The rows of a statement.
    pub(in crate::store) async fn rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.lent.rows(statement).await
    }

    /// Carries a change out; says how many rows it was about.
    pub(in crate::store) async fn change(
        &mut self,
        statement: Statement,
    ) -> Result<u64, StoreError> {
        self.lent.change(statement).await
    }

    /// Makes it all lasting.
    pub(in crate::store) async fn commit(mut self) -> Result<(), StoreError> {
        self.change(Statement::new("COMMIT")).await?;
        self.is_through = true;
        Ok(())
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if !self.is_through {
            self.lent.spoil();
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
    options: &SqliteConnectOptions,
    busy_timeout: Duration,
) -> Result<Arc<Connections>, StoreError> {
    let writer = Connections::open(options.clone(), 1, busy_timeout).await?;
    MIGRATIONS.run(writer.lend().await?.connection()?).await.map_err(not_migrated)?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::str::FromStr;
    use std::time::Duration;

    use crate::sidecar::entry::{Entry, Partition};
    use crate::sidecar::port::{Sidecar, StoreError};
    use crate::store::connections::Lent;
    use crate::store::database::Database;
    use crate::store::error::OpenError;
    use crate::store::open::Store;
    use crate::store::sqlite::{Place, SqliteDatabase};
    use crate::store::statement::Statement;

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

    fn partition() -> Partition {
        Partition { tenant: "acme".to_owned(), mapping: "people".to_owned() }
    }

    fn url(folder: &Path) -> String {
        format!("sqlite:{}", folder.join("bridge.db").display())
    }

    async fn open(url: &str) -> Result<Store, StoreError> {
        Store::open(url).await
    }

    async fn open_with(url: &str, busy_timeout: Duration) -> Store {
        let database = SqliteDatabase::open_with(url, busy_timeout).await.unwrap();
        Store { database: Database::Sqlite(database) }
    }

    /// The connection that writes.
    async fn writer(store: &Store) -> Lent {
        match &store.database {
            Database::Sqlite(database) => database.writer.lend().await.unwrap(),
            Database::Postgres(_) => unreachable!(),
        }
    }

    fn reason(error: &StoreError) -> String {
        error.source().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_locked_file_is_unavailable_for_writers_only() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(folder.path());
        let owner = open(&url).await.unwrap();
        let store = open_with(&url, Duration::from_millis(500)).await;
        let mut lock = writer(&owner).await;
        lock.change(Statement::new("BEGIN IMMEDIATE")).await.unwrap();
        let refused = store.claim(&partition(), "User", "ada", "1").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let refused = store.save(&partition(), "User", &Entry::default()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        store.ready().await.unwrap();
        lock.change(Statement::new("ROLLBACK")).await.unwrap();
        store.claim(&partition(), "User", "ada", "1").await.unwrap();
    }

    #[tokio::test]
    async fn what_is_full_breaks_no_connection() {
        let store = open("sqlite::memory:").await.unwrap();
        let mut lent = writer(&store).await;
        let connection = lent.connection().unwrap();
        let pages: i64 =
            sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await.unwrap();
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(limit).execute(connection).await.unwrap();
        drop(lent);
        let Database::Sqlite(database) = &store.database else { panic!("not SQLite") };
        let mut transaction = database.begin().await.unwrap();
        let large = "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state) \
                     VALUES ('acme', 'people', 'User', '1', 'ada', hex(zeroblob(100000)), 'live')";
        let refused = transaction.change(Statement::new(large)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(transaction);
        database.begin().await.unwrap().commit().await.unwrap();
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_are_corrupt() {
        let store = open("sqlite::memory:").await.unwrap();
        sqlx::query(
            "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state) \
             VALUES ('acme', 'people', 'User', '1', 'ada', '{', 'live')",
        )
        .execute(writer(&store).await.connection().unwrap())
        .await
        .unwrap();
        let answer = store.by_ids(&partition(), "User", &["1".to_owned()]).await;
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn connections_are_durable() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&url(folder.path())).await.unwrap();
        let mut lent = writer(&store).await;
        let connection = lent.connection().unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_place_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let refused = open(&url(&missing)).await.unwrap_err();
        let expected = format!("the folder {} of the database does not exist", missing.display());
        assert_eq!(reason(&refused), expected);

        std::fs::write(folder.path().join("bridge.db"), "name,mail\n".repeat(500)).unwrap();
        let refused = open(&url(folder.path())).await.unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
        assert!(reason(&refused).contains("not a database"), "{refused:?}");
    }
}
