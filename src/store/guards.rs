//! The port `GuardStore`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::guard::port::{GuardStore, Trip, Use, Verdict};
use crate::guard::rule::Kind;
use crate::sidecar::port::StoreError;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::Statement;

#[async_trait]
impl GuardStore for Store {
    async fn count(&self, use_: &Use<'_>) -> Result<Verdict, StoreError> {
        let (tenant, kind) = (use_.tenant, use_.kind.keyword());
        let mut transaction = self.database.begin().await?;
        // From here on nobody else counts for this guard.
        let hold = "INSERT INTO guards (tenant, kind) VALUES ($1, $2) \
                    ON CONFLICT (tenant, kind) DO UPDATE SET kind = excluded.kind";
        transaction.write(Statement::new(hold).text(tenant).text(kind)).await?;
        let forget = "DELETE FROM guard_uses WHERE tenant = $1 AND kind = $2 AND at < $3";
        let since = use_.since.as_microsecond();
        let statement = Statement::new(forget).text(tenant).text(kind).integer(since);
        transaction.write(statement).await?;
        let select = "SELECT \
                      (SELECT COUNT(*) FROM guard_uses WHERE tenant = $1 AND kind = $2 \
                       AND resource = $3 AND id = $4) AS known, \
                      (SELECT COUNT(*) FROM guard_uses WHERE tenant = $1 AND kind = $2) AS used, \
                      tripped FROM guards WHERE tenant = $1 AND kind = $2";
        let statement =
            Statement::new(select).text(tenant).text(kind).text(use_.resource).text(use_.id);
        let rows = transaction.read(statement).await?;
        let row = rows.first().ok_or_else(|| corrupt(Inconsistent::Guard))?;
        let at = use_.at.as_microsecond();
        let verdict = if row.integer("known")? > 0 {
            Verdict::Admitted
        } else if row.maybe_integer("tripped")?.is_some() {
            Verdict::Tripped
        } else if row.integer("used")? >= i64::from(use_.most) {
            let trip = "UPDATE guards SET tripped = $3 WHERE tenant = $1 AND kind = $2";
            transaction.write(Statement::new(trip).text(tenant).text(kind).integer(at)).await?;
            Verdict::Trips
        } else {
            let insert = "INSERT INTO guard_uses (tenant, kind, resource, id, at) \
                          VALUES ($1, $2, $3, $4, $5)";
            let statement =
                Statement::new(insert).text(tenant).text(kind).text(use_.resource).text(use_.id);
            transaction.write(statement.integer(at)).await?;
            Verdict::Admitted
        };
        transaction.commit().await?;
        Ok(verdict)
    }

    async fn tripped(&self) -> Result<Vec<Trip>, StoreError> {
        let select = "SELECT tenant, kind, tripped FROM guards WHERE tripped IS NOT NULL \
                      ORDER BY tenant, kind";
        let trip = |row: &Row| {
            let kind = Kind::named(&row.text("kind")?);
            Ok(Trip {
                tenant: row.text("tenant")?,
                kind: kind.ok_or_else(|| corrupt(Inconsistent::Guard))?,
                at: Timestamp::from_microsecond(row.integer("tripped")?).map_err(corrupt)?,
            })
        };
        self.database.read(Statement::new(select)).await?.iter().map(trip).collect()
    }

    async fn release(&self, tenant: &str, kind: Kind) -> Result<bool, StoreError> {
        let kind = kind.keyword();
        let mut transaction = self.database.begin().await?;
        let release = "UPDATE guards SET tripped = NULL \
                       WHERE tenant = $1 AND kind = $2 AND tripped IS NOT NULL";
        let had = transaction.write(Statement::new(release).text(tenant).text(kind)).await? > 0;
        let forget = "DELETE FROM guard_uses WHERE tenant = $1 AND kind = $2";
        transaction.write(Statement::new(forget).text(tenant).text(kind)).await?;
        transaction.commit().await?;
        Ok(had)
    }
}
