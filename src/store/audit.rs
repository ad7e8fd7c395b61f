//! The port `AuditStore`.
//!
//! What is under way and what is over are two tables. The first is never large, so what a dead
//! process has left behind is found at once; the second only grows at its end, in the order in
//! which operations ended, so that one can follow it.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::audit::event::{Details, Event, Operation, Outcome};
use crate::audit::port::{AuditStore, Begun, Ended, Ending, Instance, Order, Recorded, Search};
use crate::sidecar::port::StoreError;
use crate::store::database::Transaction;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::{Statement, Wording};

/// Rows begin: `instance` is `$1`.
macro_rules! begin {
    ($rows:literal) => {
        concat!(
            "INSERT INTO audit_begun (instance, sequence, at, tenant, token, request_id, \
             operation, resource, resource_id, details) \
             SELECT CAST($1 AS TEXT), CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), \
             value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
             value ->> 9 FROM ",
            $rows
        )
    };
}

/// What has these numbers is begun no longer.
macro_rules! forget {
    ($numbers:literal) => {
        concat!("DELETE FROM audit_begun WHERE instance = $1 AND sequence IN (", $numbers, ")")
    };
}

/// Rows are over, in their order.
macro_rules! end {
    ($rows:literal) => {
        concat!(
            "INSERT INTO audit_events (at, tenant, token, request_id, operation, resource, \
             resource_id, status, details) \
             SELECT CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, value ->> 4, \
             value ->> 5, value ->> 6, value ->> 7, CAST(value ->> 8 AS BIGINT), value ->> 9 FROM ",
            $rows
        )
    };
}

/// Events in the order of their numbers, or in the other one.
macro_rules! search {
    ($order:literal) => {
        concat!(
            "SELECT number, at, tenant, token, request_id, operation, resource, resource_id, \
             status, details FROM audit_events \
             WHERE number > $1 AND number < $2 AND at >= $3 AND at < $4 \
             AND (CAST($5 AS TEXT) IS NULL OR tenant = $5) \
             AND (CAST($6 AS TEXT) IS NULL OR token = $6) \
             AND (CAST($7 AS TEXT) IS NULL OR request_id = $7 \
                  OR (request_id > $7 || '-' AND request_id < $7 || '.')) \
             AND (CAST($8 AS TEXT) IS NULL OR operation = $8) \
             AND (CAST($9 AS TEXT) IS NULL OR resource = $9) \
             AND (CAST($10 AS TEXT) IS NULL OR resource_id = $10) \
             AND (status IS NULL OR status >= $11) ORDER BY number ",
            $order,
            " LIMIT $12"
        )
    };
}

/// How many events around an instant are looked at to find where to begin. Events stand in the
/// order in which they ended, which is nearly the one in which they began.
const AROUND: i64 = 1000;

/// What begins (`$2`) and what has ended (`$3`), as [`rows`], and the numbers of what had begun
/// before it ended (`$4`). No operation is in both.
const RECORD: Wording = Wording {
    sqlite: concat!(
        "BEGIN IMMEDIATE; ",
        begin!("jsonb_each($2)"),
        "; ",
        forget!("SELECT value FROM json_each($4)"),
        "; ",
        end!("jsonb_each($3)"),
        "; COMMIT"
    ),
    postgres: concat!(
        "WITH begun AS (",
        begin!("jsonb_array_elements(CAST($2 AS jsonb))"),
        "), forgotten AS (",
        forget!("SELECT CAST(jsonb_array_elements_text(CAST($4 AS jsonb)) AS BIGINT)"),
        ") ",
        end!("jsonb_array_elements(CAST($3 AS jsonb))")
    ),
};

#[async_trait]
impl AuditStore for Store {
    async fn record(
        &self,
        instance: &str,
        begun: &[Begun],
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        if begun.is_empty() && ended.is_empty() {
            return Ok(());
        }
        let begun = rows(begun.iter().map(|it| (Some(it.sequence), &it.event)))?;
        let over: Value = ended.iter().filter_map(|it| it.sequence).collect();
        let ended = rows(ended.iter().map(|it| (None, &it.event)))?;
        let statement = Statement::new(RECORD).text(instance).json(begun).json(ended);
        let statement = statement.json(over.to_string());
        self.database.write_together(statement).await
    }

    async fn search(&self, search: &Search) -> Result<Vec<Recorded>, StoreError> {
        let (mut above, mut below) = (i64::MIN, i64::MAX);
        if let Some(since) = search.since {
            let select = "SELECT MIN(number) AS number FROM (SELECT number FROM audit_events \
                          WHERE at >= $1 ORDER BY at LIMIT $2) AS around";
            let found = self.number(select, since).await?;
            let Some(first) = found else { return Ok(Vec::new()) };
            above = first.saturating_sub(1);
        }
        if let Some(until) = search.until {
            let select = "SELECT MAX(number) AS number FROM (SELECT number FROM audit_events \
                          WHERE at < $1 ORDER BY at DESC LIMIT $2) AS around";
            let found = self.number(select, until).await?;
            let Some(last) = found else { return Ok(Vec::new()) };
            below = last.saturating_add(1);
        }
        let select = match search.order {
            Order::OldestFirst => {
                above = above.max(search.beyond.unwrap_or(i64::MIN));
                search!("ASC")
            }
            Order::NewestFirst => {
                below = below.min(search.beyond.unwrap_or(i64::MAX));
                search!("DESC")
            }
        };
        let least = match search.ending {
            Ending::Any => 0,
            Ending::Failed => 400,
            Ending::Interrupted => i64::from(u16::MAX),
        };
        let microsecond = |instant: Option<Timestamp>| instant.map(Timestamp::as_microsecond);
        let statement = Statement::new(select)
            .integer(above)
            .integer(below)
            .integer(microsecond(search.since).unwrap_or(i64::MIN))
            .integer(microsecond(search.until).unwrap_or(i64::MAX))
            .maybe_text(search.tenant.as_deref())
            .maybe_text(search.token.as_deref())
            .maybe_text(search.request_id.as_deref())
            .maybe_text(search.operation.map(Operation::keyword))
            .maybe_text(search.resource.as_deref())
            .maybe_text(search.resource_id.as_deref())
            .integer(least)
            .integer(i64::try_from(search.most).unwrap_or(i64::MAX));
        self.database.read(statement).await?.iter().map(recorded).collect()
    }

    async fn prune(&self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        // Those kept longest stand first; one that began earlier than its neighbours goes later.
        let delete = "DELETE FROM audit_events WHERE at < $1 AND number IN \
                      (SELECT number FROM audit_events ORDER BY number LIMIT $2)";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let statement = Statement::new(delete).integer(before.as_microsecond()).integer(most);
        let count = self.database.write(statement).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn beat(&self, instance: &Instance) -> Result<Vec<Instance>, StoreError> {
        let upsert = "INSERT INTO audit_instances (id, beats, process) VALUES ($1, $2, $3) \
                      ON CONFLICT (id) DO UPDATE SET beats = excluded.beats";
        let statement = Statement::new(upsert)
            .text(&instance.id)
            .integer(instance.beats)
            .text(&instance.process);
        self.database.write(statement).await?;
        let select = "SELECT id, beats, process FROM audit_instances WHERE id <> $1 \
                      UNION ALL SELECT DISTINCT instance, -1, '' FROM audit_begun \
                      WHERE instance <> $1 AND instance NOT IN (SELECT id FROM audit_instances)";
        let rows = self.database.read(Statement::new(select).text(&instance.id)).await?;
        let other = |row: &Row| {
            Ok(Instance {
                id: row.text("id")?,
                beats: row.integer("beats")?,
                process: row.text("process")?,
            })
        };
        rows.iter().map(other).collect()
    }

    async fn recover(&self, instance: &str) -> Result<usize, StoreError> {
        let mut transaction = self.database.begin().await?;
        // Whoever else recovers it waits here, and finds nothing left.
        let hold = "INSERT INTO audit_instances (id, beats, process) VALUES ($1, 0, '') \
                    ON CONFLICT (id) DO UPDATE SET beats = excluded.beats";
        transaction.write(Statement::new(hold).text(instance)).await?;
        let copy = "INSERT INTO audit_events (at, tenant, token, request_id, operation, \
                    resource, resource_id, status, details) \
                    SELECT at, tenant, token, request_id, operation, resource, resource_id, \
                    NULL, details FROM audit_begun WHERE instance = $1 ORDER BY sequence";
        let count = transaction.write(Statement::new(copy).text(instance)).await?;
        forget(&mut transaction, "DELETE FROM audit_begun WHERE instance = $1", instance).await?;
        forget(&mut transaction, "DELETE FROM audit_instances WHERE id = $1", instance).await?;
        transaction.commit().await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

impl Store {
    async fn number(
        &self,
        select: &'static str,
        instant: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let statement = Statement::new(select).integer(instant.as_microsecond()).integer(AROUND);
        match self.database.read(statement).await?.first() {
            Some(row) => row.maybe_integer("number"),
            None => Ok(None),
        }
    }
}

async fn forget(
    transaction: &mut Transaction,
    delete: &'static str,
    instance: &str,
) -> Result<(), StoreError> {
    transaction.write(Statement::new(delete).text(instance)).await.map(drop)
}

/// Events as one JSON array of arrays: under which number it began, the searched columns, the
/// status, the details as text.
fn rows<'e>(events: impl Iterator<Item = (Option<i64>, &'e Event)>) -> Result<String, StoreError> {
    let row = |(sequence, event): (Option<i64>, &'e Event)| {
        let status = match event.outcome {
            Outcome::Answered(status) => Some(status),
            Outcome::Interrupted => None,
        };
        Ok((
            sequence,
            event.at.as_microsecond(),
            &event.tenant,
            &event.token,
            &event.request_id,
            event.operation.keyword(),
            &event.resource,
            &event.resource_id,
            status,
            serde_json::to_string(&event.details)?,
        ))
    };
    let rows: Result<Vec<_>, serde_json::Error> = events.map(row).collect();
    rows.and_then(|rows| serde_json::to_string(&rows)).map_err(corrupt)
}

fn recorded(row: &Row) -> Result<Recorded, StoreError> {
    let operation = Operation::named(&row.text("operation")?);
    let outcome = match row.maybe_integer("status")? {
        Some(status) => Outcome::Answered(u16::try_from(status).map_err(corrupt)?),
        None => Outcome::Interrupted,
    };
    let details: Details = serde_json::from_str(&row.text("details")?).map_err(corrupt)?;
    Ok(Recorded {
        number: row.integer("number")?,
        event: Event {
            at: Timestamp::from_microsecond(row.integer("at")?).map_err(corrupt)?,
            tenant: row.text("tenant")?,
            token: row.text("token")?,
            request_id: row.text("request_id")?,
            operation: operation.ok_or_else(|| corrupt(Inconsistent::Event))?,
            resource: row.text("resource")?,
            resource_id: row.text("resource_id")?,
            outcome,
            details,
        },
    })
}
