//! The port `TokenStore`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::auth::port::{TokenName, TokenStore};
use crate::auth::token::{LAST_USE_INTERVAL, TokenHash, TokenRecord};
use crate::sidecar::port::StoreError;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Every column, in the order of [`record`].
macro_rules! columns {
    () => {
        "id, tenant, label, hash, created, expires, revoked, scopes, last_used"
    };
}

/// Said in every transaction that changes what is listed.
const CHANGED: &str = "UPDATE token_version SET version = version + 1";

#[async_trait]
impl TokenStore for Store {
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        self.changing(vec![insert(record)]).await.map(drop)
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let select = concat!(
            "SELECT ",
            columns!(),
            " FROM tokens WHERE CAST($1 AS TEXT) IS NULL OR tenant = $1 \
             ORDER BY tenant, created, id"
        );
        self.records(Statement::new(select).maybe_text(tenant)).await
    }

    async fn revoke(&self, name: TokenName<'_>, at: Timestamp) -> Result<bool, StoreError> {
        let at = at.as_microsecond();
        let statement = match name {
            TokenName::Id(id) => {
                let update = "UPDATE tokens SET revoked = $1 WHERE revoked IS NULL AND id = $2";
                Statement::new(update).integer(at).text(id)
            }
            TokenName::Label { tenant, label } => {
                let update = "UPDATE tokens SET revoked = $1 \
                              WHERE revoked IS NULL AND tenant = $2 AND label = $3";
                Statement::new(update).integer(at).text(tenant).text(label)
            }
        };
        Ok(self.changing(vec![statement]).await? > 0)
    }

    async fn replace(
        &self,
        record: &TokenRecord,
        old: &[String],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let shorten = "UPDATE tokens SET expires = $1 WHERE revoked IS NULL AND id = $2 \
                       AND (expires IS NULL OR expires > $1)";
        let until = until.as_microsecond();
        let shortened = old.iter().map(|id| Statement::new(shorten).integer(until).text(id));
        let statements = shortened.chain([insert(record)]).collect();
        self.changing(statements).await.map(drop)
    }

    async fn note_use(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE tokens SET last_used = $1 WHERE id = $2 \
                      AND (last_used IS NULL OR last_used <= $3)";
        let at = at.as_microsecond();
        let before = at.saturating_sub(LAST_USE_INTERVAL.as_secs().saturating_mul(1_000_000));
        let statement = Statement::new(update).integer(at).text(id).integer(before);
        self.database.write(statement).await.map(drop)
    }

    async fn version(&self) -> Result<i64, StoreError> {
        let rows = self.database.read(Statement::new("SELECT version FROM token_version")).await?;
        rows.first().ok_or_else(|| corrupt(Inconsistent::TokenVersion))?.integer("version")
    }

    async fn active(&self, now: Timestamp) -> Result<Vec<TokenRecord>, StoreError> {
        let select = concat!(
            "SELECT ",
            columns!(),
            " FROM tokens WHERE revoked IS NULL AND (expires IS NULL OR expires > $1) \
             ORDER BY tenant, created, id"
        );
        self.records(Statement::new(select).integer(now.as_microsecond())).await
    }
}

impl Store {
    async fn records(&self, statement: Statement) -> Result<Vec<TokenRecord>, StoreError> {
        self.database.read(statement).await?.iter().map(record).collect()
    }

    /// Carries changes out and raises the version, all or nothing; says how many rows they were
    /// about. Whoever changes tokens at the same time waits for the row of the version, so nobody
    /// reads a version without the changes that it stands for.
    async fn changing(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        let mut transaction = self.database.begin().await?;
        transaction.write(Statement::new(CHANGED)).await?;
        let mut rows = 0;
        for statement in statements {
            rows += transaction.write(statement).await?;
        }
        if rows > 0 {
            transaction.commit().await?;
        }
        Ok(rows)
    }
}

fn insert(record: &TokenRecord) -> Statement {
    let insert = concat!(
        "INSERT INTO tokens (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    Statement::new(insert)
        .text(&record.id)
        .text(&record.tenant)
        .text(&record.label)
        .bytes(record.hash.as_bytes())
        .integer(record.created.as_microsecond())
        .maybe_integer(record.expires.map(Timestamp::as_microsecond))
        .maybe_integer(record.revoked.map(Timestamp::as_microsecond))
        .text(record.scopes.to_string())
        .maybe_integer(record.last_used.map(Timestamp::as_microsecond))
}

fn record(row: &Row) -> Result<TokenRecord, StoreError> {
    let instant = |microseconds| Timestamp::from_microsecond(microseconds).map_err(corrupt);
    let hash = TokenHash::from_bytes(&row.bytes("hash")?);
    Ok(TokenRecord {
        id: row.text("id")?,
        tenant: row.text("tenant")?,
        label: row.text("label")?,
        hash: hash.ok_or_else(|| corrupt(Inconsistent::Hash))?,
        created: instant(row.integer("created")?)?,
        expires: row.maybe_integer("expires")?.map(instant).transpose()?,
        revoked: row.maybe_integer("revoked")?.map(instant).transpose()?,
        scopes: row.text("scopes")?.parse().map_err(corrupt)?,
        last_used: row.maybe_integer("last_used")?.map(instant).transpose()?,
    })
}
