//! Keys that an installation makes for itself: none is ever changed.

use crate::sidecar::port::StoreError;
use crate::store::error::{Inconsistent, corrupt};
use crate::store::open::Store;
use crate::store::statement::Statement;

impl Store {
    /// The installation's key of this name: the proposed one when there was none, else the one
    /// that was proposed first.
    pub async fn key(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        // Whoever proposes at the same moment waits here, so that all read what is kept.
        let mut transaction = self.database.begin().await?;
        let insert = "INSERT INTO keys (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        transaction.write(Statement::new(insert).text(name).bytes(&proposed)).await?;
        let select = "SELECT value FROM keys WHERE name = $1";
        let rows = transaction.read(Statement::new(select).text(name)).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or_else(|| corrupt(Inconsistent::Key))?;
        row.bytes("value")?.try_into().map_err(|_| corrupt(Inconsistent::Key))
    }
}
