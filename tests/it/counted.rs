//! A side-car that counts what it is asked, for tests of what an exchange costs.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use scimbridge::sidecar::entry::{Entry, Partition, RetiredCount, RetiredPage};
use scimbridge::sidecar::port::{Sidecar, StoreError};

/// What was asked since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    /// Calls of the port.
    pub(crate) calls: u64,
    /// Entries that came back.
    pub(crate) entries: u64,
}

/// A side-car in front of another one.
pub(crate) struct CountedSidecar {
    inner: Arc<dyn Sidecar>,
    calls: AtomicU64,
    entries: AtomicU64,
}

impl CountedSidecar {
    pub(crate) fn around(inner: Arc<dyn Sidecar>) -> Arc<Self> {
        Arc::new(Self { inner, calls: AtomicU64::default(), entries: AtomicU64::default() })
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost {
            calls: self.calls.swap(0, Ordering::Relaxed),
            entries: self.entries.swap(0, Ordering::Relaxed),
        }
    }

    fn count(&self, entries: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }
}

#[async_trait]
impl Sidecar for CountedSidecar {
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        let entries = self.inner.by_ids(partition, resource, ids).await?;
        self.count(entries.len());
        Ok(entries)
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        let entries = self.inner.by_keys(partition, resource, keys).await?;
        self.count(entries.len());
        Ok(entries)
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        self.count(1);
        self.inner.claim(partition, resource, key, proposed_id).await
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.count(0);
        self.inner.save(partition, resource, entry).await
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        self.count(0);
        self.inner.remove(partition, resource, id).await
    }

    async fn page(
        &self,
        partition: &Partition,
        resource: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.count(0);
        self.inner.page(partition, resource, after, limit).await
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError> {
        let entries = self.inner.retired(partition, resource, page).await?;
        self.count(entries.len());
        Ok(entries)
    }

    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError> {
        self.count(0);
        self.inner.count_retired(partition, resource).await
    }
}
