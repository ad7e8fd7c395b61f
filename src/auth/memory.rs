//! Tokens in memory, for tests: nothing outlives the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::auth::port::{TokenName, TokenStore};
use crate::auth::token::TokenRecord;
use crate::sidecar::port::StoreError;

/// Every tenant's tokens, in the order of [`TokenStore::list`].
#[derive(Debug, Default)]
pub struct MemoryTokens {
    records: Mutex<Vec<TokenRecord>>,
}

impl MemoryTokens {
    fn locked(&self) -> MutexGuard<'_, Vec<TokenRecord>> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn select(&self, wanted: impl Fn(&TokenRecord) -> bool) -> Vec<TokenRecord> {
        self.locked().iter().filter(|record| wanted(record)).cloned().collect()
    }
}

#[async_trait]
impl TokenStore for MemoryTokens {
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let mut records = self.locked();
        if records.iter().any(|other| other.id == record.id || other.hash == record.hash) {
            return Err(StoreError::Corrupt(Box::new(TokenTaken)));
        }
        records.push(record.clone());
        records.sort_by(|one, other| {
            (&one.tenant, one.created, &one.id).cmp(&(&other.tenant, other.created, &other.id))
        });
        Ok(())
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.select(|record| tenant.is_none_or(|tenant| record.tenant == tenant)))
    }

    async fn revoke(&self, name: TokenName<'_>, at: Timestamp) -> Result<bool, StoreError> {
        let mut found = false;
        for record in self.locked().iter_mut().filter(|record| record.revoked.is_none()) {
            let named = match name {
                TokenName::Id(id) => record.id == id,
                TokenName::Label { tenant, label } => {
                    record.tenant == tenant && record.label == label
                }
            };
            if named {
                record.revoked = Some(at);
                found = true;
            }
        }
        Ok(found)
    }

    async fn active(&self, now: Timestamp) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.select(|record| {
            record.revoked.is_none() && record.expires.is_none_or(|expires| now < expires)
        }))
    }
}

/// A record of the same id or hash is kept already.
#[derive(Debug, thiserror::Error)]
#[error("a token of this id or hash is kept already")]
struct TokenTaken;
