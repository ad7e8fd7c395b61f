//! From the database's failures to [`StoreError`].

use std::path::PathBuf;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::sidecar::port::StoreError;

/// Why a database cannot be opened; the source of a [`StoreError`].
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum OpenError {
    #[error(
        "the database's address must be sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Address,
    #[error("the database's encoding is {0}; it must be UTF8")]
    Encoding(String),
    #[error("the server did not answer within {0:?}")]
    Slow(Duration),
    #[error("the connection that holds the locks of replicas is gone")]
    NoLocks,
    #[error("the folder {0} of the database does not exist")]
    NoFolder(PathBuf),
    #[error("the database file {path} cannot be created")]
    NotCreated { path: PathBuf, source: std::io::Error },
    #[error("the database has schema version {0} of a newer bridge; this one is too old for it")]
    Newer(i64),
    #[error("the database's schema version {0} is not the one this bridge knows by that number")]
    Foreign(i64),
}

/// Something of ours is missing or contradicts itself.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum Inconsistent {
    #[error("the database file {0} is gone")]
    FileGone(PathBuf),
    #[error("the proposed id belongs to another native key")]
    IdTaken,
    #[error("an entry's state contradicts its last record")]
    State,
    #[error("other bridges change the same entry again and again")]
    Contended,
    #[error("a token's hash does not have 32 bytes")]
    Hash,
    #[error("the version of the tokens is missing")]
    TokenVersion,
    #[error("an event is of no operation that is known")]
    Event,
    #[error("a guard counts nothing that is known")]
    Guard,
    #[error("a key does not have 32 bytes")]
    Key,
}

/// It may work later.
pub(in crate::store) fn unavailable(
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Unavailable(Box::new(source))
}

/// It will not work later either.
pub(in crate::store) fn corrupt(
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Corrupt(Box::new(source))
}

/// A statement failed.
pub(in crate::store) fn failed(error: sqlx::Error) -> StoreError {
    if is_lasting(&error) { corrupt(error) } else { unavailable(error) }
}

/// The schema could not be brought up to date.
pub(in crate::store) fn not_migrated(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => corrupt(OpenError::Newer(version)),
        MigrateError::VersionMismatch(version) => corrupt(OpenError::Foreign(version)),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => corrupt(other),
    }
}

fn is_lasting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => true,
        sqlx::Error::Database(_) => match (sqlite_code(error), postgres_state(error)) {
            // SQLITE_CORRUPT, SQLITE_CONSTRAINT and SQLITE_NOTADB.
            (Some(code), _) => matches!(code, 11 | 19 | 26),
            // Data that does not fit, constraints, statements that do not fit the schema, limits
            // and damage. Everything else passes: connections, locks, memory, disk, shutdowns.
            (None, Some(state)) => {
                ["22", "23", "42", "54", "XX"].iter().any(|class| state.starts_with(class))
            }
            (None, None) => false,
        },
        // sqlx's own enum, which may grow.
        _ => false,
    }
}

/// Whether another process was setting the same database up at this moment: SQLite was busy, or
/// a table that had been missing exists by now (`SQLITE_BUSY`, `SQLITE_ERROR`).
pub(in crate::store) fn is_set_up_race(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(source) => {
            let code = source.downcast_ref().and_then(sqlite_code);
            matches!(code, Some(1 | 5))
        }
        StoreError::Corrupt(_) => false,
    }
}

/// Whether another of this id, key or hash is there already.
pub(in crate::store) fn is_taken(error: &StoreError) -> bool {
    let (StoreError::Unavailable(source) | StoreError::Corrupt(source)) = error;
    let error: Option<&sqlx::Error> = source.downcast_ref();
    let error = error.and_then(sqlx::Error::as_database_error);
    error.is_some_and(DatabaseError::is_unique_violation)
}

/// Whether the connection broke, so that another one may work.
pub(in crate::store) fn is_broken_off(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    match source.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_)) => true,
        // admin_shutdown and crash_shutdown: said on a connection that ends with it.
        Some(error) => matches!(postgres_state(error), Some("57P01" | "57P02")),
        None => false,
    }
}

/// PostgreSQL's SQLSTATE.
fn postgres_state(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    Some(error.code())
}

/// SQLite's primary result code: the lowest byte of the extended one, which sqlx gives as text.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    let code: u32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}
