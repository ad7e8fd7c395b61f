//! The port `TokenStore`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::auth::port::{TokenName, TokenStore};
use crate::auth::token::{TokenHash, TokenRecord};
use crate::sidecar::port::StoreError;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::row::Row;
use crate::store::statement::Statement;

#[async_trait]
impl TokenStore for Store {
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let insert = "INSERT INTO tokens (id, tenant, label, hash, created, expires, revoked) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let statement = Statement::new(insert)
            .text(&record.id)
            .text(&record.tenant)
            .text(&record.label)
            .bytes(record.hash.as_bytes())
            .integer(record.created.as_microsecond())
            .maybe_integer(record.expires.map(Timestamp::as_microsecond))
            .maybe_integer(record.revoked.map(Timestamp::as_microsecond));
        self.database.write(statement).await.map(drop)
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let select = "SELECT id, tenant, label, hash, created, expires, revoked FROM tokens \
                      WHERE CAST($1 AS TEXT) IS NULL OR tenant = $1 ORDER BY tenant, created, id";
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
        Ok(self.database.write(statement).await? > 0)
    }

    async fn active(&self, now: Timestamp) -> Result<Vec<TokenRecord>, StoreError> {
        let select = "SELECT id, tenant, label, hash, created, expires, revoked FROM tokens \
                      WHERE revoked IS NULL AND (expires IS NULL OR expires > $1) \
                      ORDER BY tenant, created, id";
        self.records(Statement::new(select).integer(now.as_microsecond())).await
    }
}

impl Store {
    async fn records(&self, statement: Statement) -> Result<Vec<TokenRecord>, StoreError> {
        self.database.read(statement).await?.iter().map(record).collect()
    }
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
    })
}
