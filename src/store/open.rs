//! The store as the rest of the house sees it: opened by its address, then one thing that keeps
//! everything, whichever database it is.

use std::sync::Arc;

use crate::exchange::locks::SharedLocks;
use crate::sidecar::port::StoreError;
use crate::store::database::Database;

/// An open store. It is cheap to clone, and all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(in crate::store) database: Database,
}

impl Store {
    /// Opens the store at this address and brings its schema up to date: `sqlite:FILE` (made
    /// when it is missing), `sqlite::memory:`, or `postgres://USER:PASSWORD@HOST/DATABASE`.
    ///
    /// # Errors
    ///
    /// The source says what is wrong: another kind of address, no such folder, a server that
    /// cannot be reached, a file that is locked, no database, or one that a newer version of the
    /// bridge has written.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Database::open(url).await.map(|database| Self { database })
    }

    /// Locks that all processes with this store share; `None` when the store belongs to one
    /// process.
    pub fn locks(&self) -> Option<Arc<dyn SharedLocks>> {
        match &self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(database) => Some(Arc::new(database.locks.clone())),
        }
    }

    /// Whether the store answers, for health checks.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.database.ready().await
    }

    /// Waits for statements under way and closes the store.
    pub async fn close(&self) {
        self.database.close().await;
    }
}
