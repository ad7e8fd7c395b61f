//! The port: what any store of side-car entries can do.

use async_trait::async_trait;

use crate::sidecar::entry::{Entry, Partition, RetiredCount, RetiredPage};

/// A store of entries. Every method may be called concurrently.
#[async_trait]
pub trait Sidecar: Send + Sync {
    /// The entries of these SCIM ids, whatever their state; missing ones are left out.
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError>;

    /// The entries of these native keys, whatever their state; missing ones are left out.
    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError>;

    /// The entry of this native key; made with the proposed id when there is none. Two callers
    /// get the same entry.
    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError>;

    /// Writes an entry, replacing the one of the same id and any other of the same key.
    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError>;

    /// Forgets the entry of this id; nothing happens when there is none.
    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError>;

    /// A page of all entries, ordered by id, byte by byte: those with greater ids than `after`.
    async fn page(
        &self,
        partition: &Partition,
        resource: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// A page of the entries that are not `Live`, ordered by id, byte by byte.
    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError>;

    /// How many entries are not `Live`.
    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is locked, or is full.
    #[error("the bridge's own store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it holds cannot be read.
    #[error("the bridge's own store holds something that cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}
