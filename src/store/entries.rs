//! The port `Sidecar`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use crate::sidecar::entry::{Entry, EntryState, Partition, Retired, RetiredCount, RetiredPage};
use crate::sidecar::port::{Sidecar, StoreError};
use crate::store::error::{Inconsistent, corrupt, is_taken, unavailable};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::{Statement, Wording, among};

/// Most values in one list of a statement.
const LIST: usize = 512;

/// How often a claim is begun again when another bridge is in its way.
const ATTEMPTS: usize = 8;

/// The entries of a partition and resource that …
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, native_key, attributes, state, last_record FROM entries \
             WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state, last_record) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (tenant, mapping, resource, id) DO UPDATE SET native_key = excluded.native_key, \
     attributes = excluded.attributes, state = excluded.state, last_record = excluded.last_record";

#[async_trait]
impl Sidecar for Store {
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.entries(among!(select!("id"), "$4"), partition, resource, ids).await
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.entries(among!(select!("native_key"), "$4"), partition, resource, keys).await
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        for _ in 0..ATTEMPTS {
            // Nearly every claim finds its entry, and reading needs no lock.
            if let Some(entry) = self.entry_of_key(partition, resource, key).await? {
                return Ok(entry);
            }
            let insert = "INSERT INTO entries \
                 (tenant, mapping, resource, id, native_key, attributes, state) \
                 VALUES ($1, $2, $3, $4, $5, '{}', 'live') ON CONFLICT DO NOTHING";
            let statement = within(insert, partition, resource).text(proposed_id).text(key);
            if self.database.write(statement).await? > 0 {
                let (id, key) = (proposed_id.to_owned(), key.to_owned());
                return Ok(Entry { id, key, ..Entry::default() });
            }
            // Somebody else has this key, or the id. Whoever has the key may lose it again before
            // it is read, so that all begins anew.
            let ids = [proposed_id.to_owned()];
            let found = self.by_ids(partition, resource, &ids).await?;
            if found.iter().any(|entry| entry.key != key) {
                return Err(corrupt(Inconsistent::IdTaken));
            }
        }
        Err(unavailable(Inconsistent::Contended))
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let statement = save(partition, resource, entry)?;
        match self.database.write(statement.clone()).await {
            Err(error) if is_taken(&error) => {
                self.supplant(partition, resource, entry, statement).await
            }
            other => other.map(drop),
        }
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let delete = "DELETE FROM entries \
                      WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND id = $4";
        self.database.write(within(delete, partition, resource).text(id)).await.map(drop)
    }

    async fn page(
        &self,
        partition: &Partition,
        resource: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        // No id is empty.
        let select = select!("id > $4 ORDER BY id LIMIT $5");
        let statement = within(select, partition, resource).text(after.unwrap_or_default());
        let rows = self.database.read(statement.integer(i64::from(limit))).await?;
        rows.iter().map(read).collect()
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError> {
        // That nobody of them lives is the index's own condition.
        let all = select!("state <> 'live' AND state = $4 ORDER BY id LIMIT $5 OFFSET $6");
        let behind =
            select!("state <> 'live' AND state = $4 AND id > $7 ORDER BY id LIMIT $5 OFFSET $6");
        let statement =
            within(if page.after.is_some() { behind } else { all }, partition, resource)
                .text(state_of(page.way))
                .integer(i64::from(page.limit))
                .integer(i64::try_from(page.skip).unwrap_or(i64::MAX));
        let statement = page.after.into_iter().fold(statement, Statement::text);
        self.database.read(statement).await?.iter().map(read).collect()
    }

    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError> {
        let select = "SELECT COUNT(*) FILTER (WHERE state = 'off') AS off, \
                      COUNT(*) FILTER (WHERE state = 'deleted') AS deleted FROM entries \
                      WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND state <> 'live'";
        let rows = self.database.read(within(select, partition, resource)).await?;
        let Some(row) = rows.first() else { return Ok(RetiredCount::default()) };
        let count = |column| row.integer(column).map(i64::unsigned_abs);
        Ok(RetiredCount { off: count("off")?, deleted: count("deleted")? })
    }
}

impl Store {
    async fn entries(
        &self,
        select: Wording,
        partition: &Partition,
        resource: &str,
        values: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        // A value that stood in two lists would give its entry twice.
        let wanted: Vec<&str> =
            values.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
        let mut entries = Vec::with_capacity(wanted.len());
        for values in wanted.chunks(LIST) {
            let statement = within(select, partition, resource).list(values.iter().copied());
            for row in self.database.read(statement).await? {
                entries.push(read(&row)?);
            }
        }
        Ok(entries)
    }

    async fn entry_of_key(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
    ) -> Result<Option<Entry>, StoreError> {
        Ok(self.by_keys(partition, resource, &[key.to_owned()]).await?.pop())
    }

    /// Removes the entry that has the key, which is rare, and writes this one.
    async fn supplant(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
        save: Statement,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_alone().await?;
        let delete = "DELETE FROM entries WHERE tenant = $1 AND mapping = $2 AND resource = $3 \
                      AND native_key = $4 AND id <> $5";
        let delete = within(delete, partition, resource).text(&entry.key).text(&entry.id);
        transaction.write(delete).await?;
        transaction.write(save).await?;
        transaction.commit().await
    }
}

/// A way of having left, as `entries` says it.
fn state_of(way: Retired) -> &'static str {
    match way {
        Retired::Off => "off",
        Retired::Deleted => "deleted",
    }
}

/// A statement whose first three values say whose entries are meant.
fn within(wording: impl Into<Wording>, partition: &Partition, resource: &str) -> Statement {
    Statement::new(wording).text(&partition.tenant).text(&partition.mapping).text(resource)
}

fn save(partition: &Partition, resource: &str, entry: &Entry) -> Result<Statement, StoreError> {
    let (state, last_record) = match &entry.state {
        EntryState::Live => ("live", None),
        EntryState::Off(record) => ("off", Some(record.to_string())),
        EntryState::Deleted => ("deleted", None),
    };
    Ok(within(INSERT, partition, resource)
        .text(&entry.id)
        .text(&entry.key)
        .text(serde_json::to_string(&entry.attributes).map_err(corrupt)?)
        .text(state)
        .maybe_text(last_record))
}

fn read(row: &Row) -> Result<Entry, StoreError> {
    entry(
        (row.text("id")?, row.text("native_key")?),
        &row.text("attributes")?,
        &row.text("state")?,
        row.maybe_text("last_record")?.as_deref(),
    )
}

fn entry(
    (id, key): (String, String),
    attributes: &str,
    state: &str,
    last_record: Option<&str>,
) -> Result<Entry, StoreError> {
    let attributes = serde_json::from_str(attributes).map_err(corrupt)?;
    let state = match (state, last_record) {
        ("live", None) => EntryState::Live,
        ("off", Some(record)) => {
            EntryState::Off(serde_json::from_str::<Value>(record).map_err(corrupt)?)
        }
        ("deleted", None) => EntryState::Deleted,
        _ => return Err(corrupt(Inconsistent::State)),
    };
    Ok(Entry { id, key, attributes, state })
}

#[cfg(test)]
mod tests {
    use crate::sidecar::port::StoreError;
    use crate::store::entries::entry;

    fn check(state: &str, last_record: Option<&str>, attributes: &str, readable: bool) {
        let answer = entry(("1".to_owned(), "ada".to_owned()), attributes, state, last_record);
        assert_eq!(answer.is_ok(), readable, "{state} {last_record:?} {attributes}");
        if let Err(error) = answer {
            assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        }
    }

    #[test]
    fn rows_that_contradict_themselves_are_corrupt() {
        check("live", None, "{}", true);
        check("off", Some("null"), "{}", true);
        check("deleted", None, r#"{"title":"x"}"#, true);
        check("live", Some("{}"), "{}", false);
        check("off", None, "{}", false);
        check("off", Some("{"), "{}", false);
        check("asleep", None, "{}", false);
        check("live", None, "[]", false);
        check("live", None, "", false);
    }
}
