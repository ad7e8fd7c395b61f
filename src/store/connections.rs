//! SQLite's connections, each lent to one caller at a time.
//!
//! Not sqlx's pool, which asks a connection whether it is there before it is lent and, in a task
//! of its own, when it comes back. Either waits for the connection's thread as a statement does,
//! and a thread of this process is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::sidecar::port::StoreError;
use crate::store::error::failed;
use crate::store::statement::Statement;

/// Some connections to one database.
#[derive(Debug)]
pub(in crate::store) struct Connections {
    options: SqliteConnectOptions,
    count: u32,
    patience: Duration,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Connections {
    /// Opens all of them: while the file is gone or the disk is full nobody could open more.
    /// `patience` is how long a caller waits for one.
    pub(in crate::store) async fn open(
        options: SqliteConnectOptions,
        count: u32,
        patience: Duration,
    ) -> Result<Arc<Self>, StoreError> {
        let mut idle = Vec::new();
        for _ in 0..count {
            idle.push(options.connect().await.map_err(failed)?);
        }
        let (turns, idle) = (Arc::new(Semaphore::new(idle.len())), Mutex::new(idle));
        Ok(Arc::new(Self { options, count, patience, turns, idle }))
    }

    /// Waits in line for a connection. One that was closed meanwhile is opened anew.
    pub(in crate::store) async fn lend(self: &Arc<Self>) -> Result<Lent, StoreError> {
        let turn = timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| failed(sqlx::Error::PoolTimedOut))?;
        let turn = turn.map_err(|_| failed(sqlx::Error::PoolClosed))?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(failed)?,
        };
        Ok(Lent { connection: Some(connection), home: Arc::clone(self), _turn: turn })
    }

    /// Waits until nobody has one any more and closes them; nobody gets one from then on.
    pub(in crate::store) async fn close(&self) {
        let Ok(all) = self.turns.acquire_many(self.count).await else { return };
        self.turns.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a connection to the store did not close");
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that comes back when this is dropped. A single statement of a caller that gives up
/// is carried to its end by the connection's thread before any other; of a text of several nobody
/// knows how far it came, so its connection must be [spoiled](Self::spoil).
pub(in crate::store) struct Lent {
    /// `None` once it is spoiled.
    connection: Option<SqliteConnection>,
    home: Arc<Connections>,
    _turn: OwnedSemaphorePermit,
}

impl Lent {
    /// The rows of a statement.
    pub(in crate::store) async fn rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let answer = statement.for_sqlite().fetch_all(self.connection()?).await;
        self.settled(answer)
    }

    /// Carries a change out; says how many rows it was about.
    pub(in crate::store) async fn change(
        &mut self,
        statement: Statement,
    ) -> Result<u64, StoreError> {
        let answer = statement.for_sqlite().execute(self.connection()?).await;
        Ok(self.settled(answer)?.rows_affected())
    }

    /// The connection itself.
    pub(in crate::store) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or_else(|| failed(sqlx::Error::WorkerCrashed))
    }

    /// Closes it, with the transaction that it may be in: it does not come back.
    pub(in crate::store) fn spoil(&mut self) {
        self.connection = None;
    }

    fn settled<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        if matches!(answer, Err(sqlx::Error::WorkerCrashed)) {
            self.spoil();
        }
        answer.map_err(failed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Before its turn ends, so that whoever is next finds it.
        self.home.idle().extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;

    use crate::sidecar::port::StoreError;
    use crate::store::connections::{Connections, Lent};
    use crate::store::statement::Statement;

    async fn single(folder: &tempfile::TempDir) -> Arc<Connections> {
        let file = folder.path().join("a.db");
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let connections = Connections::open(options, 1, Duration::from_millis(50)).await.unwrap();
        run(&mut connections.lend().await.unwrap(), "CREATE TABLE a (b INTEGER)").await;
        connections
    }

    async fn run(lent: &mut Lent, text: &'static str) {
        lent.change(Statement::new(text)).await.unwrap();
    }

    async fn count(connections: &Arc<Connections>) -> usize {
        let mut lent = connections.lend().await.unwrap();
        lent.rows(Statement::new("SELECT b FROM a")).await.unwrap().len()
    }

    #[tokio::test]
    async fn one_caller_at_a_time_has_a_connection() {
        let folder = tempfile::tempdir().unwrap();
        let connections = single(&folder).await;
        let lent = connections.lend().await.unwrap();
        let refused = connections.lend().await.err();
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
        drop(lent);
        assert_eq!(count(&connections).await, 0);
    }

    #[tokio::test]
    async fn what_is_spoiled_does_not_come_back_and_nothing_is_half_done() {
        let folder = tempfile::tempdir().unwrap();
        let connections = single(&folder).await;
        let mut lent = connections.lend().await.unwrap();
        run(&mut lent, "BEGIN IMMEDIATE").await;
        run(&mut lent, "INSERT INTO a VALUES (1)").await;
        lent.spoil();
        let refused = lent.change(Statement::new("COMMIT")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(lent);
        // The next one is opened anew, and waits until the lock of the other is given up.
        run(&mut connections.lend().await.unwrap(), "INSERT INTO a VALUES (2)").await;
        assert_eq!(count(&connections).await, 1);
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_leaves_a_connection_that_works() {
        let folder = tempfile::tempdir().unwrap();
        let connections = single(&folder).await;
        let mut lent = connections.lend().await.unwrap();
        let many = "WITH RECURSIVE n (b) AS (SELECT 1 UNION ALL SELECT b + 1 FROM n LIMIT 100000) \
                    SELECT b FROM n";
        let asking = lent.rows(Statement::new(many));
        assert!(tokio::time::timeout(Duration::ZERO, asking).await.is_err());
        drop(lent);
        assert_eq!(count(&connections).await, 0);
    }

    #[tokio::test]
    async fn nobody_gets_one_that_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let connections = single(&folder).await;
        connections.close().await;
        connections.close().await;
        assert!(matches!(connections.lend().await.err(), Some(StoreError::Unavailable(_))));
    }
}
