//! The open database, whichever it is: statements go in, rows come out. The ports need no more.

use crate::sidecar::port::StoreError;
use crate::store::error::is_broken_off;
use crate::store::postgres::{CONNECTIONS, PostgresDatabase, PostgresTransaction};
use crate::store::row::Row;
use crate::store::sqlite::{SqliteDatabase, SqliteTransaction};
use crate::store::statement::Statement;

/// A database.
#[derive(Debug, Clone)]
pub(in crate::store) enum Database {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
}

impl Database {
    /// Opens what the address names and brings its schema up to date.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, StoreError> {
        if PostgresDatabase::is_meant(url) {
            PostgresDatabase::open(url).await.map(Self::Postgres)
        } else {
            SqliteDatabase::open(url).await.map(Self::Sqlite)
        }
    }

    /// The rows of a statement that changes nothing.
    pub(in crate::store) async fn read(
        &self,
        statement: Statement,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(database) => {
                let rows = database.readers.lend().await?.rows(statement).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(database) => {
                let mut rows = database.rows(statement.clone()).await;
                // The server was started again: every connection of the pool may be broken.
                for _ in 0..CONNECTIONS {
                    if !rows.as_ref().is_err_and(is_broken_off) {
                        break;
                    }
                    rows = database.rows(statement.clone()).await;
                }
                Ok(rows?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Carries a change out, durably; says how many rows it was about.
    pub(in crate::store) async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(database) => {
                database.present()?;
                database.writer.lend().await?.change(statement).await
            }
            Self::Postgres(database) => database.change(statement).await,
        }
    }

    /// Carries several changes out that one statement holds, durably and all or nothing: SQLite's
    /// wording begins and ends a transaction of its own, PostgreSQL's is a single statement.
    pub(in crate::store) async fn write_together(
        &self,
        statement: Statement,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => {
                database.present()?;
                database.script(statement).await
            }
            Self::Postgres(database) => database.change(statement).await.map(drop),
        }
    }

    /// Begins several changes that are done together or not at all. SQLite holds the lock of
    /// writers from here on, PostgreSQL sees what others have committed before each statement.
    pub(in crate::store) async fn begin(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite(database) => {
                database.present()?;
                database.begin().await.map(Transaction::Sqlite)
            }
            Self::Postgres(database) => database.begin().await.map(Transaction::Postgres),
        }
    }

    /// As [`Self::begin`], and nobody else changes entries until it ends.
    pub(in crate::store) async fn begin_alone(&self) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin().await?;
        // SQLite has one writer at a time in any case.
        if let Transaction::Postgres(_) = transaction {
            let lock = "LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE";
            transaction.write(Statement::new(lock)).await?;
        }
        Ok(transaction)
    }

    /// Whether it answers.
    pub(in crate::store) async fn ready(&self) -> Result<(), StoreError> {
        if let Self::Sqlite(database) = self {
            database.present()?;
        }
        self.read(Statement::new("SELECT id FROM entries LIMIT 1")).await.map(drop)
    }

    /// Waits for statements under way and closes it.
    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => database.pool.close().await,
        }
    }
}

/// Changes that are done together; undone when it is dropped.
pub(in crate::store) enum Transaction {
    Sqlite(SqliteTransaction),
    Postgres(PostgresTransaction),
}

impl Transaction {
    /// The rows of a statement, its own earlier changes seen.
    pub(in crate::store) async fn read(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = transaction.rows(statement).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(transaction) => {
                let rows = transaction.rows(statement).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Carries one change out; says how many rows it was about.
    pub(in crate::store) async fn write(
        &mut self,
        statement: Statement,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.change(statement).await,
            Self::Postgres(transaction) => transaction.change(statement).await,
        }
    }

    /// Makes it all lasting.
    pub(in crate::store) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}
