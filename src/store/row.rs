//! Rows of either database.

use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, Type};

use crate::sidecar::port::StoreError;
use crate::store::error::failed;
use crate::store::text;

/// A row; its columns are read by name.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// A column that holds text.
    pub(in crate::store) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column).map(|text| self.read(text))
    }

    /// A column that holds text or NULL.
    pub(in crate::store) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        let text: Option<String> = self.get(column)?;
        Ok(text.map(|text| self.read(text)))
    }

    /// A column that holds an integer (`BIGINT` of PostgreSQL).
    pub(in crate::store) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }

    /// A column that holds an integer or NULL.
    pub(in crate::store) fn maybe_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A column that holds bytes.
    pub(in crate::store) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(failed)
    }

    fn read(&self, text: String) -> String {
        match self {
            Self::Sqlite(_) => text,
            Self::Postgres(_) => text::from_postgres(text),
        }
    }
}
