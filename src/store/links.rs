//! The port `Links`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::sidecar::entry::Partition;
use crate::sidecar::links::{Claim, Done, Link, Links, Shelf, Sweep};
use crate::sidecar::port::StoreError;
use crate::store::error::corrupt;
use crate::store::open::Store;
use crate::store::statement::Statement;

#[async_trait]
impl Links for Store {
    async fn link(
        &self,
        partition: &Partition,
        resource: &str,
        links: &[Link],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO links \
             (tenant, mapping, resource, attribute, value, native_key, seen) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (tenant, mapping, resource, attribute, value, native_key) \
             DO UPDATE SET seen = excluded.seen";
        let statement = |link: &Link| {
            let statement = within(insert, partition, resource).text(&link.attribute);
            statement.text(&link.value).text(&link.key).integer(at.as_microsecond())
        };
        match links {
            [] => Ok(()),
            [link] => self.database.write(statement(link)).await.map(drop),
            links => {
                // One order for all, so that no two wait for each other.
                let mut links: Vec<&Link> = links.iter().collect();
                links.sort();
                let mut transaction = self.database.begin().await?;
                for link in links {
                    transaction.write(statement(link)).await?;
                }
                transaction.commit().await
            }
        }
    }

    async fn unlink(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        keep: &[Link],
    ) -> Result<(), StoreError> {
        let select = "SELECT attribute, value FROM links \
             WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND native_key = $4";
        let rows = self.database.read(within(select, partition, resource).text(key)).await?;
        for row in rows {
            let (attribute, value) = (row.text("attribute")?, row.text("value")?);
            let link = Link { attribute, value, key: key.to_owned() };
            if !keep.contains(&link) {
                self.forget(partition, resource, &link).await?;
            }
        }
        Ok(())
    }

    async fn forget(
        &self,
        partition: &Partition,
        resource: &str,
        link: &Link,
    ) -> Result<(), StoreError> {
        let delete = "DELETE FROM links WHERE tenant = $1 AND mapping = $2 AND resource = $3 \
             AND attribute = $4 AND value = $5 AND native_key = $6";
        let statement = within(delete, partition, resource).text(&link.attribute);
        self.database.write(statement.text(&link.value).text(&link.key)).await.map(drop)
    }

    async fn linked(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let select = "SELECT native_key FROM links \
             WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND attribute = $4 \
             AND value = $5 ORDER BY native_key LIMIT $6";
        let statement = within(select, partition, resource).text(attribute).text(value);
        let rows = self.database.read(statement.integer(i64::from(limit))).await?;
        rows.iter().map(|row| row.text("native_key")).collect()
    }

    async fn count(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
    ) -> Result<u64, StoreError> {
        let select = "SELECT COUNT(*) AS links FROM links \
             WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND attribute = $4";
        let rows = self.database.read(within(select, partition, resource).text(attribute)).await?;
        let count = rows.first().map(|row| row.integer("links")).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
    ) -> Result<Option<Sweep>, StoreError> {
        let select = "SELECT fingerprint, began, ended, records FROM link_sweeps \
             WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND shelf = $4";
        let rows =
            self.database.read(within(select, partition, resource).text(name(shelf))).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // Somebody has begun to sweep, and nobody has come to the end.
        let Some(fingerprint) = row.maybe_text("fingerprint")? else { return Ok(None) };
        let instant = |column| {
            let micros = row.maybe_integer(column)?.unwrap_or_default();
            Timestamp::from_microsecond(micros).map_err(corrupt)
        };
        let records = row.maybe_integer("records")?.unwrap_or_default().unsigned_abs();
        Ok(Some(Sweep { fingerprint, began: instant("began")?, ended: instant("ended")?, records }))
    }

    async fn begin_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        claim: &Claim<'_>,
    ) -> Result<bool, StoreError> {
        let insert = "INSERT INTO link_sweeps (tenant, mapping, resource, shelf, holder, held) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant, mapping, resource, shelf) \
             DO UPDATE SET holder = excluded.holder, held = excluded.held \
             WHERE link_sweeps.holder IS NULL OR link_sweeps.holder = excluded.holder \
             OR link_sweeps.held <= $7";
        let statement = within(insert, partition, resource).text(name(shelf)).text(claim.holder);
        let statement = statement.integer(claim.until.as_microsecond());
        let written = self.database.write(statement.integer(claim.now.as_microsecond())).await?;
        Ok(written > 0)
    }

    async fn end_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        done: Option<&Done<'_>>,
    ) -> Result<(), StoreError> {
        let Some(Done { sweep, attributes, stale }) = done else {
            let release = "UPDATE link_sweeps SET holder = NULL, held = NULL \
                 WHERE tenant = $1 AND mapping = $2 AND resource = $3 AND shelf = $4";
            let statement = within(release, partition, resource).text(name(shelf));
            return self.database.write(statement).await.map(drop);
        };
        let mut transaction = self.database.begin().await?;
        let insert = "INSERT INTO link_sweeps \
             (tenant, mapping, resource, shelf, fingerprint, began, ended, records) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (tenant, mapping, resource, shelf) \
             DO UPDATE SET fingerprint = excluded.fingerprint, began = excluded.began, \
             ended = excluded.ended, records = excluded.records, holder = NULL, held = NULL";
        let statement = within(insert, partition, resource).text(name(shelf));
        let statement = statement.text(&sweep.fingerprint).integer(sweep.began.as_microsecond());
        let statement = statement.integer(sweep.ended.as_microsecond());
        let records = i64::try_from(sweep.records).unwrap_or(i64::MAX);
        transaction.write(statement.integer(records)).await?;
        let delete = "DELETE FROM links WHERE tenant = $1 AND mapping = $2 AND resource = $3 \
             AND attribute = $4 AND seen < $5";
        for attribute in *attributes {
            let statement = within(delete, partition, resource).text(attribute);
            transaction.write(statement.integer(stale.as_microsecond())).await?;
        }
        transaction.commit().await
    }
}

fn name(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Kept => "kept",
        Shelf::Native => "native",
    }
}

fn within(text: &'static str, partition: &Partition, resource: &str) -> Statement {
    Statement::new(text).text(&partition.tenant).text(&partition.mapping).text(resource)
}
