//! From the database's failures to [`StoreError`].

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use crate::sidecar::port::StoreError;

/// Why a database cannot be opened; the source of a [`StoreError`].
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum OpenError {
    #[error("the database's address must be sqlite:FILE or sqlite::memory:")]
    Address,
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
    #[error("a token's hash does not have 32 bytes")]
    Hash,
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
        // SQLITE_CORRUPT, SQLITE_CONSTRAINT and SQLITE_NOTADB.
        sqlx::Error::Database(_) => matches!(sqlite_code(error), Some(11 | 19 | 26)),
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

/// SQLite's primary result code: the lowest byte of the extended one, which sqlx gives as text.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
