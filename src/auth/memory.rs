//! Tokens in memory, for tests: nothing outlives the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::auth::port::{TokenName, TokenStore};
use crate::auth::token::{LAST_USE_INTERVAL, TokenRecord};
use crate::sidecar::port::StoreError;

/// Every tenant's tokens, in the order of [`TokenStore::list`].
#[derive(Debug, Default)]
pub struct MemoryTokens {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: Vec<TokenRecord>,
    version: i64,
}

impl Kept {
    fn insert(&mut self, record: &TokenRecord) -> Result<(), StoreError> {
        if self.records.iter().any(|other| other.id == record.id || other.hash == record.hash) {
            return Err(StoreError::Corrupt(Box::new(TokenTaken)));
        }
        self.records.push(record.clone());
        self.records.sort_by(|one, other| {
            (&one.tenant, one.created, &one.id).cmp(&(&other.tenant, other.created, &other.id))
        });
        self.version += 1;
        Ok(())
    }
}

impl MemoryTokens {
    fn locked(&self) -> MutexGuard<'_, Kept> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn select(&self, wanted: impl Fn(&TokenRecord) -> bool) -> Vec<TokenRecord> {
        self.locked().records.iter().filter(|record| wanted(record)).cloned().collect()
    }
}

#[async_trait]
impl TokenStore for MemoryTokens {
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        self.locked().insert(record)
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.select(|record| tenant.is_none_or(|tenant| record.tenant == tenant)))
    }

    async fn revoke(&self, name: TokenName<'_>, at: Timestamp) -> Result<bool, StoreError> {
        let mut kept = self.locked();
        let mut found = false;
        for record in kept.records.iter_mut().filter(|record| record.revoked.is_none()) {
            if name.fits(record) {
                record.revoked = Some(at);
                found = true;
            }
        }
        kept.version += i64::from(found);
        Ok(found)
    }

    async fn replace(
        &self,
        record: &TokenRecord,
        old: &[String],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut kept = self.locked();
        kept.insert(record)?;
        let others = kept.records.iter_mut().filter(|other| old.contains(&other.id));
        for other in others.filter(|other| other.revoked.is_none()) {
            other.expires = Some(other.expires.map_or(until, |expires| expires.min(until)));
        }
        Ok(())
    }

    async fn note_use(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut kept = self.locked();
        for record in kept.records.iter_mut().filter(|record| record.id == id) {
            let is_new = |last: Timestamp| at.duration_since(last) >= LAST_USE_INTERVAL;
            if record.last_used.is_none_or(is_new) {
                record.last_used = Some(at);
            }
        }
        Ok(())
    }

    async fn version(&self) -> Result<i64, StoreError> {
        Ok(self.locked().version)
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
