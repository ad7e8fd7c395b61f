//! Statements as the ports write them: one text that SQLite and PostgreSQL both understand, or one
//! in the words of each, and the values that go with it. No value ever stands in the text, and no
//! text is put together at run time, so that connections keep their plans.

use serde_json::Value as Json;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};

use crate::store::text;

/// A statement with its values.
#[derive(Debug, Clone)]
pub(in crate::store) struct Statement {
    wording: Wording,
    values: Vec<Value>,
}

/// The text of a statement in the words of either database.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Wording {
    pub(in crate::store) sqlite: &'static str,
    pub(in crate::store) postgres: &'static str,
}

impl From<&'static str> for Wording {
    fn from(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}

/// The wording of `… COLUMN` that is among the values of one list, however long the list is.
macro_rules! among {
    ($column:expr, $list:literal) => {
        $crate::store::statement::Wording {
            sqlite: concat!($column, " IN (SELECT value FROM json_each(", $list, "))"),
            postgres: concat!($column, " = ANY(", $list, ")"),
        }
    };
}
pub(in crate::store) use among;

#[derive(Debug, Clone)]
enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Vec<u8>),
    List(Vec<String>),
    Json(String),
}

impl Statement {
    /// A statement whose places for values are `$1`, `$2` and so on, each as often as needed.
    pub(in crate::store) fn new(wording: impl Into<Wording>) -> Self {
        Self { wording: wording.into(), values: Vec::new() }
    }

    /// The next value: a text.
    pub(in crate::store) fn text(self, value: impl Into<String>) -> Self {
        self.with(Value::Text(Some(value.into())))
    }

    /// The next value: a text or NULL.
    pub(in crate::store) fn maybe_text(self, value: Option<impl Into<String>>) -> Self {
        self.with(Value::Text(value.map(Into::into)))
    }

    /// The next value: an integer.
    pub(in crate::store) fn integer(self, value: i64) -> Self {
        self.with(Value::Integer(Some(value)))
    }

    /// The next value: an integer or NULL.
    pub(in crate::store) fn maybe_integer(self, value: Option<i64>) -> Self {
        self.with(Value::Integer(value))
    }

    /// The next value: bytes.
    pub(in crate::store) fn bytes(self, value: &[u8]) -> Self {
        self.with(Value::Bytes(value.to_vec()))
    }

    /// The next value: a list, for [`among`].
    pub(in crate::store) fn list<'t>(self, values: impl Iterator<Item = &'t str>) -> Self {
        self.with(Value::List(values.map(str::to_owned).collect()))
    }

    /// The next value: JSON, for `jsonb_each($1)` and `jsonb_array_elements(CAST($1 AS jsonb))`.
    pub(in crate::store) fn json(self, value: String) -> Self {
        self.with(Value::Json(value))
    }

    fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// The statement as SQLite gets it.
    pub(in crate::store) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(self.wording.sqlite);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(value) => query.bind(value),
            Value::Integer(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::List(values) => query.bind(Json::from(values).to_string()),
            Value::Json(value) => query.bind(value),
        })
    }

    /// The statement as PostgreSQL gets it.
    pub(in crate::store) fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(self.wording.postgres);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(value) => query.bind(value.map(text::to_postgres)),
            Value::Integer(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::List(values) => {
                query.bind(values.into_iter().map(text::to_postgres).collect::<Vec<_>>())
            }
            Value::Json(value) => query.bind(text::json_to_postgres(value)),
        })
    }
}
