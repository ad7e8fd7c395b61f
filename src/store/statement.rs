//! Statements as the ports write them: one text that SQLite and PostgreSQL both understand, and
//! the values that go with it. No value ever stands in the text.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::text;

/// What stands for a list in the text of a statement: `IN ($*)`.
const LIST: &str = "$*";

/// What stands for rows in the text of a statement: `VALUES $#`.
const ROWS: &str = "$#";

/// A statement with its values.
#[derive(Debug, Clone)]
pub(in crate::store) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Vec<u8>),
}

impl Statement {
    /// A statement whose places for values are `$1`, `$2` and so on, each as often as needed.
    pub(in crate::store) fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), values: Vec::new() }
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

    /// The same with more text behind it.
    pub(in crate::store) fn then(mut self, text: &'static str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Places for the values of so many rows, in the place of `$#`; the values come after.
    pub(in crate::store) fn rows(mut self, width: usize, count: usize) -> Self {
        let first = self.values.len();
        let row = |row: usize| {
            let begin = first + row * width;
            let places: Vec<String> =
                (begin + 1..=begin + width).map(|place| format!("${place}")).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..count).map(row).collect();
        self.text = Cow::Owned(self.text.replace(ROWS, &rows.join(", ")));
        self
    }

    /// The last values: a list of integers that is not empty, in the place of `$*`.
    pub(in crate::store) fn integers(mut self, values: impl Iterator<Item = i64>) -> Self {
        let first = self.values.len();
        self.values.extend(values.map(|value| Value::Integer(Some(value))));
        let places: Vec<String> =
            (first + 1..=self.values.len()).map(|place| format!("${place}")).collect();
        self.text = Cow::Owned(self.text.replace(LIST, &places.join(", ")));
        self
    }

    /// The last values: a list that is not empty, in the place of `$*`.
    ///
    /// The last of the list is repeated up to the next power of two, so that lists of all lengths
    /// make a handful of different texts and connections keep their plans.
    pub(in crate::store) fn list<'t>(mut self, values: impl Iterator<Item = &'t str>) -> Self {
        let mut values: Vec<Value> =
            values.map(|value| Value::Text(Some(value.to_owned()))).collect();
        let last = values.last().cloned().unwrap_or(Value::Text(None));
        values.resize(values.len().next_power_of_two(), last);
        let first = self.values.len() + 1;
        let places: Vec<String> =
            (first..first + values.len()).map(|place| format!("${place}")).collect();
        self.text = Cow::Owned(self.text.replace(LIST, &places.join(", ")));
        self.values.extend(values);
        self
    }

    fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    fn sql(text: Cow<'static, str>) -> SqlStr {
        match text {
            Cow::Borrowed(text) => text.into_sql_str(),
            // It is a text of ours with more places for values.
            Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    /// The statement as SQLite gets it.
    pub(in crate::store) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(Self::sql(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(value) => query.bind(value),
            Value::Integer(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    }

    /// The statement as PostgreSQL gets it.
    pub(in crate::store) fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(Self::sql(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(value) => query.bind(value.map(text::to_postgres)),
            Value::Integer(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::store::statement::Statement;

    #[test]
    fn rows_become_places() {
        let statement = Statement::new("INSERT INTO t (a, b) VALUES $#").rows(2, 2);
        assert_eq!(statement.text, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        let statement =
            Statement::new("x = $1 AND n IN ($*)").text("x").integers([4, 5].into_iter());
        assert_eq!(statement.then(" LIMIT 1").text, "x = $1 AND n IN ($2, $3) LIMIT 1");
    }

    #[test]
    fn lists_become_places_in_a_handful_of_lengths() {
        let check = |count: usize, expected: &str| {
            let values = vec!["x"; count];
            let statement = Statement::new("a = $1 AND b IN ($*)").text("y");
            let statement = statement.list(values.into_iter());
            assert_eq!(statement.text, expected);
            assert_eq!(statement.values.len(), expected.matches('$').count());
        };
        check(1, "a = $1 AND b IN ($2)");
        check(2, "a = $1 AND b IN ($2, $3)");
        check(3, "a = $1 AND b IN ($2, $3, $4, $5)");
    }
}
