//! The port `AuditStore`.
//!
//! What is under way and what is over are two tables. The first is never large, so what a dead
//! process has left behind is found at once; the second only grows at its end, in the order in
//! which operations ended, so that one can follow it.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::audit::event::{Details, Event, Operation, Outcome};
use crate::audit::port::{AuditStore, Begun, Ended, Ending, Instance, Order, Recorded, Search};
use crate::sidecar::port::StoreError;
use crate::store::database::Transaction;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Rows of one statement. A batch is cut into these lengths, so that there are a handful of texts
/// and connections keep their plans.
const LENGTHS: [usize; 4] = [64, 16, 4, 1];

/// How many events around an instant are looked at to find where to begin. Events stand in the
/// order in which they ended, which is nearly the one in which they began.
const AROUND: i64 = 1000;

const INSERT_BEGUN: &str = "INSERT INTO audit_begun (instance, sequence, at, tenant, token, \
                            request_id, operation, resource, resource_id, details) VALUES $#";

const INSERT_EVENTS: &str = "INSERT INTO audit_events (at, tenant, token, request_id, operation, \
                             resource, resource_id, status, details) VALUES $#";

const SELECT: &str = "SELECT number, at, tenant, token, request_id, operation, resource, \
                      resource_id, status, details FROM audit_events \
                      WHERE number > $1 AND number < $2 AND at >= $3 AND at < $4 \
                      AND (CAST($5 AS TEXT) IS NULL OR tenant = $5) \
                      AND (CAST($6 AS TEXT) IS NULL OR token = $6) \
                      AND (CAST($7 AS TEXT) IS NULL OR request_id = $7 \
                           OR (request_id > $7 || '-' AND request_id < $7 || '.')) \
                      AND (CAST($8 AS TEXT) IS NULL OR operation = $8) \
                      AND (CAST($9 AS TEXT) IS NULL OR resource = $9) \
                      AND (CAST($10 AS TEXT) IS NULL OR resource_id = $10) \
                      AND (status IS NULL OR status >= $11)";

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
        let mut transaction = self.database.begin().await?;
        for rows in pieces(begun) {
            let mut statement = Statement::new(INSERT_BEGUN).rows(10, rows.len());
            for Begun { sequence, event } in rows {
                statement = statement.text(instance).integer(*sequence);
                statement = columns(statement, event).text(details(event)?);
            }
            transaction.write(statement).await?;
        }
        let over: Vec<i64> = ended.iter().filter_map(|ended| ended.sequence).collect();
        for numbers in pieces(&over) {
            let delete = "DELETE FROM audit_begun WHERE instance = $1 AND sequence IN ($*)";
            let statement = Statement::new(delete).text(instance);
            transaction.write(statement.integers(numbers.iter().copied())).await?;
        }
        for rows in pieces(ended) {
            let mut statement = Statement::new(INSERT_EVENTS).rows(9, rows.len());
            for Ended { event, .. } in rows {
                let status = match event.outcome {
                    Outcome::Answered(status) => Some(i64::from(status)),
                    Outcome::Interrupted => None,
                };
                statement = columns(statement, event).maybe_integer(status).text(details(event)?);
            }
            transaction.write(statement).await?;
        }
        transaction.commit().await
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
        let order = match search.order {
            Order::OldestFirst => {
                above = above.max(search.beyond.unwrap_or(i64::MIN));
                " ORDER BY number LIMIT $12"
            }
            Order::NewestFirst => {
                below = below.min(search.beyond.unwrap_or(i64::MAX));
                " ORDER BY number DESC LIMIT $12"
            }
        };
        let least = match search.ending {
            Ending::Any => 0,
            Ending::Failed => 400,
            Ending::Interrupted => i64::from(u16::MAX),
        };
        let microsecond = |instant: Option<Timestamp>| instant.map(Timestamp::as_microsecond);
        let statement = Statement::new(SELECT)
            .then(order)
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

/// The rows in pieces of a handful of lengths.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = LENGTHS.into_iter().find(|length| *length <= rows.len())?;
        let (piece, rest) = rows.split_at(length);
        rows = rest;
        Some(piece)
    })
}

fn columns(statement: Statement, event: &Event) -> Statement {
    statement
        .integer(event.at.as_microsecond())
        .text(&event.tenant)
        .text(&event.token)
        .text(&event.request_id)
        .text(event.operation.keyword())
        .text(&event.resource)
        .text(&event.resource_id)
}

fn details(event: &Event) -> Result<String, StoreError> {
    serde_json::to_string(&event.details).map_err(corrupt)
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

#[cfg(test)]
mod tests {
    use crate::store::audit::pieces;

    #[test]
    fn rows_are_cut_into_a_handful_of_lengths() {
        let rows = vec![(); 150];
        let lengths: Vec<usize> = pieces(&rows).map(<[()]>::len).collect();
        assert_eq!(lengths, [64, 64, 16, 4, 1, 1]);
        assert_eq!(pieces::<()>(&[]).count(), 0);
    }
}
