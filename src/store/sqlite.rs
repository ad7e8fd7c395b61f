//! The ports on one SQLite file, the default that needs no set-up.
//!
//! The file must lie on a local disk and belongs to one bridge; the command line may open it
//! beside the bridge. Sharing one between replicas is deliberately not supported.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqlitePool};
use sqlx::{Executor, QueryBuilder};

use crate::auth::port::{TokenName, TokenStore};
use crate::auth::token::TokenRecord;
use crate::sidecar::entry::{Entry, Partition, RetiredCount, RetiredPage};
use crate::sidecar::port::{Sidecar, StoreError};
use crate::store::error::{Inconsistent, corrupt, failed, unavailable};
use crate::store::row::{self, EntryRow, TokenRow};
use crate::store::sqlite_open::{Home, Opened, open};

/// How long a statement waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Values in one `IN` list; with the partition and the resource type they are 500 bindings.
const IN_LIST: usize = 497;

/// An open database.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    home: Home,
}

impl SqliteStore {
    /// Opens `sqlite:FILE`, making the file readable by its owner only when it is missing, or
    /// `sqlite::memory:`, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// The source says what is wrong: another address, no such folder, a file that is locked, no
    /// database, or written by a newer version of the bridge.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, BUSY_TIMEOUT).await
    }

    async fn open_with(url: &str, busy_timeout: Duration) -> Result<Self, StoreError> {
        let Opened { pool, home } = open(url, busy_timeout).await?;
        Ok(Self { pool, home })
    }

    /// Whether the store answers, for health checks.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.present()?;
        sqlx::query("SELECT id FROM entries LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The installation's key of this name: the proposed one when there was none, else the one
    /// that was proposed first.
    pub async fn key(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.present()?;
        // Keys are never changed: what is there after this is what every process reads.
        sqlx::query("INSERT INTO keys (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(proposed.as_slice())
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        let value: Vec<u8> = sqlx::query_scalar("SELECT value FROM keys WHERE name = ?")
            .bind(name)
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        value.try_into().map_err(|_| corrupt(Inconsistent::Key))
    }

    /// Waits for statements under way, writes the log back into the file and closes it.
    pub async fn close(&self) {
        self.pool.close().await;
        match &self.home {
            Home::File(_) => {}
            Home::Memory(kept) => kept.close().await,
        }
    }

    /// Unix lets a file be deleted while it is open: what is written from then on is lost.
    fn present(&self) -> Result<(), StoreError> {
        match &self.home {
            Home::File(path) if !path.exists() => {
                Err(unavailable(Inconsistent::FileGone(path.clone())))
            }
            Home::File(_) | Home::Memory(_) => Ok(()),
        }
    }

    async fn entries(
        &self,
        partition: &Partition,
        resource: &str,
        column: Column,
        values: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        // A value that stood in two lists would give its entry twice.
        let wanted: Vec<&String> = values.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut entries = Vec::with_capacity(wanted.len());
        for values in wanted.chunks(IN_LIST) {
            let mut query = select_entries(partition, resource);
            query.push(column.condition());
            let mut list = query.separated(", ");
            for value in values {
                list.push_bind(value.as_str());
            }
            query.push(")");
            entries.extend(self.fetch_entries(query).await?);
        }
        Ok(entries)
    }

    async fn fetch_entries(
        &self,
        mut query: QueryBuilder<Sqlite>,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<EntryRow> =
            query.build_query_as().fetch_all(&self.pool).await.map_err(failed)?;
        rows.into_iter().map(EntryRow::into_entry).collect()
    }
}

#[async_trait]
impl Sidecar for SqliteStore {
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.entries(partition, resource, Column::Id, ids).await
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.entries(partition, resource, Column::NativeKey, keys).await
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        // Nearly every claim finds its entry, and reading needs no lock.
        if let Some(entry) = entry_of_key(&self.pool, partition, resource, key).await? {
            return Ok(entry);
        }
        self.present()?;
        // The lock is taken at once: nobody can remove the entry between the two statements.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state) \
             VALUES (?, ?, ?, ?, ?, '{}', 'live') ON CONFLICT DO NOTHING",
        )
        .bind(&partition.tenant)
        .bind(&partition.mapping)
        .bind(resource)
        .bind(proposed_id)
        .bind(key)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let entry = entry_of_key(&mut *transaction, partition, resource, key).await?;
        transaction.commit().await.map_err(failed)?;
        entry.ok_or_else(|| corrupt(Inconsistent::IdTaken))
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.present()?;
        let row = EntryRow::from_entry(entry)?;
        // REPLACE removes every row that has the same id or the same key.
        sqlx::query(
            "INSERT OR REPLACE INTO entries \
             (tenant, mapping, resource, id, native_key, attributes, state, last_record) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&partition.tenant)
        .bind(&partition.mapping)
        .bind(resource)
        .bind(row.id)
        .bind(row.native_key)
        .bind(row.attributes)
        .bind(row.state)
        .bind(row.last_record)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        self.present()?;
        sqlx::query(
            "DELETE FROM entries WHERE tenant = ? AND mapping = ? AND resource = ? AND id = ?",
        )
        .bind(&partition.tenant)
        .bind(&partition.mapping)
        .bind(resource)
        .bind(id)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut query = select_entries(partition, resource);
        // The first condition is the index's own.
        query.push(" AND state <> 'live' AND state = ").push_bind(row::state_of(page.way));
        if let Some(after) = page.after {
            query.push(" AND id > ").push_bind(after);
        }
        query.push(" ORDER BY id LIMIT ").push_bind(i64::from(page.limit));
        query.push(" OFFSET ").push_bind(i64::try_from(page.skip).unwrap_or(i64::MAX));
        self.fetch_entries(query).await
    }

    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError> {
        let query = sqlx::query_as(
            "SELECT COUNT(*) FILTER (WHERE state = 'off'), \
             COUNT(*) FILTER (WHERE state = 'deleted') FROM entries \
             WHERE tenant = ? AND mapping = ? AND resource = ? AND state <> 'live'",
        );
        let query = query.bind(&partition.tenant).bind(&partition.mapping).bind(resource);
        let (off, deleted): (i64, i64) = query.fetch_one(&self.pool).await.map_err(failed)?;
        Ok(RetiredCount { off: off.unsigned_abs(), deleted: deleted.unsigned_abs() })
    }
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        self.present()?;
        sqlx::query(
            "INSERT INTO tokens (id, tenant, label, hash, created, expires, revoked) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&record.id)
        .bind(&record.tenant)
        .bind(&record.label)
        .bind(record.hash.as_bytes().as_slice())
        .bind(record.created.as_microsecond())
        .bind(record.expires.map(Timestamp::as_microsecond))
        .bind(record.revoked.map(Timestamp::as_microsecond))
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let query = sqlx::query_as(
            "SELECT id, tenant, label, hash, created, expires, revoked FROM tokens \
             WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, created, id",
        );
        let rows: Vec<TokenRow> = query.bind(tenant).fetch_all(&self.pool).await.map_err(failed)?;
        rows.into_iter().map(TokenRow::into_record).collect()
    }

    async fn revoke(&self, name: TokenName<'_>, at: Timestamp) -> Result<bool, StoreError> {
        self.present()?;
        let query = match name {
            TokenName::Id(id) => {
                sqlx::query("UPDATE tokens SET revoked = ? WHERE revoked IS NULL AND id = ?")
                    .bind(at.as_microsecond())
                    .bind(id)
            }
            TokenName::Label { tenant, label } => sqlx::query(
                "UPDATE tokens SET revoked = ? \
                 WHERE revoked IS NULL AND tenant = ? AND label = ?",
            )
            .bind(at.as_microsecond())
            .bind(tenant)
            .bind(label),
        };
        let done = query.execute(&self.pool).await.map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    async fn active(&self, now: Timestamp) -> Result<Vec<TokenRecord>, StoreError> {
        let query = sqlx::query_as(
            "SELECT id, tenant, label, hash, created, expires, revoked FROM tokens \
             WHERE revoked IS NULL AND (expires IS NULL OR expires > ?) \
             ORDER BY tenant, created, id",
        );
        let query = query.bind(now.as_microsecond());
        let rows: Vec<TokenRow> = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.into_iter().map(TokenRow::into_record).collect()
    }
}

/// What entries are looked up by.
#[derive(Clone, Copy)]
enum Column {
    Id,
    NativeKey,
}

impl Column {
    fn condition(self) -> &'static str {
        match self {
            Self::Id => " AND id IN (",
            Self::NativeKey => " AND native_key IN (",
        }
    }
}

fn select_entries(partition: &Partition, resource: &str) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT id, native_key, attributes, state, last_record FROM entries WHERE tenant = ",
    );
    query.push_bind(&*partition.tenant);
    query.push(" AND mapping = ").push_bind(&*partition.mapping);
    query.push(" AND resource = ").push_bind(resource);
    query
}

async fn entry_of_key<'connection>(
    connection: impl Executor<'connection, Database = Sqlite>,
    partition: &Partition,
    resource: &str,
    key: &str,
) -> Result<Option<Entry>, StoreError> {
    let mut query = select_entries(partition, resource);
    query.push(" AND native_key = ").push_bind(key);
    let row: Option<EntryRow> =
        query.build_query_as().fetch_optional(connection).await.map_err(failed)?;
    row.map(EntryRow::into_entry).transpose()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::path::Path;
    use std::time::Duration;

    use crate::sidecar::entry::{Entry, Partition};
    use crate::sidecar::port::{Sidecar, StoreError};
    use crate::store::sqlite::SqliteStore;

    fn partition() -> Partition {
        Partition { tenant: "acme".to_owned(), mapping: "people".to_owned() }
    }

    fn url(folder: &Path) -> String {
        format!("sqlite:{}", folder.join("bridge.db").display())
    }

    fn reason(error: &StoreError) -> String {
        error.source().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_locked_file_is_unavailable_for_writers_only() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(folder.path());
        let owner = SqliteStore::open(&url).await.unwrap();
        let store = SqliteStore::open_with(&url, Duration::from_millis(500)).await.unwrap();
        let lock = owner.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let refused = store.claim(&partition(), "User", "ada", "1").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let refused = store.save(&partition(), "User", &Entry::default()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        store.ready().await.unwrap();
        lock.rollback().await.unwrap();
        store.claim(&partition(), "User", "ada", "1").await.unwrap();
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(folder.path());
        let store = SqliteStore::open(&url).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
             execution_time) VALUES (9999, 'later', 1, x'00', 0)",
        )
        .execute(&store.pool)
        .await
        .unwrap();
        store.close().await;
        let refused = SqliteStore::open(&url).await.unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt(_)));
        assert_eq!(
            reason(&refused),
            "the database has schema version 9999 of a newer bridge; this one is too old for it"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_database_of_an_older_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(folder.path());
        let store = SqliteStore::open(&url).await.unwrap();
        let entry = store.claim(&partition(), "User", "ada", "1").await.unwrap();
        for undo in ["DROP TABLE keys", "DELETE FROM _sqlx_migrations WHERE version > 1"] {
            sqlx::query(undo).execute(&store.pool).await.unwrap();
        }
        store.close().await;
        // The bridge and its command line may be exchanged, and started, at one moment.
        let (bridge, command) = tokio::join!(SqliteStore::open(&url), SqliteStore::open(&url));
        let bridge = bridge.unwrap();
        assert_eq!(bridge.claim(&partition(), "User", "ada", "2").await.unwrap(), entry);
        assert_eq!(bridge.key("cursor", [1; 32]).await.unwrap(), [1; 32]);
        assert_eq!(command.unwrap().key("cursor", [2; 32]).await.unwrap(), [1; 32]);
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_are_corrupt() {
        let store = SqliteStore::open("sqlite::memory:").await.unwrap();
        sqlx::query(
            "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state) \
             VALUES ('acme', 'people', 'User', '1', 'ada', '{', 'live')",
        )
        .execute(&store.pool)
        .await
        .unwrap();
        let answer = store.by_ids(&partition(), "User", &["1".to_owned()]).await;
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn connections_are_durable() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&url(folder.path())).await.unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.pool).await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.pool).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_place_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let refused = SqliteStore::open(&url(&missing)).await.unwrap_err();
        let expected = format!("the folder {} of the database does not exist", missing.display());
        assert_eq!(reason(&refused), expected);

        std::fs::write(folder.path().join("bridge.db"), "name,mail\n".repeat(500)).unwrap();
        let refused = SqliteStore::open(&url(folder.path())).await.unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
        assert!(reason(&refused).contains("not a database"), "{refused:?}");
    }
}
